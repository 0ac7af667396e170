"""Waiting for one socket on the event loop.

Owns: the only place that registers descriptors with the loop. Never: leaves it there, not even on cancel.
"""

from __future__ import annotations

import asyncio

from slasshy_rpc._engine import WRITE, Channel


async def ready(channel: Channel, timeout: float | None = None) -> None:
    """Return when the socket is ready for what ``channel.wants``; raises TimeoutError after ``timeout`` seconds.

    Whoever closes or lends the channel first ends the task that waits here: the descriptor is the loop's until then.
    """
    if timeout is not None and timeout <= 0:
        raise TimeoutError
    await _wait(channel.fd, channel.wants == WRITE, timeout)


async def readable(fd: int) -> None:
    """Return when ``fd`` can be read."""
    await _wait(fd, False, None)


async def _wait(fd: int, writing: bool, timeout: float | None) -> None:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    timer = None if timeout is None else loop.call_later(timeout, _expire, waiter)
    (loop.add_writer if writing else loop.add_reader)(fd, _wake, waiter)
    try:
        await waiter
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(fd)
        if timer is not None:
            timer.cancel()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
