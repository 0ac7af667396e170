"""Allocation: the length comes, the bytes that are there stay, a failure leaves no trace."""

from __future__ import annotations

import errno
import os
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.disk import allocate as module
from slasshy_rpc.disk.allocate import Method, allocate
from slasshy_rpc.errors import DiskError, ErrorCode

LENGTH = 3 * (1 << 20) + 7


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    os.pwrite(descriptor, b"first bytes", 0)
    yield descriptor
    os.close(descriptor)


def content(fd: int) -> bytes:
    return os.pread(fd, LENGTH + 1, 0)


@pytest.mark.parametrize("method", ["prealloc", "trunc", "falloc"])
@pytest.mark.parametrize("already", [0, 11])
def test_the_file_has_its_length_and_keeps_its_bytes(target: int, method: Method, already: int) -> None:
    allocate(target, LENGTH, method, already=already)
    assert content(target) == b"first bytes".ljust(LENGTH, b"\0")
    allocate(target, 5, method)
    assert os.fstat(target).st_size == LENGTH


def test_none_does_nothing(target: int) -> None:
    allocate(target, LENGTH, "none")
    assert os.fstat(target).st_size == 11


def test_only_some_methods_take_blocks(target: int) -> None:
    allocate(target, LENGTH, "trunc")
    assert os.fstat(target).st_blocks * 512 < LENGTH
    os.ftruncate(target, 11)
    allocate(target, LENGTH, "prealloc")
    os.fsync(target)
    assert os.fstat(target).st_blocks * 512 >= LENGTH


@pytest.mark.parametrize("call", [None, lambda fd, start, size: errno.EOPNOTSUPP])
def test_falloc_falls_back_to_a_length(target: int, monkeypatch: pytest.MonkeyPatch, call: object) -> None:
    monkeypatch.setattr(module, "_fallocate", lambda: call)
    allocate(target, LENGTH, "falloc")
    assert os.fstat(target).st_size == LENGTH


def test_an_interrupted_reservation_goes_on(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([errno.EINTR, 0])
    monkeypatch.setattr(module, "_fallocate", lambda: lambda fd, start, size: next(answers))
    allocate(target, LENGTH, "falloc")
    assert next(answers, None) is None


def test_prealloc_stops_when_cancelled(target: int) -> None:
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) == 2

    allocate(target, LENGTH, "prealloc", cancelled=cancelled)
    assert 1 << 20 <= os.fstat(target).st_size < LENGTH


@pytest.mark.parametrize("method", typing.get_args(Method)[1:])
def test_a_full_disk_leaves_the_file_as_it_was(target: int, method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, *_: object) -> typing.NoReturn:
        real_ftruncate(fd, 2000)
        raise OSError(errno.ENOSPC, "No space left on device")

    real_ftruncate = os.ftruncate

    def partial_ftruncate(fd: int, length: int) -> None:
        if length == LENGTH:
            full(fd)
        real_ftruncate(fd, length)

    monkeypatch.setattr(os, "ftruncate", partial_ftruncate)
    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(module, "_fallocate", lambda: full)
    with pytest.raises(DiskError, match=r"3\.0 MiB needed") as caught:
        allocate(target, LENGTH, method, path="/d/f")
    assert caught.value.code == ErrorCode.DISK_FULL
    assert "/d/f" in str(caught.value)
    assert content(target) == b"first bytes"


@pytest.mark.parametrize("method", ["prealloc", "falloc"])
def test_more_than_there_is_is_not_even_begun(target: int, method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk must not be filled to find out that it is too small."""
    space = os.fstatvfs(target)

    def begun(*_: object) -> typing.NoReturn:
        raise AssertionError("the disk was written to")

    monkeypatch.setattr(module, "_reserve", begun)
    monkeypatch.setattr(module, "_write_zeros", begun)
    with pytest.raises(DiskError, match="are missing") as caught:
        allocate(target, space.f_blocks * space.f_frsize + (1 << 30), method)
    assert caught.value.code == ErrorCode.DISK_FULL
    assert os.fstat(target).st_size == 11


def test_a_descriptor_that_cannot_be_written_is_an_io_error(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with open(tmp_path / "f", "rb") as file, pytest.raises(DiskError) as caught:
        allocate(file.fileno(), LENGTH, "trunc")
    assert caught.value.code == ErrorCode.IO_ERROR
