"""A small body, in memory: a page, a key or a picture that a download needs on its way, and that is no file of its own.

Owns: that it is no larger than it may be. Never: whom it is asked of, or what it says.
"""

from __future__ import annotations

import asyncio
import os
import tempfile

from slasshy_rpc import _engine
from slasshy_rpc.errors import DownloadError, ErrorCode, SourceError
from slasshy_rpc.net.coding import Inflater
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.connection import transfer_error
from slasshy_rpc.protocols.opener import Arrival, Opener

#: How often a body without a length is looked at (seconds).
GLANCE = 0.05


async def small(
    opener: Opener,
    receiver: Receiver,
    source: Source,
    most: int,
    *,
    silence: float,
    within: float | None = None,
    pace: _engine.Pace | None = None,
) -> bytes:
    """The body behind ``source``, unfolded, asked for once, of at most ``most`` bytes.

    The server may be silent for ``silence`` seconds, and all of it may take ``within`` seconds. Raises DownloadError: 2
    for too late, 1 for too large, and what ``Opener.open`` does.
    """
    try:
        async with asyncio.timeout(within):
            arrival = await opener.open(source, 0, None)
            try:
                body = await _body(arrival, receiver, most, silence, pace)
            except BaseException:
                arrival.channel.close()
                raise
            await opener.put_back(arrival)
            return body
    except TimeoutError as error:
        raise DownloadError(f"It did not come within {within:g} seconds.", ErrorCode.TIMEOUT) from error


async def _body(arrival: Arrival, receiver: Receiver, most: int, silence: float, pace: _engine.Pace | None) -> bytes:
    end = arrival.end
    if end == 0:
        return b""
    if end is not None and end > most:
        raise too_much(most)
    with tempfile.TemporaryFile() as scratch:
        fd = scratch.fileno()
        end = _engine.UNBOUNDED if end is None else end
        transfer, ended = receiver.start(arrival.channel, fd, 0, end, pace=pace, timeout=silence)
        watching = asyncio.create_task(_watch(transfer, most))
        try:
            await receiver.settle(transfer, ended)
        finally:
            watching.cancel()
        if transfer.position > most:
            raise too_much(most)
        if transfer.reason != _engine.COMPLETE:
            raise transfer_error(transfer, "a temporary file")
        return await asyncio.to_thread(_read, fd, arrival.coding, most)


def _read(fd: int, coding: str, most: int) -> bytes:
    """What is in ``fd``, unfolded. Raises SourceError if that is more than ``most`` bytes."""
    data = os.pread(fd, most + 1, 0)
    if coding and data:
        inflater, pieces, size = Inflater(coding), [], 0
        for piece in inflater.feed(data):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise too_much(most)
        inflater.finish()
        data = b"".join(pieces)
    return data


async def _watch(transfer: _engine.Transfer, most: int) -> None:
    """Stop one that has no end before it fills the disk."""
    while transfer.position <= most:  # noqa: ASYNC110 - the engine tells of nothing but ends
        await asyncio.sleep(GLANCE)
    transfer.cancel()


def too_much(most: int) -> SourceError:
    """For a body of more than ``most`` bytes, where no one needs as many."""
    return SourceError(f"The server sends more than the {most} bytes that are taken of this.")
