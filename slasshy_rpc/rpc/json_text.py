"""JSON text to values and back, exactly as lenient as aria2: orjson where both agree, a small parser where they do not.

Owns: what counts as JSON here. Never: what a request means, which is json_dialect's.
"""

from __future__ import annotations

import re

import orjson

from slasshy_rpc.errors import RpcError

#: Containers inside containers that aria2 accepts; one more is a parse error (observed on 1.37).
MAX_DEPTH = 50
#: The largest number, either sign, that aria2 reads.
MAX_NUMBER = (1 << 63) - 1

_MEMBERS = ("id", "method", "params")
_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
        (?P<mark>[\[\]{},:])
      | "(?P<text>[^"\\]*+(?:\\.[^"\\]*+)*+)"
      | (?P<number>-?[0-9]++)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?
      | (?P<word>true|false|null)
    )""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([^u]))", re.S
)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
_SURROGATE = re.compile("[\ud800-\udfff]")


class ParseError(RpcError):
    """Bytes that are not JSON, by aria2's measure: -32700."""

    def __init__(self) -> None:
        super().__init__("Parse error.", -32700)


def parse(data: bytes) -> object:
    """The first JSON value in ``data``; whatever follows it is ignored, as aria2 does.

    Accepted beyond RFC 8259: a comma before ``}``, leading zeros, unknown escapes (``\\x`` is ``x``) and raw control
    characters in strings. Fractions and exponents are dropped (1.9e3 is 1). A doubled ``id``, ``method`` or ``params``
    counts as absent. Raises ParseError for anything else, for numbers beyond 63 bits, for more than MAX_DEPTH levels
    and, unlike aria2, for strings that are not UTF-8.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _Reader(data).document()
    return value if _same_in_aria2(data, value) else _Reader(data).document()


def encode(value: object) -> bytes:
    """JSON bytes of an answer's value, keys sorted. What UTF-8 cannot carry (parts of file names) becomes U+FFFD."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return orjson.dumps(_legible(value), option=orjson.OPT_SORT_KEYS)


def _same_in_aria2(data: bytes, value: object) -> bool:
    """Whether orjson's reading of ``data`` is aria2's too."""
    if not isinstance(value, dict | list):
        return value is None or isinstance(value, str | bool)
    requests = len(value) if isinstance(value, list) else 1
    calls = requests + data.count(b'"methodName"')  # those in a multicall have params too
    if data.count(b'"id"') > requests or data.count(b'"method"') > requests or data.count(b'"params"') > calls:
        return False  # perhaps one of them is doubled, which orjson does not tell
    return _plain(value, MAX_DEPTH)


def _plain(container: dict[str, object] | list[object], room: int) -> bool:
    """No fraction, no number beyond 63 bits and no more than ``room`` levels."""
    if room == 0:
        return False
    for value in container.values() if isinstance(container, dict) else container:
        if type(value) is str:
            continue
        if isinstance(value, dict | list):
            if not _plain(value, room - 1):
                return False
        elif isinstance(value, float) or (isinstance(value, int) and not -MAX_NUMBER <= value <= MAX_NUMBER):
            return False
    return True


class _Reader:
    """aria2's grammar, read token by token; depth is bounded, so recursion is."""

    def __init__(self, data: bytes) -> None:
        self._text = data.decode("utf-8", "surrogateescape")
        self._at = 0

    def document(self) -> object:
        token = self._token()
        if token["number"] and token.end() == len(self._text):
            raise ParseError  # nothing tells aria2 that the number has ended
        return self._value(token, MAX_DEPTH)

    def _token(self) -> re.Match[str]:
        token = _TOKEN.match(self._text, self._at)
        if token is None:
            raise ParseError
        self._at = token.end()
        return token

    def _value(self, token: re.Match[str], room: int) -> object:
        kind = token.lastgroup
        if kind == "text":
            return _unescape(token["text"])
        if kind == "number":
            return _number(token["number"])
        if kind == "word":
            return _WORDS[token["word"]]
        if room == 0 or token["mark"] not in "[{":
            raise ParseError
        return self._list(room - 1) if token["mark"] == "[" else self._dict(room - 1)

    def _list(self, room: int) -> list[object]:
        values: list[object] = []
        token = self._token()
        if token["mark"] == "]":
            return values
        while True:
            values.append(self._value(token, room))
            mark = self._token()["mark"]
            if mark == "]":
                return values
            if mark != ",":
                raise ParseError
            token = self._token()

    def _dict(self, room: int) -> dict[str, object]:
        members: dict[str, object] = {}
        doubled: set[str] = set()
        while True:
            token = self._token()
            if token["mark"] == "}":
                break
            if token.lastgroup != "text" or self._token()["mark"] != ":":
                raise ParseError
            key = _unescape(token["text"])
            if key in members:
                doubled.add(key)
            members[key] = self._value(self._token(), room)
            mark = self._token()["mark"]
            if mark == "}":
                break
            if mark != ",":
                raise ParseError
        for key in doubled.intersection(_MEMBERS):
            del members[key]
        return members


def _number(digits: str) -> int:
    significant = digits.lstrip("-0")
    if len(significant) > 19:
        raise ParseError
    value = int(digits[0] + significant) if digits[0] == "-" and significant else int(significant or "0")
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise ParseError
    return value


def _unescape(text: str) -> str:
    if "\\" in text:
        # Step by step, not in one substitution: that would keep the interpreter to itself for a million escapes.
        parts: list[str] = []
        at = 0
        for escape in _ESCAPE.finditer(text):
            parts += (text[at : escape.start()], _character(escape))
            if "\\" in parts[-2]:
                raise ParseError  # no escape that _ESCAPE knows
            at = escape.end()
        if text.find("\\", at) >= 0:
            raise ParseError
        text = "".join(parts) + text[at:]
    if _SURROGATE.search(text):
        raise ParseError  # half a pair, or bytes that were not UTF-8
    return text


def _character(escape: re.Match[str]) -> str:
    high, low, single, plain = escape.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) & 0x3FF) << 10) + (int(low, 16) & 0x3FF))
    if single:
        return chr(int(single, 16))
    return _ESCAPED.get(plain, plain)


def _legible(value: object) -> object:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_legible(key): _legible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_legible(item) for item in value]
    return value
