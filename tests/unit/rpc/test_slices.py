"""Long answers give way: the clock is a fake that makes every look at it cost 200 µs."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
import xmlrpc.client
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import web

from slasshy_rpc.rpc import call as call_module
from slasshy_rpc.rpc.call import Call, Visit, dispatch
from slasshy_rpc.rpc.http import HttpFace
from slasshy_rpc.rpc.json_dialect import JsonDialect
from slasshy_rpc.rpc.notify import Listeners
from slasshy_rpc.rpc.settings import RpcSettings
from slasshy_rpc.rpc.xml_dialect import XmlDialect
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


@pytest.mark.parametrize("count", [257, 272, 320])
async def test_a_long_list_is_whole_whatever_its_length(count: int) -> None:
    request = {"id": 1, "method": "test.long", "params": [count, "x"]}
    parts = [{"methodName": "test.long", "params": [count, "x"]}, {"methodName": "test.fail"}, {"methodName": 1}]
    inside = {"id": 2, "method": "system.multicall", "params": [parts]}
    answer = await JsonDialect(FakeApi(), None).answer(json.dumps([request, inside]).encode(), Visit())
    alone, (packed, *failed) = (each["result"] for each in json.loads(answer.text))
    assert alone == ["x"] * count
    assert packed == [alone]
    assert [set(each) for each in failed] == [{"code", "message"}] * 2


async def test_a_long_answer_is_sent_in_slices(turns: Turns, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = bytearray()

    async def prepare(self: web.StreamResponse, request: object) -> None: ...

    async def write(self: web.StreamResponse, data: Any) -> None:
        sent.extend(data)

    monkeypatch.setattr(web.StreamResponse, "prepare", prepare)
    monkeypatch.setattr(web.StreamResponse, "write", write)
    api, settings = FakeApi(), RpcSettings()
    face = HttpFace(JsonDialect(api, None), XmlDialect(api, None), Listeners(api), settings)
    text = bytearray(b"x" * (40 << 20))
    with turns.counted():
        await face._send_in_slices(Mock(), {}, text, 200)
    assert sent == text
    assert turns.count >= 160 // 6


class Made(Sequence[str]):
    """Entries that are made when they are asked for; at which turn of the loop each was."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.made: list[int] = []

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, at: Any) -> Any:
        if at >= COUNT:
            raise IndexError
        self.made.append(self.turns.count)
        return "x"


@pytest.mark.parametrize("inner", [False, True])
async def test_the_loop_goes_round_while_a_long_list_is_made(turns: Turns, inner: bool) -> None:
    api, made = FakeApi(), Made(turns)

    async def call(name: str, params: list[object]) -> object:
        return made

    api.call = call  # type: ignore[method-assign]  # a result that no other test wants
    request: dict[str, object] = {"id": 1, "method": "test.made"}
    if inner:
        request = {"id": 1, "method": "system.multicall", "params": [[{"methodName": "test.made"}]]}
    with turns.counted():
        answer = await JsonDialect(api, None).answer(json.dumps(request).encode(), Visit())
    result = json.loads(answer.text)["result"]
    assert (result[0][0] if inner else result) == ["x"] * COUNT
    assert len(set(made.made)) >= COUNT // 6


async def test_a_batch_gives_way(turns: Turns) -> None:
    dialect = JsonDialect(FakeApi(), None)
    batch = json.dumps([{"id": number, "method": "test.echo"} for number in range(COUNT)]).encode()
    with turns.counted():
        answer = await dialect.answer(batch, Visit())
    assert [entry["id"] for entry in json.loads(answer.text)] == list(range(COUNT))
    assert turns.count >= COUNT // 6


async def test_xml_is_read_and_written_in_slices(turns: Turns) -> None:
    dialect = XmlDialect(FakeApi(), None)
    texts = ["x" * 200] * COUNT
    with turns.counted():
        await dialect.answer(xmlrpc.client.dumps(("y" * (1 << 20),), "test.echo").encode(), Visit())
    read = turns.count
    with turns.counted():
        answer = await dialect.answer(xmlrpc.client.dumps((COUNT, "x" * 200), "test.long").encode(), Visit())
    assert xmlrpc.client.loads(answer.text)[0][0] == texts
    assert read >= 64 // 6
    assert turns.count - read >= COUNT // 6


async def test_short_answers_do_not(turns: Turns) -> None:
    with turns.counted():
        await dispatch(FakeApi(), None, Call("system.multicall", [entries()[:3]]), Visit())
    assert turns.count <= 1


async def test_a_big_multicall_takes_the_fast_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slasshy_rpc.rpc.json_text._Reader", None)
    dialect = JsonDialect(FakeApi(), None)
    request = json.dumps({"id": 1, "method": "system.multicall", "params": [entries()]}).encode()
    assert (await dialect.answer(request, Visit())).status == 200


@pytest.mark.parametrize("batch", [False, True])
async def test_a_long_answer_is_written_once(batch: bool) -> None:
    """To put its parts together again and again takes as long as several slices, in one go."""
    request: object = {"id": 1, "method": "test.long", "params": [40_000, "x" * 500]}
    message = json.dumps([request] if batch else request).encode()
    json_dialect, xml_dialect = JsonDialect(FakeApi(), None), XmlDialect(FakeApi(), None)
    body = xmlrpc.client.dumps((40_000, "x" * 500), "test.long").encode()
    ways: list[tuple[JsonDialect | XmlDialect, bytes]] = [(json_dialect, message), (xml_dialect, body)]
    for dialect, given in ways:
        tracemalloc.start()
        try:
            answer = await dialect.answer(given, Visit())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(answer.text) > 20_000_000
        assert most < len(answer.text) * (2.5 if batch else 1.4)


async def test_long_messages_are_parsed_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread that parses keeps the event loop waiting for the interpreter."""
    at_once: list[int] = []
    running = [0]

    def parse(message: bytes) -> object:
        running[0] += 1
        at_once.append(running[0])
        time.sleep(0.01)
        running[0] -= 1
        return json.loads(message)

    monkeypatch.setattr("slasshy_rpc.rpc.json_dialect.parse", parse)
    dialect = JsonDialect(FakeApi(), None)
    request = json.dumps({"id": 1, "method": "test.echo", "params": ["x" * 200_000]}).encode()
    answers = await asyncio.gather(*(dialect.answer(request, Visit()) for _ in range(8)))
    assert [answer.status for answer in answers] == [200] * 8
    assert at_once == [1] * 8


async def test_of_many_long_loops_one_has_a_slice_in_each_turn_and_the_short_are_first(turns: Turns) -> None:
    order: list[tuple[str, int]] = []

    async def loop(name: str, steps: int) -> None:
        slices = call_module.Slices()
        for _ in range(steps):
            order.append((name, turns.count))
            await slices.pause()

    with turns.counted():
        long = [asyncio.create_task(loop(f"long {number}", 100)) for number in range(10)]
        for _ in range(30):
            await asyncio.sleep(0)
        begun = len(order)
        await asyncio.wait_for(loop("short", 4), 5)
        at = [index for index, (name, _) in enumerate(order) if name == "short"]
        for task in long:
            task.cancel()
        await asyncio.gather(*long, return_exceptions=True)
    busy = [turn for _, turn in order[begun:]]
    assert max(map(busy.count, busy)) <= 12  # a slice is five looks at the clock, and two may meet in one turn
    assert len(at) == 4
    assert at[2] - at[0] < 25  # ten others, who have a slice each before one of them has two


async def test_who_is_cancelled_keeps_no_place_in_the_line(turns: Turns) -> None:
    waiting = [asyncio.create_task(call_module.Slices().turn()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:4]:
        task.cancel()
    await asyncio.wait_for(waiting[4], 5)
    await asyncio.wait_for(call_module.Slices().turn(), 5)
