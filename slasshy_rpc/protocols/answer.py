"""What an HTTP answer to a request for a file means: the file's Facts and a body, another place, or an error.

Owns: status codes, and which answers fit what was asked. Never: requests, or the bytes of a body.
"""

from __future__ import annotations

import email.utils
from dataclasses import dataclass, field

from slasshy_rpc import clock
from slasshy_rpc._engine import LENGTH, Channel
from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net import address, http1, metalink_http
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.coding import coding_of
from slasshy_rpc.net.head import ResponseHead
from slasshy_rpc.net.metalink_http import Digest
from slasshy_rpc.plan import naming
from slasshy_rpc.protocols.opener import Arrival, Facts, RangeRefused

#: aria2 gives up at the 21st.
REDIRECTS = 20
REDIRECTED = frozenset({300, 301, 302, 303, 307, 308})

_OVERLOADED = frozenset({502, 503, 504})
_LATER = frozenset({408, 425, 429})


@dataclass(slots=True)
class Hearsay:
    """What the answers on the way to a file told about it; ``digest`` is the first, or the one that the user gave."""

    digest: Digest | None = None
    mirrors: list[str] = field(default_factory=list)

    def hear(self, head: ResponseHead) -> None:
        """Take in a redirect, or the answer it led to. Raises SourceError if it speaks of another file.

        As in aria2 the strongest digest of the first answer with one counts, and the mirrors of the first with some.
        """
        whole = head.status in (200, 206)
        if not whole and head.status not in REDIRECTED:
            return
        self.mirrors = self.mirrors or metalink_http.mirrors(head.headers)
        for algorithm, value in metalink_http.digests(head.headers, whole=whole):
            if self.digest is None:
                self.digest = (algorithm, value)
            if algorithm == self.digest[0]:
                if value != self.digest[1]:
                    text = "Invalid hash found in Digest header field."
                    raise SourceError(text, ErrorCode.UNKNOWN, Retry.NEXT_SOURCE)
                return


@dataclass(frozen=True, slots=True)
class Reading:
    """How answers are read: the options of that name."""

    accept_gzip: bool = False
    default_utf8: bool = False
    compat: bool = False


def redirected(target: Target, head: ResponseHead, hops: int) -> Target:
    """Where a redirect leads, the ``hops``th in a row. Raises SourceError."""
    location = head.headers.get("location")
    if not location:
        text = f"Got {head.status} status, but no location header provided."
        raise SourceError(text, ErrorCode.BAD_RESPONSE, Retry.NEXT_SOURCE)
    if hops > REDIRECTS:
        raise SourceError(f"Too many redirects: count={hops - 1}", ErrorCode.TOO_MANY_REDIRECTS, Retry.NEXT_SOURCE)
    return address.join(target, location)


def arrival(
    channel: Channel,
    head: ResponseHead,
    target: Target,
    span: tuple[int, int | None],
    method: str,
    heard: Hearsay,
    reading: Reading,
) -> Arrival:
    """Check the head against what was asked, and make its body ready to be received.

    Raises SourceError and RangeRefused; the channel is the caller's then.
    """
    start, end = span
    if head.status not in (200, 206):
        raise status_error(head, start)
    kind, length = http1.framing(head)
    coding = coding_of(head.headers)
    if head.status == 206:
        if coding and start and reading.accept_gzip:
            raise RangeRefused("The server sends a part of a compressed body, which is no part of the file.")
        coding = ""
    elif kind == LENGTH and not (reading.accept_gzip and span == (0, None)):
        coding = ""  # left as it is, as by aria2
    first, last, total, ranges = 0, None, None, _accepts_ranges(head)
    if head.status == 206:
        content = http1.parse_content_range(head.headers.single("content-range") or "")
        first, last, total, ranges = content.start, content.end, content.total, True
        if first != start or (end is not None and last > end) or total is None:
            raise _wrong_range(content, start, end)
        if kind == LENGTH and length != last - first:
            raise _wrong_range(content, start, end)
    elif kind == LENGTH and (not coding or not length):
        last = total = length
    else:
        ranges = False
    if head.status == 200 and start > 0:
        raise RangeRefused("The server sends the whole file where a part of it was asked for: it has no ranges.", total)
    facts = Facts(
        length=total,
        ranges=ranges,
        etag=head.headers.get("etag") or "",
        last_modified=head.headers.get("last-modified") or "",
        name=naming.choose(
            head.headers.get("content-disposition"),
            target.url,
            default_utf8=reading.default_utf8,
            compat=reading.compat,
        ),
        url=target.again,
        digest=heard.digest,
        mirrors=tuple(heard.mirrors),
    )
    begin_body(channel, head, method)
    if method == "HEAD":
        return Arrival(facts, channel, 0, None, http1.keep_alive(head, method), bodyless=True)
    return Arrival(facts, channel, first, last, http1.keep_alive(head), coding=coding)


def begin_body(channel: Channel, head: ResponseHead, method: str) -> None:
    """Tell the channel what follows the head."""
    kind, length = http1.framing(head, method)
    channel.begin_body(kind, length if kind == LENGTH else 0, head.leftover)


def entity_length(head: ResponseHead) -> int:
    """The length in bytes that a head without a body tells, 0 if it tells none."""
    value = head.headers.get("content-length") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def _accepts_ranges(head: ResponseHead) -> bool | None:
    tokens = head.headers.tokens("accept-ranges")
    if "bytes" in tokens:
        return True
    return False if "none" in tokens else None


def _wrong_range(content: http1.ContentRange, start: int, end: int | None) -> SourceError:
    asked = f"{start}-{'' if end is None else end - 1}"
    total = "*" if content.total is None else content.total
    return SourceError(
        f"Invalid range header. Bytes {asked} were asked, the server sent {content.start}-{content.end - 1}/{total}.",
        ErrorCode.CANNOT_RESUME,
        Retry.NEXT_SOURCE,
    )


def status_error(head: ResponseHead, start: int = 0) -> SourceError:
    """What a final status other than 200 and 206 means: the one table of HTTP statuses."""
    status = head.status
    later = retry_after(head.headers.get("retry-after"))
    if status == 416 and start:
        total = http1.unsatisfied_total(head.headers.get("content-range"))
        return RangeRefused(f"The server has no bytes at {start}. status=416", total)
    if status == 404:
        return SourceError("Resource not found", ErrorCode.NOT_FOUND, Retry.NEXT_SOURCE)
    if status == 401:
        return SourceError("Authorization failed.", ErrorCode.AUTHORIZATION, Retry.NEXT_SOURCE)
    if status < 400:
        text = f"Unexpected status {status}"
        if status == 304:
            text = "Got 304 without If-Modified-Since or If-None-Match"
        return SourceError(text, ErrorCode.BAD_RESPONSE, Retry.NEXT_SOURCE)
    text = f"The response status is not successful. status={status}"
    code = ErrorCode.OVERLOADED if status in _OVERLOADED else ErrorCode.BAD_RESPONSE
    retry = Retry.SAME_SOURCE if status >= 500 or status in _LATER else Retry.NEXT_SOURCE
    return SourceError(text, code, retry, later)


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After asks for, given as a number or a date (RFC 9110 section 10.2.3)."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - clock.wall())
    except (ValueError, OverflowError):
        return None
