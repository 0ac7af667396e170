"""Pauses between two tries, which end early when there is somebody new to ask.

Owns: who sleeps. Never: how long, or what is tried next.
"""

from __future__ import annotations

import asyncio
import contextlib


class Rest:
    """The pauses of one download."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    async def pause(self, seconds: float) -> bool:
        """Sleep for ``seconds``; True if ``wake`` ended it before."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return False
        news = self._news
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await news.wait()
        return news.is_set()

    def wake(self) -> None:
        """End all pauses of the moment."""
        news, self._news = self._news, asyncio.Event()
        news.set()
