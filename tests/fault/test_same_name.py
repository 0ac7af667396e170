"""Downloads that want one and the same path: each gets a file of its own, and keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from slasshy_rpc.disk.allocate import Method, allocate
from slasshy_rpc.protocols import localfile
from tests.support.behaviour import Behaviour
from tests.support.fetcher import Fetcher, interrupt
from tests.support.origin import Origin
from tests.support.process import Server
from tests.support.remains import controlled, files

MIB = 1 << 20
NAME = "file.bin"
LENGTH = 4 * MIB + 4321


def serve(origin: Origin, count: int, behaviour: Behaviour) -> list[str]:
    """URLs of different files of one length and one name."""
    return [
        origin.serve(f"/{number}/{NAME}", length=LENGTH, seed=number, behaviour=behaviour) for number in range(count)
    ]


def assert_whole(origin: Origin, path: str, number: int) -> None:
    assert origin.content(f"/{number}/{NAME}").difference(Path(path)) is None


CHUNKED = Behaviour(framing="chunked")
GZIP = Behaviour(framing="chunked", gzip=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Behaviour(), Behaviour()),
        (CHUNKED, CHUNKED),
        (CHUNKED, Behaviour()),  # its length is known when it comes back
        (GZIP, GZIP),
        (GZIP, Behaviour()),
    ],
    ids=["length", "chunked", "chunked, then a length", "gzip", "gzip, then a length"],
)
def test_paused_and_unpaused_in_another_order(
    origin: Origin, tmp_path: Path, before: Behaviour, after: Behaviour
) -> None:
    """Each goes on with its own file, though both are called the same and the second is now the first to start."""
    urls = serve(origin, 2, replace(before, rate=MIB // 4))
    options = ("--split=2", "--http-accept-gzip=true", "--conditional-get=true", "--continue=true")
    with Server(f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}", *options) as server:
        gids = [server.add(url) for url in urls]
        paths = []
        for gid in gids:
            status = server.until(gid, lambda status: int(status["completedLength"]) > MIB // 8)
            paths.append(status["files"][0]["path"])
        for gid in gids:
            server.call("aria2.pause", gid)
        for gid in gids:
            server.until(gid, lambda status: status["status"] == "paused")
        serve(origin, 2, after)
        for gid in reversed(gids):
            server.call("aria2.unpause", gid)
            server.completed(gid)
        ends = [server.status(gid)["files"][0]["path"] for gid in gids]
    assert ends == paths
    assert len(set(ends)) == 2
    for number, path in enumerate(ends):
        assert_whole(origin, path, number)
    # A part has no time of its own: a 304 would make it pass for the whole.
    assert not any(seen.header("if-modified-since") for seen in origin.requests())
    assert sorted(os.listdir(tmp_path / "d")) == sorted(Path(path).name for path in ends)


def test_many_at_once(origin: Origin, tmp_path: Path) -> None:
    count = 24
    urls = serve(origin, count, Behaviour())
    options = (f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}", f"--max-concurrent-downloads={count}")
    with Server(*options) as server:
        gids = [server.add(url, split="1") for url in urls]
        ends = [server.completed(gid)["files"][0]["path"] for gid in gids]
    assert len(set(ends)) == count
    for number, path in enumerate(ends):
        assert_whole(origin, path, number)


def test_a_changed_out_begins_elsewhere(origin: Origin, tmp_path: Path) -> None:
    urls = serve(origin, 1, Behaviour(rate=MIB // 4))
    with Server(f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}", "--split=1") as server:
        first = server.add(urls[0])
        server.until(first, lambda status: int(status["completedLength"]) > MIB // 8)
        serve(origin, 1, Behaviour())
        server.call("aria2.changeOption", first, {"out": "other.bin"})
        end = server.completed(first)["files"][0]["path"]
    assert Path(end).name == "other.bin"
    assert_whole(origin, end, 0)


def test_over_a_restart_each_goes_on_with_its_own(origin: Origin, tmp_path: Path) -> None:
    """The second answers first now: it does not take the first one's file, though both are of one name and length."""
    slow = Behaviour(rate=MIB // 4, etag="", last_modified="")
    urls = serve(origin, 2, slow)
    session = tmp_path / "session"
    options = (f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}", f"--save-session={session}", "--split=2")
    with Server(*options) as server:
        gids = [server.add(url) for url in urls]
        paths = []
        for gid in gids:
            status = server.until(gid, lambda status: int(status["completedLength"]) > MIB // 8)
            paths.append(status["files"][0]["path"])
        server.call("aria2.pauseAll")
        for gid in gids:
            server.until(gid, lambda status: status["status"] == "paused")
        assert server.stop() == 0
    serve(origin, 2, Behaviour(etag="", last_modified=""))
    with Server(*options, f"--input-file={session}", "--enable-rpc") as server:
        for gid in reversed(gids):
            server.call("aria2.unpause", gid)
            server.completed(gid)
        ends = [server.status(gid)["files"][0]["path"] for gid in gids]
        server.stop()
    assert ends == paths
    for number, path in enumerate(ends):
        assert_whole(origin, path, number)


def open_files() -> list[os.stat_result]:
    """What this process has open."""
    found = []
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # the folder's own descriptor
            found.append(os.fstat(int(name)))
    return found


async def test_cancelled_while_the_file_is_made_ready(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run had brought is still claimed, and no descriptor is left open."""
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(rate=MIB))
    path = fetcher.folder / NAME
    await interrupt(fetcher.job(url), 2 * MIB)
    before = controlled(path)
    assert before.total > MIB
    allocating = asyncio.Event()
    loop = asyncio.get_running_loop()

    def cancelled_meanwhile(fd: int, length: int, method: Method, **more: object) -> None:
        loop.call_soon_threadsafe(allocating.set)
        loop.call_soon_threadsafe(again.cancel)
        allocate(fd, length, method, **more)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(localfile, "allocate", cancelled_meanwhile)
    again = asyncio.create_task(fetcher.job(url, no_file_allocation_limit="0").run())
    with contextlib.suppress(asyncio.CancelledError):
        await again
    assert allocating.is_set()
    assert controlled(path) == before
    assert not any(os.path.samestat(status, path.stat()) for status in open_files())
    assert sorted(files(fetcher.folder)) == [NAME, f"{NAME}.aria2"]
