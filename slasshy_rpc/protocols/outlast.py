"""Waiting for what must not be left behind.

Owns: the one way to wait for a thread's work in spite of being told to go. Never: the work.
"""

from __future__ import annotations

import asyncio
from typing import Any


async def outlast(task: asyncio.Future[Any]) -> None:
    """Wait for the end of ``task`` however often we are told to go: it writes to a file that is closed after it."""
    told: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            told = error
    if told is not None:
        raise told
