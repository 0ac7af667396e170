"""Video and audio that came as two files, or in fragments, become one, by ffmpeg, without touching what is in them.

Owns: ffmpeg's command line, its process and the file that it makes. Never: lets ffmpeg guess what a file is (one that
is really a playlist would name others for it to read), or reach anything but these files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from slasshy_rpc.disk import fragments, layout
from slasshy_rpc.disk.faults import disk_error, printable
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode
from slasshy_rpc.media.pieces import Feed, Feeds, Joining
from slasshy_rpc.media.plan import DEMUXERS, MUXERS
from slasshy_rpc.protocols.offloop import finished, lastly, outlast, threaded, through

#: In the place of an extension: a list of files.
LISTED = "ffconcat"

#: Seconds that a merge may take, and bytes a second that a slow disk copies: large files may take longer.
LEAST = 60.0
COPIED = 2 << 20

#: Packets that are read ahead of each pipe. ffmpeg sleeps for 10 ms whenever one of two has none ready: with its own 8,
#: ten minutes of sound and pictures took 23 s to merge, with these 0.2.
AHEAD = 512

#: How much of what ffmpeg says is told (bytes).
_TAIL = 400


#: What ffmpeg 5 and older say when the file that they have made is no good, and yet end as if it were.
_SPOILT = re.compile("Error (?:writing trailer|closing file)|Input/output error")

_program = "ffmpeg"


def use(program: str) -> None:
    """Take this for ffmpeg, a name or a path, in the whole process."""
    global _program
    _program = program


def ffmpeg() -> str | None:
    """Where ffmpeg is, or None."""
    return shutil.which(_program)


def needed() -> str:
    """Where ffmpeg is. Raises DownloadError if it is nowhere."""
    program = ffmpeg()
    if program is None:
        raise DownloadError(
            "The page has video and audio apart, and ffmpeg is needed to merge them. Install it and add the page "
            "again, or take them as two files: --media-merge=off."
        )
    return program


def command(program: str, parts: Sequence[tuple[str | int, str]], into: str, ext: str) -> list[str]:
    """ffmpeg's arguments: ``parts`` are (path, extension), the video first, or all in one; ``into`` becomes a file of
    type ``ext``. A number in the place of a path is the descriptor of a pipe; LISTED, in that of an extension: the file
    is a list, which we wrote, of files that ffmpeg has made."""
    arguments = [program, "-nostdin", "-y", "-loglevel", "error"]
    for path, kind in parts:
        protocol = "pipe" if isinstance(path, int) else "file"
        if isinstance(path, int):
            arguments += ["-thread_queue_size", str(AHEAD)]
        demuxer = ["concat", "-safe", "0"] if kind == LISTED else [DEMUXERS[kind]]
        arguments += ["-protocol_whitelist", protocol, "-f", *demuxer, "-i", f"{protocol}:{path}"]
    video, audio = ("0:v:0", "1:a:0") if len(parts) > 1 else ("0:v:0?", "0:a:0?")
    arguments += ["-map", video, "-map", audio, "-c", "copy"]
    if MUXERS[ext] in ("mp4", "mov"):
        arguments += ["-movflags", "+faststart"]
    return [*arguments, "-f", MUXERS[ext], f"file:{into}"]


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
        return len(self.runs) > 1 and self.ext in MUXERS


async def merge(
    tracks: Sequence[Track], path: str, ext: str, *, overwrite: bool, sync: bool, keep: bool = False
) -> int:
    """Make ``path`` of the ``tracks``; its length in bytes.

    Their control files are deleted then, and they too unless ``keep``; fragments are in any case.

    Cancelled, all is as before; from the moment on in which ``path`` gets its file it is too late for that.

    Raises DownloadError if ffmpeg cannot, DiskError 13 if something else lies at ``path`` and ``overwrite`` is not set.
    """
    program = needed() if len(tracks) > 1 else ffmpeg()
    if program is None and tracks[0].broken:
        raise DownloadError("ffmpeg is needed to put the media together. Install it and add the page again.")
    if ext not in MUXERS and any(track.ext != ext for track in tracks):
        raise DownloadError(f"The media cannot be made into a file of type {ext}.")
    unready = _unready(path)
    try:
        await through(_prepare, unready)
        if program is None or (len(tracks) == 1 and tracks[0].ext == ext and ext not in MUXERS):
            joining = Joining(tracks[0].paths, unready)
            joined = threaded(joining.run)
            await finished(joined, joining.stop)
            joined.result()
        else:
            await _convert(program, tracks, unready, ext)
        return await lastly(_finish, unready, path, tracks, overwrite=overwrite, sync=sync, keep=keep)
    except BaseException:
        layout.remove([unready])
        raise


async def _convert(program: str, tracks: Sequence[Track], unready: str, ext: str) -> None:
    """Have ffmpeg read the tracks: files by their names, fragments one behind the other through pipes."""
    seconds = await asyncio.to_thread(_patience, [path for track in tracks for path in track.paths])
    feeds: list[Feed] = []
    parts: list[tuple[str | int, str]] = []
    try:
        for track in tracks:
            if track.broken:
                parts.append((await _mended(program, track), LISTED))
            elif track.folder:
                feeds.append(Feed(track.paths))
                parts.append((feeds[-1].reader.fileno(), track.ext))
            else:
                parts.append((track.paths[0], track.ext))
        await _run(command(program, parts, unready, ext), seconds, feeds)
    finally:
        for feed in feeds:
            feed.close()


async def _mended(program: str, track: Track) -> str:
    """Make a file of each run, whose times begin at nothing; the path of a list of them."""
    names = []
    for number, run in enumerate(track.runs):
        made = await asyncio.to_thread(fragments.scratch, track.folder, number)
        feed = Feed(run)
        try:
            seconds = await asyncio.to_thread(_patience, run)
            await _run(command(program, [(feed.reader.fileno(), track.ext)], made, track.ext), seconds, [feed])
        finally:
            feed.close()
        names.append(os.path.basename(made))  # digits: nothing to quote
    return await asyncio.to_thread(_list, track.folder, names)


def _patience(paths: Sequence[str]) -> float:
    """Seconds that may go by until these files are read, and written again. Raises DiskError."""
    try:
        return LEAST + sum(map(os.path.getsize, paths)) / COPIED
    except OSError as error:
        raise disk_error(error, "read", error.filename) from error


def _list(folder: str, names: Sequence[str]) -> str:
    path = fragments.scratch(folder, len(names))
    fd = layout.open_target(path, create=False)
    try:
        layout.write(fd, "\n".join(["ffconcat version 1.0", *(f"file {name}" for name in names), ""]).encode(), path)
    finally:
        os.close(fd)
    return path


def _clear(tracks: Sequence[Track], keep: bool) -> None:
    """What the tracks were is in the merged file."""
    files = [track.paths[0] for track in tracks if not track.folder]
    layout.remove([*map(layout.control_path, files), *([] if keep else files)])
    fragments.remove([track.folder for track in tracks if track.folder])


def _unready(path: str) -> str:
    """A hidden name beside ``path`` that nobody had, or can have foreseen."""
    return os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.merge")


def _prepare(unready: str) -> None:
    os.close(layout.open_target(unready, create=True, exclusive=True))


def _finish(unready: str, path: str, tracks: Sequence[Track], *, overwrite: bool, sync: bool, keep: bool) -> int:
    length = _publish(unready, path, overwrite, sync)
    _clear(tracks, keep)
    return length


def _publish(unready: str, path: str, overwrite: bool, sync: bool) -> int:
    if layout.taken(path) and not overwrite:
        raise DiskError(f"Something else lies at {printable(path)} by now. Give another out.", ErrorCode.FILE_EXISTS)
    try:
        if not os.path.getsize(unready):
            raise DownloadError("ffmpeg has made an empty file of the media.")
        if sync:
            layout.finish(layout.open_target(unready, create=False), sync=True, path=unready)
        os.replace(unready, path)
        if sync:
            layout.sync_folder(os.path.dirname(path))
        return os.path.getsize(path)
    except OSError as error:
        raise disk_error(error, "rename to its final name", path, ErrorCode.RENAMING_FAILED) from error


async def _run(arguments: Sequence[str], seconds: float, feeds: Sequence[Feed]) -> None:
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        pass_fds=[feed.reader.fileno() for feed in feeds],
    )
    assert process.stderr is not None
    pouring = Feeds(feeds)
    try:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        tail = b""
        async with asyncio.timeout(seconds):
            while data := await process.stderr.read(4096):  # there may be a line for every frame
                tail = (tail + data)[-_TAIL:]
            await process.wait()
    except TimeoutError as error:
        raise DownloadError(f"ffmpeg did not merge within {seconds:.0f} seconds.", ErrorCode.TIMEOUT) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        poured = threaded(pouring.finish)
        await outlast(poured)
    said = printable(" ".join(tail.decode("utf-8", "replace").split()))
    if process.returncode or _SPOILT.search(said):
        if re.search("No space left|quota exceeded", said):
            raise DiskError(f"There is no room for the merged file: {said}", ErrorCode.DISK_FULL)
        raise DownloadError(f"ffmpeg could not merge video and audio: {said or process.returncode}")
    poured.result()
