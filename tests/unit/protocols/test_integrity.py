"""Checks of digests: one file at a time, and a stop is heard in the middle of one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from slasshy_rpc.protocols import integrity
from slasshy_rpc.protocols.integrity import Integrity
from tests.support.fake_protocol import until


class Reading:
    """In digest_file's place: reads until it is ``done`` or told to stop; ``most`` did so at once."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.now = self.most = 0
        self.stopped = False

    def __call__(self, fd: int, algorithm: str, progress: Callable[[int], None], cancelled: Callable[[], bool]) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        progress(7)
        for _ in range(5000):
            if self.done.wait(0.001) or cancelled():
                break
        self.stopped = self.stopped or cancelled()
        self.now -= 1
        return "ab"


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    made = Reading()
    monkeypatch.setattr(integrity, "digest_file", made)
    return made


async def test_a_stop_ends_the_reading(reading: Reading) -> None:
    one = Integrity(asyncio.Lock())
    task = asyncio.create_task(one.holds(0, ("md5", "ab")))
    await until(lambda: one.verified == 7)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reading.stopped
    assert (one.pending, one.verified) == (False, None)


async def test_one_after_the_other(reading: Reading) -> None:
    turn = asyncio.Lock()
    one, two = Integrity(turn), Integrity(turn)
    tasks = [asyncio.create_task(each.holds(0, ("md5", digest))) for each, digest in ((one, "ab"), (two, "cd"))]
    await until(lambda: one.verified == 7)
    assert (one.pending, two.pending, two.verified) == (False, True, None)
    reading.done.set()
    assert await asyncio.gather(*tasks) == [True, False]
    assert reading.most == 1
    assert [(each.pending, each.verified) for each in (one, two)] == [(False, None)] * 2
