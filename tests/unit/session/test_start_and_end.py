"""The beginning and the end of a session: what begins when, what is stopped how, and what is saved by then."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.protocols.base import Outcome
from slasshy_rpc.values import Status
from tests.support.fake_protocol import Stage, gids, options, turns, until

A, B = "http://127.0.0.1/a", "http://127.0.0.1/b"
URI = A


async def test_close_stops_the_jobs_and_saves_them_unpaused(tmp_path: Path) -> None:
    stage = Stage(options(save_session=str(tmp_path / "s")))
    a, b = await stage.add(A), await stage.add(B, pause="true")
    stage.job(a).flushing.clear()
    closing = asyncio.ensure_future(stage.session.close())
    await turns()
    assert not closing.done()
    stage.job(a).flushing.set()
    await asyncio.wait_for(closing, 5)
    assert stage.heard[1:] == [("STOP", a, "waiting")]
    assert stage.session.exit_code() == ErrorCode.UNFINISHED
    assert [(row.gid, row.status) for row in stage.api.result_rows()] == [(a, Status.ACTIVE)]
    assert (tmp_path / "s").read_text() == (
        f"{A}\t\n gid={a}\n dir=/downloads\n{B}\t\n gid={b}\n pause=true\n dir=/downloads\n"
    )
    assert stage.protocol.closed
    await turns()
    assert stage.protocol.made == 1  # nothing starts any more


async def test_a_pending_pause_or_removal_stays_what_it_is_at_the_end() -> None:
    stage = Stage(options())
    paused, removed = await stage.add(), await stage.add()
    await stage.call("pause", paused)
    await stage.call("remove", removed)
    await stage.session.close()
    assert stage.heard[2:] == [("PAUSE", paused, "paused"), ("STOP", removed, "removed")]
    assert stage.session.exit_code() == 0


async def test_a_job_that_does_not_stop_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options())
    gid = await stage.add()
    stage.job(gid).flushing.clear()
    await stage.session.close(grace=0.05)
    assert f"GID#{gid} did not stop in time" in caplog.text
    stage.job(gid).flushing.set()
    await turns()


async def test_the_file_is_there_before_the_jobs_have_flushed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    stage = Stage(options(save_session=str(path)))
    failing, complete, waiting = await stage.add(A), await stage.add(A), await stage.add(B, pause="true")
    stage.job(complete).last_word = Outcome()
    for gid in (failing, complete):
        stage.job(gid).flushing.clear()
    closing = asyncio.ensure_future(stage.session.close())
    await until(path.exists)
    assert gids(path) == [failing, complete, waiting]  # should we be killed now
    for gid in (failing, complete):
        stage.job(gid).flushing.set()
    await asyncio.wait_for(closing, 5)
    assert gids(path) == [failing, waiting]


async def test_those_in_a_hurry_wait_for_the_file_but_not_for_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("slasshy_rpc.session.halt.PATIENCE", 0.01)
    path = tmp_path / "s"
    stage = Stage(options(save_session=str(path)))
    stuck, complete = await stage.add(A), await stage.add(B)
    stage.job(complete).last_word = Outcome()
    for gid in (stuck, complete):
        stage.job(gid).flushing.clear()
    hurry = asyncio.Event()
    closing = asyncio.ensure_future(stage.session.close(grace=600, hurry=hurry))
    await until(path.exists)
    assert not closing.done()
    stage.job(complete).flushing.set()
    hurry.set()
    await asyncio.wait_for(closing, 5)
    assert gids(path) == [stuck]
    assert f"GID#{stuck} did not stop in time" in caplog.text
    stage.job(stuck).flushing.set()
    await turns()


async def test_threads_that_wait_for_another_disk_hold_nothing_up(tmp_path: Path) -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(1) as only:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(only)
        waiting = loop.run_in_executor(None, gate.wait, 30)
        try:
            stage = Stage(options(save_session=str(tmp_path / "s")))
            await asyncio.wait_for(stage.session.close(), 5)
        finally:
            gate.set()
            await waiting
    assert (tmp_path / "s").exists()


async def test_a_last_write_that_fails_does_not_stop_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options(save_session=str(tmp_path / "nowhere" / "s")))
    await stage.session.close()
    assert "Failed to serialize session" in caplog.text
    assert stage.protocol.closed


async def test_nothing_begins_before_the_start() -> None:
    stage = Stage(options(), waiting=True)
    gid = await stage.add()
    idle = asyncio.ensure_future(stage.session.wait_idle())
    await turns()
    assert (stage.heard, idle.done()) == ([], False)
    stage.session.start()
    await turns()
    assert stage.heard == [("START", gid, "active")]
    await stage.end(gid)
    await asyncio.wait_for(idle, 5)


async def test_nothing_is_added_that_would_not_be_saved_any_more() -> None:
    stage = Stage(options())
    gid = await stage.add()
    stage.job(gid).flushing.clear()
    closing = asyncio.ensure_future(stage.session.close())
    await turns()
    assert "about to end" in await stage.error("addUri", [URI])
    stage.job(gid).flushing.set()
    await asyncio.wait_for(closing, 5)
    assert "about to end" in await stage.error("addUri", [URI])
