"""What ffmpeg is given of files and fragments, and what is left of them in the end."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from slasshy_rpc.disk import layout
from slasshy_rpc.errors import DiskError, DownloadError
from slasshy_rpc.media import merge, pieces
from slasshy_rpc.media.ffmpeg import AHEAD, LISTED, command
from slasshy_rpc.media.merge import Track, clear, produce
from slasshy_rpc.media.recipe import Recipe, together


@pytest.fixture
def tracks(tmp_path: Path) -> list[Track]:
    """A file with its control file, and a folder of fragments."""
    for name in ("f.s.m4a", "f.s.m4a.aria2", "into"):
        (tmp_path / name).write_bytes(b"part")
    folder = tmp_path / "f.mp4.part"
    folder.mkdir()
    (folder / "00000").write_bytes(b"one")
    (folder / "00001").write_bytes(b"two")
    fragments = Track([[str(folder / "00000"), str(folder / "00001")]], "ts", str(folder))
    return [Track([[str(tmp_path / "f.s.m4a")]], "m4a"), fragments]


@pytest.mark.parametrize(("keep", "left"), [(False, ["into"]), (True, ["f.s.m4a", "into"])])
def test_tracks_go_with_their_records(tmp_path: Path, tracks: list[Track], keep: bool, left: list[str]) -> None:
    clear(tracks, keep=keep)
    assert sorted(os.listdir(tmp_path)) == left


async def test_a_file_is_copied_and_loose_fragments_follow_each_other(
    tmp_path: Path, tracks: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    into = tmp_path / "into"
    await produce(tracks[:1], None, str(into))
    assert into.read_bytes() == b"part"
    into.write_bytes(b"")
    await produce(tracks[1:], together("ts"), str(into))
    assert into.read_bytes() == b"onetwo"
    with pytest.raises(DownloadError, match="cannot be made into a file of type avi"):
        await produce(tracks[1:], together("avi"), str(into))
    with pytest.raises(DownloadError, match="ffmpeg is needed to merge"):
        await produce(tracks, Recipe("mkv", (), "merge"), str(into))


async def test_what_begins_anew_all_the_time_is_no_media(
    tmp_path: Path, tracks: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ffmpeg would be started for hours."""
    monkeypatch.setattr(merge, "MOST_RUNS", 2)
    ragged = Track([tracks[1].paths] * 3, "mp4", tracks[1].folder)
    with pytest.raises(DownloadError, match="begin anew 3 times"):
        await produce([ragged], together("mp4"), str(tmp_path / "into"))


async def test_told_to_go_while_fragments_are_joined_no_thread_goes_on(
    tmp_path: Path, tracks: list[Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    files, copied = [str(tmp_path / str(n)) for n in range(9)], list[str]()
    begun, go = threading.Event(), threading.Event()

    def copy(paths: Sequence[str], into: object) -> None:
        copied.extend(paths)
        begun.set()
        assert go.wait(10)

    monkeypatch.setattr(pieces, "_copy", copy)
    task = asyncio.create_task(produce([Track([files], "ts", str(tmp_path))], together("ts"), str(tmp_path / "into")))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    await asyncio.wait([task])
    assert (task.cancelled(), len(copied)) == (True, 1)


async def test_a_part_that_somebody_has_removed_is_told(tmp_path: Path, tracks: list[Track]) -> None:
    layout.remove([tracks[0].paths[0]])
    with pytest.raises(DiskError, match=r"Cannot read .*f\.s\.m4a: the path does not exist"):
        await produce(tracks, Recipe("mkv", (), "merge"), str(tmp_path / "into"))


def test_ffmpeg_reads_pipes_and_lists_that_we_wrote() -> None:
    """The pipes ahead: it sleeps whenever one of two has nothing for it."""
    arguments = command("ffmpeg", [(7, "ts"), ("/l", LISTED)], together("mp4"), "/c")
    at = arguments.index("pipe:7")
    ahead = ["-thread_queue_size", str(AHEAD)]
    assert arguments[at - 7 : at] == [*ahead, "-protocol_whitelist", "pipe", "-f", "mpegts", "-i"]
    at = arguments.index("file:/l")
    assert arguments[at - 7 : at] == ["-protocol_whitelist", "file", "-f", "concat", "-safe", "0", "-i"]
