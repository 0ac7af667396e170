"""JSON-RPC as aria2 speaks it: a message becomes Calls, one after the other, and their results become its answer.

Owns: envelopes, batches and the HTTP status of an answer. Never: tokens, methods, or sockets.
jsonrpcserver dispatches one frame at a time, behind its parser and validator, because it disagrees with aria2 on what
a request is and answers batches out of order. Its way in for whole texts would also take a task, two more turns of the
loop, and twice the time.
"""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from slasshy_rpc.errors import RpcError
from slasshy_rpc.rpc.answer import Answer, Text
from slasshy_rpc.rpc.call import INTERNAL_ERROR, MULTICALL, Api, Call, Slices, Visit, as_answer, check_room, dispatch
from slasshy_rpc.rpc.json_text import ParseError, encode, parse

if TYPE_CHECKING:
    from jsonrpcserver import Result

#: Messages of more bytes than this are parsed one after the other, and of many more beside the event loop.
_PARSE_IN_TURN = 4 << 10
_PARSE_ASIDE = 128 << 10
#: Lists of more results than this are written in slices, so many entries in one go.
_LONG_LIST = 256
_AT_ONCE = 16
#: Bytes that are copied in one go.
_PIECE = 256 << 10

_HTTP_STATUS = {-32600: 400, -32601: 404, -32602: 500, -32700: 500, INTERNAL_ERROR: 500}


def refusal(error: RpcError, request_id: object = None) -> Answer:
    """The answer to a message, or to one request of it, that failed."""
    body = encode({"code": error.code, "message": str(error)})
    return Answer(b"%b%b}" % (_begun(request_id, b"error"), body), _HTTP_STATUS.get(error.code, 400))


class JsonDialect:
    """Answers JSON-RPC messages by calling ``api``; ``secret`` is None when no token is asked for.

    Making one imports jsonrpcserver, which takes about 70 ms.
    """

    def __init__(self, api: Api, secret: str | None) -> None:
        self._api = api
        self._secret = secret
        self._dispatch = _load_dispatch()
        self._parsing = asyncio.Lock()

    async def answer(self, message: bytes, visit: Visit) -> Answer:
        """The answer to one message: a single request, or a batch, whose entries are answered in order.

        A batch whose answer grows too long gets an error in its place, and the rest of it is not called.
        """
        try:
            if len(message) > _PARSE_ASIDE:
                # One at a time: each thread more that runs Python keeps everybody waiting for the interpreter.
                async with self._parsing:
                    document = await asyncio.get_running_loop().run_in_executor(None, parse, message)
            else:
                if len(message) > _PARSE_IN_TURN:
                    await Slices().turn()
                document = parse(message)
        except ParseError as error:
            return refusal(error)
        if not isinstance(document, list):
            return await self._single(document, visit)
        slices = Slices()
        text = bytearray(b"[")
        for frame in document:
            if isinstance(frame, dict):
                before = visit.answered
                try:
                    check_room(self._secret, visit)
                except RpcError as error:
                    return refusal(error)
                answer = (await self._single(frame, visit)).text
                if len(text) > 1:
                    text += b","
                await _append(answer, text, slices)
                visit.answered = max(visit.answered, before + len(answer))
                await slices.pause()
        text += b"]"
        return Answer(text)

    async def _single(self, frame: object, visit: Visit) -> Answer:
        if not isinstance(frame, dict) or "id" not in frame:
            return refusal(RpcError("Invalid Request.", -32600))
        request_id = frame["id"]
        if not isinstance(frame.get("method"), str):
            return refusal(RpcError("Invalid Request.", -32600), request_id)
        if not isinstance(frame.get("params", []), list):
            return refusal(RpcError("Invalid params.", -32602), request_id)

        async def pack(part: object) -> object:
            # As text at once: the values of a thousand parts take many times its room.
            packed = bytearray()
            await _write(part, packed)
            visit.answered += len(packed)
            return _Packed(packed)

        reply = await self._dispatch(frame, lambda call: dispatch(self._api, self._secret, call, visit, pack))
        if "error" in reply:
            return refusal(RpcError(reply["error"]["message"], reply["error"]["code"]), request_id)
        result, text = reply["result"], bytearray(_begun(request_id, b"result"))
        try:
            if frame["method"] == MULTICALL:
                await _write_parts(result, text)
            else:
                await _write(result, text)
        except Exception as error:  # of an entry that was only made now
            return refusal(as_answer(error, frame["method"]), request_id)
        text += b"}"
        return Answer(text)


class _Packed:
    """A part of a system.multicall's result that is text already."""

    __slots__ = ("text",)

    def __init__(self, text: Text) -> None:
        self.text = text


def _begun(request_id: object, name: bytes) -> bytes:
    """An answer up to its value."""
    return b'{"id":%b,"jsonrpc":"2.0","%b":' % (encode(request_id), name)


async def _write(value: object, text: bytearray) -> None:
    """Append the JSON of ``value``; a long list in slices, each entry of it made when its turn comes."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) <= _LONG_LIST:
        text += encode(value)
        return
    slices = Slices()
    made = []
    text += b"["
    for item in value:
        made.append(item)
        if len(made) == _AT_ONCE:
            text += memoryview(encode(made))[1:-1]
            text += b","
            made.clear()
        await slices.pause()
    text += memoryview(encode(made))[1:-1]
    if not made:
        del text[-1:]
    text += b"]"


async def _write_parts(results: list[Any], text: bytearray) -> None:
    """Append the results of a system.multicall: a list with one part for each call, or the part for one that failed."""
    slices = Slices()
    text += b"["
    for number, result in enumerate(results):
        results[number] = None  # its text need not be there twice
        text += b"," if number else b""
        if isinstance(result, list):
            text += b"["
            await _append(result[0].text, text, slices)
            text += b"]"
        else:
            await _append(result.text, text, slices)
    text += b"]"


async def _append(part: Text, text: bytearray, slices: Slices) -> None:
    for start in range(0, len(part), _PIECE):
        text += memoryview(part)[start : start + _PIECE]
        await slices.pause()


class _Method:
    """What jsonrpcserver calls for every method; its signature is ready-made, for working it out takes 15 µs a call."""

    __signature__ = inspect.Signature([inspect.Parameter("params", inspect.Parameter.VAR_POSITIONAL)])

    def __init__(self, function: Callable[..., Coroutine[Any, Any, Result]]) -> None:
        self._function = function

    def __call__(self, *params: object) -> Coroutine[Any, Any, Result]:
        return self._function(*params)


class _EveryName(dict[str, Callable[..., Any]]):
    """One method for every name: which names exist is the api's to say, after the token was checked."""

    def __init__(self, method: _Method) -> None:
        self._method = method

    def __missing__(self, name: str) -> Callable[..., Any]:
        return self._method


def _load_dispatch() -> Callable[[dict[str, object], Callable[[Call], Awaitable[object]]], Awaitable[dict[str, Any]]]:
    """jsonrpcserver, taking one frame that was checked before; awaits the JSON-RPC reply as a dict."""
    with warnings.catch_warnings():
        # On Python 3.11 and 3.12 its import reads a file in a way that those versions call deprecated.
        warnings.filterwarnings("ignore", "read_text is deprecated", DeprecationWarning, r"jsonrpcserver\.main")
        import jsonrpcserver
        from jsonrpcserver.async_dispatcher import dispatch_request
        from jsonrpcserver.dispatcher import create_request, to_response
        from jsonrpcserver.response import to_serializable

    async def run(context: tuple[str, Callable[[Call], Awaitable[object]]], *params: object) -> Result:
        method, answer = context
        try:
            return jsonrpcserver.Success(await answer(Call(method, list(params))))
        except RpcError as error:
            return jsonrpcserver.Error(error.code, str(error))

    methods = _EveryName(_Method(run))

    async def dispatch_frame(frame: dict[str, object], answer: Callable[[Call], Awaitable[object]]) -> dict[str, Any]:
        request, result = await dispatch_request(methods, (frame["method"], answer), create_request(frame))
        return cast("dict[str, Any]", to_serializable(to_response(request, result)))  # a list only for batches

    return dispatch_frame
