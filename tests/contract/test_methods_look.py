"""The tell and get methods, and options over RPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from slasshy_rpc.api import methods
from slasshy_rpc.errors import DownloadError, OptionError
from slasshy_rpc.values import Status
from tests.support.fake_protocol import Stage, close_all, options, turns

URI = "http://127.0.0.1/f.bin"


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    yield Stage(options(max_concurrent_downloads="1"))
    await close_all()


def gids(told: list[dict[str, str]]) -> list[str]:
    return [each["gid"] for each in told]


async def test_tell_waiting_and_stopped_take_windows(stage: Stage) -> None:
    stopped = [await stage.add() for _ in range(5)]
    for gid in stopped:
        await stage.end(gid)
    await stage.add()
    waiting = [await stage.add() for _ in range(5)]
    for name, order in (("tellWaiting", waiting), ("tellStopped", stopped)):
        assert gids(await stage.call(name, 1, 2)) == order[1:3]
        assert gids(await stage.call(name, -1, 3, ["gid"])) == order[:1:-1]
        assert gids(await stage.call(name, -6, 6)) == []
        assert gids(await stage.call(name, 0, 1000)) == order


@pytest.mark.parametrize("name", ["tellWaiting", "tellStopped"])
async def test_window_refusals(stage: Stage, name: str) -> None:
    least = "the value must be greater than or equal to 0."
    assert await stage.error(name) == "The parameter at 0 is required but missing."
    assert await stage.error(name, 0) == "The parameter at 1 is required but missing."
    assert await stage.error(name, "a", -1) == "The parameter at 0 has wrong type."
    assert await stage.error(name, 0, -1) == f"The integer parameter at 1 has invalid value: {least}"
    assert await stage.error(name, 0, 1, "x") == "The parameter at 2 has wrong type."


@pytest.mark.parametrize("keys", [[], [1], None])
async def test_no_keys_are_all_keys(stage: Stage, keys: list[object] | None) -> None:
    gid = await stage.add()
    params = [] if keys is None else [keys]
    assert set(await stage.call("tellStatus", gid, *params)) >= {"gid", "status", "files", "dir", "numPieces"}
    assert "errorCode" not in (await stage.call("tellActive", *params))[0]
    assert await stage.error("tellStatus", gid, "x") == "The parameter at 1 has wrong type."
    assert await stage.error("tellActive", "x") == "The parameter at 0 has wrong type."


async def test_global_stat(stage: Stage) -> None:
    a, _, c = [await stage.add() for _ in range(3)]
    await stage.call("pause", c)
    assert await stage.call("getGlobalStat") == {
        "downloadSpeed": "1000",
        "uploadSpeed": "0",
        "numActive": "1",
        "numWaiting": "2",
        "numStopped": "0",
        "numStoppedTotal": "0",
    }
    await stage.end(a, DownloadError("x"))
    assert (await stage.call("getGlobalStat"))["numStopped"] == "1"


async def test_views_of_an_active_one(stage: Stage) -> None:
    active, waiting = await stage.add(split="2", max_connection_per_server="2"), await stage.add()
    used, spare = {"status": "used", "uri": URI}, {"status": "waiting", "uri": URI}
    assert await stage.call("getUris", active) == [used, spare]
    assert await stage.call("getFiles", active) == [
        {
            "index": "1",
            "path": "",
            "length": str(4 << 20),
            "completedLength": "0",
            "selected": "true",
            "uris": [used, spare],
        }
    ]
    assert await stage.call("getServers", active) == [
        {"index": "1", "servers": [{"uri": URI, "currentUri": URI, "downloadSpeed": "1000"}]}
    ]
    assert await stage.call("getPeers", active) == []
    assert await stage.error("getServers", waiting) == f"No active download for GID#{waiting}"
    assert await stage.call("getPeers", waiting) == []


async def test_a_job_that_cannot_tell_does_not_break_the_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gid = await stage.add()

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.job(gid), "snapshot", broken)
    assert (await stage.call("tellStatus", gid, ["status", "totalLength"])) == {"status": "active", "totalLength": "0"}
    assert "ZeroDivisionError" in caplog.text
    await stage.end(gid)
    assert stage.events() == ["START", "COMPLETE"]


async def test_path_follows_dir_and_out(stage: Stage) -> None:
    stage = Stage(options(max_concurrent_downloads="1", rpc_path_policy="any"))
    gid = await stage.add(out="o.bin", pause="true")

    async def place(**changed: str) -> tuple[str, str]:
        await stage.call("changeOption", gid, changed)
        told = await stage.call("tellStatus", gid, ["dir", "files"])
        return told["dir"], told["files"][0]["path"]

    assert await place() == ("/downloads", "/downloads/o.bin")
    assert await place(dir="/tmp/x") == ("/tmp/x", "/tmp/x/o.bin")
    assert await place(out="sub/p") == ("/tmp/x", "/tmp/x/sub/p")
    assert await place(out="") == ("/tmp/x", "")


async def test_a_known_name_moves_with_dir(stage: Stage) -> None:
    gid = await stage.add()
    state = stage.job(gid).state
    stage.job(gid).state = replace(state, files=(replace(state.files[0], path="/downloads/from-server"),))
    await stage.call("pause", gid)
    await stage.call("changeOption", gid, {"dir": "/elsewhere"})  # compat: any place
    await turns()
    assert (await stage.call("getFiles", gid))[0]["path"] == "/elsewhere/from-server"
    await stage.call("changeOption", gid, {"split": "2"})
    assert (await stage.call("getFiles", gid))[0]["path"] == "/elsewhere/from-server"


async def test_change_option_of_a_waiting_one(stage: Stage) -> None:
    await stage.add()
    gid = await stage.add()
    assert await stage.call("changeOption", gid, {"split": "2", "piece-length": "2M", "gid": "a" * 16}) == "OK"
    told = await stage.call("getOption", gid)
    assert (told["split"], told["piece-length"]) == ("2", "1048576")
    with pytest.raises(OptionError):
        await stage.call("changeOption", gid, {"split": "x"})
    assert await stage.error("changeOption", gid) == "The parameter at 1 is required but missing."
    assert await stage.error("changeOption", gid, None) == "The parameter at 1 has wrong type."
    assert await stage.error("changeOption", "zz", {"split": "x"}) == "Invalid GID zz"


async def test_global_options_count_for_later_ones_only(stage: Stage) -> None:
    before = await stage.add()
    assert await stage.call("changeGlobalOption", {"split": "3", "out": "x", "foo": "1", "header": ["A: b"]}) == "OK"
    after = await stage.add()
    assert (await stage.call("getOption", before))["split"] == "5"
    told = await stage.call("getOption", after)
    assert (told["split"], told["header"], "out" in told) == ("3", "A: b\n", False)
    await stage.call("changeGlobalOption", {"header": ["C: d"]})
    assert (await stage.call("getGlobalOption"))["header"] == "C: d\n"
    assert await stage.error("changeGlobalOption") == "The parameter at 0 is required but missing."
    assert await stage.error("changeGlobalOption", 1) == "The parameter at 0 has wrong type."


async def test_the_secret_is_never_shown(stage: Stage) -> None:
    stage = Stage(options(rpc_secret="s3cret"))
    assert "s3cret" not in str(await stage.call("getGlobalOption"))


async def test_paths_are_checked_wherever_options_come_in(tmp_path: Path, stage: Stage) -> None:
    stage = Stage(options(dir=str(tmp_path), rpc_path_policy="dir"))
    gid = await stage.add(pause="true")
    calls: list[tuple[str, list[object]]] = [
        ("addUri", [[URI], {"dir": "/etc"}]),
        ("changeOption", [gid, {"dir": "/etc"}]),
        ("changeGlobalOption", [{"dir": "/etc"}]),
        ("changeGlobalOption", [{"log": "/etc/x"}]),
    ]
    for name, params in calls:
        assert "must stay within" in await stage.error(name, *params)
    assert "must be a name below" in await stage.error("addUri", [URI], {"out": "../x"})
    assert (await stage.call("getGlobalOption"))["dir"] == str(tmp_path)


async def test_rows_for_the_console(stage: Stage) -> None:
    gid = stage.session.add([URI], {"out": "x"}, trusted=True).gid
    await turns()
    (row,) = stage.api.rows()
    assert (row.gid, row.status, row.snapshot) == (gid, Status.ACTIVE, stage.job(gid).snapshot())
    assert stage.job(gid).request.trusted
    assert [each.gid for each in stage.api.result_rows()] == [gid]
    await stage.end(gid)
    (row,) = stage.api.result_rows()
    assert row.status is Status.COMPLETE
    assert row.average is not None
    assert row.average > 0
    assert stage.api.rows() == []
    await stage.api.wait_idle()
    assert stage.api.exit_code() == 0


async def test_long_lists_are_the_same_lists(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes them asks for one entry at a time: what that is worth is tested on the wire."""
    await stage.add()
    waiting = [await stage.add() for _ in range(7)]
    short = await stage.call("tellWaiting", 1, 5)
    assert isinstance(short, list)
    monkeypatch.setattr(methods, "LONG_LIST", 3)
    for window, order in (((1, 5), waiting[1:6]), ((-1, 5), waiting[:1:-1]), ((0, 9), waiting)):
        long = await stage.call("tellWaiting", *window, ["gid"])
        assert not isinstance(long, list)
        assert list(long) == [{"gid": gid} for gid in order]
    assert list(await stage.call("tellWaiting", 1, 5)) == short
    for gid in waiting[:6]:
        await stage.call("remove", gid)
    assert isinstance(await stage.call("tellWaiting", 0, 5), list)


@pytest.mark.parametrize(("compat", "shown"), [("true", "Short."), ("false", "A long story.")])
async def test_compat_tells_of_failures_in_the_words_of_aria2(compat: str, shown: str) -> None:
    stage = Stage(options(compat=compat))
    gid = await stage.add()
    await stage.end(gid, DownloadError("A long story.", 16, terse="Short."))
    told = await stage.call("tellStatus", gid, ["errorCode", "errorMessage"])
    assert told == {"errorCode": "16", "errorMessage": shown}
    assert stage.api.row(gid).message == "A long story."  # the console has room for it
    await close_all()
