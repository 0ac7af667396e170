"""`slasshy-rpc install-aria2c`: the name works wherever it is called, and takes no other program's place."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from slasshy_rpc.cli.install import launcher
from tests.support.origin import Origin
from tests.support.process import PATIENCE, ROOT


def install(*arguments: str, path: str = "/usr/bin:/bin") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "slasshy_rpc", "install-aria2c", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_works_with_nothing_around_it(origin: Origin, tmp_path: Path) -> None:
    bin, work = tmp_path / "bin", tmp_path / "work"
    bin.mkdir()
    work.mkdir()
    (work / "slasshy_rpc.py").write_text("raise SystemExit('a module of the working folder was imported')")
    code, said = install(str(bin))
    assert code == 0
    assert f'export PATH={bin}:"$PATH"' in said
    done = subprocess.run(
        ["aria2c", "--no-conf", origin.serve("/a", length=5)],
        executable=bin / "aria2c",
        cwd=work,
        env={"PYTHONPATH": str(work)},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (work / "a").stat().st_size == 5
    version = subprocess.run(
        ["/bin/sh", "-c", "aria2c --version"],
        cwd=work,
        env={"PATH": f"{bin}:/bin"},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert version.stdout.startswith(b"aria2 version 1.37.0\n")
    assert os.listdir(bin) == ["aria2c"]


def test_ours_is_replaced_and_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "aria2c"
    path.write_text("#!/bin/sh\necho mine\n")
    code, said = install(str(tmp_path))
    assert (code, path.read_text()) == (13, "#!/bin/sh\necho mine\n")
    assert "--force" in said
    for arguments in (["--force"], []):
        assert install(str(tmp_path), *arguments)[0] == 0
        assert "slasshy_rpc" in path.read_text()
        assert os.access(path, os.X_OK)


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other, bin = tmp_path / "other", tmp_path / "bin"
    bin.mkdir()
    other.write_text("mine")
    (bin / "aria2c").symlink_to(other)
    assert install(str(bin))[0] == 13
    assert install("--force", str(bin))[0] == 0
    assert other.read_text() == "mine"
    assert not (bin / "aria2c").is_symlink()


def test_it_says_what_is_to_be_done(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        install(str(folder))
    assert "PATH" not in install(str(first), path=f"{first}:{second}:/bin")[1]
    assert f"leads to {first}/aria2c first" in install(str(second), path=f"{first}:{second}:/bin")[1]


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("--what", "d"), ("/nowhere/at/all",)])
def test_refused(arguments: tuple[str, ...]) -> None:
    assert install(*arguments)[0] == 1


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "aria2c").mkdir()
    assert install("--force", str(tmp_path))[0] == 13


@pytest.mark.parametrize("folder", ["/" + "long" * 60, "/with a blank", "/with'quote and blank"])
def test_a_python_that_the_kernel_would_not_start(folder: str) -> None:
    text = launcher(f"{folder}/python")
    assert text.startswith("#!/bin/sh\n")
    assert shlex.split(text.splitlines()[2])[:3] == ["exec", f"{folder}/python", "-EP"]


def test_that_one_works_too(tmp_path: Path) -> None:
    folder = tmp_path / "with a blank"
    folder.mkdir()
    python, path = folder / "python", tmp_path / "aria2c"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path.write_text(launcher(str(python)))
    path.chmod(0o755)
    done = subprocess.run([path, "--version"], cwd="/", env={}, capture_output=True, timeout=PATIENCE)
    assert done.stdout.startswith(b"aria2 version 1.37.0\n")


def test_the_advice_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "it's $(touch pasted) `touch pasted`"
    folder.mkdir()
    advice = next(line for line in install(str(folder))[1].splitlines() if "export PATH=" in line)
    script = f'{advice}\nprintf %s "$PATH"'
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.startswith(f"{folder}:"), done.stderr
    assert os.listdir(tmp_path) == [folder.name]
