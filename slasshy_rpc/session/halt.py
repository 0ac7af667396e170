"""Waiting for Jobs that were told to stop.

Owns: how long that may take. Never: the decision to stop one, or what becomes of its Download (session).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slasshy_rpc.session.download import Intent, Run

#: Seconds for those in a hurry; a Job flushes within some hundredths of one, unless its disk hangs.
PATIENCE = 2.0

#: Seconds that a request waits for one that it does not need: aria2 has halted before, and clients look at once.
BREATH = 0.3


class Halting:
    """The Jobs that users have paused or removed and that still flush."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def stop(self, run: Run, intent: Intent) -> None:
        """Ask the Job of ``run`` to flush and end, and remember it until it has."""
        run.stop(intent)
        self._tasks.add(run.task)
        run.task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Returns when they have ended. One that takes longer than BREATH is not waited for again."""
        if self._tasks:
            tasks = self._tasks.copy()
            await halted(tasks, BREATH)
            self._tasks -= tasks


async def halted(tasks: Collection[asyncio.Task[Any]], timeout: float | None = None) -> None:
    """Returns when all ``tasks`` have ended, or after ``timeout`` seconds (PATIENCE without one)."""
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE if timeout is None else timeout)


async def halted_unless(hurry: asyncio.Event, tasks: Collection[asyncio.Task[Any]], timeout: float) -> None:
    """As ``halted``, but once ``hurry`` is set there are only PATIENCE seconds left."""
    ending = asyncio.ensure_future(halted(tasks, timeout))
    hurrying = asyncio.ensure_future(hurry.wait())
    try:
        await asyncio.wait([ending, hurrying], return_when=asyncio.FIRST_COMPLETED)
        await halted([ending])
    finally:
        ending.cancel()
        hurrying.cancel()
