"""What a server has sent of a fragment becomes what it stands for, in little memory, also on a disk that is full."""

from __future__ import annotations

import errno
import gzip
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.disk.fragments import Folder
from slasshy_rpc.errors import DiskError, ErrorCode, SourceError
from slasshy_rpc.media import contents
from slasshy_rpc.media.contents import finish
from tests.support.media import encrypted

KEY = bytes(16)
MIB = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder.open(str(tmp_path / "x.mp4"), "identity", 1, lambda path: True, sync=False)
    yield made
    made.close()


def begun(folder: Folder, body: bytes) -> int:
    fd = folder.begin(0)
    os.write(fd, body)
    return fd


def whole(folder: Folder) -> bytes:
    return Path(folder.path_of(0)).read_bytes()


def test_what_unfolds_to_a_thousand_times_its_size_takes_little_memory(folder: Folder) -> None:
    plain = os.urandom(100) + bytes(32 * MIB)
    fd = begun(folder, gzip.compress(plain))
    tracemalloc.start()
    try:
        finish(folder, 0, fd, "gzip", None, b"")
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
    assert whole(folder) == plain


def test_it_may_be_compressed_and_encrypted(folder: Folder) -> None:
    finish(folder, 0, begun(folder, gzip.compress(encrypted(b"abc" * 99, KEY, 1))), "gzip", KEY, bytes(15) + b"\1")
    assert whole(folder) == b"abc" * 99


@pytest.mark.parametrize(
    "body",
    [gzip.compress(bytes(3 * MIB)), bytes(range(256)) * (3 * MIB // 256), gzip.compress(b"abc")[:-4]],
    ids=["unfolded", "as it is", "cut off"],
)
def test_too_much_and_too_little_are_refused(folder: Folder, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(contents, "LARGEST_CODED", 2 * MIB)
    with pytest.raises(SourceError):
        finish(folder, 0, begun(folder, body), "gzip", None, b"")
    assert os.listdir(folder.path) == ["slasshy-rpc.fragments"]


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_full_disk_is_told_as_such(folder: Folder, monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    body = encrypted(b"abc", KEY, 0)
    fd = begun(folder, gzip.compress(body) if coding else body)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(DiskError) as caught:
        finish(folder, 0, fd, coding, KEY, bytes(16))
    assert caught.value.code == ErrorCode.DISK_FULL
