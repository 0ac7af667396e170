"""ffmpeg: its command line, and that it runs.

Owns: where it is, how it is told what a file is, and that it reads and writes nothing else. Never: lets it guess what a
file is: one that is really a playlist would name others for it to read.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media import child
from slasshy_rpc.media.pieces import Feed
from slasshy_rpc.media.plan import DEMUXERS
from slasshy_rpc.media.recipe import MUXERS, Recipe

#: In the place of an extension: a list of files.
LISTED = "ffconcat"

#: Packets that are read ahead of each pipe. ffmpeg sleeps for 10 ms whenever one of two has none ready: with its own 8,
#: ten minutes of sound and pictures took 23 s to merge, with these 0.2.
AHEAD = 512

_program = "ffmpeg"


def use(program: str) -> None:
    """Take this for ffmpeg, a name or a path, in the whole process."""
    global _program
    _program = program


def ffmpeg() -> str | None:
    """Where ffmpeg is, or None."""
    return shutil.which(_program)


def needed(recipe: Recipe) -> str:
    """Where ffmpeg is. Raises DownloadError if it is nowhere."""
    program = ffmpeg()
    if program is None:
        text = f"ffmpeg is needed to {recipe.task}. Install it and add the page again"
        raise DownloadError(f"{text}, or {recipe.otherwise}." if recipe.otherwise else f"{text}.")
    return program


def command(program: str, parts: Sequence[tuple[str | int, str]], recipe: Recipe, into: str) -> list[str]:
    """ffmpeg's arguments: ``parts`` are (path, extension), in the order of ``recipe``; ``into`` is written.

    A number in the place of a path is the descriptor of a pipe; LISTED, in that of an extension: the file is a list,
    which we wrote, of files that ffmpeg has made.
    """
    arguments = [program, "-nostdin", "-y", "-loglevel", "error"]
    for path, kind in parts:
        protocol = "pipe" if isinstance(path, int) else "file"
        if isinstance(path, int):
            arguments += ["-thread_queue_size", str(AHEAD)]
        demuxer = ["concat", "-safe", "0"] if kind == LISTED else [DEMUXERS[kind]]
        arguments += ["-protocol_whitelist", protocol, "-f", *demuxer, "-i", f"{protocol}:{path}"]
    arguments += recipe.streams
    muxer = MUXERS[recipe.ext]
    if muxer in ("mp4", "mov", "ipod"):
        arguments += ["-movflags", "+faststart"]
    return [*arguments, "-f", muxer, f"file:{into}"]


async def convert(
    parts: Sequence[tuple[str | int, str]], recipe: Recipe, into: str, size: int, feeds: Sequence[Feed] = ()
) -> None:
    """Write ``into``, as in ``command``, of ``size`` bytes; ``feeds`` as in ``child.run``.

    Raises DownloadError, for want of ffmpeg too, and DiskError.
    """
    rate = child.ENCODED if recipe.encoded else child.COPIED
    arguments = command(needed(recipe), parts, recipe, into)
    await child.run(arguments, child.patience(size, rate), "ffmpeg", recipe.task, feeds=feeds)
