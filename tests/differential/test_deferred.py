"""--deferred-input on real aria2c and on ours: what is fetched of a list, and in what order, and what is only said."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.differential.scenes import OURS, command, programs
from tests.support.origin import Origin
from tests.support.process import PATIENCE

every_program = pytest.mark.parametrize("program", [*programs(), OURS])


def run(program: str, folder: Path, options: Sequence[str], stdin: str = "") -> tuple[int, str]:
    """Exit code and output of a run whose downloads go one after the other to ``folder``."""
    arguments = ["--no-conf", "-j1", f"--dir={folder}", "--deferred-input=true", "--enable-color=false", *options]
    done = subprocess.run(
        [*command(program), *arguments], input=stdin, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.returncode, done.stdout + done.stderr


@every_program
@pytest.mark.parametrize("listed", ["file", "stdin"])
def test_a_list(program: str, listed: str, origin: Origin, tmp_path: Path) -> None:
    """One after the other; an entry with a bad value and what is no URI are passed over."""
    urls = [origin.serve(f"/{number}", length=1000) for number in range(4)]
    text = f"{urls[0]}\n out=a\n# no\n{urls[1]}\n split=zero\nno uri\n\n{urls[2]}\t{urls[2]}?2\n\tout=b\n{urls[3]}\n"
    path = tmp_path / "list"
    path.write_text(text)
    name = "-" if listed == "stdin" else str(path)
    code, said = run(program, tmp_path / "d", ["-i", name], stdin=text if listed == "stdin" else "")
    assert [seen.path for seen in origin.requests()] == ["/0", "/2", "/3"]
    assert sorted(one.name for one in (tmp_path / "d").iterdir()) == ["3", "a", "b"]
    assert code == (28 if program == OURS else 0)
    assert "--split" in said or "split:" in said


@every_program
def test_a_session_file_turns_it_off(program: str, origin: Origin, tmp_path: Path) -> None:
    """All is read first, and so a bad value ends the start."""
    path = tmp_path / "list"
    path.write_text(f"{origin.serve('/0', length=10)}\n{origin.url('/1')}\n split=zero\n")
    code, _ = run(program, tmp_path / "d", ["-i", str(path), f"--save-session={tmp_path / 'saved'}"])
    assert code != 0
    assert origin.requests() == []


@every_program
def test_no_such_file(program: str, tmp_path: Path) -> None:
    code, said = run(program, tmp_path / "d", ["-i", str(tmp_path / "none")])
    assert code == 1
    assert "File not found or it is a directory" in said
