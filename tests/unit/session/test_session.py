"""The life cycle: which status, which event, which place in the queue, after what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import replace

import pytest

from slasshy_rpc.disk.claims import Claims
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode, RpcError
from slasshy_rpc.options.values import Layer, OptionSet
from slasshy_rpc.protocols.base import Outcome, Request
from slasshy_rpc.values import Event, FileView, Snapshot, Status, UriView
from tests.support.fake_protocol import Stage, options, turns

URI = "http://127.0.0.1/f.bin"


async def statuses(stage: Stage) -> dict[str, str]:
    active = await stage.call("tellActive", ["gid", "status"])
    waiting = await stage.call("tellWaiting", 0, 100, ["gid", "status"])
    return {each["gid"]: each["status"] for each in active + waiting}


async def test_the_answer_comes_before_the_start() -> None:
    stage = Stage(options())
    gid = await stage.call("addUri", [URI])
    assert stage.heard == []
    assert (await stage.call("tellStatus", gid, ["status"])) == {"status": "waiting"}
    await turns()
    assert stage.heard == [("START", gid, "active")]


async def test_complete() -> None:
    stage = Stage(options())
    gid = await stage.add()
    await stage.end(gid)
    assert stage.heard[1:] == [("COMPLETE", gid, "complete")]
    told = await stage.call("tellStatus", gid)
    assert (told["errorCode"], told["errorMessage"], told["connections"], told["downloadSpeed"]) == ("0", "", "0", "0")
    assert stage.session.exit_code() == 0


async def test_failure() -> None:
    stage = Stage(options())
    gid = await stage.add()
    await stage.end(gid, DownloadError("Resource not found", ErrorCode.NOT_FOUND))
    assert stage.heard[1:] == [("ERROR", gid, "error")]
    told = await stage.call("tellStatus", gid, ["errorCode", "errorMessage"])
    assert told == {"errorCode": "3", "errorMessage": "Resource not found"}
    assert stage.session.exit_code() == 3


async def test_a_fault_of_ours_fails_that_download_only(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options())
    broken, fine = await stage.add(), await stage.add()
    with caplog.at_level(logging.ERROR):
        await stage.end(broken, ZeroDivisionError("division by zero"))
    told = await stage.call("tellStatus", broken, ["errorCode", "errorMessage"])
    assert told["errorCode"] == "1"
    assert "ZeroDivisionError: division by zero" in told["errorMessage"]
    assert "Traceback" in caplog.text
    await stage.end(fine)
    assert stage.events() == ["START", "START", "ERROR", "COMPLETE"]


async def test_a_job_that_cannot_be_made_fails_after_its_start() -> None:
    stage = Stage(options())
    stage.protocol.fault = DownloadError("No room.", ErrorCode.DISK_FULL)
    gid = await stage.add()
    assert stage.heard == [("START", gid, "active"), ("ERROR", gid, "error")]
    stage.protocol.fault = None
    await stage.add()
    assert stage.events()[2:] == ["START"]


async def test_a_cancellation_nobody_asked_for_is_an_error() -> None:
    stage = Stage(options())
    gid = await stage.add()
    run = stage.session.find(gid).run
    assert run is not None
    run.task.cancel()
    await turns()
    assert stage.heard[1:] == [("ERROR", gid, "error")]


async def test_only_so_many_run_and_the_limit_is_live() -> None:
    stage = Stage(options(max_concurrent_downloads="2"))
    a, b, c, d = [await stage.add() for _ in range(4)]
    assert await statuses(stage) == {a: "active", b: "active", c: "waiting", d: "waiting"}
    await stage.call("changeGlobalOption", {"max-concurrent-downloads": "3"})
    await turns()
    assert (await statuses(stage))[c] == "active"
    await stage.call("changeGlobalOption", {"max-concurrent-downloads": "1"})
    await turns()
    assert (await statuses(stage))[a] == "active"  # lowering stops nobody
    for gid in (a, b):
        await stage.end(gid)
    assert (await statuses(stage))[d] == "waiting"
    await stage.end(c)
    assert await statuses(stage) == {d: "active"}


async def test_pause_of_an_active_one_waits_for_its_flush_and_goes_to_the_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("slasshy_rpc.session.halt.PATIENCE", 0.01)
    stage = Stage(options(max_concurrent_downloads="1"))
    a, b = await stage.add(), await stage.add()
    job = stage.job(a)
    job.flushing.clear()
    assert await stage.call("pause", a) == a
    await turns()
    assert (await stage.call("tellStatus", a, ["status"])) == {"status": "active"}
    assert stage.events() == ["START"]
    assert await stage.error("pause", a) == f"GID#{a} cannot be paused now"
    assert await stage.error("unpause", a) == f"GID#{a} cannot be unpaused now"
    assert await stage.call("forcePause", a) == a
    assert job.cancelled == 1  # a second cancellation would hurt the flush
    job.flushing.set()
    await turns()
    assert stage.heard[1:] == [("PAUSE", a, "paused"), ("START", b, "active")]
    told = await stage.call("tellWaiting", 0, 9, ["gid", "downloadSpeed", "connections", "files"])
    assert [(each["gid"], each["downloadSpeed"], each["connections"]) for each in told] == [(a, "1000", "0")]


async def test_unpause_starts_a_new_job() -> None:
    stage = Stage(options())
    gid = await stage.add()
    await stage.call("pause", gid)
    await turns()
    assert await stage.call("unpause", gid) == gid
    assert (await statuses(stage)) == {gid: "waiting"}
    await turns()
    assert stage.events() == ["START", "PAUSE", "START"]
    assert stage.protocol.made == 2


async def test_progress_stays_in_sight_until_the_new_job_knows_better() -> None:
    stage = Stage(options())
    gid = await stage.add(out="x")
    stage.job(gid).state = replace(stage.job(gid).state, completed_length=1 << 20, bitfield=b"\x80")
    await stage.call("pause", gid)
    await turns()
    await stage.call("unpause", gid)
    await turns()
    job = stage.job(gid)
    known = job.state
    job.state = Snapshot(connections=1, files=(FileView("", uris=(UriView(URI, True),)),))
    keys = ["status", "totalLength", "completedLength", "bitfield", "connections", "downloadSpeed"]
    assert await stage.call("tellStatus", gid, keys) == {
        "status": "active",
        "totalLength": str(4 << 20),
        "completedLength": str(1 << 20),
        "bitfield": "80",
        "connections": "1",
        "downloadSpeed": "0",
    }
    (file,) = await stage.call("getFiles", gid)
    assert (file["path"], file["uris"]) == ("/downloads/x", [{"status": "used", "uri": URI}] * 2)
    job.state = replace(known, completed_length=0, bitfield=b"\x00")  # the file has changed: from the start
    assert (await stage.call("tellStatus", gid, ["completedLength"])) == {"completedLength": "0"}


async def test_a_paused_one_that_waits_makes_no_event_and_keeps_its_place() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    a, b, c = [await stage.add() for _ in range(3)]
    await stage.call("pause", b)
    assert list((await statuses(stage)).items()) == [(a, "active"), (b, "paused"), (c, "waiting")]
    await stage.end(a)
    assert list((await statuses(stage)).items()) == [(c, "active"), (b, "paused")]
    assert stage.events() == ["START", "COMPLETE", "START"]
    assert await stage.error("pause", b) == f"GID#{b} cannot be paused now"
    assert await stage.error("forcePause", b) == f"GID#{b} cannot be paused now"


async def test_remove_of_an_active_one_leaves_a_result() -> None:
    stage = Stage(options())
    gid = await stage.add()
    stage.job(gid).flushing.clear()
    assert await stage.call("remove", gid) == gid
    await turns()
    assert await stage.error("pause", gid) == f"GID#{gid} cannot be paused now"
    assert await stage.call("forceRemove", gid) == gid
    stage.job(gid).flushing.set()
    await turns()
    assert stage.heard[1:] == [("STOP", gid, "removed")]
    told = await stage.call("tellStatus", gid, ["status", "errorCode", "errorMessage"])
    assert told == {"status": "removed", "errorCode": "31", "errorMessage": ""}
    assert stage.session.exit_code() == 0
    assert await stage.error("remove", gid) == f"Active Download not found for GID#{gid}"


async def test_remove_beats_a_pending_pause() -> None:
    stage = Stage(options())
    gid = await stage.add()
    await stage.call("pause", gid)
    await stage.call("remove", gid)
    await turns()
    assert stage.heard[1:] == [("STOP", gid, "removed")]


async def test_remove_of_a_queued_one_leaves_nothing() -> None:
    stage = Stage(options())
    gid = await stage.add(pause="true")
    assert await stage.call("remove", gid) == gid
    assert stage.heard == []
    assert await stage.error("tellStatus", gid) == f"GID {gid} is not found"
    assert (await stage.call("getGlobalStat"))["numStoppedTotal"] == "0"


async def test_a_job_that_fails_while_it_stops() -> None:
    stage = Stage(options())
    removed, paused = await stage.add(), await stage.add()
    for gid in (removed, paused):
        stage.job(gid).last_word = DiskError("Disk full.", ErrorCode.DISK_FULL)
    await stage.call("remove", removed)
    await stage.call("pause", paused)
    await turns()
    assert stage.heard[2:] == [("STOP", removed, "removed"), ("ERROR", paused, "error")]


async def test_a_job_that_completes_while_it_stops_is_complete() -> None:
    stage = Stage(options())
    gid = await stage.add()
    stage.job(gid).last_word = Outcome()
    await stage.call("pause", gid)
    await turns()
    assert stage.heard[1:] == [("COMPLETE", gid, "complete")]


async def test_pause_all_and_unpause_all() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    a, b, c = [await stage.add() for _ in range(3)]
    assert await stage.call("pauseAll") == "OK"
    await turns()
    assert await statuses(stage) == {a: "paused", b: "paused", c: "paused"}
    assert stage.events() == ["START", "PAUSE"]  # nobody was started in between
    assert await stage.call("forcePauseAll") == "OK"
    assert await stage.call("unpauseAll") == "OK"
    await turns()
    assert await statuses(stage) == {a: "active", b: "waiting", c: "waiting"}


async def test_options_that_change_at_once() -> None:
    stage = Stage(options())
    gid = await stage.add()
    assert await stage.call("changeOption", gid, {"max-download-limit": "1M", "force-save": "true"}) == "OK"
    await turns()
    assert stage.events() == ["START"]
    assert [each.integer("max-download-limit") for each in stage.job(gid).retuned] == [1 << 20]
    assert (await stage.call("getOption", gid))["max-download-limit"] == "1048576"


async def test_options_that_need_a_restart() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    a, b = await stage.add(), await stage.add()
    assert await stage.call("changeOption", a, {"split": "2"}) == "OK"
    await turns()
    assert stage.heard == [("START", a, "active"), ("START", a, "active")]
    assert stage.job(a).request.options.integer("split") == 2
    assert await statuses(stage) == {a: "active", b: "waiting"}


async def test_a_job_that_cannot_be_retuned_is_restarted() -> None:
    stage = Stage(options())
    stage.protocol.retunes = False
    gid = await stage.add()
    await stage.call("changeOption", gid, {"max-download-limit": "1M"})
    await turns()
    assert stage.events() == ["START", "START"]


async def test_a_pause_during_a_restart_is_a_pause() -> None:
    stage = Stage(options())
    gid = await stage.add()
    await stage.call("changeOption", gid, {"split": "2"})
    await stage.call("pause", gid)
    await stage.call("changeOption", gid, {"split": "3"})
    await turns()
    assert stage.heard[1:] == [("PAUSE", gid, "paused")]
    assert stage.job(gid).cancelled == 1


async def test_followers_go_to_the_front_in_order() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    parent, waiting = await stage.add(), await stage.add()
    made = stage.session.options
    begot = tuple(Request((f"http://127.0.0.1/{name}",), made) for name in "xy")
    await stage.end(parent, Outcome(begot))
    told = await stage.call("tellStatus", parent, ["followedBy"])
    first, second = told["followedBy"]
    assert (await stage.call("tellStatus", first, ["following"])) == {"following": parent}
    assert list(await statuses(stage)) == [first, second, waiting]


async def test_followers_of_pause_metadata_are_paused() -> None:
    stage = Stage(options(pause_metadata="true"))
    parent = await stage.add()
    await stage.end(parent, Outcome((Request((URI,), stage.session.options),)))
    assert list((await statuses(stage)).values()) == ["paused"]


async def test_results_are_bounded_and_the_code_of_one_pushed_out_counts() -> None:
    stage = Stage(options(max_download_result="1"))
    a, b = await stage.add(), await stage.add()
    await stage.end(a, DownloadError("Timeout.", ErrorCode.TIMEOUT))
    await stage.end(b)
    assert await stage.error("tellStatus", a) == f"GID {a} is not found"
    stat = await stage.call("getGlobalStat")
    assert (stat["numStopped"], stat["numStoppedTotal"]) == ("1", "2")
    assert stage.session.exit_code() == 2
    assert await stage.call("purgeDownloadResult") == "OK"
    assert stage.session.exit_code() == 2


@pytest.mark.parametrize("kept", [True, False])
async def test_the_gid_of_one_pushed_out_is_free_when_it_is_not_to_be_saved(kept: bool) -> None:
    stage = Stage(options(max_download_result="0", keep_unfinished_download_result=str(kept).lower()))
    gid = await stage.add()
    stage.session.events.unsubscribe(stage._hear)
    await stage.end(gid, DownloadError("Timeout.", ErrorCode.TIMEOUT))
    if kept:
        assert await stage.error("addUri", [URI], {"gid": gid}) == "No URI to download."
    else:
        assert await stage.add(gid=gid) == gid


async def test_purge_forgets_failures() -> None:
    stage = Stage(options())
    gid = await stage.add()
    await stage.end(gid, DownloadError("Timeout.", ErrorCode.TIMEOUT))
    await stage.call("purgeDownloadResult")
    assert stage.session.exit_code() == 0
    assert await stage.call("tellStopped", 0, 9) == []


async def test_idle_when_nothing_but_paused_ones_is_left() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    await stage.session.wait_idle()
    a, b, _ = await stage.add(), await stage.add(), await stage.add(pause="true")
    idle = asyncio.ensure_future(stage.session.wait_idle())
    await stage.end(a)
    assert not idle.done()
    await stage.end(b)
    await asyncio.wait_for(idle, 1)


async def test_the_overall_limit_is_set_and_changed() -> None:
    class Pace:
        rate = -1

    pace = Pace()
    stage = Stage(options(max_overall_download_limit="1000"), pace=pace)
    assert pace.rate == 1000
    await stage.call("changeGlobalOption", {"max-overall-download-limit": "2K"})
    assert pace.rate == 2048
    gid = await stage.add()
    assert id(stage.job(gid).place.pace) == id(pace)


async def test_the_app_hears_of_global_changes() -> None:
    heard: list[tuple[str | None, list[str]]] = []

    def hear(options: OptionSet, names: Collection[str]) -> None:
        heard.append((options.text("log-level"), list(names)))

    stage = Stage(options(), options_changed=hear)
    await stage.call("changeGlobalOption", {"nonsense": "1"})
    await stage.call("changeGlobalOption", {"log-level": "warn"})
    assert heard == [("warn", ["log-level"])]


async def test_global_changes_that_the_app_cannot_take_do_not_count() -> None:
    def refuse(options: OptionSet, names: Collection[str]) -> None:
        raise RpcError("no")

    stage = Stage(options(), options_changed=refuse)
    for _ in range(2):
        assert await stage.error("changeGlobalOption", {"split": "3"}) == "no"
    assert stage.session.options.integer("split") == 5


async def test_pause_is_ignored_where_nobody_could_unpause() -> None:
    stage = Stage(options(), pausing=False)
    await stage.add(pause="true")
    assert stage.events() == ["START"]


async def test_reserved_paths_are_taken_for_every_job() -> None:
    stage = Stage(options(), reserved=["/etc/server.conf"])
    gid = await stage.add()
    assert not stage.job(gid).place.claims.take("/etc/server.conf", gid)


async def holding(path: str) -> tuple[Stage, str, Claims]:
    """A Stage with one running Download that has ``path``."""
    stage = Stage(options())
    gid = await stage.add()
    claims = stage.job(gid).place.claims
    assert claims.take(path, gid)
    return stage, gid, claims


async def test_a_path_is_kept_over_a_pause_and_given_up_at_the_end() -> None:
    stage, gid, claims = await holding("/d/f")
    stage.session.pause(stage.session.find(gid))
    await turns()
    assert claims.path_of(gid) == "/d/f"
    stage.session.unpause(stage.session.find(gid))
    await turns()
    assert stage.job(gid).place.claims.path_of(gid) == "/d/f"
    stage.job(gid).end()
    await turns()
    assert claims.path_of(gid) == ""


@pytest.mark.parametrize("running", [True, False])
async def test_a_path_is_given_up_when_the_file_is_to_go_elsewhere(running: bool) -> None:
    stage, gid, claims = await holding("/d/f")
    if not running:
        stage.session.pause(stage.session.find(gid))
        await turns()
    stage.session.change_options(stage.session.find(gid), {"max-download-limit": "1000"})
    await turns()
    assert claims.path_of(gid) == "/d/f"
    stage.session.change_options(stage.session.find(gid), {"out": "g"})
    await turns()
    assert claims.path_of(gid) == ""


async def test_a_path_is_given_up_with_a_paused_download_that_is_removed() -> None:
    stage, gid, claims = await holding("/d/f")
    stage.session.pause(stage.session.find(gid))
    await turns()
    stage.session.remove(stage.session.find(gid))
    assert claims.take("/d/f", "0123456789abcdef")


async def test_a_listener_that_fails_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options())

    def broken(event: Event, gid: str) -> None:
        raise LookupError(gid)

    heard: list[str] = []
    stage.session.events.unsubscribe(stage._hear)
    stage.session.events.subscribe(broken)
    stage.session.events.subscribe(lambda event, gid: heard.append(gid))
    gid = await stage.add()
    assert heard == [gid]
    assert "LookupError" in caplog.text


async def test_a_withdrawn_scheme_is_an_error_at_the_start() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    await stage.add()
    gid = await stage.add()
    await stage.call("changeUri", gid, 1, [URI], [])
    await stage.call("changeGlobalOption", {"max-concurrent-downloads": "2"})
    await turns()
    told = await stage.call("tellStatus", gid, ["status", "errorCode", "errorMessage"])
    assert told == {"status": "error", "errorCode": "1", "errorMessage": "No URI available."}


async def test_many_waiting_ones_share_their_options() -> None:
    stage = Stage(options(max_concurrent_downloads="1"))
    session = stage.session
    added = [session.add([URI], {}) for _ in range(2000)]
    assert {id(download.options) for download in added} == {id(session.options)}
    session.change_global({"split": "3"})
    assert session.options.given("split") is Layer.GLOBAL
    assert added[0].options.integer("split") == 5
    assert all(download.status is Status.WAITING for download in added)
