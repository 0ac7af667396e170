"""The server's side of the child processes that ask yt-dlp (worker.py).

Owns: their lives (started with the first question, at most WORKERS, ended when idle), one question at a time each, and
the end of a question that takes too long or is not wanted any more. Never: imports yt_dlp, or knows what answers mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from slasshy_rpc.errors import DownloadError, ErrorCode

WORKER = str(Path(__file__).with_name("worker.py"))

#: Questions answered at once.
WORKERS = 2

#: Seconds without a question after which a worker is ended: it holds some forty megabytes.
IDLE = 300.0

#: The longest answer (bytes): a page with very many formats has some hundred kilobytes.
LONGEST = 64 << 20


class _Gone(DownloadError):
    """A worker has ended, with or without the question."""


class Workers:
    """Asks worker processes. ``plugins`` is a folder of yt-dlp plug-ins that may be used, '' for none."""

    def __init__(self, plugins: str = "", idle: float = IDLE) -> None:
        self._plugins = plugins
        self._patience = idle
        self._room = asyncio.Semaphore(WORKERS)
        self._idle: list[asyncio.subprocess.Process] = []
        self._resting: asyncio.Task[None] | None = None

    async def ask(self, question: Mapping[str, object], timeout: float) -> dict[str, Any]:
        """The answer to a question as worker.py takes it; cancelled, the worker that was asked is killed.

        Raises DownloadError: 2 after ``timeout`` seconds, 1 if the worker died.
        """
        async with self._room:
            try:
                async with asyncio.timeout(timeout):
                    while self._idle:
                        with contextlib.suppress(_Gone):  # as it was idle, perhaps: another is asked
                            return await self._answer(self._idle.pop(), question)
                    return await self._answer(await self._start(), question)
            except TimeoutError as error:
                text = f"The page was not understood within {timeout:g} seconds (--media-timeout)."
                raise DownloadError(text, ErrorCode.TIMEOUT) from error

    async def _answer(self, worker: asyncio.subprocess.Process, question: Mapping[str, object]) -> dict[str, Any]:
        """What this one says; it is idle afterwards, or gone."""
        try:
            found = await _asked(worker, question)
        except BaseException:
            await _end(worker)
            raise
        self._idle.append(worker)
        self._rest()
        return found

    async def close(self) -> None:
        """End all of them."""
        if self._resting is not None:
            self._resting.cancel()
        await self._dismiss()

    async def _start(self) -> asyncio.subprocess.Process:
        try:
            # -P: nothing is imported from the folder that it is started in. A session of its own: Ctrl-C is not meant
            # for it, and its own children end with it.
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                WORKER,
                self._plugins,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                limit=LONGEST,
            )
        except OSError as error:
            raise DownloadError(f"yt-dlp could not be started: {error.strerror}.") from error

    def _rest(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.create_task(self._dismiss(self._patience))

    async def _dismiss(self, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        while self._idle:
            await _end(self._idle.pop())


async def _asked(worker: asyncio.subprocess.Process, question: Mapping[str, object]) -> dict[str, Any]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    line = b""
    with contextlib.suppress(ConnectionError):
        worker.stdin.write(json.dumps(question).encode() + b"\n")  # what was typed may be no UTF-8
        await worker.stdin.drain()
    try:
        line = await worker.stdout.readline()
        answer = orjson.loads(line)
    except ValueError as error:  # no JSON, or longer than LONGEST
        if not line and worker.stdout.at_eof():
            raise _Gone("yt-dlp could not say what is behind the page: it ended without one.") from error
        raise DownloadError("yt-dlp could not say what is behind the page: its answer was no answer.") from error
    if not isinstance(answer, dict):
        raise DownloadError("yt-dlp could not say what is behind the page: its answer was no answer.")
    return answer


async def _end(worker: asyncio.subprocess.Process) -> None:
    """Kill it and what it has started; returns when it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if worker.returncode is None:  # else the number may be another's by now
            os.killpg(worker.pid, signal.SIGKILL)
    if worker.stdin is not None:
        worker.stdin.close()
    await worker.wait()
