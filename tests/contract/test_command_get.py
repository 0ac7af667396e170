"""`slasshy-rpc get`: the picture on a terminal, the lines on a pipe, Ctrl-C, and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import PATIENCE, ROOT
from tests.support.terminal import Terminal

MIB = 1 << 20
GET = (sys.executable, "-m", "slasshy_rpc", "get", "--no-conf")


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}"]


def piped(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*GET, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def test_the_picture_and_going_on_after_ctrl_c(origin: Origin, folders: list[str], tmp_path: Path) -> None:
    held = origin.serve("/held.iso", length=8 * MIB, behaviour=Behaviour(hold_at=MIB // 2))
    small = origin.serve("/small.bin", length=1000)
    command = (*GET, *folders, "-x2", "-s2", held, small)
    with Terminal(*command) as terminal:
        terminal.shows(r"✓ \S+/small.bin  1000 B  ")
        terminal.shows(r"held\.iso +12%  .*1\.0 MiB of 8\.0 MiB.*\n█+▓?[░▒]+█+▓?░+\n1 of 2 ended")
        assert "\x1b[36m█" in terminal.raw
        assert "\x1b[33m█" in terminal.raw
        terminal.press("\x03")
        assert terminal.wait() == 7
        assert "✗ held.iso  not complete: 1.0 MiB of 8.0 MiB" in terminal.text
        assert terminal.text.rstrip().endswith("The same command goes on from there.")
        assert terminal.raw.rindex("\x1b[?25h") > terminal.raw.rindex("\x1b[?25l")  # the cursor is back
        assert "Traceback" not in terminal.text
    origin.release("/held.iso")
    before = origin.sent("/held.iso")
    with Terminal(*command) as terminal:
        assert terminal.wait() == 0
        assert re.search(r"✓ \S+/held.iso  8.0 MiB  ", terminal.text)
    assert origin.sent("/held.iso") - before < 7.5 * MIB
    assert origin.content("/held.iso").difference(tmp_path / "d" / "held.iso") is None


@pytest.mark.parametrize("columns", [25, 50, 120])
def test_no_line_is_broken(origin: Origin, folders: list[str], columns: int) -> None:
    held = origin.serve("/a-name-that-is-long-enough.iso", length=8 * MIB, behaviour=Behaviour(hold_at=MIB // 2))
    with Terminal(*GET, *folders, "-s3", held, columns=columns, NO_COLOR="1") as terminal:
        (strip,) = terminal.shows(r"\n([█▓▒░1-3]{20,})").groups()
        assert len(strip) == columns - 1
        assert {"1", "2", "3"} <= set(terminal.shows(r"\n[█▒░1-3]*3[█▒░1-3]*").group())
        assert not re.search(r"\x1b\[3\dm", terminal.raw)
        assert max(map(len, terminal.text.splitlines())) < columns
        terminal.press("\x03")
        assert terminal.wait() == 7


def test_what_is_logged_goes_above_the_picture(origin: Origin, folders: list[str]) -> None:
    small, held = (
        origin.serve("/small:bug:", length=5),
        origin.serve("/held", length=8 * MIB, behaviour=Behaviour(hold_at=MIB)),
    )
    with Terminal(*GET, *folders, "-s1", "--on-download-complete=/no/such/command", held, small) as terminal:
        terminal.shows(r"\[ERROR\][^\n]*/no/such/command[^\n]*\n(.*\n)*held +12%.*\n█")
        assert re.search(r"/small:bug:  5 B", terminal.text)
        terminal.press("\x03")
        assert terminal.wait() == 7


def test_lines_on_a_pipe(origin: Origin, folders: list[str], tmp_path: Path) -> None:
    code, said = piped(
        *folders, origin.serve("/a", length=MIB), origin.serve("/b", length=5), "--log=" + str(tmp_path / "l")
    )
    assert code == 0
    assert sorted(re.findall(r"/d/(\S+)  (\S+ \S+)  \S+ \S+  \S+s\n", said)) == [("a", "1.0 MiB"), ("b", "5 B")]
    assert "\x1b" not in said
    assert "Download complete" in (tmp_path / "l").read_text()


def test_failures_make_the_exit_code_and_are_said_once(origin: Origin, folders: list[str]) -> None:
    code, said = piped(*folders, origin.url("/missing"), origin.serve("/b", length=5))
    assert code == 3
    assert said.count("missing") == 1
    assert f"{origin.url('/missing')}  failed (3): Resource not found" in said


def test_quiet(origin: Origin, folders: list[str]) -> None:
    assert piped("-q", *folders, origin.serve("/a", length=5)) == (0, "")


def test_words_are_commands_in_the_first_place_only(origin: Origin, folders: list[str]) -> None:
    module = (sys.executable, "-m", "slasshy_rpc")
    for arguments in (("--no-conf", "get", origin.url("/a")), ("--compat", "get", origin.url("/a"))):
        done = subprocess.run([*module, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode != 0
        assert not origin.requests()
    shown = subprocess.run([*module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE).stdout
    for word in ("get", "adopt", "install-aria2c", "completion"):
        assert re.search(rf"^ {word} +\w", shown, re.M)
        done = subprocess.run([*module, word, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert done.stdout.startswith(f"Usage: slasshy-rpc {word} ")
