"""Video and audio that came as two files become one, by ffmpeg, without touching what is in them.

Owns: ffmpeg's command line, its process and the file that it makes. Never: lets ffmpeg guess what a file is (one that
is really a playlist would name others for it to read), or reach anything but these files.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence

from slasshy_rpc.disk import layout
from slasshy_rpc.disk.faults import disk_error, printable
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode
from slasshy_rpc.media.plan import DEMUXERS, MUXERS

#: Seconds that a merge may take, and bytes a second that a slow disk copies: large files may take longer.
LEAST = 60.0
COPIED = 2 << 20

#: How much of what ffmpeg says is told (bytes).
_TAIL = 400


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


def command(program: str, parts: Sequence[tuple[str, str]], into: str, ext: str) -> list[str]:
    """ffmpeg's arguments: ``parts`` are (path, extension), the video first; ``into`` becomes a file of type ``ext``."""
    arguments = [program, "-nostdin", "-y", "-loglevel", "error"]
    for path, kind in parts:
        arguments += ["-protocol_whitelist", "file", "-f", DEMUXERS[kind], "-i", f"file:{path}"]
    arguments += ["-map", "0:v:0", "-map", "1:a:0", "-c", "copy"]
    if MUXERS[ext] in ("mp4", "mov"):
        arguments += ["-movflags", "+faststart"]
    return [*arguments, "-f", MUXERS[ext], f"file:{into}"]


async def merge(
    parts: Sequence[tuple[str, str]], path: str, ext: str, *, overwrite: bool, sync: bool, keep: bool = False
) -> int:
    """Make ``path`` of ``parts`` (as in ``command``); its length in bytes.

    Their control files are deleted then, and they too unless ``keep``.

    Cancelled, all is as before.

    Raises DownloadError if ffmpeg cannot, DiskError 13 if something else lies at ``path`` and ``overwrite`` is not set.
    """
    program = needed()
    unready = await asyncio.to_thread(_prepare, path)
    try:
        size = await asyncio.to_thread(lambda: sum(os.path.getsize(part) for part, _ in parts))
        await _run(command(program, parts, unready, ext), LEAST + size / COPIED)
        length = await asyncio.to_thread(_publish, unready, path, overwrite, sync)
    except BaseException:
        layout.remove([unready])
        raise
    mine = [name for part, _ in parts for name in (layout.control_path(part), *([] if keep else [part]))]
    await asyncio.to_thread(layout.remove, mine)
    return length


def _prepare(path: str) -> str:
    """An empty file beside ``path``, ours: its hidden name is one that nobody had, or can have foreseen."""
    unready = os.path.join(os.path.dirname(path), f".{os.urandom(8).hex()}.merge")
    os.close(layout.open_target(unready, create=True, exclusive=True))
    return unready


def _publish(unready: str, path: str, overwrite: bool, sync: bool) -> int:
    if layout.taken(path) and not overwrite:
        raise DiskError(f"Something else lies at {printable(path)} by now. Give another out.", ErrorCode.FILE_EXISTS)
    try:
        if sync:
            layout.finish(layout.open_target(unready, create=False), sync=True, path=unready)
        os.replace(unready, path)
        if sync:
            layout.sync_folder(os.path.dirname(path))
        return os.path.getsize(path)
    except OSError as error:
        raise disk_error(error, "rename to its final name", path, ErrorCode.RENAMING_FAILED) from error


async def _run(arguments: Sequence[str], seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
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
    if process.returncode:
        said = " ".join(tail.decode("utf-8", "replace").split())
        if "No space left" in said:
            raise DiskError(f"There is no room for the merged file: {said}", ErrorCode.DISK_FULL)
        raise DownloadError(f"ffmpeg could not merge video and audio: {said or process.returncode}")
