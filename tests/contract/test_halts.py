"""After a pause, a remove or an unpause: what the next message is told, beside the next call of the same message.

aria2c (1.36 and 1.37, over HTTP and WebSocket) has halted a download before it hears the next message, and its front
ends look at once. Between the calls of one message nothing moves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from slasshy_rpc.rpc.call import Visit
from slasshy_rpc.rpc.json_dialect import JsonDialect
from slasshy_rpc.session import halt
from slasshy_rpc.values import Snapshot
from tests.support.fake_protocol import Stage, close_all, options, turns

HALTS = [("pause", "paused"), ("forcePause", "paused"), ("remove", "removed"), ("forceRemove", "removed")]


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    yield Stage(options())
    await close_all()


async def send(stage: Stage, document: object) -> Any:
    """What one message is answered with."""
    return json.loads((await JsonDialect(stage.api, None).answer(json.dumps(document).encode(), Visit())).text)


def call(name: str, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": f"aria2.{name}", "params": list(params)}


@pytest.mark.parametrize(("name", "status"), HALTS)
async def test_the_next_message_hears_of_it(stage: Stage, name: str, status: str) -> None:
    gid = await stage.add()
    stage.job(gid).flushing.clear()
    assert (await send(stage, call(name, gid)))["result"] == gid
    looks = [call("tellStatus", gid, ["status"]), call("tellActive"), call("getGlobalStat")]
    answers = [asyncio.create_task(send(stage, look)) for look in looks]
    await turns()
    assert not any(answer.done() for answer in answers)
    stage.job(gid).flushing.set()
    told, active, counted = [answer["result"] for answer in await asyncio.gather(*answers)]
    assert (told, active, counted["numActive"]) == ({"status": status}, [], "0")


async def test_so_it_is_when_all_are_paused(stage: Stage) -> None:
    gids = [await stage.add(), await stage.add()]
    stage.job(gids[0]).flushing.clear()
    assert (await send(stage, call("pauseAll")))["result"] == "OK"
    answer = asyncio.create_task(send(stage, call("tellWaiting", 0, 9, ["status"])))
    await turns()
    assert not answer.done()
    stage.job(gids[0]).flushing.set()
    assert (await answer)["result"] == [{"status": "paused"}] * 2


async def test_the_next_call_of_the_same_message_waits_for_nothing(stage: Stage) -> None:
    first, second = await stage.add(), await stage.add()
    for gid in (first, second):
        stage.job(gid).flushing.clear()
    entries = [
        {"methodName": "aria2.pause", "params": [first]},
        {"methodName": "aria2.tellStatus", "params": [first, ["status"]]},
    ]
    told = await send(stage, {"id": 1, "method": "system.multicall", "params": [entries]})
    assert told["result"] == [[first], [{"status": "active"}]]
    batch = await send(stage, [call("pause", second), call("tellStatus", second, ["status"])])
    assert [answer["result"] for answer in batch] == [second, {"status": "active"}]
    for gid in (first, second):
        stage.job(gid).flushing.set()


async def test_a_disk_that_hangs_holds_nobody_up_for_long(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halt, "BREATH", 0.01)
    gid = await stage.add()
    stage.job(gid).flushing.clear()
    await send(stage, call("pause", gid))
    look = call("tellStatus", gid, ["status"])
    assert (await send(stage, look))["result"] == {"status": "active"}
    monkeypatch.setattr(halt, "BREATH", 3600)
    async with asyncio.timeout(20):  # it was waited for once, and is not again
        assert (await send(stage, look))["result"] == {"status": "active"}
    stage.job(gid).flushing.set()
    await turns()
    assert (await send(stage, look))["result"] == {"status": "paused"}


async def test_what_goes_on_does_not_fall_back_before_its_file_is_open(stage: Stage) -> None:
    """The first answer tells the length; how much is there is known once the file is open."""
    gid = await stage.add()
    first = stage.job(gid)
    first.state = replace(first.state, completed_length=3 << 20, bitfield=b"\xe0")
    await send(stage, call("pause", gid))
    await send(stage, call("unpause", gid))
    await turns()
    job = stage.job(gid)
    assert job is not first
    opened = job.state
    for known in (
        Snapshot(),
        replace(opened, bitfield=None),
        replace(opened, completed_length=3 << 20, bitfield=b"\xe0"),
    ):
        job.state = known
        told = (await send(stage, call("tellStatus", gid)))["result"]
        assert [told[name] for name in ("status", "completedLength", "bitfield")] == ["active", str(3 << 20), "e0"]
    job.state = opened  # it has to start over
    assert (await send(stage, call("tellStatus", gid, ["completedLength", "bitfield"])))["result"] == {
        "completedLength": "0",
        "bitfield": "00",
    }
