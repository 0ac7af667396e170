"""Interrupted downloads: what is there is used, what does not fit is told apart, nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from slasshy_rpc.disk import control, livemap
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.disk.control import Control
from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.plan.ranges import Ranges
from slasshy_rpc.protocols.localfile import LocalFile
from tests.support.behaviour import Behaviour, Seen, after
from tests.support.content import Content
from tests.support.fake_protocol import until
from tests.support.fetcher import Fetcher, interrupt
from tests.support.origin import Origin
from tests.support.process import Command, Server
from tests.support.remains import asked, controlled, files, overlap, same_blocks

MIB = 1 << 20
LENGTH = 12 * MIB + 4321
NAME = "file.bin"
UNRECORDED = 16 * BLOCK  # 16 KiB a connection

#: A second's worth for an interruption in the middle: 16 connections at this rate take three.
SLOW = Behaviour(rate=MIB // 4)


def assert_recorded(path: Path, on_disk: Ranges) -> None:
    """The control file says what is there, but for the last block of a piece that was begun in its middle."""
    claims = controlled(path)
    assert overlap(claims, on_disk) == claims.total >= on_disk.total - UNRECORDED


def beyond(count: int) -> Callable[[dict[str, Any]], bool]:
    """Whether a status shows more than ``count`` bytes."""
    return lambda status: int(status["completedLength"]) > count


def paused(status: dict[str, Any]) -> bool:
    return str(status["status"]) == "paused"


def leave(folder: Path, content: Content, done: list[Range], *, claimed: list[Range] | None = None) -> Path:
    """Put the file there as an interrupted download with a control file does: holes where nothing came."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    with path.open("wb") as file:
        file.truncate(content.length)
        for start, end in done:
            file.seek(start)
            file.write(content.slice(start, end))
    control.save(f"{path}.aria2", Control(MIB, content.length, 0, tuple(done if claimed is None else claimed)))
    return path


def mark(fetcher: Fetcher, path: Path, done: list[Range], validators: livemap.Validators) -> None:
    """Leave the live map of a download that was killed."""
    with path.open("rb") as file:
        key = livemap.key_for(str(path))
        livemap.LiveFile.create(fetcher.live_dir, key, file.fileno(), LENGTH, validators, tuple(done)).close(False)


# ---- in good order


def test_pause_and_unpause(origin: Origin, tmp_path: Path) -> None:
    flow = [SLOW]
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=lambda _: flow[0])
    content, path = origin.content(f"/{NAME}"), tmp_path / "d" / NAME

    def interruption(server: Server, gid: str, least: int) -> tuple[int, Ranges]:
        server.until(gid, beyond(least))
        server.call("aria2.pause", gid)
        server.until(gid, paused)
        on_disk = same_blocks(path, content)
        assert on_disk.total > least - 17 * BLOCK
        assert_recorded(path, on_disk)
        return len(origin.requests()), on_disk

    with Server(f"--dir={path.parent}", f"--state-dir={tmp_path / 's'}", "--split=16") as server:
        gid = server.add(url)
        interruption(server, gid, LENGTH // 4)
        server.call("aria2.unpause", gid)
        count, on_disk = interruption(server, gid, LENGTH // 2)
        flow[0] = Behaviour()
        server.call("aria2.unpause", gid)
        server.completed(gid)
        assert server.stop() == 0
    assert overlap(asked(origin.requests()[count:], LENGTH), on_disk) <= UNRECORDED
    assert content.difference(path) is None
    assert os.listdir(path.parent) == [NAME]


def test_a_server_that_is_stopped_and_started_again(origin: Origin, tmp_path: Path) -> None:
    flow = [SLOW]
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=lambda _: flow[0])
    content, path = origin.content(f"/{NAME}"), tmp_path / "d" / NAME
    options = (f"--dir={path.parent}", f"--state-dir={tmp_path / 's'}", "--split=16")
    with Server(*options) as server:
        gid = server.add(url)
        server.until(gid, beyond(LENGTH // 3))
        server.stop()
    count, on_disk = len(origin.requests()), same_blocks(path, content)
    assert_recorded(path, on_disk)
    flow[0] = Behaviour()
    with Server(*options) as server:
        server.completed(gid)  # nobody has to add it again
    assert overlap(asked(origin.requests()[count:], LENGTH), on_disk) <= UNRECORDED
    assert content.difference(path) is None


def test_a_one_shot_that_is_stopped_says_so_and_goes_on_the_next_time(origin: Origin, tmp_path: Path) -> None:
    """Exit code 7: there were unfinished downloads (aria2 manual)."""
    flow = [SLOW]
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=lambda _: flow[0])
    content, path = origin.content(f"/{NAME}"), tmp_path / NAME
    options = (f"--dir={tmp_path}", f"--state-dir={tmp_path / 's'}", "--split=16", url)
    with Command(*options) as command:
        origin.wait(lambda one: one.sent() > LENGTH // 3, 20)
        assert command.stop() == 7
    count, on_disk = len(origin.requests()), same_blocks(path, content)
    flow[0] = Behaviour()
    with Command(*options) as command:
        assert command.wait() == 0, command.said
    assert overlap(asked(origin.requests()[count:], LENGTH), on_disk) <= UNRECORDED
    assert content.difference(path) is None


GIVEN_UP: dict[str, Callable[[Seen], Behaviour]] = {
    "no ranges": lambda _: Behaviour(ranges=False, headers=(("Accept-Ranges", "none"),)),
    "no GET after HEAD": lambda seen: Behaviour() if seen.method == "HEAD" else Behaviour(status=503),
    "another file after HEAD": lambda seen: Behaviour(version=int(seen.method != "HEAD")),
}


@pytest.mark.parametrize(("name", "use_head"), [("no ranges", "false"), *((name, "true") for name in GIVEN_UP)])
async def test_what_is_there_stays_recorded_when_it_cannot_be_continued(
    fetcher: Fetcher, origin: Origin, name: str, use_head: str
) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=GIVEN_UP[name])
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 3 * MIB)])
    done = await fetcher.fetch(url, use_head=use_head, max_tries="1")
    assert done.error is not None
    assert list(controlled(path)) == [(0, 3 * MIB)]


async def test_a_stop_between_head_and_get_forgets_nothing(fetcher: Fetcher, origin: Origin) -> None:
    behaviour: Callable[[Seen], Behaviour] = lambda seen: Behaviour(hold_at=None if seen.method == "HEAD" else -1)  # noqa: E731
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=behaviour)
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 3 * MIB)])
    task = asyncio.create_task(fetcher.job(url, use_head="true").run())
    await until(lambda: any(seen.method == "GET" for seen in origin.requests()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(controlled(path)) == [(0, 3 * MIB)]


async def test_a_small_file(fetcher: Fetcher, origin: Origin) -> None:
    """Too small for records while it comes, not too small to be continued or mixed up."""
    url = origin.serve("/small.bin", length=MIB // 2, behaviour=after(1, Behaviour(), Behaviour(hold_at=MIB // 4)))
    job = fetcher.job(url, split="1")
    await interrupt(job, MIB // 4)
    assert (fetcher.folder / "small.bin.aria2").exists()
    origin.change("/small.bin")
    done = await fetcher.fetch(url)
    assert done.error is None
    assert done.path.name == "small.bin"
    assert origin.content("/small.bin").difference(done.path) is None


# ---- what does not fit


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("changed_at", [1, 2], ids=["before the first answer", "after the first answer"])
async def test_another_version_on_the_server_is_fetched_anew(
    fetcher: Fetcher, origin: Origin, caplog: pytest.LogCaptureFixture, killed: bool, changed_at: int
) -> None:
    """Same length, other bytes, ETag and date: whether it is seen in the first answer or in a later one."""
    count = 0

    def choose(seen: Seen) -> Behaviour:
        return SLOW if not count else Behaviour(version=int(seen.nth >= count))

    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=choose)
    old = origin.content(f"/{NAME}")
    if killed:
        done = [(0, 2 * MIB), (4 * MIB, 6 * MIB + BLOCK)]
        path = leave(fetcher.folder, old, done, claimed=[(0, MIB)])
        mark(fetcher, path, done, (f'"0-{LENGTH:x}-0"', "Wed, 01 Jan 2020 00:00:00 GMT"))
    else:
        await interrupt(fetcher.job(url), LENGTH // 3)
    count = len(origin.requests()) + changed_at
    with caplog.at_level(logging.WARNING):
        result = await fetcher.fetch(url, file_sync="auto")
    assert result.error is None
    assert result.path.name == NAME
    assert origin.content(f"/{NAME}", 1).difference(result.path) is None
    assert "Starting over" in caplog.text


async def test_nodes_that_name_one_version_differently_are_believed(fetcher: Fetcher, origin: Origin) -> None:
    flow = [SLOW]
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=lambda _: flow[0])
    await interrupt(fetcher.job(url), LENGTH // 3)
    count, on_disk = len(origin.requests()), same_blocks(fetcher.folder / NAME, origin.content(f"/{NAME}"))
    flow[0] = Behaviour(etag='"another node"')
    result = await fetcher.fetch(url)
    assert result.error is None
    assert overlap(asked(origin.requests()[count:], LENGTH), on_disk) <= UNRECORDED
    assert origin.content(f"/{NAME}").difference(result.path) is None


def _damaged(good: bytes) -> dict[str, bytes]:
    return {
        "empty": b"",
        "cut": good[:-3],
        "longer": good + b"\0",
        "another version": b"\0\7" + good[2:],
        "noise": bytes(range(256)) * 4,
        "of a torrent": good[:2] + b"\0\0\0\1" + good[6:],
    }


def damage(path: Path, how: str) -> Path:
    """Damage the control file of ``path``; where it is."""
    record = Path(f"{path}.aria2")
    record.write_bytes(_damaged(record.read_bytes())[how])
    return record


@pytest.mark.parametrize("how", _damaged(b"12345678"))
async def test_a_damaged_control_file_is_a_clear_error(fetcher: Fetcher, origin: Origin, how: str) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 3 * MIB + BLOCK)])
    record = damage(path, how)
    before = files(fetcher.folder)
    result = await fetcher.fetch(url)
    assert result.error is not None
    assert result.error.code == ErrorCode.UNKNOWN
    assert str(record) in str(result.error)
    assert "Remove it" in str(result.error)
    assert files(fetcher.folder) == before
    os.unlink(record)
    result = await fetcher.fetch(url, allow_overwrite="true")
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(path) is None


@pytest.mark.parametrize("difference", [-MIB, -1, 1, MIB])
async def test_a_control_file_of_another_length(fetcher: Fetcher, origin: Origin, difference: int) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    leave(fetcher.folder, Content(LENGTH + difference), [(0, 3 * MIB + BLOCK)])
    before = files(fetcher.folder)
    result = await fetcher.fetch(url)
    assert result.error is not None
    assert str(LENGTH) in str(result.error)
    assert str(LENGTH + difference) in str(result.error)
    assert files(fetcher.folder) == before


async def test_a_control_file_that_claims_more_than_is_there(fetcher: Fetcher, origin: Origin) -> None:
    """The target was cut meanwhile."""
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 8 * MIB)])
    os.truncate(path, 3 * MIB + 5)
    result = await fetcher.fetch(url)
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(path) is None


async def test_a_target_that_was_removed_begins_anew(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 8 * MIB)])
    mark(fetcher, path, [(0, 9 * MIB)], ("", ""))
    path.unlink()
    result = await fetcher.fetch(url)
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(path) is None
    assert sorted(os.listdir(fetcher.folder)) == [NAME, "live"]


async def test_marks_of_what_was_at_a_path_before_do_not_count(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download is killed, begun anew over the same file, and killed again before it has a live map of its own."""
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = fetcher.folder / NAME
    path.parent.mkdir()
    path.write_bytes(b"x" * LENGTH)
    mark(fetcher, path, [(0, LENGTH)], ("", ""))
    with monkeypatch.context() as patch:

        def die(self: LocalFile) -> None:
            raise InterruptedError("killed here")

        patch.setattr(LocalFile, "_map", die)
        with pytest.raises(InterruptedError):
            await fetcher.fetch(url, allow_overwrite="true", file_allocation="falloc")
    assert path.stat().st_size == LENGTH
    result = await fetcher.fetch(url)
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(path) is None


async def test_the_first_request_knows_what_a_killed_download_had(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    done = [(0, 5 * MIB), (7 * MIB, 8 * MIB + 3 * BLOCK)]
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), done, claimed=[(0, MIB)])
    mark(fetcher, path, done, ("", ""))
    result = await fetcher.fetch(url)
    assert result.error is None
    assert overlap(asked(origin.requests(), LENGTH), Ranges(done)) == 0
    assert origin.content(f"/{NAME}").difference(path) is None


# ---- what happens at once


async def test_the_end_comes_while_a_record_is_written(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is waited for, leaves nothing behind, and the digest is still computed."""
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(hold_at=MIB // 4))
    writing = threading.Event()
    save = LocalFile.save

    def slow(self: LocalFile, solid: Iterable[Range], upload_length: int = 0) -> None:
        if self.fd >= 0:
            writing.set()
            origin.release(f"/{NAME}")
            origin.wait(lambda one: one.sent() >= LENGTH)
            time.sleep(0.3)
        save(self, solid, upload_length)

    monkeypatch.setattr(LocalFile, "save", slow)
    result = await fetcher.fetch(url, checksum=f"sha-256={origin.content(f'/{NAME}').sha256()}")
    assert writing.is_set()
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(result.path) is None
    assert list(files(fetcher.folder)) == [NAME]


# ---- servers that cannot continue


async def test_no_ranges_on_resume_and_nothing_may_be_lost(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(ranges=False))
    leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 3 * MIB)])
    before = files(fetcher.folder)
    result = await fetcher.fetch(url, always_resume="true")
    assert result.error is not None
    assert result.error.code == ErrorCode.CANNOT_RESUME
    assert files(fetcher.folder) == before


async def test_no_ranges_on_resume_and_a_fresh_start_is_allowed(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(ranges=False))
    path = leave(fetcher.folder, origin.content(f"/{NAME}"), [(0, 3 * MIB)])
    result = await fetcher.fetch(url, always_resume="false")
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(path) is None
    assert list(files(fetcher.folder)) == [NAME]


# ---- without a control file


def foreign(fetcher: Fetcher, data: bytes) -> Path:
    """A file that another program left."""
    path = fetcher.folder / NAME
    path.parent.mkdir()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [1, BLOCK, 5 * MIB + 7, LENGTH - 1])
async def test_continue_takes_over_the_beginning(fetcher: Fetcher, origin: Origin, size: int) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = foreign(fetcher, origin.content(f"/{NAME}").slice(0, size))
    result = await fetcher.fetch(url, **{"continue": "true"})
    assert result.error is None
    assert result.path == path
    assert origin.content(f"/{NAME}").difference(path) is None
    assert overlap(asked(origin.requests(), LENGTH), Ranges([(0, size // BLOCK * BLOCK)])) <= BLOCK


async def test_without_continue_it_is_left_alone(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = foreign(fetcher, b"mine")
    result = await fetcher.fetch(url)
    assert result.error is None
    assert result.path.name == "file.1.bin"
    assert origin.content(f"/{NAME}").difference(result.path) is None
    assert path.read_bytes() == b"mine"


async def test_continue_leaves_a_complete_file_as_it_is(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = foreign(fetcher, b"x" * LENGTH)
    result = await fetcher.fetch(url, **{"continue": "true"})
    assert result.error is None
    assert path.read_bytes() == b"x" * LENGTH
    assert origin.sent() <= BLOCK
    assert sorted(os.listdir(fetcher.folder)) == [NAME]


async def test_continue_with_a_file_longer_than_the_remote_one(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    path = foreign(fetcher, b"x" * (LENGTH + 1))
    result = await fetcher.fetch(url, **{"continue": "true"})
    assert result.error is None
    assert result.path.name == "file.1.bin"
    assert origin.content(f"/{NAME}").difference(result.path) is None
    assert path.read_bytes() == b"x" * (LENGTH + 1)
    result = await fetcher.fetch(url, allow_overwrite="true", **{"continue": "true"})
    assert result.path == path
    assert origin.content(f"/{NAME}").difference(path) is None


async def test_continue_on_a_server_without_ranges_leaves_what_another_program_left(
    fetcher: Fetcher, origin: Origin
) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(ranges=False))
    data = origin.content(f"/{NAME}").slice(0, 5 * MIB)
    path = foreign(fetcher, data)
    result = await fetcher.fetch(url, **{"continue": "true"})
    assert result.error is not None
    assert result.error.code == ErrorCode.CANNOT_RESUME
    assert path.read_bytes()[: 5 * MIB] == data
    result = await fetcher.fetch(url, always_resume="false", **{"continue": "true"})
    assert result.error is None
    assert origin.content(f"/{NAME}").difference(path) is None
