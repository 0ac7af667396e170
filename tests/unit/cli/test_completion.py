"""Completion: each script is one that its shell can read, and bash completes with it what it should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from slasshy_rpc.cli.completion import bash, completion, fish, zsh
from slasshy_rpc.errors import UsageError
from slasshy_rpc.options.commands import COMMANDS, SHELLS
from slasshy_rpc.options.table import TABLE, State

BASH = shutil.which("bash") or "bash"

#: Calls the function as bash does, with the words of its arguments, the last one under the cursor.
ASK = """
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_slasshy_rpc 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(name)])
def test_the_shell_can_read_its_script(shell: str) -> None:
    done = subprocess.run([shell, "-n"], input=completion([shell]), capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", [bash(), zsh(), fish()])
def test_every_option_that_works_is_in_it_and_no_other(script: str) -> None:
    for row in TABLE.values():
        named = re.search(rf"(--|-l ){row.name}(?![\w-])", script) is not None
        if row.state is State.LIVE:
            assert named, row.name
        else:
            assert not re.search(rf"(--{row.name}=|-l {row.name} )", script), row.name
    assert all(name in script for name in COMMANDS)


def offered(*words: str, cwd: Path | None = None) -> list[str]:
    """What bash offers for the last of ``words``."""
    done = subprocess.run(
        [BASH, "--norc", "-c", bash() + ASK, "bash", "slasshy-rpc", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ge"], ["get"]),
        (["get", "--load-c"], ["--load-cookies="]),
        (["--file-allocation", "="], ["none", "prealloc", "trunc", "falloc"]),
        (["--file-allocation", "=", "f"], ["falloc"]),
        (["--file-allocation", "f"], ["falloc"]),
        (["--file-allocation=f"], ["--file-allocation=falloc"]),
        (["--continue", "=", "t"], ["true"]),
        (["--continue", "--save-c"], ["--save-cookies="]),
        (["-c", "--save-c"], ["--save-cookies="]),
        (["--split", "1"], []),
        (["completion", "f"], ["fish"]),
        (["install-aria2c", "-"], ["--force"]),
        (["--" + next(row.name for row in TABLE.values() if row.state is not State.LIVE)], []),
        (["http://127.0.0.1/", "ge"], []),
    ],
)
def test_bash_completes(words: list[str], expected: list[str]) -> None:
    assert offered(*words) == expected


def test_bash_completes_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    (tmp_path / "a-folder").mkdir()
    for words in (["--load-cookies", "a-"], ["-i", "a-"], ["adopt", "a-"]):
        assert sorted(offered(*words, cwd=tmp_path)) == ["a-file", "a-folder"]
    for words in (["-d", "a-"], ["--dir", "=", "a-"], ["install-aria2c", "a-"]):
        assert offered(*words, cwd=tmp_path) == ["a-folder"]


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["bash", "zsh"]])
def test_refused(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match=r"bash\|zsh\|fish"):
        completion(arguments)
