"""What becomes of the place of a file that is made here, whatever makes it; and how ffmpeg is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode
from slasshy_rpc.media import child, making
from slasshy_rpc.media.ffmpeg import command
from slasshy_rpc.media.making import make
from slasshy_rpc.media.recipe import Recipe
from tests.support.process import GLANCE, PATIENCE


async def write(path: str) -> None:
    made = os.open(path, os.O_WRONLY)
    os.write(made, b"made")
    os.close(made)


async def fail(path: str) -> None:
    await write(path)
    raise DownloadError("it could not")


async def test_it_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f.mp4"
    assert await make(str(path), "g", write, overwrite=False, sync=True) == 4
    assert (os.listdir(tmp_path), path.read_bytes()) == (["f.mp4"], b"made")


async def test_what_a_killed_process_left_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / ".g.unready").write_bytes(b"half of it, and more")
    assert await make(str(tmp_path / "f.mp4"), "g", write, overwrite=False, sync=False) == 4
    assert os.listdir(tmp_path) == ["f.mp4"]


async def test_what_came_to_lie_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "f.mp4"
    path.write_bytes(b"somebody's")
    with pytest.raises(DiskError, match="Something else lies") as caught:
        await make(str(path), "g", write, overwrite=False, sync=False)
    assert caught.value.code == ErrorCode.FILE_EXISTS
    assert (os.listdir(tmp_path), path.read_bytes()) == (["f.mp4"], b"somebody's")
    assert await make(str(path), "g", write, overwrite=True, sync=False) == 4
    assert path.read_bytes() == b"made"


async def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="could not"):
        await make(str(tmp_path / "f.mp4"), "g", fail, overwrite=False, sync=False)
    assert os.listdir(tmp_path) == []


async def test_told_to_go_before_it_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()
    prepare = making._prepare

    def slow(path: str) -> None:
        begun.set()
        assert go.wait(10)
        prepare(path)

    monkeypatch.setattr(making, "_prepare", slow)
    task = asyncio.create_task(make(str(tmp_path / "f.mp4"), "g", write, overwrite=False, sync=False))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    await asyncio.wait([task])
    await asyncio.get_running_loop().shutdown_default_executor()
    assert (task.cancelled(), os.listdir(tmp_path)) == (True, [])


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("echo Error writing trailer of file:x: No space left on device >&2", ErrorCode.DISK_FULL, "no room"),
        ("echo Error closing file file:x: Disk quota exceeded >&2", ErrorCode.DISK_FULL, "quota"),
        ("echo file:/f.v.mp4: Input/output error >&2", ErrorCode.UNKNOWN, "Input/output error"),
        ("printf '\\033[31mred' >&2; exit 1", ErrorCode.UNKNOWN, r"\?.31mred"),
    ],
)
async def test_what_a_program_spoils_is_not_taken_for_made(script: str, code: int, told: str) -> None:
    """Tried on ffmpeg 5.1: on a full disk it leaves a file without its index, and ends with 0."""
    with pytest.raises(DownloadError, match=told) as caught:
        await child.run(["/bin/sh", "-c", script], 30, "p", "work")
    assert caught.value.code == code


async def test_an_empty_file_is_not_taken_for_made(tmp_path: Path) -> None:
    async def nothing(path: str) -> None:
        pass

    with pytest.raises(DownloadError, match="is an empty file"):
        await make(str(tmp_path / "f.mp4"), "g", nothing, overwrite=False, sync=False)
    assert os.listdir(tmp_path) == []


def test_ffmpeg_reads_these_files_alone_and_as_what_they_were_said_to_be() -> None:
    arguments = command("ffmpeg", [("/a", "mp4"), ("/b", "webm")], Recipe("mkv", ("-c", "copy"), "merge"), "/c")
    for path, kind in (("/a", "mov"), ("/b", "matroska")):
        at = arguments.index(f"file:{path}")
        assert arguments[at - 5 : at] == ["-protocol_whitelist", "file", "-f", kind, "-i"]


async def test_a_program_says_why_it_could_not() -> None:
    script = "import sys; print('x' * 9999, sys.stdin.read(), file=sys.stderr); sys.exit(3)"
    with pytest.raises(DownloadError, match=r"p could not work: x.* because") as caught:
        await child.run([sys.executable, "-c", script], 30, "p", "work", b"because")
    assert len(str(caught.value)) < 500


async def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    script = f"echo $$ > {numbers}; sleep 60 & echo $! >> {numbers}; wait"
    with pytest.raises(DownloadError, match=r"p did not work within \d seconds\.") as caught:
        await child.run(["/bin/sh", "-c", script], 0.5, "p", "work")
    assert caught.value.code == ErrorCode.TIMEOUT
    for number in numbers.read_text().split():
        _ended(int(number))


async def test_a_program_that_was_killed_says_nothing() -> None:
    """As the system does to one that takes too much memory."""
    with pytest.raises(DownloadError, match="p could not work: it was ended by signal 9"):
        await child.run(["/bin/sh", "-c", "kill -9 $$"], 30, "p", "work")


async def test_no_program_no_work() -> None:
    with pytest.raises(DownloadError, match="p could not work: /nowhere/p: No such file"):
        await child.run(["/nowhere/p"], 1, "p", "work")


def test_more_takes_longer() -> None:
    assert child.patience(0) == 120
    assert child.patience(1 << 30) == 120 + 1024
    assert child.patience(64 << 20, child.ENCODED) > 3600


def _ended(number: int) -> None:
    """Wait until no process of this number runs: a zombie does not."""
    end = time.monotonic() + PATIENCE
    with contextlib.suppress(psutil.NoSuchProcess):
        while psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end
            time.sleep(GLANCE)
