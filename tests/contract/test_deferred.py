"""--deferred-input on the command line: entries are read as their turn comes, from files and from pipes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import Command, Server, run


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A named pipe, and a descriptor that keeps it open for writing."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)
    yield path, end
    os.close(end)


def downloads(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path / "d"))


def test_the_first_begins_while_the_pipe_is_open(origin: Origin, tmp_path: Path, pipe: tuple[Path, int]) -> None:
    path, end = pipe
    urls = [origin.serve(f"/{number}.bin", length=1000) for number in range(3)]
    with Command(f"--dir={tmp_path / 'd'}", "--deferred-input=true", "-i", str(path)) as command:
        os.write(end, "".join(f"{url}\n" for url in urls).encode())
        command.hears("1.bin")  # the third may get options yet
        assert "2.bin" not in command.said
        os.write(end, b"  out=named\n#\n" + urls[0].encode() + b"\n")
        command.hears("named")
        assert command.running
        assert command.stop() == 0  # though nobody closes the pipe
    assert downloads(tmp_path) == ["0.bin", "1.bin", "named"]


def test_as_many_are_read_as_run_at_once(origin: Origin, tmp_path: Path, pipe: tuple[Path, int]) -> None:
    """The server knows of two that run and of none that waits, and reads on when one ends."""
    path, end = pipe
    slow = Behaviour(hold_at=10)
    urls = [origin.serve(f"/{number}.bin", length=1000, behaviour=slow) for number in range(4)]
    os.write(end, "".join(f"{url}\n" for url in [*urls, urls[0]]).encode())
    options = (f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}", "--max-concurrent-downloads=2")
    with Server(*options, "--enable-rpc", "--deferred-input=true", "-i", str(path)) as server:
        origin.wait(lambda _: len(origin.requests()) == 2)
        assert server.call("aria2.tellWaiting", 0, 10) == []
        first, second = (one["gid"] for one in server.call("aria2.tellActive", ["gid"]))
        origin.release("/0.bin")
        server.completed(first)
        origin.wait(lambda _: len(origin.requests("/2.bin")) == 1)
        assert server.call("aria2.tellWaiting", 0, 10) == []
        server.call("aria2.pause", second)  # a slot is free again
        origin.wait(lambda _: len(origin.requests("/3.bin")) == 1)


def test_a_bad_value_costs_its_own_entry(origin: Origin, tmp_path: Path) -> None:
    urls = [origin.serve(f"/{number}.bin", length=1000) for number in range(3)]
    listed = tmp_path / "list"
    listed.write_text(f"{urls[0]}\n{urls[1]}\n  split=zero\n  out=other\n{urls[2]}\n  no-such=1\n")
    code, said = run(f"--dir={tmp_path / 'd'}", "--deferred-input=true", "-j1", "-i", str(listed))
    assert code == 28
    assert f"({listed}, line 3)" in said
    assert "Unknown option: no-such" in said
    assert downloads(tmp_path) == ["0.bin", "2.bin"]


def test_with_a_session_file_everything_is_read_first(origin: Origin, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text(f"{origin.serve('/0.bin', length=1000)}\n{origin.url('/1.bin')}\n  split=zero\n")
    save = f"--save-session={tmp_path / 'session'}"
    code, _ = run(f"--dir={tmp_path / 'd'}", "--deferred-input=true", save, "-i", str(listed))
    assert (code, origin.requests()) == (28, [])
    listed.write_text(origin.url("/0.bin"))
    code, said = run(f"--dir={tmp_path / 'd'}", "--deferred-input=true", save, "-i", str(listed))
    assert code == 0
    assert "--deferred-input is off" in said


@pytest.mark.parametrize("name", ["none", "."])
def test_a_file_that_is_not_there_ends_the_start(tmp_path: Path, name: str) -> None:
    code, said = run("--deferred-input=true", "-i", str(tmp_path / name))
    assert code == 1
    assert "File not found or it is a directory" in said
