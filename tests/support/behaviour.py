"""How the origin misbehaves: one frozen set of knobs for an answer, and choosers that pick one by request number.

Declarations only; what a knob does on the wire is in `answer` and `origin`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Failure = Literal["close", "truncate", "reset", "stall"]
Framing = Literal["length", "chunked", "close"]
BadChunk = Literal["", "size", "empty-size", "negative", "huge", "ending", "unfinished", "long-line"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Knobs of one answer; the defaults are a good server. Sizes are bytes, times seconds.

    `fail_how`: close = FIN (TLS: after close_notify), truncate = FIN without close_notify, reset = RST,
    stall = say nothing more and keep the connection open until the client leaves.
    """

    # time
    latency: float = 0.0  # before the first byte of the head
    head_pause: float = 0.0  # between two bytes of the head (slow loris)
    rate: int = 0  # bytes/s of this body; 0 = as fast as it goes
    slow_every: int = 0  # every Nth connection of the origin …
    slow_rate: int = 0  # … gets this rate instead
    hold_at: int | None = None  # stop after this many body bytes until origin.release(path); -1 = before the head
    # how it breaks off
    fail_after: int | None = None  # body bytes sent before `fail_how`
    fail_in_head: int | None = None  # head bytes sent before `fail_how`
    fail_how: Failure = "close"
    raw: bytes | None = None  # these bytes instead of any answer, then `fail_how`
    # status line and head
    status: int | None = None  # instead of 200/206; its body is `body`
    body: bytes = b""
    http10: bool = False
    interim: int = 0  # this many 1xx heads first
    headers: tuple[tuple[str, str | bytes], ...] = ()  # added last, in order
    big_head: int = 0  # pad the head with this many bytes of fields
    content_type: str = "application/octet-stream"
    disposition: str | bytes | None = None  # Content-Disposition, as it is
    set_cookies: tuple[str, ...] = ()  # one Set-Cookie each
    need_cookie: str = ""  # 403 unless the Cookie field has this "name=value"
    basic_auth: tuple[str, str] | None = None  # 401 unless (user, password) is sent
    redirect: str = ""  # Location; relative, absolute, other origin, a loop …
    redirect_status: int = 302
    # ranges and validators
    ranges: bool = True  # False: no Accept-Ranges and 200 always
    ignore_range: bool = False  # Accept-Ranges is promised, yet 200 comes
    shift: int = 0  # answers a range that starts this much later than asked (head and body agree)
    content_range: str | None = None  # this text as Content-Range; "" leaves the field out
    total: int | str | None = None  # the total in Content-Range
    version: int = 0  # other bytes, ETag and Last-Modified than version 0
    etag: str | None = None  # this ETag; "" leaves it out
    last_modified: str | None = None  # this Last-Modified; "" leaves it out
    # framing of the body
    framing: Framing = "length"
    length_off: int = 0  # added to the true Content-Length
    lengths: tuple[str, ...] | None = None  # these Content-Length fields, as they are
    surplus: bytes = b""  # sent behind the promised body
    chunk: int = 65536  # data bytes in a chunk
    chunk_extension: str = ""  # e.g. ";name=value"
    trailers: tuple[tuple[str, str], ...] = ()
    bad_chunk: BadChunk = ""  # breaks the second chunk (or the only one)
    gzip: bool = False  # Content-Encoding: gzip whether asked for or not
    # connection
    keep_alive: bool = True  # False: Connection: close, and it is closed
    hang_up: bool = False  # promises keep-alive and closes right after the answer


@dataclass(slots=True)
class Seen:
    """One request as the origin saw it; `sent` and `ended` go on changing until the answer is over."""

    number: int  # over the whole origin, from 1
    nth: int  # for this path, from 1
    connection: int  # id of the TCP connection, from 1
    at: float  # seconds since the origin started
    method: str
    target: str  # path and query as sent
    path: str
    version: str  # "HTTP/1.1"
    headers: tuple[tuple[str, str], ...]  # names in lower case, in order
    range: tuple[int, int | None] | None = None  # Range as (first, last byte or None); (-n, None) for a suffix
    status: int = 0  # what was answered
    sent: int = 0  # body bytes handed to the kernel (without chunk framing)
    ended: str = ""  # "done", "failed" (by a knob) or "left" (the client went away); "" = under way

    def header(self, name: str) -> str | None:
        """The first field of that name, or None."""
        return next((value for key, value in self.headers if key == name.lower()), None)


Choose = Callable[[Seen], Behaviour]
GOOD = Behaviour()


def first(count: int, odd: Behaviour, then: Behaviour = GOOD) -> Choose:
    """`odd` for the path's first `count` requests, `then` for the rest."""
    return lambda seen: odd if seen.nth <= count else then


def nth(number: int, odd: Behaviour, then: Behaviour = GOOD) -> Choose:
    """`odd` for the path's request `number` (from 1) alone."""
    return lambda seen: odd if seen.nth == number else then


def every(period: int, odd: Behaviour, then: Behaviour = GOOD) -> Choose:
    """`odd` for each `period`th request of the path."""
    return lambda seen: odd if seen.nth % period == 0 else then


def after(count: int, odd: Behaviour, then: Behaviour = GOOD) -> Choose:
    """`then` for the path's first `count` requests, `odd` from there on."""
    return first(count, then, odd)
