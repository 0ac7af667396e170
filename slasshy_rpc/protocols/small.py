"""A small body, in memory: a page or a picture that a download needs on its way, and that is no file of its own.

Owns: that it is no larger than it may be. Never: whom it is asked of, or what it says.
"""

from __future__ import annotations

import asyncio
import tempfile

from slasshy_rpc import _engine
from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.connection import transfer_error
from slasshy_rpc.protocols.opener import Arrival, Opener

#: How often a body without a length is looked at (seconds).
GLANCE = 0.05


async def small(opener: Opener, receiver: Receiver, source: Source, most: int, timeout: float) -> bytes:
    """The body behind ``source``, asked for once, of at most ``most`` bytes; all of it within ``timeout`` seconds.

    Raises DownloadError: 2 for too late, 1 for too large, and what ``Opener.open`` does.
    """
    try:
        async with asyncio.timeout(timeout):
            arrival = await opener.open(source, 0, None)
            try:
                return await _body(arrival, receiver, most, timeout)
            finally:
                arrival.channel.close()
    except TimeoutError as error:
        raise DownloadError(f"It did not come within {timeout:g} seconds.", ErrorCode.TIMEOUT) from error


async def _body(arrival: Arrival, receiver: Receiver, most: int, timeout: float) -> bytes:
    length = arrival.facts.length
    if arrival.coding or (length or 0) > most:
        raise DownloadError(f"It is compressed, or has more than {most} bytes.")
    if length == 0:
        return b""
    with tempfile.TemporaryFile() as scratch:
        transfer, ended = receiver.start(
            arrival.channel, scratch.fileno(), 0, length or _engine.UNBOUNDED, timeout=timeout
        )
        watching = asyncio.create_task(_watch(transfer, most))
        try:
            await receiver.settle(transfer, ended)
        finally:
            watching.cancel()
        if transfer.position > most:
            raise DownloadError(f"It has more than {most} bytes.")
        if transfer.reason != _engine.COMPLETE:
            raise transfer_error(transfer, "a temporary file")
        scratch.seek(0)
        return scratch.read()


async def _watch(transfer: _engine.Transfer, most: int) -> None:
    """Stop one that has no end before it fills the disk."""
    while True:
        await asyncio.sleep(GLANCE)
        if transfer.position > most:
            transfer.cancel()
