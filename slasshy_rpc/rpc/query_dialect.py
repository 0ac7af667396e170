"""JSON-RPC in the query of a GET, as aria2 takes it: a message for the JSON dialect, the answer in a callback if asked.

Owns: the query's fields and the callback's name. Never: JSON, methods, or sockets.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from slasshy_rpc.errors import RpcError
from slasshy_rpc.rpc import loose_base64
from slasshy_rpc.rpc.answer import SCRIPT, Answer
from slasshy_rpc.rpc.call import Visit
from slasshy_rpc.rpc.json_dialect import JsonDialect, refusal
from slasshy_rpc.rpc.json_text import ParseError, parse

#: What an answer may be handed to: whoever names it writes the beginning of a script.
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*", re.ASCII)
_LONGEST_CALLBACK = 200

_NO_REQUEST = b"null"


class QueryDialect:
    """Answers queries by turning each into a message for ``dialect``."""

    def __init__(self, dialect: JsonDialect) -> None:
        self._dialect = dialect

    async def answer(self, query: str, visit: Visit) -> Answer:
        """The answer to one query, as text/javascript where it names a ``jsoncallback``; the HTTP status is the same.

        A callback that is not a plain or dotted name is refused, unlike in aria2.
        """
        fields = _fields(query)
        callback = fields.get("jsoncallback", b"").decode("ascii", "replace")
        if callback and (len(callback) > _LONGEST_CALLBACK or not _CALLBACK.fullmatch(callback)):
            return refusal(RpcError("jsoncallback must be the plain name of a function, such as cb or app.cb.", -32600))
        answer = await self._dialect.answer(message(fields), visit)
        if not callback:
            return answer
        return Answer(callback.encode() + b"(" + answer.text + b")", answer.status, SCRIPT)


def message(fields: dict[str, bytes]) -> bytes:
    """The JSON message that aria2 sees in a query: ``params`` alone is all of it, else it is one request's list.

    ``method`` and ``id`` become strings just as they stand there, without percent-decoding (observed on 1.37, as is
    the rest); only ``params`` is decoded, from percent-encoded Base64. What does not parse then is no request at all.
    """
    params = loose_base64.decode(unquote_to_bytes(fields["params"])) if "params" in fields else b""
    if "method" in fields and "id" in fields:
        text = b'{"method":"%b","id":"%b"' % (fields["method"], fields["id"])
        text += b',"params":%b}' % params if "params" in fields else b"}"
    elif "method" in fields or "id" in fields:
        return _NO_REQUEST
    else:
        text = params
    try:
        parse(text)
    except ParseError:
        return _NO_REQUEST
    return text


def _fields(query: str) -> dict[str, bytes]:
    """The fields by name, raw; of several with one name the last counts, and those without a value do not."""
    fields = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        fields[name] = value.encode("utf-8", "surrogateescape")
    return {name: value for name, value in fields.items() if value}
