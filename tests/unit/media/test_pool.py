"""The lives of the processes that are asked, with a small program in the place of the one that loads yt-dlp."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.media import pool
from slasshy_rpc.media.pool import WORKERS, Workers

#: Answers with its number, after a moment if "slow"; at length if "long". "die" ends it, "wait" is never answered.
PROGRAM = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)["ask"]
    if asked == "die":
        os._exit(3)
    if asked != "wait":
        time.sleep(0.02 if asked == "slow" else 0)
        print(json.dumps({"pid": os.getpid(), "text": "x" * (asked == "long") * (1 << 20)}), flush=True)
"""


@pytest_asyncio.fixture
async def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Workers]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    monkeypatch.setattr(pool, "WORKER", str(program))
    some = Workers()
    yield some
    await some.close()


async def asked(workers: Workers, word: str, timeout: float = 20.0) -> int:
    return int((await workers.ask({"ask": word}, timeout))["pid"])


async def test_one_is_asked_again_and_again(workers: Workers) -> None:
    first = await asked(workers, "who")
    assert await asked(workers, "who") == first


async def test_one_that_has_died_in_its_sleep_is_nobodys_answer(workers: Workers) -> None:
    first = await asked(workers, "who")
    os.kill(first, signal.SIGKILL)  # and asked before anybody could hear of it
    assert await asked(workers, "who") != first


async def test_one_that_dies_of_a_question_is_an_error(workers: Workers) -> None:
    first = await asked(workers, "who")
    with pytest.raises(DownloadError, match="it ended without one") as caught:
        await asked(workers, "die")
    assert caught.value.code == ErrorCode.UNKNOWN
    assert await asked(workers, "who") != first


async def test_one_that_takes_too_long_is_killed(workers: Workers) -> None:
    first = await asked(workers, "who")
    with pytest.raises(DownloadError) as caught:
        await asked(workers, "wait", 0.05)
    assert caught.value.code == ErrorCode.TIMEOUT
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


async def test_no_more_than_a_few_are_asked_at_once(workers: Workers) -> None:
    pids = await asyncio.gather(*(asked(workers, "slow") for _ in range(3 * WORKERS)))
    assert len(set(pids)) <= WORKERS


async def test_a_long_answer_is_read_whole(workers: Workers) -> None:
    assert len((await workers.ask({"ask": "long"}, 20))["text"]) == 1 << 20


async def test_no_more_are_started_than_may_be_however_many_ask(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And whoever waits for one is answered by it."""
    started: list[object] = []
    all_busy = asyncio.Event()
    spawn = asyncio.create_subprocess_exec

    async def noted(*arguments: str, **how: object) -> asyncio.subprocess.Process:
        started.append(arguments)
        if len(started) == pool.WORKERS:
            all_busy.set()
        return await spawn(*arguments, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    held = [asyncio.create_task(asked(workers, "wait")) for _ in range(pool.WORKERS)]
    await asyncio.wait_for(all_busy.wait(), 20)
    waiting = [asyncio.create_task(asked(workers, "who")) for _ in range(5)]
    await asyncio.sleep(0)
    assert len(started) == pool.WORKERS
    held[0].cancel()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert len(started) == pool.WORKERS + 1  # the one whose question was given up is gone
    held[1].cancel()
    await asyncio.gather(*held, return_exceptions=True)
