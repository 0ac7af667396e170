"""One HTTP/1 exchange on a Channel: a head out, a head in, and the rests of small bodies.

Owns: sending, waiting and reading up to the end of the head. Never: redirects, status codes or anything they mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import NoReturn

from slasshy_rpc._engine import LENGTH, Channel, TlsError
from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net.head import (
    HEAD_LIMIT,
    ContentRange,
    Headers,
    HeadReader,
    ResponseHead,
    build_head,
    framing,
    keep_alive,
    parse_content_range,
    parse_head,
    unsatisfied_total,
)
from slasshy_rpc.net.ready import ready

__all__ = [
    "HEAD_LIMIT",
    "ContentRange",
    "HeadReader",
    "Headers",
    "ResponseHead",
    "build_head",
    "discard",
    "framing",
    "keep_alive",
    "parse_content_range",
    "parse_head",
    "read_body",
    "request",
    "unsatisfied_total",
]

# One TLS record; what comes past the head is copied once more, so not larger.
_READ_SIZE = 16 << 10


async def request(channel: Channel, head: bytes, *, timeout: float) -> ResponseHead:
    """Send ``head`` (of ``build_head``) and read the answer's; ``timeout`` seconds are for all of it.

    The body has not been touched: its first bytes are in ``leftover``, the rest is on the channel. Give both to
    ``Channel.begin_body``. Raises SourceError: 2 on time-out, 22 for what is no HTTP answer, 1 when the connection
    breaks. The channel is of no use after an error or a cancel, and the caller closes it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    reader = HeadReader()
    try:
        unsent = head
        while unsent:
            sent = channel.send(unsent)
            if sent < 0:
                await ready(channel, deadline - loop.time())
            else:
                unsent = unsent[sent:]
    except (OSError, TlsError) as error:
        _fail("send", error, head, timeout)
    try:
        while True:
            data = channel.recv(_READ_SIZE)
            if data is None:
                await ready(channel, deadline - loop.time())
            elif not data:
                break
            elif (answer := reader.feed(data)) is not None:
                return answer
    except (OSError, TlsError) as error:
        _fail("receive", error, head, timeout)
    raise SourceError(
        f"Got EOF from the server. {_server(head)} closed the connection before its answer was complete.",
        ErrorCode.UNKNOWN,
        Retry.SAME_SOURCE,
        terse="Got EOF from the server.",
    )


async def read_body(channel: Channel, head: ResponseHead, length: int, *, timeout: float) -> bytes:
    """Read a body of ``length`` bytes (of ``framing``, LENGTH) into memory; the channel can be pooled afterwards.

    Raises SourceError: 1 when the connection ends before, 2 after ``timeout`` seconds.
    """
    channel.begin_body(LENGTH, length, head.leftover)
    chunks = await _read(channel, length, timeout)
    return b"".join(chunks)


async def discard(channel: Channel, limit: int = 64 << 10, *, timeout: float = 10.0) -> bool:
    """Throw away what is left of a body, so that the channel can be used again.

    False, and nothing read, if that is more than ``limit`` bytes or unknown; False too if the peer fails or takes more
    than ``timeout`` seconds: then the caller closes the channel.
    """
    left = channel.body_left
    if left < 0 or left > limit:
        return False
    try:
        await _read(channel, left, timeout)
    except SourceError:
        return False
    return True


async def _read(channel: Channel, left: int, timeout: float) -> list[bytes]:
    """Read exactly the ``left`` bytes that the body still has, and tell the channel that it is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    chunks = []
    try:
        while left:
            data = channel.recv(min(left, 256 << 10))
            if data is None:
                await ready(channel, deadline - loop.time())
                continue
            if not data:
                raise SourceError(
                    f"Got EOF from the server. It closed the connection {left} bytes before the end of its answer.",
                    ErrorCode.UNKNOWN,
                    Retry.SAME_SOURCE,
                    terse="Got EOF from the server.",
                )
            left -= len(data)
            chunks.append(data)
    except (OSError, TlsError) as error:
        _fail("receive", error, b"", timeout)
    if channel.body_left > 0:
        # More was read than the body has: the channel keeps that, counts as stale, and is not used again.
        with contextlib.suppress(RuntimeError):
            channel.begin_body(LENGTH, 0)
    return chunks


def _fail(verb: str, error: OSError | TlsError, head: bytes, timeout: float) -> NoReturn:
    """Raise what a broken connection or a time-out means; the first words are aria2's."""
    server = _server(head)
    if isinstance(error, TimeoutError):
        message = f"Timeout. {server} did not answer within {timeout:g} seconds; --timeout allows more."
        raise SourceError(message, ErrorCode.TIMEOUT, Retry.SAME_SOURCE, terse="Timeout.") from None
    cause = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    terse = f"Failed to {verb} data, cause: {cause}"
    message = f"{terse} ({server})"
    raise SourceError(message, ErrorCode.UNKNOWN, Retry.SAME_SOURCE, terse=terse) from error


def _server(head: bytes) -> str:
    """Who was asked, from our own head: for messages only."""
    match = re.search(rb"\nHost: ?([^\r]*)", head, re.IGNORECASE)
    return match[1].decode("utf-8", "replace") if match else "The server"
