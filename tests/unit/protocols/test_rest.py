"""Pauses between tries: news ends those of the moment, and no later one."""

from __future__ import annotations

import asyncio

from slasshy_rpc.protocols.rest import Rest


async def test_news_ends_the_pauses_of_the_moment_alone() -> None:
    rest = Rest()
    pauses = [asyncio.create_task(rest.pause(3600)) for _ in range(2)]
    await asyncio.sleep(0)
    rest.wake()
    assert await asyncio.gather(*pauses) == [True, True]
    assert not await rest.pause(0.01)
    rest.wake()
    assert not await rest.pause(0)
