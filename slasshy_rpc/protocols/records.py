"""What is on the disk is put on record again and again while a crew works.

Owns: when the control file is saved. Never: what it says (localfile), or the last one at a stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from slasshy_rpc import clock
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.plan.ranges import Ranges
from slasshy_rpc.plan.record import Cadence
from slasshy_rpc.protocols.crew import Crew
from slasshy_rpc.protocols.localfile import LocalFile
from slasshy_rpc.protocols.offloop import threaded

log = logging.getLogger(__name__)


async def kept(crew: Crew, file: LocalFile, over: asyncio.Event) -> None:
    """Save the control file every so often; a save that takes long makes the next one wait as long.

    Returns soon after ``over``, with no save under way. Is not cancelled, but outlasted.
    """
    cadence = Cadence()
    wait = interval = file.rules.save_interval
    while interval:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await over.wait()
        if over.is_set():
            return
        solid = Ranges(crew.solid())
        left = crew.ledger.length - crew.received
        if file.durable and not cadence.worth(solid.total, left, crew.speed.rate()):
            continue
        began = clock.monotonic()
        try:
            await threaded(file.save, solid)
        except DownloadError as error:
            log.warning("%s", error)
        took = clock.monotonic() - began
        cadence.note(solid.total, took)
        wait = max(interval, took)
