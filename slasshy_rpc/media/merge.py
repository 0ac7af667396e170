"""What the parts of media have become on disk, files or fragments, and how one file is made of them.

Owns: what ffmpeg is given of each, and what is deleted in the end. Never: ffmpeg's command line (ffmpeg), or the place
of the file (making).
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slasshy_rpc.disk import fragments, layout
from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media.ffmpeg import LISTED, convert, ffmpeg
from slasshy_rpc.media.pieces import Feed, Joining
from slasshy_rpc.media.plan import MERGED
from slasshy_rpc.media.recipe import MUXERS, Recipe, together
from slasshy_rpc.protocols.offloop import finished, threaded

#: Bytes copied at a time.
_BLOCK = 4 << 20

#: Runs of a Track. ffmpeg is started for each: more than a program with advertisements has.
MOST_RUNS = 500


@dataclass(frozen=True, slots=True)
class Track:
    """What one Part has become, a stream of type ``ext``: one file, or in ``folder`` its fragments.

    In each of ``runs`` times go on; between two of them they begin anew.
    """

    runs: Sequence[Sequence[str]]
    ext: str
    folder: str = ""

    @property
    def paths(self) -> list[str]:
        """All files."""
        return [path for run in self.runs for path in run]

    @property
    def broken(self) -> bool:
        """Whether its times have to be put right: demuxers do that for a stream, but not for a file in fragments."""
        return len(self.runs) > 1 and self.ext in MERGED


async def produce(tracks: Sequence[Track], recipe: Recipe | None, into: str) -> None:
    """Write ``into``; without a ``recipe`` the first track is the file.

    Raises DownloadError if ffmpeg cannot, or is not there and needed, and DiskError.
    """
    if recipe is None:
        stop = threading.Event()
        await _told(threaded(_copy, tracks[0].paths[0], into, stop), stop.set)
        return
    if recipe.ext not in MUXERS and any(track.ext != recipe.ext for track in tracks):
        raise DownloadError(f"The media cannot be made into a file of type {recipe.ext}.")
    first = tracks[0]
    simple = not first.broken if ffmpeg() is None else first.ext == recipe.ext and recipe.ext not in MERGED
    if recipe.loose and simple:
        joining = Joining(first.paths, into)
        await _told(threaded(joining.run), joining.stop)
    else:
        await _convert(tracks, recipe, into)


async def _told(task: asyncio.Future[None], stop: Callable[[], None]) -> None:
    """The end of what is stopped when we are told to go: no thread goes on writing."""
    await finished(task, stop)
    task.result()


async def _convert(tracks: Sequence[Track], recipe: Recipe, into: str) -> None:
    """Have ffmpeg read the tracks: files by their names, fragments one behind the other through pipes."""
    feeds: list[Feed] = []
    parts: list[tuple[str | int, str]] = []
    size = await asyncio.to_thread(_size, [path for track in tracks for path in track.paths])
    try:
        for track in tracks:
            if track.broken:
                parts.append((await _mended(track, size), LISTED))
            elif track.folder:
                feeds.append(Feed(track.paths))
                parts.append((feeds[-1].reader.fileno(), track.ext))
            else:
                parts.append((track.paths[0], track.ext))
        await convert(parts, recipe, into, size, feeds)
    finally:
        for feed in feeds:
            feed.close()


async def _mended(track: Track, size: int) -> str:
    """Make a file of each run, whose times begin at nothing; the path of a list of them. Raises DownloadError."""
    if len(track.runs) > MOST_RUNS:
        text = f"The media's times begin anew {len(track.runs)} times, and more than {MOST_RUNS} are not put right."
        raise DownloadError(text)
    names = []
    for number, run in enumerate(track.runs):
        made = await asyncio.to_thread(fragments.scratch, track.folder, number)
        feed = Feed(run)
        try:
            await convert([(feed.reader.fileno(), track.ext)], together(track.ext), made, size, [feed])
        finally:
            feed.close()
        names.append(os.path.basename(made))  # digits: nothing to quote
    return await asyncio.to_thread(_list, track.folder, names)


def _list(folder: str, names: Sequence[str]) -> str:
    path = fragments.scratch(folder, len(names))
    fd = layout.open_target(path, create=False)
    try:
        layout.write(fd, "\n".join(["ffconcat version 1.0", *(f"file {name}" for name in names), ""]).encode(), path)
    finally:
        os.close(fd)
    return path


def clear(tracks: Sequence[Track], *, keep: bool = False) -> None:
    """The tracks are in the file: delete them, unless ``keep`` those that are files, and their control files."""
    for track in tracks:
        if track.folder:
            fragments.remove([track.folder])
        else:
            path = track.paths[0]
            layout.remove([layout.control_path(path), *([] if keep else [path])])


def _size(paths: Sequence[str]) -> int:
    try:
        return sum(map(os.path.getsize, paths))
    except OSError as error:  # somebody has removed one
        raise disk_error(error, "read", error.filename) from error


def _copy(source: str, into: str, stop: threading.Event) -> None:
    """Copy until all is there or ``stop`` is set. Raises DiskError."""
    try:
        with open(source, "rb") as old, open(layout.open_target(into, create=False, truncate=True), "wb") as new:
            while not stop.is_set() and (data := old.read(_BLOCK)):
                new.write(data)
    except OSError as error:
        raise disk_error(error, "write", into) from error
