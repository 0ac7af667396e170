"""Removing, moving, changing URIs, results, the server's own methods. Life cycles are in tests/unit/session."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from slasshy_rpc import __version__
from slasshy_rpc.api import methods
from tests.support.fake_protocol import Stage, close_all, options, turns

URI = "http://127.0.0.1/f.bin"


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    yield Stage(options(max_concurrent_downloads="1"))
    await close_all()


async def queue(stage: Stage) -> list[str]:
    return [each["gid"] for each in await stage.call("tellWaiting", 0, 99, ["gid"])]


ONE_GID = [
    "remove", "forceRemove", "pause", "forcePause", "unpause", "tellStatus", "getUris", "getFiles", "getPeers",
    "getServers", "getOption", "removeDownloadResult",
]  # fmt: skip


@pytest.mark.parametrize("name", ONE_GID)
async def test_the_gid(stage: Stage, name: str) -> None:
    assert await stage.error(name) == "The parameter at 0 is required but missing."
    assert await stage.error(name, 5) == "The parameter at 0 has wrong type."
    assert await stage.error(name, "zz") == "Invalid GID zz"
    assert await stage.error(name, "") == "Invalid GID "
    assert await stage.error(name, "FF") == "GID FF is not found"


async def test_an_abbreviation_is_answered_with_the_whole(stage: Stage) -> None:
    gid = await stage.add(gid="abcdef0123456789", pause="true")
    assert await stage.call("unpause", "ABC") == gid
    await stage.add(gid="abcdef0123456780")
    assert await stage.error("pause", "abcdef") == "GID abcdef is not unique"


async def test_a_stopped_one_refuses(stage: Stage) -> None:
    g = await stage.add()
    await stage.end(g)
    refusals: list[tuple[str, list[object], str]] = [
        ("remove", [], f"Active Download not found for GID#{g}"),
        ("forceRemove", [], f"Active Download not found for GID#{g}"),
        ("pause", [], f"GID#{g} cannot be paused now"),
        ("forcePause", [], f"GID#{g} cannot be paused now"),
        ("unpause", [], f"GID#{g} cannot be unpaused now"),
        ("getUris", [], f"No URI data is available for GID#{g}"),
        ("getPeers", [], f"No peer data is available for GID#{g}"),
        ("getServers", [], f"No active download for GID#{g}"),
        ("changeOption", [{"split": "x"}], f"Cannot change option for GID#{g}"),
        ("changeUri", [1, [], []], f"Cannot remove URIs from GID#{g}"),
        ("changePosition", [0, "POS_SET"], f"GID#{g} not found in the waiting queue."),
    ]
    for name, params, message in refusals:
        assert await stage.error(name, g, *params) == message
    assert len(await stage.call("getFiles", g)) == 1
    assert "split" in await stage.call("getOption", g)


@pytest.mark.parametrize(
    ("who", "offset", "how", "place"),
    [
        (1, 0, "POS_SET", 0),
        (0, 9, "POS_SET", 3),
        (2, -5, "POS_SET", 0),
        (1, 1, "POS_CUR", 2),
        (1, -9, "POS_CUR", 0),
        (0, 0, "POS_END", 3),
        (0, -1, "POS_END", 2),
        (0, 100000, "POS_END", 3),
        (2, 0, "POS_CUR", 2),
    ],
)
async def test_change_position(stage: Stage, who: int, offset: int, how: str, place: int) -> None:
    await stage.add()
    order = [await stage.add() for _ in range(4)]
    answer = await stage.call("changePosition", order[who], offset, how)
    assert answer == place
    moved = order.pop(who)
    order.insert(place, moved)
    assert await queue(stage) == order


async def test_change_position_refusals(stage: Stage) -> None:
    active, waiting = await stage.add(), await stage.add()
    call = "changePosition"
    assert await stage.error(call, waiting) == "The parameter at 1 is required but missing."
    assert await stage.error(call, waiting, "a", "POS_SET") == "The parameter at 1 has wrong type."
    assert await stage.error(call, waiting, 0) == "The parameter at 2 is required but missing."
    assert await stage.error(call, waiting, 0, "POS_X") == "Illegal argument."
    assert await stage.error(call, "zz", 0, "POS_X") == "Invalid GID zz"
    assert await stage.error(call, active, 0, "POS_SET") == f"GID#{active} not found in the waiting queue."


async def test_change_uri_of_a_waiting_one(stage: Stage) -> None:
    a, b = "http://127.0.0.1/a", "http://127.0.0.1/b"
    gid = await stage.call("addUri", [a, b], {"pause": "true"})
    assert await stage.call("changeUri", gid, 1, ["x"], []) == [0, 0]
    assert await stage.call("changeUri", gid, 1, [a, 5], ["http://127.0.0.1/n", "bad"], 0) == [1, 1]
    assert await stage.call("changeUri", gid, 1, [], ["http://127.0.0.1/p"], 1) == [0, 1]
    assert await stage.call("changeUri", gid, 1, [], ["http://127.0.0.1/z"], 99) == [0, 1]
    assert [each["uri"][-1] for each in await stage.call("getUris", gid)] == ["n", "p", "b", "z"]


async def test_change_uri_takes_as_many_as_are_listed(stage: Stage) -> None:
    gid = await stage.add(pause="true", split="3", max_connection_per_server="3")
    assert await stage.call("changeUri", gid, 1, [URI] * 9, []) == [3, 0]
    assert await stage.call("getUris", gid) == []
    assert (await stage.call("getFiles", gid))[0]["uris"] == []


async def test_change_uri_of_an_active_one_is_told_to_its_job(stage: Stage) -> None:
    gid, b = await stage.add(), "http://127.0.0.1/b"
    assert await stage.call("changeUri", gid, 1, [], [b]) == [0, 1]
    assert await stage.call("changeUri", gid, 1, [URI], [b + "2"], 0) == [1, 1]
    assert await stage.call("changeUri", gid, 1, ["http://127.0.0.1/nobody"], []) == [0, 0]
    await turns()
    assert stage.heard == [("START", gid, "active")]  # it goes on as it is
    assert stage.job(gid).changed == [(b, URI), (b + "2", b)]
    assert stage.session.find(gid).request.uris == (b + "2", b)
    assert [each["uri"] for each in await stage.call("getUris", gid)] == [b + "2", b]


async def test_change_uri_of_one_that_is_about_to_pause_waits_for_its_next_job(stage: Stage) -> None:
    gid, b = await stage.add(), "http://127.0.0.1/b"
    stage.job(gid).flushing.clear()
    await stage.call("pause", gid)
    await turns()
    assert await stage.call("changeUri", gid, 1, [URI], [b]) == [1, 1]
    assert stage.job(gid).changed == []
    stage.job(gid).flushing.set()
    await turns()
    assert [(each["status"], each["uri"]) for each in await stage.call("getUris", gid)] == [("waiting", b)]
    await stage.call("unpause", gid)
    await turns()
    assert stage.job(gid).request.uris == (b,)


async def test_lines_stay_as_they_were_added_whatever_the_options_become(stage: Stage) -> None:
    gid = await stage.add(pause="true", split="3", max_connection_per_server="3", out="a")
    await stage.call("changeOption", gid, {"split": "1", "out": "b"})
    told = await stage.call("tellStatus", gid, ["files"])
    assert len(told["files"][0]["uris"]) == 3
    assert told["files"][0]["path"].endswith("/b")


async def test_change_uri_refusals(stage: Stage) -> None:
    gid = await stage.add()
    least = "the value must be greater than or equal to 1."
    assert await stage.error("changeUri") == "The parameter at 0 is required but missing."
    assert await stage.error("changeUri", gid, 0, [], []) == f"The integer parameter at 1 has invalid value: {least}"
    assert await stage.error("changeUri", gid, 2, [], []) == "fileIndex is out of range"
    assert await stage.error("changeUri", gid, 1, []) == "The parameter at 3 is required but missing."
    assert await stage.error("changeUri", gid, 1, [], [], -1) == "Position must be greater than or equal to 0."


async def test_results(stage: Stage) -> None:
    a, b, c = [await stage.add() for _ in range(3)]
    await stage.end(a)
    assert await stage.error("removeDownloadResult", b) == f"Could not remove download result of GID#{b}"
    assert await stage.error("removeDownloadResult", c) == f"Could not remove download result of GID#{c}"
    assert await stage.call("removeDownloadResult", a) == "OK"
    assert await stage.error("removeDownloadResult", a) == f"GID {a} is not found"
    await stage.end(b)
    assert await stage.call("purgeDownloadResult") == "OK"
    stat = await stage.call("getGlobalStat")
    assert (stat["numStopped"], stat["numStoppedTotal"]) == ("0", "2")


@pytest.mark.parametrize(
    ("halting", "name", "more", "answer"),
    [
        ("pause", "unpause", [], None),
        ("pause", "changePosition", [1, "POS_SET"], 1),
        ("remove", "removeDownloadResult", [], "OK"),
    ],
)
async def test_what_needs_the_end_of_a_halt_waits_for_it(
    stage: Stage, halting: str, name: str, more: list[object], answer: object
) -> None:
    """As on aria2c, whose downloads have halted before the next request is heard."""
    gid = await stage.add()
    await stage.add(pause="true")
    stage.job(gid).flushing.clear()
    assert await stage.call(halting, gid) == gid
    call = asyncio.create_task(stage.call(name, gid, *more))
    await turns()
    assert not call.done()
    stage.job(gid).flushing.set()
    assert await call == (answer or gid)


async def test_a_purge_takes_along_what_is_being_removed(stage: Stage) -> None:
    gid = await stage.add()
    await stage.call("remove", gid)
    assert await stage.call("purgeDownloadResult") == "OK"
    assert await stage.error("tellStatus", gid) == f"GID {gid} is not found"


async def test_versions(stage: Stage) -> None:
    assert await stage.call("getVersion") == {"version": "1.37.0", "enabledFeatures": ["HTTPS"]}
    assert (await stage.call("slasshy.getVersion"))["version"] == __version__


async def test_session_info_stays_the_same(stage: Stage) -> None:
    told = await stage.call("getSessionInfo")
    assert re.fullmatch("[0-9a-f]{40}", told["sessionId"])
    assert await stage.call("getSessionInfo") == told


@pytest.mark.parametrize(("name", "force"), [("shutdown", False), ("forceShutdown", True)])
async def test_shutdown_answers_first(stage: Stage, name: str, force: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "SHUTDOWN_DELAY", 0.0)
    assert await stage.call(name) == "OK"
    assert stage.halted == []
    await turns()
    assert stage.halted == [force]


async def test_save_session(stage: Stage, tmp_path: Path) -> None:
    assert await stage.error("saveSession") == "Filename is not given."
    await stage.call("changeGlobalOption", {"save-session": str(tmp_path / "s")})
    assert await stage.call("saveSession") == "OK"
    assert (tmp_path / "s").read_bytes() == b""


async def test_notifications(stage: Stage) -> None:
    assert list(stage.api.NOTIFICATIONS) == [
        "aria2.onDownloadStart",
        "aria2.onDownloadPause",
        "aria2.onDownloadStop",
        "aria2.onDownloadComplete",
        "aria2.onDownloadError",
        "aria2.onBtDownloadComplete",
    ]


@pytest.mark.parametrize(
    ("uri", "answer"),
    [
        ("magnet:?xt=urn:btih:248d0a1cd08284299de78d5c1ed359bb46717d8c", [0, 0]),
        ("ftp://127.0.0.1:1/x", [0, 1]),
        ("gopher://127.0.0.1/x", [0, 1]),
    ],
)
async def test_change_uri_with_what_nobody_serves_leaves_a_running_one_alone(
    stage: Stage, uri: str, answer: list[int]
) -> None:
    """The numbers are those of aria2c 1.37."""
    gid = await stage.add()
    assert await stage.call("changeUri", gid, 1, [], [uri]) == answer
    await turns()
    assert stage.heard == [("START", gid, "active")]
    assert stage.session.find(gid).request.uris == (URI,)
    listed = [each["uri"] for each in await stage.call("getUris", gid)]
    assert listed == [URI] + [uri] * answer[1]  # what counts is listed, and never asked
    assert await stage.call("changeUri", gid, 1, [], [uri, "http://127.0.0.1/b"]) == [0, answer[1] + 1]
    await turns()
    assert sorted(stage.session.find(gid).request.uris) == sorted((URI, "http://127.0.0.1/b"))


@pytest.mark.parametrize(("out", "trusted"), [({}, False), ({"out": "/a"}, True)])
async def test_who_adds_a_uri_may_name_the_file_and_so_is_not_trusted(
    stage: Stage, out: dict[str, str], trusted: bool
) -> None:
    gid = stage.session.add([URI], out, trusted=True).gid
    await stage.call("changeUri", gid, 1, [URI], [])
    assert stage.session.find(gid).request.trusted
    await stage.call("changeUri", gid, 1, [], ["http://127.0.0.1/b"])
    assert stage.session.find(gid).request.trusted is trusted
