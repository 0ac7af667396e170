"""A program that works on files of a download: ffmpeg, or the one that writes tags.

Owns: its process, how long it may take, its end with the download's, and what it said. Never: a command line, or where
files are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode
from slasshy_rpc.media.pieces import Feed, Feeds
from slasshy_rpc.protocols.offloop import outlast, threaded

LEASH = str(Path(__file__).with_name("leash.py"))

#: How much of what a program says is told (bytes).
_TAIL = 400

#: What ffmpeg 5 and older say when the file that they have made is no good, and yet end as if it were.
_SPOILT = re.compile("Error (?:writing trailer|closing file)|Input/output error")

#: Seconds that any work may take, and how many bytes a second are to be expected where they are only copied, and where
#: they are encoded: fewer than the slowest machine manages that anybody would encode on.
_LEAST = 120.0
COPIED, ENCODED = 1 << 20, 16 << 10


def patience(size: int, rate: int = COPIED) -> float:
    """Seconds that work on ``size`` bytes may take, at ``rate`` bytes a second."""
    return _LEAST + size / rate


async def run(
    arguments: Sequence[str], seconds: float, name: str, task: str, data: bytes = b"", feeds: Sequence[Feed] = ()
) -> None:
    """Run a program with ``data`` for its standard input; it and what it has started are killed when this is cancelled,
    or this process is.

    ``feeds`` are pipes that it was told to read, by the numbers of their descriptors.

    ``name`` and ``task`` are for people, as in "ffmpeg could not merge video and audio". Raises DownloadError if it
    could not, or not within ``seconds``; DiskError 9 if the disk is full.
    """
    end, lifeline = os.pipe()
    try:
        await _run(arguments, end, seconds, name, task, data, feeds)
    finally:
        os.close(lifeline)


async def _run(
    arguments: Sequence[str], end: int, seconds: float, name: str, task: str, data: bytes, feeds: Sequence[Feed]
) -> None:
    """``run``; ``end`` is that of a pipe by which the program knows that we live; it is closed here."""
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", LEASH, str(end), *arguments),
            stdin=asyncio.subprocess.PIPE if data else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            pass_fds=[end, *(feed.reader.fileno() for feed in feeds)],
        )
    except OSError as error:
        raise DownloadError(f"{name} could not be started to {task}: {error.strerror}.") from error
    finally:
        os.close(end)
    tail = b""
    assert process.stderr is not None
    pouring = Feeds(feeds)
    try:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        async with asyncio.timeout(seconds):
            if process.stdin is not None:
                process.stdin.write(data)  # little, and read at once
                process.stdin.close()
            while said := await process.stderr.read(4096):  # there may be a line for every frame
                tail = (tail + said)[-_TAIL:]
            await process.wait()
    except TimeoutError as error:
        text = f"{name} did not {task} within {seconds:.0f} seconds."
        raise DownloadError(text, ErrorCode.TIMEOUT) from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        poured = threaded(pouring.finish)
        await outlast(poured)
    said_last = printable(" ".join(tail.decode("utf-8", "replace").split()))
    if process.returncode or _SPOILT.search(said_last):
        if re.search("No space left|quota exceeded", said_last):
            raise DiskError(f"There is no room to {task}: {said_last}", ErrorCode.DISK_FULL)
        code = process.returncode or 0
        how = f"it was ended by signal {-code}" if code < 0 else f"it ended with {code}"
        raise DownloadError(f"{name} could not {task}: {said_last or how}")
    poured.result()
