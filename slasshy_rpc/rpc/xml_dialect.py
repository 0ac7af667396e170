"""XML-RPC as aria2 speaks it: a methodCall becomes a Call, and its result a methodResponse.

Owns: faults, and what aria2 takes as Base64 in one dialect and as bytes in the other. Never: tokens, methods, sockets.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from slasshy_rpc.errors import RpcError
from slasshy_rpc.rpc.answer import XML, Answer
from slasshy_rpc.rpc.call import MULTICALL, TOKEN, Api, Call, Fault, Slices, Visit, as_answer, dispatch
from slasshy_rpc.rpc.xml_text import HEAD, TAIL, CallReader, NotXml, Written, encode

#: Methods whose first parameter is a file: bytes in XML-RPC, Base64 text in JSON-RPC, which is what the api takes.
UPLOADS = ("aria2.addTorrent", "aria2.addMetalink")

#: Bytes of a document that are read before others get their turn.
_PIECE = 4 << 10
#: Lists of more results than this are written in slices.
_LONG_LIST = 256


def refusal(error: RpcError, status: int = 200) -> Answer:
    """The answer to a call that failed; a fault has HTTP status 200."""
    body = b"<fault>%b</fault>" % encode(_fault(error.code, str(error)))
    return Answer(HEAD + body + TAIL, status, XML)


class XmlDialect:
    """Answers XML-RPC messages by calling ``api``; ``secret`` is None when no token is asked for."""

    def __init__(self, api: Api, secret: str | None) -> None:
        self._api = api
        self._secret = secret

    async def answer(self, message: bytes, visit: Visit) -> Answer:
        """The answer to one methodCall; HTTP 400 without a text for what is no XML."""

        async def pack(part: object) -> object:
            # As text at once: the values of a thousand parts take many times its room.
            if isinstance(part, Fault):
                part = _fault(part["code"], part["message"])
            text = bytearray()
            await _write(part, text)
            visit.answered += len(text)
            return Written(bytes(text))

        try:
            call = await _read_in_slices(message)
        except NotXml:
            return Answer(b"", 400, None)
        except RpcError as error:
            return refusal(error)
        text = bytearray(HEAD + b"<params><param>")
        try:
            await _write(await dispatch(self._api, self._secret, call, visit, pack), text)
        except Exception as error:  # also of an entry that is only made when it is written
            return refusal(as_answer(error, call.method))
        text += b"</param></params>" + TAIL
        return Answer(text, 200, XML)


def _fault(code: object, message: object) -> dict[str, object]:
    return {"faultCode": code, "faultString": message}


async def _read_in_slices(message: bytes) -> Call:
    """The Call in ``message``. Raises NotXml, and RpcError for Base64 that cannot be what stands there."""
    reader = CallReader()
    slices = Slices()
    for start in range(0, len(message), _PIECE):
        reader.feed(message[start : start + _PIECE])
        await slices.pause()
    return as_json_has_it(reader.close(), reader.saw_base64)


def as_json_has_it(call: Call, saw_base64: bool) -> Call:
    """``call`` with uploaded files as Base64 text, also inside system.multicall, and every other Base64 as text.

    Raises RpcError if that is not UTF-8.
    """
    params = call.params
    if call.method == MULTICALL:
        for entry in params[0] if params and isinstance(params[0], list) else ():
            if isinstance(entry, dict) and isinstance(inner := entry.get("params"), list):
                _pack_upload(entry.get("methodName"), inner)
    else:
        _pack_upload(call.method, params)
    return Call(call.method, [_with_text(value) for value in params]) if saw_base64 else call


def _pack_upload(method: object, params: list[object]) -> None:
    if method not in UPLOADS:
        return
    at = 1 if params and _is_token(params[0]) else 0
    if at < len(params):
        data = params[at]
        if isinstance(data, str):  # aria2 takes a plain string for the file too
            data = data.encode()
        if isinstance(data, bytes):
            params[at] = b64encode(data).decode()


def _is_token(value: object) -> bool:
    if isinstance(value, bytes):
        return value.startswith(TOKEN.encode())
    return isinstance(value, str) and value.startswith(TOKEN)


def _with_text(value: object) -> object:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise RpcError("A base64 value that is not an uploaded file must be UTF-8 text.") from None
    if isinstance(value, list):
        return [_with_text(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_text(item) for name, item in value.items()}
    return value


async def _write(value: object, text: bytearray) -> None:
    """Append the XML of ``value``; a long list in slices."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) <= _LONG_LIST:
        text += encode(value)
        return
    slices = Slices()
    text += b"<value><array><data>"
    for item in value:
        text += encode(item)
        await slices.pause()
    text += b"</data></array></value>"
