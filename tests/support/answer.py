"""What the origin answers: (request, content, behaviour) → status, head fields and which bytes follow. Pure, no I/O.

RFC 9110 where the behaviour says nothing else; every lie is one of its knobs.
"""

from __future__ import annotations

import base64
import email.utils
import gzip
import http
from dataclasses import dataclass, field

from tests.support.behaviour import Behaviour, Seen
from tests.support.content import Content, Literal

EPOCH = 1577836800  # 2020-01-01T00:00:00Z, Last-Modified of version 0
EMPTY = Literal(b"")


@dataclass(frozen=True, slots=True)
class Resource:
    """What one path serves before any misbehaviour; `version` is raised by Origin.change."""

    content: Content | Literal
    version: int = 0

    def at(self, version: int) -> Content | Literal:
        """The content of that version: other bytes of the same length."""
        if version == 0 or isinstance(self.content, Literal):
            return self.content
        return Content(self.content.length, self.content.seed + 7919 * version)


@dataclass(slots=True)
class Answer:
    """A head and the range [start, end) of `body` that follows it."""

    status: int
    fields: list[tuple[str, str | bytes]] = field(default_factory=list)
    body: Content | Literal = EMPTY
    start: int = 0
    end: int = 0

    def head(self, behaviour: Behaviour) -> bytes:
        """The head as bytes, interim heads in front and padding included."""
        version = "HTTP/1.0" if behaviour.http10 else "HTTP/1.1"
        reason = http.HTTPStatus(self.status).phrase if self.status in list(http.HTTPStatus) else "Status"
        lines = [f"{version} {self.status} {reason}".encode()]
        for name, value in self.fields:
            lines.append(name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode()))
        left = behaviour.big_head
        while left > 0:
            lines.append(b"X-Pad: " + b"p" * min(left, 4096))
            left -= 4096
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * behaviour.interim
        return interim + b"\r\n".join(lines) + b"\r\n\r\n"


def parse_range(text: str | None) -> tuple[int, int | None] | None:
    """A single byte range as (first, last or None), (-n, None) for the last n; None for no, several or bad ones."""
    if text is None or not text.startswith("bytes=") or "," in text:
        return None
    low, dash, high = text[6:].strip().partition("-")
    if not dash or not (low + high).isdigit():
        return None
    if not low:
        return (-int(high), None)
    return (int(low), int(high) if high else None)


def answer(seen: Seen, resource: Resource, behaviour: Behaviour, *, keep_alive: bool) -> Answer:
    """The Answer to `seen`; `keep_alive` is what the connection will really be told."""
    result = _status(seen, resource, behaviour)
    fields = result.fields
    for cookie in behaviour.set_cookies:
        fields.append(("Set-Cookie", cookie))
    if behaviour.gzip and result.status == 200 and result.body.length:
        result.body = Literal(gzip.compress(result.body.slice(0, result.body.length), 1, mtime=0))
        result.start, result.end = 0, result.body.length
        fields.append(("Content-Encoding", "gzip"))
    fields.extend(_framing(result, behaviour))
    if not keep_alive:
        fields.append(("Connection", "close"))
    elif behaviour.http10:
        fields.append(("Connection", "keep-alive"))
    fields.extend(behaviour.headers)
    return result


def _status(seen: Seen, resource: Resource, behaviour: Behaviour) -> Answer:
    fields: list[tuple[str, str | bytes]] = [("Date", email.utils.formatdate(usegmt=True)), ("Server", "origin")]
    if seen.method not in ("GET", "HEAD"):
        return _page(405, fields, b"only GET and HEAD\n")
    if behaviour.basic_auth is not None:
        wanted = base64.b64encode(":".join(behaviour.basic_auth).encode()).decode()
        if seen.header("authorization") != f"Basic {wanted}":
            fields.append(("WWW-Authenticate", 'Basic realm="origin"'))
            return _page(401, fields, b"who are you?\n")
    cookies = [one.strip() for one in (seen.header("cookie") or "").split(";")]
    if behaviour.need_cookie and behaviour.need_cookie not in cookies:
        return _page(403, fields, b"where is the cookie?\n")
    if behaviour.redirect:
        fields.append(("Location", behaviour.redirect))
        return _page(behaviour.redirect_status, fields, b"over there\n")
    if behaviour.status is not None:
        return _page(behaviour.status, fields, behaviour.body)
    return _content(seen, resource, behaviour, fields)


def _page(status: int, fields: list[tuple[str, str | bytes]], body: bytes) -> Answer:
    fields.append(("Content-Type", "text/plain"))
    return Answer(status, fields, Literal(body), 0, len(body))


def _content(seen: Seen, resource: Resource, behaviour: Behaviour, fields: list[tuple[str, str | bytes]]) -> Answer:
    version = resource.version + behaviour.version
    body = resource.at(version)
    seed = body.seed if isinstance(body, Content) else 0
    etag = f'"{seed:x}-{body.length:x}-{version}"' if behaviour.etag is None else behaviour.etag
    modified = email.utils.formatdate(EPOCH + version * 86400, usegmt=True)
    modified = modified if behaviour.last_modified is None else behaviour.last_modified
    fields.append(("Content-Type", behaviour.content_type))
    if behaviour.disposition is not None:
        fields.append(("Content-Disposition", behaviour.disposition))
    fields.extend((name, value) for name, value in (("ETag", etag), ("Last-Modified", modified)) if value)
    if behaviour.ranges:
        fields.append(("Accept-Ranges", "bytes"))
    if (etag and seen.header("if-none-match") == etag) or (modified and seen.header("if-modified-since") == modified):
        return Answer(304, fields)
    condition = seen.header("if-range")
    asked = seen.range
    if asked is None or not behaviour.ranges or behaviour.ignore_range or condition not in (None, etag, modified):
        return Answer(200, fields, body, 0, body.length)
    first = max(body.length + asked[0], 0) if asked[0] < 0 else asked[0]
    last = body.length - 1 if asked[1] is None else min(asked[1], body.length - 1)
    total = body.length if behaviour.total is None else behaviour.total
    if first > last:
        fields.append(("Content-Range", f"bytes */{total}"))
        return Answer(416, fields)
    first, last = first + behaviour.shift, min(last + behaviour.shift, body.length - 1)
    text = f"bytes {first}-{last}/{total}" if behaviour.content_range is None else behaviour.content_range
    if text:
        fields.append(("Content-Range", text))
    return Answer(206, fields, body, first, last + 1)


def _framing(result: Answer, behaviour: Behaviour) -> list[tuple[str, str | bytes]]:
    if result.status in (204, 304):
        return []
    if behaviour.lengths is not None:
        return [("Content-Length", value) for value in behaviour.lengths]
    if behaviour.framing == "chunked":
        return [("Transfer-Encoding", "chunked")]
    if behaviour.framing == "close":
        return []
    return [("Content-Length", str(result.end - result.start + behaviour.length_off))]
