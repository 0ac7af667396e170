"""A small file in one go: whole and dated, or nothing at all."""

from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slasshy_rpc._engine import Engine, Put

PATIENCE = 10.0


def order(engine: Engine, path: Path, body: bytes | bytearray, modified: int | None = None) -> Put:
    return engine.put(os.fsencode(path), os.fsencode(f"{path}.aria2"), body, modified)


def ended(engine: Engine, count: int) -> list[Put]:
    """The next ``count`` that are through."""
    found: list[Put] = []
    while len(found) < count:
        assert select.select([engine.wakeup_fd], [], [], PATIENCE)[0]
        found += [one for one in engine.drain() if isinstance(one, Put)]
    return found


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine()
    yield one
    one.close()


@pytest.fixture
def put(engine: Engine) -> Callable[..., bool]:
    def done(path: Path, body: bytes, modified: int | None = None) -> bool:
        one = order(engine, path, body, modified)
        assert one.done is None
        assert ended(engine, 1) == [one]
        return bool(one.done)

    return done


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
@pytest.mark.parametrize("modified", [None, 0, 1_000_000_000, 1 << 62])
def test_whole_and_dated(put: Callable[..., bool], tmp_path: Path, size: int, modified: int | None) -> None:
    body = os.urandom(size)
    assert put(tmp_path / "f", body, modified)
    assert (tmp_path / "f").read_bytes() == body
    if modified is not None and modified < 1 << 40:
        assert (tmp_path / "f").stat().st_mtime_ns == modified * 10**9
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("there", ["file", "folder", "link", "lost link", "record", "fifo"])
def test_what_is_there_stays(put: Callable[..., bool], tmp_path: Path, there: str) -> None:
    path = tmp_path / "f"
    match there:
        case "file":
            path.write_bytes(b"somebody's")
        case "folder":
            path.mkdir()
        case "link":
            (tmp_path / "other").write_bytes(b"somebody's")
            path.symlink_to("other")
        case "lost link":
            path.symlink_to("nowhere")
        case "record":
            (tmp_path / "f.aria2").write_bytes(b"")
        case _:
            os.mkfifo(path)
    before = sorted(os.listdir(tmp_path))
    assert not put(path, b"new")
    assert sorted(os.listdir(tmp_path)) == before
    if there in ("file", "link"):
        assert path.read_bytes() == b"somebody's"


@pytest.mark.parametrize("name", ["missing/f", "x" * 300])
def test_where_nothing_can_be(put: Callable[..., bool], tmp_path: Path, name: str) -> None:
    assert not put(tmp_path / name, b"new")
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_finished_is_not_left(put: Callable[..., bool], tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert not put(tmp_path / "f", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_many_at_once(engine: Engine, tmp_path: Path) -> None:
    bodies = {f"{at}": os.urandom(at * 100) for at in range(200)}
    orders = [order(engine, tmp_path / name, body) for name, body in bodies.items()]
    assert {id(one) for one in ended(engine, 200)} == {id(one) for one in orders}
    assert all(one.done for one in orders)
    assert all((tmp_path / name).read_bytes() == body for name, body in bodies.items())


def test_what_waits_at_the_end_is_made(engine: Engine, tmp_path: Path) -> None:
    orders = [order(engine, tmp_path / str(at), b"x" * 1000) for at in range(100)]
    found = engine.close()
    assert all(one.done for one in orders)
    assert set(found) <= set(orders)
    assert len(os.listdir(tmp_path)) == 100


def test_nothing_after_the_end(engine: Engine, tmp_path: Path) -> None:
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        order(engine, tmp_path / "f", b"x")
    assert os.listdir(tmp_path) == []


def test_a_body_is_kept_as_long_as_it_is_used(engine: Engine, tmp_path: Path) -> None:
    body = bytearray(b"x" * 1000)
    before = sys.getrefcount(body)
    one = order(engine, tmp_path / "f", body)
    with pytest.raises(BufferError):
        body.clear()
    ended(engine, 1)
    assert one.done
    body.clear()
    assert sys.getrefcount(body) == before


def test_a_forked_child_lets_go_of_an_engine_whose_threads_wait(tmp_path: Path) -> None:
    script = """
import os, select, signal, sys
from slasshy_rpc._engine import Engine
engine = Engine()
for at in range(20):  # until its thread has been seen to wait for more
    engine.put(os.fsencode(f"{sys.argv[1]}/{at}"), b"/record", b"x")
    select.select([engine.wakeup_fd], [], [], 10)
    engine.drain()
child = os.fork()
if child == 0:
    signal.alarm(10)
    del engine
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("7\n", "")
