"""Long answers give way: the clock is a fake that makes every look at it cost 200 µs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slasshy_rpc.rpc import call as call_module
from slasshy_rpc.rpc.call import Call, Visit, dispatch
from slasshy_rpc.rpc.json_dialect import JsonDialect
from tests.support.fake_api import FakeApi

COUNT = 500


class Turns:
    """How often the event loop came round."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        task = asyncio.create_task(self._count())
        try:
            yield
        finally:
            task.cancel()

    async def _count(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Turns:
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(call_module, "monotonic", lambda: next(ticks) / 5000)
    return Turns()


def entries() -> list[object]:
    return [{"methodName": "test.echo", "params": [number]} for number in range(COUNT)]


async def test_multicall_gives_way_every_millisecond(turns: Turns) -> None:
    with turns.counted():
        results = await dispatch(FakeApi(), None, Call("system.multicall", [entries()]), Visit())
    assert results == [[[number]] for number in range(COUNT)]
    assert turns.count >= COUNT // 6


async def test_a_long_list_is_written_in_slices(turns: Turns) -> None:
    dialect = JsonDialect(FakeApi(), None)
    request = json.dumps({"id": 1, "method": "test.long", "params": [COUNT, "x"]}).encode()
    with turns.counted():
        answer = await dialect.answer(request, Visit())
    assert json.loads(answer.text)["result"] == ["x"] * COUNT
    assert turns.count >= COUNT // 6


async def test_a_batch_gives_way(turns: Turns) -> None:
    dialect = JsonDialect(FakeApi(), None)
    batch = json.dumps([{"id": number, "method": "test.echo"} for number in range(COUNT)]).encode()
    with turns.counted():
        answer = await dialect.answer(batch, Visit())
    assert [entry["id"] for entry in json.loads(answer.text)] == list(range(COUNT))
    assert turns.count >= COUNT // 6


async def test_short_answers_do_not(turns: Turns) -> None:
    with turns.counted():
        await dispatch(FakeApi(), None, Call("system.multicall", [entries()[:3]]), Visit())
    assert turns.count <= 1


async def test_a_big_multicall_takes_the_fast_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slasshy_rpc.rpc.json_text._Reader", None)
    dialect = JsonDialect(FakeApi(), None)
    request = json.dumps({"id": 1, "method": "system.multicall", "params": [entries()]}).encode()
    assert (await dialect.answer(request, Visit())).status == 200
