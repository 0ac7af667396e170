"""`slasshy-rpc completion`: an interactive bash that has it completes on Tab."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import PATIENCE, ROOT
from tests.support.terminal import Terminal

BASH = shutil.which("bash") or "bash"


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("slasshy-rpc get --file-alloc", "slasshy-rpc get --file-allocation="),
        ("slasshy-rpc get --file-allocation=fa", "slasshy-rpc get --file-allocation=falloc "),
        ("slasshy-rpc ins", "slasshy-rpc install-aria2c "),
    ],
)
def test_tab(tmp_path: Path, typed: str, becomes: str) -> None:
    script = tmp_path / "script"
    with open(script, "w") as file:
        command = [sys.executable, "-m", "slasshy_rpc", "completion", "bash"]
        subprocess.run(command, cwd=ROOT, stdout=file, check=True, timeout=PATIENCE)
    with Terminal(BASH, "--norc", "--noprofile", "-i", PS1="ready> ", columns=120) as terminal:
        terminal.press(f". {script}; echo read\n")
        terminal.shows("\nread\n")
        terminal.press(typed + "\t")
        terminal.shows(r"ready> " + becomes)
