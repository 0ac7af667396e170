"""Files that are there already: checked and fetched anew, finished in the last moment, devices, and others' files."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slasshy_rpc.disk import control, existing, layout
from slasshy_rpc.disk.checksum import digest_file
from slasshy_rpc.errors import DiskError, ErrorCode
from slasshy_rpc.protocols import integrity
from slasshy_rpc.protocols.localfile import LocalFile
from tests.support.behaviour import Behaviour, after, first
from tests.support.fake_protocol import until
from tests.support.fetcher import LIMIT, Fetcher, interrupt
from tests.support.origin import Origin
from tests.support.remains import controlled, files

MIB = 1 << 20
LENGTH = 4 * MIB + 4321
NAME = "file.bin"


def leave(fetcher: Fetcher, data: bytes) -> Path:
    """A file that another program left."""
    path = fetcher.folder / NAME
    path.parent.mkdir()
    path.write_bytes(data)
    return path


# ---- checked


@pytest.mark.parametrize("rule", ["continue", "check_integrity"])
async def test_a_digest_that_nothing_has_fails_after_the_fetch_too(fetcher: Fetcher, origin: Origin, rule: str) -> None:
    leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    done = await fetcher.fetch(url, checksum=f"sha-256={'1' * 64}", **{rule: "true"})
    assert done.error is not None
    assert done.error.code == ErrorCode.CHECKSUM


async def test_a_file_that_is_fetched_anew_has_its_records(fetcher: Fetcher, origin: Origin) -> None:
    """Stopped in the middle, it is known what came; nothing of what was there before is taken for it."""
    path = leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(rate=MIB))
    wanted = origin.content(f"/{NAME}")
    digest = f"sha-256={wanted.sha256()}"
    await interrupt(fetcher.job(url, checksum=digest, split="2", **{"continue": "true"}), 2 * MIB)
    assert MIB < controlled(path).total < LENGTH
    origin.serve(f"/{NAME}", length=LENGTH)
    done = await fetcher.fetch(url)
    assert done.error is None
    assert wanted.difference(path) is None
    assert sorted(files(fetcher.folder)) == [NAME]


async def test_records_are_there_before_the_old_content_is_gone(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in that moment, the next start does not take the file for a finished one."""
    path = leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    seen = []
    cut = layout.cut

    def watched(fd: int, length: int, where: str = "the file") -> None:
        seen.append((length, os.fstat(fd).st_size, Path(f"{path}.aria2").exists()))
        cut(fd, length, where)

    monkeypatch.setattr(layout, "cut", watched)
    await fetcher.fetch(url, checksum=f"sha-256={origin.content(f'/{NAME}').sha256()}", **{"continue": "true"})
    assert seen[0] == (0, LENGTH, True)


async def test_one_file_is_checked_at_a_time_and_the_others_say_that_they_wait(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Semaphore(0), threading.Semaphore(0)
    loop, digest = asyncio.get_running_loop(), digest_file

    def held(fd: int, algorithm: str, progress: Callable[[int], None], cancelled: Callable[[], bool]) -> str:
        loop.call_soon_threadsafe(begun.release)
        assert go_on.acquire(timeout=LIMIT)
        return digest(fd, algorithm, progress, cancelled)

    monkeypatch.setattr(integrity, "digest_file", held)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    options = {"checksum": f"sha-256={origin.content(f'/{NAME}').sha256()}"}
    jobs = [fetcher.job(url, out=f"{number}.bin", **options) for number in range(3)]
    tasks = [asyncio.create_task(job.run()) for job in jobs]

    def shown() -> list[tuple[int | None, bool]]:
        """What each shows of its check, those that say nothing left out."""
        found = [(one.verified_length, one.verify_pending) for one in (job.snapshot() for job in jobs)]
        return sorted((each for each in found if each != (None, False)), key=lambda each: each[1])

    async with asyncio.timeout(LIMIT):
        await begun.acquire()
        await until(lambda: len(shown()) == 3)
        assert shown() == [(0, False), (None, True), (None, True)]
        go_on.release()
        await begun.acquire()
        assert shown() == [(0, False), (None, True)]
        waiting = next(n for n, job in enumerate(jobs) if job.snapshot().verify_pending)
        tasks[waiting].cancel()
        go_on.release(2)
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in results) == 1
    assert shown() == []


@pytest.mark.parametrize("options", [{"check_integrity": "true"}, {"auto_file_renaming": "false"}], ids=str)
async def test_a_file_that_was_only_looked_at_is_not_taken_for_a_part_of_ones_own(
    fetcher: Fetcher,
    origin: Origin,
    options: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Paused in the middle of its look, the download finds it again and does with it what the options say by then."""
    path = leave(fetcher, b"x" * LENGTH)
    begun, go_on = asyncio.Event(), threading.Event()
    loop, digest, settle = asyncio.get_running_loop(), digest_file, existing.settle

    def held() -> None:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(LIMIT)

    def slow_digest(*args: Any) -> str:
        held()
        return digest(*args)

    def slow_settle(*args: Any, **kwargs: Any) -> existing.Existing:
        if "auto_file_renaming" in options:
            held()
        return settle(*args, **kwargs)

    monkeypatch.setattr(integrity, "digest_file", slow_digest)
    monkeypatch.setattr(existing, "settle", slow_settle)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    job = fetcher.job(url, checksum=f"sha-256={'1' * 64}", **options)
    task = asyncio.create_task(job.run())
    async with asyncio.timeout(LIMIT):
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    monkeypatch.undo()
    async with asyncio.timeout(LIMIT):
        await fetcher.again(job, url).run()
    assert path.read_bytes() == b"x" * LENGTH
    assert sorted(files(fetcher.folder)) == ["file.1.bin", NAME]
    assert not caplog.records


async def test_a_file_that_is_checked_is_shown_whole_and_one_that_is_wrong_leaves_no_claim(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    begun, go_on = threading.Event(), threading.Event()

    def wrong(*_: object) -> str:
        begun.set()
        assert go_on.wait(LIMIT)
        return ""

    def stopped(self: LocalFile) -> None:
        loop.call_soon_threadsafe(running.cancel)
        empty(self)

    loop, empty = asyncio.get_running_loop(), LocalFile.empty
    monkeypatch.setattr(integrity, "digest_file", wrong)
    monkeypatch.setattr(LocalFile, "empty", stopped)
    job = fetcher.job(url, checksum=f"sha-256={'1' * 64}", check_integrity="true")
    running = asyncio.create_task(job.run())
    await until(begun.is_set)
    assert (job.snapshot().bitfield, job.snapshot().completed_length) == (b"\xf8", LENGTH)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert controlled(path).total == 0


@pytest.mark.parametrize("content", [b"", b"x" * MIB, b"x" * (LENGTH + 1)])
@pytest.mark.parametrize("rule", ["check_integrity", "continue", "allow_overwrite"])
async def test_only_a_whole_file_is_checked_and_nothing_else_changes(
    fetcher: Fetcher, origin: Origin, content: bytes, rule: str
) -> None:
    path = leave(fetcher, content)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    digest = f"sha-256={origin.content(f'/{NAME}').sha256()}"
    done = await fetcher.fetch(url, checksum=digest, hash_check_only="true", **{rule: "true"})
    assert done.error is not None
    assert (done.error.code, done.error.terse) == (ErrorCode.UNKNOWN, "")
    assert path.read_bytes() == content
    assert os.listdir(fetcher.folder) == [NAME]


async def test_of_what_is_only_to_be_checked_nothing_is_fetched_but_a_file_that_is_wrong(
    fetcher: Fetcher, origin: Origin
) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    content = origin.content(f"/{NAME}")
    path = leave(fetcher, content.whole())
    options = {"checksum": f"sha-256={content.sha256()}", "hash_check_only": "true", "check_integrity": "true"}
    before = path.stat()
    assert (await fetcher.fetch(url, **options)).error is None
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    path.write_bytes(b"x" * LENGTH)
    assert (await fetcher.fetch(url, **options)).error is None
    assert content.difference(path) is None


async def test_another_piece_length_loses_nothing_and_is_written_where_it_is_allowed(
    fetcher: Fetcher, origin: Origin
) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(rate=MIB))
    content = origin.content(f"/{NAME}")
    path = leave(fetcher, content.slice(0, 3 * MIB))
    control.save(f"{path}.aria2", control.Control(MIB, LENGTH, 0, ((0, 3 * MIB),)), durable=False)
    for allowed, expected in (("false", MIB), ("true", 2 * MIB)):
        options = {"piece_length": str(2 * MIB), "allow_piece_length_change": allowed, "split": "1"}
        await interrupt(fetcher.job(url, **options), 3 * MIB + 65536)
        found = control.load(f"{path}.aria2")
        assert found is not None
        assert (found.piece_length, found.done[0][0], found.done[0][1] >= 3 * MIB) == (expected, 0, True)
    assert all(seen.range is not None and seen.range[0] >= 3 * MIB for seen in origin.requests())


async def test_a_map_of_zeros_is_shown_while_the_file_is_made_ready(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, prepare = threading.Event(), LocalFile.prepare

    def held(*args: Any, **named: Any) -> LocalFile:
        assert go_on.wait(LIMIT)
        return prepare(*args, **named)

    monkeypatch.setattr(LocalFile, "prepare", held)
    job = fetcher.job(origin.serve(f"/{NAME}", length=LENGTH))
    running = asyncio.create_task(job.run())
    await until(lambda: job.snapshot().bitfield is not None)
    assert (job.snapshot().bitfield, job.snapshot().num_pieces) == (b"\0", 5)
    go_on.set()
    await running
    assert job.snapshot().bitfield == b"\xf8"


async def test_a_save_interval_of_0_claims_nothing_before_the_stop(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(rate=2 * MIB))
    for interval, claimed in (("0", False), ("1", True)):
        job = fetcher.job(url, split="1", auto_save_interval=interval, out=interval)
        path = fetcher.folder / interval
        running = asyncio.create_task(job.run())
        await until(lambda job=job: job.snapshot().completed_length > 3 * MIB)  # type: ignore[misc]
        assert bool(controlled(path).total) == claimed
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert controlled(path).total >= 3 * MIB - 65536


# ---- finished in the last moment


async def test_told_to_stop_while_the_finished_file_is_made_durable(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records are gone by then: it is complete, whatever it was told."""
    loop = asyncio.get_running_loop()
    finish = LocalFile.finish

    def told_meanwhile(self: LocalFile, length: int, modified: float | None) -> None:
        loop.call_soon_threadsafe(task.cancel)
        finish(self, length, modified)

    monkeypatch.setattr(LocalFile, "finish", told_meanwhile)
    task = asyncio.create_task(fetcher.job(origin.serve(f"/{NAME}", length=LENGTH)).run())
    await task
    assert list(files(fetcher.folder)) == [NAME]
    assert origin.content(f"/{NAME}").difference(fetcher.folder / NAME) is None


# ---- what is no file of ours


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        after(1, Behaviour(version=1)),
        first(1, Behaviour(fail_after=MIB, fail_how="reset", ranges=False), Behaviour(ranges=False)),
        first(1, Behaviour(framing="chunked", fail_after=MIB, fail_how="reset"), Behaviour(framing="chunked")),
    ],
    ids=["plain", "changed", "no ranges", "chunked"],
)
async def test_the_null_device_takes_everything_and_stays(
    origin: Origin, fetcher: Fetcher, behaviour: Behaviour
) -> None:
    """People measure their line with ``-d /dev -o null``."""
    path = fetcher.folder / "null"
    path.parent.mkdir()
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.stat(os.devnull).st_rdev)
    except PermissionError:
        pytest.skip("only root may make a device: this test needs root")
    done = await fetcher.fetch(
        origin.serve(f"/{NAME}", length=LENGTH, behaviour=behaviour), out="null", allow_overwrite="true"
    )
    assert done.error is None
    assert stat.S_ISCHR(path.stat().st_mode)
    assert sorted(name for name in os.listdir(fetcher.folder) if name != "live") == ["null"]


async def test_no_record_stays_beside_what_cannot_be_opened(fetcher: Fetcher, origin: Origin) -> None:
    path = leave(fetcher, b"data")
    target = path.rename(path.with_name("data"))
    path.symlink_to(target)
    done = await fetcher.fetch(origin.serve(f"/{NAME}", length=LENGTH), allow_overwrite="true")
    assert isinstance(done.error, DiskError)
    assert sorted(name for name in os.listdir(fetcher.folder) if name != "live") == ["data", NAME]
    assert target.read_bytes() == b"data"


async def test_what_is_there_needs_no_room_again(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = origin.serve("/room.bin", length=2 * MIB)
    fetcher.folder.mkdir(exist_ok=True)
    (fetcher.folder / "room.bin").write_bytes(origin.content("/room.bin").slice(0, MIB))
    monkeypatch.setattr(layout, "free_space", lambda path: MIB - 1)
    options = {"continue": "true"}
    done = await fetcher.fetch(url, **options)
    assert done.error is not None
    assert done.error.code == ErrorCode.DISK_FULL
    monkeypatch.setattr(layout, "free_space", lambda path: MIB)
    done = await fetcher.fetch(url, **options)
    assert done.error is None
    assert origin.content("/room.bin").difference(done.path) is None


async def test_what_another_program_left_outlives_a_file_that_changes(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=after(1, Behaviour(version=1)))
    begun = origin.content(f"/{NAME}").slice(0, MIB)
    path = leave(fetcher, begun)
    options = {"continue": "true"}
    done = await fetcher.fetch(url, split="4", min_split_size="1048576", **options)
    assert done.error is not None
    assert path.read_bytes()[:MIB] == begun
