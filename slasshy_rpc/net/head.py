"""HTTP/1 heads as bytes: ours written, the server's read, and what the server's says about its body.

Owns: RFC 9112's grammar and framing. Never: sockets; and not one byte of a body, which leaves as ``leftover``.

A parser of its own because a download client has to take what aria2 takes (bare line feeds, a Content-Length given
twice alike) where llhttp refuses, and must be told exactly where the body starts, which h11 and llhttp hide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from slasshy_rpc._engine import CHUNKED, CLOSE, LENGTH
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.net.address import Target

#: Longest head that is read, interim ones included; bytes.
HEAD_LIMIT = 64 << 10

_BLANK = " \t"
_LARGEST = (1 << 63) - 1
_HEAD_END = re.compile(rb"\n\r?\n")
_BAD_STATUS = "Bad status code: bad status-code"
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([^\r\0]*))?")
_FIELD_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\0]*)")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSENDABLE = re.compile(r"[\r\n\0]")
_RANGE = re.compile(r"bytes[ =] *([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.IGNORECASE)
_UNSATISFIED = re.compile(r"bytes[ =] *\*/([0-9]{1,19})", re.IGNORECASE)


class Headers:
    """The fields of a head in the order they came; names are looked up without regard to case."""

    __slots__ = ("_by_name", "_fields")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = list(fields)
        self._by_name: dict[str, list[str]] = {}
        for name, value in self._fields:
            self._by_name.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str | None:
        """The first value of ``name``, None without one."""
        values = self._by_name.get(name.lower())
        return values[0] if values else None

    def all(self, name: str) -> Sequence[str]:
        """All values of ``name`` (Set-Cookie, Link, Digest), none joined or split."""
        return self._by_name.get(name.lower(), ())

    def single(self, name: str) -> str | None:
        """The value of a field that must not come twice; raises SourceError (22) if it came with two values."""
        values = self.all(name)
        if len(set(values)) > 1:
            raise _bad(f"it has {name} twice, with different values")
        return values[0] if values else None

    def tokens(self, name: str) -> list[str]:
        """The comma-separated members of all fields called ``name``, lower-case, none of them empty."""
        return [token for value in self.all(name) for part in value.split(",") if (token := part.strip(_BLANK).lower())]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._by_name

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


@dataclass(slots=True)
class ResponseHead:
    """A final response head. Text is latin-1, as the bytes came.

    ``version`` is (1, 0), (1, 1) …; ``leftover`` are the bytes that were read past the head, the body's first.
    """

    status: int
    reason: str
    headers: Headers
    version: tuple[int, int]
    leftover: bytes = b""


class ContentRange(NamedTuple):
    """What a 206 carries: bytes from ``start`` up to, not including, ``end``; ``total`` is None if not told."""

    start: int
    end: int
    total: int | None


class HeadReader:
    """Takes bytes as they come and answers with the first head that is not an interim one (1xx)."""

    __slots__ = ("_data", "_searched", "_spent")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self._spent = 0  # bytes of interim heads

    def feed(self, data: bytes) -> ResponseHead | None:
        """The head, None while it is not complete; raises SourceError (22) if these bytes can be no such head."""
        if self._data:
            self._data += data
            data = bytes(self._data)
        start = 0
        while True:
            match = _HEAD_END.search(data, max(start, self._searched))
            size = len(data) if match is None else match.end()
            # No server's first words: say so now, not when the time is over.
            if size - start >= 5 and not data.startswith(b"HTTP/", start):
                raise _no_http(data[start : start + 5])
            if size - start + self._spent > HEAD_LIMIT:
                raise _bad(f"its head is longer than {HEAD_LIMIT} bytes")
            if match is None:
                self._data = bytearray(data[start:])
                self._searched = max(0, len(self._data) - 2)
                return None
            head = parse_head(data[start:size])
            if head.status >= 200:
                head.leftover = data[size:]
                return head
            if head.status == 101:
                raise _bad("it switches protocols, which nobody asked for")
            self._spent += size - start
            self._searched = 0
            start = size


def parse_head(data: bytes) -> ResponseHead:
    """Read one whole head, its empty line included; raises SourceError (22) if it breaks RFC 9112.

    Lines may end in CR LF or LF (section 2.2), a folded line becomes one space (section 5.2). White space before a
    colon, NUL and bare CR are refused: they make two readers see two messages.
    """
    lines = data.decode("latin-1").replace("\r\n", "\n").rstrip("\n").split("\n")
    match = _STATUS_LINE.fullmatch(lines[0])
    if match is None:
        if not data.startswith(b"HTTP/"):
            raise _no_http(data[:5])
        raise _bad(f"its status line is {lines[0][:80]!r}", _BAD_STATUS)
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line.startswith((" ", "\t")) and fields and "\r" not in line and "\0" not in line:
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.strip(_BLANK)}".strip(_BLANK))
            continue
        field = _FIELD_LINE.fullmatch(line)
        if field is None:
            raise _bad(f"it has the header line {line[:80]!r}")
        fields.append((field[1], field[2].rstrip(_BLANK)))
    return ResponseHead(int(match[2]), match[3] or "", Headers(fields), (1, int(match[1])))


def framing(head: ResponseHead, method: str = "GET") -> tuple[int, int]:
    """How the body ends (RFC 9112 section 6.3): (LENGTH, bytes), (CHUNKED, -1) or (CLOSE, -1).

    Raises SourceError (22) for lengths that contradict each other or are none, and for transfer codings other than
    chunked, which nobody asked for. A Content-Length beside chunked is ignored; ``keep_alive`` is False then.
    """
    length = _content_length(head)
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return LENGTH, 0
    codings = [coding for coding in head.headers.tokens("transfer-encoding") if coding != "identity"]
    if codings:
        if codings != ["chunked"]:
            text = ", ".join(codings)[:80]
            raise _bad(f"it uses the transfer coding {text!r}", f"Transfer encoding {text} is not supported.")
        return CHUNKED, -1
    return (CLOSE, -1) if length is None else (LENGTH, length)


def keep_alive(head: ResponseHead, method: str = "GET") -> bool:
    """Whether the connection can carry another request after this body (RFC 9112 section 9.3)."""
    kind, _ = framing(head, method)
    if kind == CLOSE:
        return False
    # Section 6.1: a length beside chunked, or chunked from HTTP/1.0, may come from somebody who sees another message.
    if kind == CHUNKED and ("content-length" in head.headers or head.version < (1, 1)):
        return False
    tokens = head.headers.tokens("connection")
    return "close" not in tokens and (head.version >= (1, 1) or "keep-alive" in tokens)


def parse_content_range(value: str) -> ContentRange:
    """Read the Content-Range of a 206 (RFC 9110 section 14.4); raises SourceError (8) if it is not a range of bytes."""
    match = _RANGE.fullmatch(value.strip(_BLANK))
    if match is not None:
        start, last = int(match[1]), int(match[2])
        total = None if match[3] == "*" else int(match[3])
        if start <= last < _LARGEST and (total is None or last < total <= _LARGEST):
            return ContentRange(start, last + 1, total)
    raise SourceError(
        f"The server's Content-Range {value[:80]!r} is not a range of bytes; the file cannot be fetched in parts here.",
        ErrorCode.CANNOT_RESUME,
        Retry.NEXT_SOURCE,
    )


def unsatisfied_total(value: str | None) -> int | None:
    """The length of the file in the Content-Range of a 416 (``bytes */1234``), None if it does not tell."""
    match = _UNSATISFIED.fullmatch(value.strip(_BLANK)) if value else None
    return None if match is None or int(match[1]) > _LARGEST else int(match[1])


def build_head(
    target: Target,
    *,
    method: str = "GET",
    user_agent: str | None = None,
    accept: str | None = "*/*,application/metalink4+xml,application/metalink+xml",
    accept_encoding: str | None = None,
    no_cache: bool = False,
    close: bool = False,
    byte_range: tuple[int, int | None] | None = None,
    to_proxy: bool = False,
    proxy_authorization: str | None = None,
    authorization: str | None = None,
    referer: str | None = None,
    cookie: str | None = None,
    if_modified_since: str | None = None,
    want_digest: str | None = None,
    if_range: str | None = None,
    extra: Sequence[str] = (),
) -> bytes:
    """A request head in aria2's order; None leaves a header out.

    ``byte_range`` is (start, end) with ``end`` not included, None for all that follows. ``extra`` are the user's lines
    (``Name: value``): they come last, and one takes the place of a header of ours with that name, Host too.
    ``to_proxy``: the request line has the URL in full, for a proxy that is to ask for it (RFC 9112 section 3.2.2).
    Raises DownloadError (28) for a line break or NUL in any value, or an ``extra`` line that is no header.
    """
    span = None
    if byte_range is not None:
        start, end = byte_range
        span = f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"
    fields = (
        ("User-Agent", user_agent),
        ("Accept", accept),
        ("Accept-Encoding", accept_encoding),
        ("Host", target.authority),
        ("Pragma", "no-cache" if no_cache else None),
        ("Cache-Control", "no-cache" if no_cache else None),
        ("Connection", "close" if close else None),
        ("Range", span),
        ("If-Range", if_range),
        ("Connection", "Keep-Alive" if to_proxy and not close else None),
        ("Proxy-Authorization", proxy_authorization),
        ("Authorization", authorization),
        ("Referer", referer),
        ("Cookie", cookie),
        ("If-Modified-Since", if_modified_since),
        ("Want-Digest", want_digest),
    )
    own = [_own_line(line) for line in extra]
    replaced = {name.lower() for name, _ in own}
    lines = [f"{method} {target.url if to_proxy else target.path_query} HTTP/1.1"]
    for name, value in fields:
        if value is not None and name.lower() not in replaced:
            lines.append(f"{name}: {value}")
    for name, value in own:
        lines.append(f"{name}: {value}" if value else f"{name}:")
    for line in lines:
        if _UNSENDABLE.search(line):
            name = line.partition(":")[0]
            raise _unsendable(name, "its value contains a line break or a NUL; remove it")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _own_line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not _FIELD_NAME.fullmatch(name):
        raise _unsendable(name, "write it as 'Name: value'")
    return name, value.strip(_BLANK)


def _unsendable(name: str, reason: str) -> DownloadError:
    return DownloadError(f"The header {name[:40]!r} cannot be sent: {reason}.", ErrorCode.OPTION, Retry.NEVER)


def _content_length(head: ResponseHead) -> int | None:
    """The one length that all Content-Length fields agree on, None without any."""
    values = {part.strip(_BLANK) for value in head.headers.all("content-length") for part in value.split(",")}
    if not values:
        return None
    if len(values) > 1:
        raise _bad(f"it gives two lengths, {' and '.join(sorted(values))[:80]}")
    text = values.pop()
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= _LARGEST):
        raise _bad(f"its Content-Length is {text[:80]!r}", "Content-Length must be positive integer")
    return int(text)


def _bad(reason: str, terse: str = "Invalid response.") -> SourceError:
    return SourceError(
        f"The server's answer is not valid HTTP: {reason}. Another mirror may do better.",
        ErrorCode.UNKNOWN,  # as aria2 was seen to call it
        Retry.NEXT_SOURCE,
        terse=terse,
    )


def _no_http(start: bytes) -> SourceError:
    if start[:2] in (b"\x15\x03", b"\x16\x03"):
        return _bad("it is TLS; ask for the URL with https:// instead of http://", _BAD_STATUS)
    return _bad(f"it starts with {start!r}; is this the right port?", _BAD_STATUS)
