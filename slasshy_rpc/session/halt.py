"""Waiting for Jobs that were told to stop.

Owns: how long that may take. Never: telling them, or what becomes of their Downloads (session).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

#: Seconds for those in a hurry; a Job flushes within some hundredths of one, unless its disk hangs.
PATIENCE = 2.0


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
