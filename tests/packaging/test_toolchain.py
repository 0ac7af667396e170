"""A machine that lacks something is told in one line what to install."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tools import toolchain

TOOLS = Path(toolchain.__file__).parent
V = toolchain.VERSION


@pytest.fixture(params=["apt", "dnf", "mac"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A kind of machine, recognised by what it has. The compiler of this one stays in reach."""
    here = os.environ["PATH"]
    if request.param == "mac":
        monkeypatch.setattr(sys, "platform", "darwin")
    if request.param == "dnf":
        (tmp_path / "dnf").touch(mode=0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{here}")
    return str(request.param)


def test_nothing_is_missing_here() -> None:
    """The machine that runs this test has compiled the engine."""
    assert toolchain.complaint() is None


def test_no_compiler(system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    advice = {"apt": "sudo apt install gcc", "dnf": "sudo dnf install gcc", "mac": "xcode-select --install"}[system]
    told = toolchain.complaint()
    assert told is not None
    assert told.startswith(f"A C compiler is missing: {advice}")


def test_a_compiler_that_does_not_work(system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'xcrun: error: invalid active developer path' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    told = toolchain.complaint()
    assert told is not None
    assert "does not work (xcrun: error: invalid active developer path)" in told
    assert "\n" not in told


def test_no_headers(system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    advice = {"apt": f"sudo apt install python{V}-dev", "dnf": "sudo dnf install python3-devel"}
    told = toolchain.complaint()
    assert told == f"Python.h of {sys.executable} is missing: {advice.get(system, f'brew install python@{V}')}"


def test_no_virtual_environments(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's python3 without python3-venv has no ensurepip."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else found(name))
    advice = {"apt": f"sudo apt install python{V}-venv", "dnf": "sudo dnf install python3-libs"}
    told = toolchain.complaint()
    expected = advice.get(system, f"brew install python@{V}")
    assert told == f"{sys.executable} cannot make virtual environments: {expected}"


def choose(path: Path, *wanted: str) -> subprocess.CompletedProcess[str]:
    """Run find_python.sh where only ``path`` and the plainest tools are in reach."""
    return subprocess.run(
        ["/bin/sh", str(TOOLS / "find_python.sh"), *wanted],
        env={"PATH": f"{path}:/nowhere", "CC": os.environ.get("CC", "/usr/bin/cc")},
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder for PATH with what a shell script and a compiler need."""
    for tool in ("dirname", "uname", "as"):
        if found := shutil.which(tool):
            (tmp_path / tool).symlink_to(found)
    return tmp_path


def put(shelf: Path, name: str, body: str) -> None:
    (shelf / name).write_text(f"#!/bin/sh\n{body}\n")
    (shelf / name).chmod(0o755)


def test_no_python_at_all(shelf: Path) -> None:
    done = choose(shelf)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 or newer is missing: ")
    assert done.stderr.count("\n") == 1


def test_old_and_hollow_pythons_are_passed_over(shelf: Path) -> None:
    """A launcher without a Python behind it, an old one, and at last a good one."""
    put(shelf, "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
    put(shelf, "python3.12", "exit 0")  # prints no path: too old
    put(shelf, "python3", f'exec {sys.executable} "$@"')
    done = choose(shelf)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).samefile(sys.executable)


def test_a_python_that_was_asked_for_is_not_replaced(shelf: Path) -> None:
    put(shelf, "python3", f'exec {sys.executable} "$@"')
    put(shelf, "python3.9", "exit 0")
    done = choose(shelf, "python3.9")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "PYTHON=python3.9 is not a Python 3.11 or newer: name another one.\n"
