"""A small file in one go: whole and dated, or nothing at all."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from slasshy_rpc._engine import put_whole


def put(path: Path, body: bytes, modified: int | None = None) -> bool:
    return put_whole(os.fsencode(path), os.fsencode(f"{path}.aria2"), body, modified)


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
@pytest.mark.parametrize("modified", [None, 0, 1_000_000_000, 1 << 62])
def test_whole_and_dated(tmp_path: Path, size: int, modified: int | None) -> None:
    body = os.urandom(size)
    assert put(tmp_path / "f", body, modified)
    assert (tmp_path / "f").read_bytes() == body
    if modified is not None and modified < 1 << 40:
        assert (tmp_path / "f").stat().st_mtime_ns == modified * 10**9
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("there", ["file", "folder", "link", "lost link", "record", "fifo"])
def test_what_is_there_stays(tmp_path: Path, there: str) -> None:
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
def test_where_nothing_can_be(tmp_path: Path, name: str) -> None:
    assert not put(tmp_path / name, b"new")
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_finished_is_not_left(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert not put(tmp_path / "f", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []
