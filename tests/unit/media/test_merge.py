"""What becomes of the parts and of what lies at the place of the merged file, whatever ffmpeg does."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from slasshy_rpc.disk import layout
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode
from slasshy_rpc.media import merge as module
from slasshy_rpc.media import pieces
from slasshy_rpc.media.merge import Track, command, merge
from slasshy_rpc.media.pieces import Feed

PARTS = ["f.v.mp4", "f.s.m4a"]


class Held:
    """A step that is at its beginning until it is let go, in the place of the one called ``name``."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        step = getattr(module, name)

        def held(*args: object, **kwargs: object) -> object:
            self.begun.set()
            assert self.go.wait(10)
            return step(*args, **kwargs)

        monkeypatch.setattr(module, name, held)

    async def cancels(self, task: asyncio.Task[int]) -> None:
        """Cancel the task meanwhile, and let the step go on when it has been told."""
        assert await asyncio.to_thread(self.begun.wait, 10)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, self.go.set)
        await asyncio.wait([task])


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Track]:
    """Two parts with a control file each; ffmpeg writes ``merged``."""

    async def run(arguments: Sequence[str], seconds: float, feeds: Sequence[Feed]) -> None:
        made = os.open(arguments[-1].removeprefix("file:"), os.O_WRONLY)
        os.write(made, b"merged")
        os.close(made)

    monkeypatch.setattr(module, "_run", run)
    monkeypatch.setattr(module, "ffmpeg", lambda: "ffmpeg")
    for name in PARTS:
        (tmp_path / name).write_bytes(b"part")
        (tmp_path / f"{name}.aria2").write_bytes(b"record")
    return [Track([[str(tmp_path / name)]], name.rpartition(".")[2]) for name in PARTS]


async def test_the_parts_go_with_their_records(tmp_path: Path, parts: list[Track]) -> None:
    path = tmp_path / "f.mp4"
    assert await merge(parts, str(path), "mp4", overwrite=False, sync=True) == 6
    assert (os.listdir(tmp_path), path.read_bytes()) == (["f.mp4"], b"merged")


async def test_what_came_to_lie_there_is_not_written_over(tmp_path: Path, parts: list[Track]) -> None:
    path = tmp_path / "f.mp4"
    path.write_bytes(b"somebody's")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DiskError, match="Something else lies") as caught:
        await merge(parts, str(path), "mp4", overwrite=False, sync=False)
    assert caught.value.code == ErrorCode.FILE_EXISTS
    assert (sorted(os.listdir(tmp_path)), path.read_bytes()) == (before, b"somebody's")
    assert await merge(parts, str(path), "mp4", overwrite=True, sync=False) == 6
    assert path.read_bytes() == b"merged"


async def test_a_failure_leaves_the_parts(tmp_path: Path, parts: list[Track], monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(arguments: Sequence[str], seconds: float, feeds: Sequence[Feed]) -> None:
        raise DownloadError("ffmpeg could not")

    monkeypatch.setattr(module, "_run", fail)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DownloadError, match="could not"):
        await merge(parts, str(tmp_path / "f.mp4"), "mp4", overwrite=False, sync=False)
    assert sorted(os.listdir(tmp_path)) == before


async def test_told_to_go_once_the_file_has_its_place_it_stays(
    tmp_path: Path, parts: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a download that is paused then would begin anew, under another name."""
    held = Held("_clear", monkeypatch)
    task = asyncio.create_task(merge(parts, str(tmp_path / "f.mp4"), "mp4", overwrite=False, sync=False))
    await held.cancels(task)
    assert not task.cancelled()
    assert (task.result(), os.listdir(tmp_path)) == (6, ["f.mp4"])


async def test_told_to_go_before_it_leaves_nothing_behind(
    tmp_path: Path, parts: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(os.listdir(tmp_path))
    held = Held("_prepare", monkeypatch)
    task = asyncio.create_task(merge(parts, str(tmp_path / "f.mp4"), "mp4", overwrite=False, sync=False))
    await held.cancels(task)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert task.cancelled()
    assert sorted(os.listdir(tmp_path)) == before


async def test_told_to_go_while_fragments_are_joined_no_thread_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, copied = [str(tmp_path / str(n)) for n in range(9)], list[str]()
    begun, go = threading.Event(), threading.Event()

    def copy(paths: Sequence[str], into: object) -> None:
        copied.extend(paths)
        begun.set()
        assert go.wait(10)

    monkeypatch.setattr(pieces, "_copy", copy)
    track = Track([files], "ts", str(tmp_path))
    task = asyncio.create_task(merge([track], str(tmp_path / "f.ts"), "ts", overwrite=False, sync=False))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    await asyncio.wait([task])
    assert (task.cancelled(), len(copied)) == (True, 1)
    assert os.listdir(tmp_path) == []


def test_ffmpeg_reads_these_files_alone_and_as_what_they_were_said_to_be() -> None:
    arguments = command("ffmpeg", [("/a", "mp4"), ("/b", "webm")], "/c", "mkv")
    for path, kind in (("/a", "mov"), ("/b", "matroska")):
        at = arguments.index(f"file:{path}")
        assert arguments[at - 5 : at] == ["-protocol_whitelist", "file", "-f", kind, "-i"]


def test_pipes_are_read_ahead_as_what_they_were_said_to_be() -> None:
    """ffmpeg sleeps whenever one of two pipes has nothing for it."""
    arguments = command("ffmpeg", [(3, "mp4"), (4, "ts")], "/c", "mkv")
    for pipe, kind in (("pipe:3", "mov"), ("pipe:4", "mpegts")):
        at = arguments.index(pipe)
        ahead = ["-thread_queue_size", str(module.AHEAD)]
        assert arguments[at - 7 : at] == [*ahead, "-protocol_whitelist", "pipe", "-f", kind, "-i"]


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("echo Error writing trailer of file:x: No space left on device >&2", ErrorCode.DISK_FULL, "no room"),
        ("echo Error closing file file:x: Disk quota exceeded >&2", ErrorCode.DISK_FULL, "quota"),
        ("echo file:/f.v.mp4: Input/output error >&2", ErrorCode.UNKNOWN, "Input/output error"),
        ("printf '\\033[31mred' >&2; exit 1", ErrorCode.UNKNOWN, r"\?.31mred"),
        (":", ErrorCode.UNKNOWN, "an empty file"),
    ],
)
async def test_what_ffmpeg_spoils_does_not_take_the_place_of_the_parts(
    tmp_path: Path, parts: list[Track], monkeypatch: pytest.MonkeyPatch, script: str, code: int, told: str
) -> None:
    """Tried on ffmpeg 5.1: on a full disk it leaves a file without its index, and ends with 0."""
    monkeypatch.undo()
    program = spoiling(tmp_path, script)
    monkeypatch.setattr(module, "ffmpeg", lambda: program)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DownloadError, match=told) as caught:
        await merge(parts, str(tmp_path / "f.mp4"), "mp4", overwrite=False, sync=False)
    assert (caught.value.code, sorted(os.listdir(tmp_path))) == (code, before)


async def test_a_part_that_somebody_has_removed_is_told(tmp_path: Path, parts: list[Track]) -> None:
    layout.remove([parts[1].paths[0]])
    with pytest.raises(DiskError, match=r"Cannot read .*f\.s\.m4a: the path does not exist"):
        await merge(parts, str(tmp_path / "f.mp4"), "mp4", overwrite=False, sync=False)
    assert "f.v.mp4" in os.listdir(tmp_path)


def spoiling(folder: Path, script: str) -> str:
    """An ffmpeg that does this; unless it is nothing its file has some bytes."""
    program = folder / "spoiling"
    some = "" if script == ":" else 'for last; do :; done; echo x > "${last#file:}"\n'
    program.write_text(f"#!/bin/sh\n{some}{script}\n")
    program.chmod(0o755)
    return str(program)


async def test_a_merge_that_does_not_end_is_ended(
    tmp_path: Path, parts: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    endless = tmp_path / "endless"
    endless.write_text("#!/bin/sh\nexec sleep 60\n")
    endless.chmod(0o755)
    monkeypatch.setattr(module, "ffmpeg", lambda: str(endless))
    monkeypatch.setattr(module, "LEAST", 0.1)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DownloadError, match="did not merge within") as caught:
        await merge(parts, str(tmp_path / "f.mp4"), "mp4", overwrite=False, sync=False)
    assert caught.value.code == ErrorCode.TIMEOUT
    assert sorted(os.listdir(tmp_path)) == before
