"""`slasshy-rpc adopt`: what curl and browsers leave is proven and continued, and nothing else is."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour, after, first
from tests.support.origin import Origin
from tests.support.process import PATIENCE, ROOT
from tests.support.terminal import Terminal

MIB = 1 << 20
WINDOW = 16 << 10
LENGTH = 6 * MIB + 1234


@pytest.fixture
def url(origin: Origin) -> str:
    return origin.serve("/the-file.iso", length=LENGTH)


@pytest.fixture
def state(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"--state-dir={tmp_path_factory.mktemp('state')}"


def adopt(*arguments: str | Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "slasshy_rpc", "adopt", *map(str, arguments), "--no-conf"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


def partial(origin: Origin, path: Path, size: int, *, reserved: int = 0) -> Path:
    """What another program has left: the first ``size`` bytes, and zeros up to ``reserved``."""
    path.write_bytes(origin.content("/the-file.iso").slice(0, size))
    if reserved:
        os.truncate(path, reserved)
    return path


@pytest.mark.parametrize(
    ("name", "size", "reserved", "becomes"),
    [
        ("the-file.iso", 3 * MIB + 77, 0, "the-file.iso"),  # curl, wget
        ("mine.iso.part", 5 * MIB, 0, "mine.iso"),  # Firefox, yt-dlp
        ("mine.iso.crdownload", 2 * MIB + 5, LENGTH, "mine.iso"),  # with all room reserved
        ("mine.iso.crdownload", 40 * WINDOW, 60 * WINDOW, "mine.iso"),
        ("Unconfirmed 4711.crdownload", 3 * MIB, 0, "the-file.iso"),
        ("whole.part", LENGTH, 0, "whole"),
        ("small", 2 * WINDOW + 1, 0, "small"),
    ],
)
def test_partial_files_are_continued(
    origin: Origin, url: str, state: str, tmp_path: Path, name: str, size: int, reserved: int, becomes: str
) -> None:
    path = partial(origin, tmp_path / name, size, reserved=reserved)
    code, said = adopt(path, url, state)
    assert code == 0, said
    assert os.listdir(tmp_path) == [becomes]
    assert origin.content("/the-file.iso").difference(tmp_path / becomes) is None
    spans = [seen.range or (0, None) for seen in origin.requests()]
    later = [first for first, last in spans if last is None or last - first != WINDOW - 1]
    assert min(later) >= size - 3 * WINDOW  # what was there was not fetched again


def test_a_hole_in_the_middle(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    """As Chromium leaves one where it has brought several parts at once."""
    path = partial(origin, tmp_path / "f.crdownload", 5 * MIB)
    with open(path, "r+b") as file:
        file.seek(2 * MIB)
        file.write(bytes(MIB))
    code, said = adopt(path, url, state)
    assert (code, "; 2.0 MiB of 6.0 MiB are there" in said) == (0, True), said
    assert origin.content("/the-file.iso").difference(tmp_path / "f") is None


def test_more_holes_than_are_looked_at_for_a_start(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f.part", LENGTH)
    with open(path, "r+b") as file:
        for window, count in [(50, 1), *((100 + 3 * number, 2) for number in range(64))]:
            file.seek(window * WINDOW)
            file.write(bytes(count * WINDOW))
    code, said = adopt(path, url, state)
    assert code == 0, said
    assert origin.content("/the-file.iso").difference(tmp_path / "f") is None


def test_zeros_that_are_the_servers_count(origin: Origin, state: str, tmp_path: Path) -> None:
    data = bytes(MIB) + b"x" * MIB + bytes(3 * MIB) + b"y" * MIB
    url = origin.serve("/zeros", data=data)
    path = tmp_path / "f"
    path.write_bytes(data[: 4 * MIB])
    code, said = adopt(path, url, state)
    assert (code, "; 4.0 MiB of 6.0 MiB are there" in said) == (0, True), said
    assert path.read_bytes() == data


def test_it_compares_enough(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f.part", 4 * MIB)
    assert adopt(path, url, state)[0] == 0
    asked = {seen.range for seen in origin.requests() if seen.range and seen.sent == WINDOW}
    windows = {first for first, last in asked if last is not None and last - first == WINDOW - 1}
    assert {0, 4 * MIB - WINDOW} <= windows
    assert len(windows) >= 8


def test_a_name_and_a_folder_of_the_users(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f.part", 4 * MIB)
    assert adopt(path, url, state, f"--dir={tmp_path}/d", "--out=n")[0] == 0
    assert os.listdir(tmp_path / "d") == ["n"]
    assert os.listdir(tmp_path) == ["d"]


def test_a_server_that_is_busy_for_a_moment(origin: Origin, state: str, tmp_path: Path) -> None:
    url = origin.serve("/the-file.iso", length=LENGTH, behaviour=first(1, Behaviour(status=503)))
    assert adopt(partial(origin, tmp_path / "f", 4 * MIB), url, state)[0] == 0


def test_interrupted_it_is_a_download_as_any_other(origin: Origin, state: str, tmp_path: Path) -> None:
    url = origin.serve("/the-file.iso", length=LENGTH, behaviour=after(8, Behaviour(hold_at=WINDOW)))
    path = partial(origin, tmp_path / "it's.part", 4 * MIB)
    command = (sys.executable, "-m", "slasshy_rpc", "adopt", str(path), url, state, "--no-conf", "-s2")
    with Terminal(*command, columns=200) as terminal:
        terminal.shows(r"it's +6\d%")
        terminal.press("\x03")
        assert terminal.wait() == 7
        hint = terminal.shows(r"\n(slasshy-rpc get .*) URI goes on from there")[1]
    origin.serve("/the-file.iso", length=LENGTH)
    arguments = [*shlex.split(hint)[1:], url, state, "--no-conf"]
    assert subprocess.run([sys.executable, "-m", "slasshy_rpc", *arguments], cwd=ROOT, timeout=PATIENCE).returncode == 0
    assert os.listdir(tmp_path) == ["it's"]
    assert origin.content("/the-file.iso").difference(tmp_path / "it's") is None


def refused(path: Path, url: str, state: str, *more: str) -> str:
    """Why it is; the file is as it was, and nothing is beside it."""
    before, there = path.read_bytes(), sorted(os.listdir(path.parent))
    code, said = adopt(path, url, state, *more)
    assert code != 0
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == there
    assert "Traceback" not in said
    return said


def test_another_file_is_refused_with_the_place(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f", 64 * WINDOW)
    data = bytearray(path.read_bytes())
    data[63 * WINDOW + 5] ^= 1  # the last window, which is always looked at
    path.write_bytes(data)
    assert f"differs from what the server has at byte {63 * WINDOW + 5}" in refused(path, url, state)


def test_a_server_without_ranges(origin: Origin, state: str, tmp_path: Path) -> None:
    url = origin.serve("/the-file.iso", length=LENGTH, behaviour=Behaviour(ranges=False))
    for size in (WINDOW, 4 * MIB):
        path = partial(origin, tmp_path / "f", size)
        assert "the server has no ranges" in refused(path, url, state)


def test_a_file_that_is_longer(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = tmp_path / "f"
    for data in (origin.content("/the-file.iso").whole() + b"x", bytes(2 * LENGTH)):
        path.write_bytes(data)
        assert f"it has {len(data)} bytes, and what the server has only {LENGTH}" in refused(path, url, state)


def test_a_server_whose_file_changes_meanwhile(origin: Origin, state: str, tmp_path: Path) -> None:
    url = origin.serve("/the-file.iso", length=LENGTH, behaviour=after(4, Behaviour(etag='"x"', last_modified="")))
    path = partial(origin, tmp_path / "f", 4 * MIB)
    assert "changed meanwhile" in refused(path, url, state)


def test_nothing_is_proven_by_zeros(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = tmp_path / "f.crdownload"
    path.write_bytes(bytes(4 * MIB))
    assert "nothing in it can be proven" in refused(path, url, state)


def test_a_tail_that_fills_no_window_is_fetched_anew(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f", LENGTH)
    with open(path, "r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"wrong")
    assert adopt(path, url, state)[0] == 0
    assert origin.content("/the-file.iso").difference(path) is None


def test_cookies_of_the_users_go_along(origin: Origin, state: str, tmp_path: Path) -> None:
    url = origin.serve("/the-file.iso", length=LENGTH, behaviour=Behaviour(need_cookie="a=b"))
    jar, path = tmp_path / "jar", partial(origin, tmp_path / "f", 4 * MIB)
    jar.write_text("127.0.0.1\tFALSE\t/\tFALSE\t0\ta\tb\n")
    code, said = adopt(path, url, state, f"--load-cookies={jar}")
    assert code == 0, said


def test_a_name_that_is_taken(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f.part", 4 * MIB)
    (tmp_path / "f").write_text("mine")
    assert "is there already. Give another --out" in refused(path, url, state)


def test_what_is_known_already(origin: Origin, url: str, state: str, tmp_path: Path) -> None:
    path = partial(origin, tmp_path / "f", 4 * MIB)
    (tmp_path / "f.aria2").write_bytes(b"")
    assert "has a control file" in refused(path, url, state)


@pytest.mark.parametrize(
    "arguments", [(), ("http://127.0.0.1/x", "f"), ("f",), ("-x2", "f"), ("f", "http://h/", "http://i/")]
)
def test_command_lines_that_say_nothing(arguments: tuple[str, ...]) -> None:
    code, said = adopt(*arguments)
    assert code != 0
    assert "needs a" in said
