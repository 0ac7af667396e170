"""Giving a file its full length before the first byte arrives.

Owns: aria2's four methods and what happens where a file system lacks one. Never: the choice of the method.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import typing
from collections.abc import Callable

from slasshy_rpc.disk.faults import disk_error, readable
from slasshy_rpc.errors import DiskError, ErrorCode

Method = typing.Literal["none", "prealloc", "trunc", "falloc"]

_CHUNK = 1 << 20
# What fallocate(2) answers where the file system cannot do it, and what old kernels and sandboxes answer.
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EPERM}


def _never() -> bool:
    return False


def allocate(
    fd: int,
    length: int,
    method: Method,
    *,
    already: int = 0,
    path: str = "the file",
    cancelled: Callable[[], bool] = _never,
) -> None:
    """Give the file ``length`` bytes; blocking, so run off the loop. Bytes that are there are never touched.

    ``none`` does nothing; ``prealloc`` writes zeros from the end of the file, asking ``cancelled`` once a MiB;
    ``trunc`` only sets the length; ``falloc`` reserves blocks without writing them from ``already`` on, and sets
    the length where the file system cannot reserve (never glibc's slow emulation).
    A disk too small leaves the file as long as it was. Raises DiskError: 9 with how much is missing, else 17.
    """
    try:
        status = os.fstat(fd)
        space = os.fstatvfs(fd)
    except OSError as error:
        raise disk_error(error, "allocate", path) from error
    before = status.st_size
    if method == "none" or (length <= before and method != "falloc"):
        return
    start = min(already, length) if method == "falloc" else before
    if method != "trunc":
        # Asked before, not found out: a disk filled to the brim for a moment fails everybody else who writes to it.
        # A file system without blocks (some FUSE ones) does not know its space.
        needed = length - max(start, status.st_blocks * 512)
        if space.f_blocks and needed > space.f_bavail * space.f_frsize:
            raise _too_small(fd, needed, path)
    try:
        if method == "prealloc":
            _write_zeros(fd, start, length, cancelled)
        elif (method == "trunc" or not _reserve(fd, start, length)) and length > before:
            os.ftruncate(fd, length)
    except OSError as error:
        _restore(fd, before)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _too_small(fd, length - start, path) from error
        raise disk_error(error, "allocate", path) from error


def _restore(fd: int, before: int) -> None:
    """Give back what a failed allocation took."""
    if os.fstat(fd).st_size > before:
        os.ftruncate(fd, before)


def _too_small(fd: int, needed: int, path: str) -> DiskError:
    status = os.fstatvfs(fd)
    available = status.f_bavail * status.f_frsize
    missing = f", {readable(needed - available)} are missing" if needed > available else ""
    return DiskError(
        f"Not enough space to allocate {path}: {readable(needed)} needed, {readable(available)} available{missing}."
        " Free some space or choose another dir.",
        ErrorCode.DISK_FULL,
    )


def _write_zeros(fd: int, start: int, length: int, cancelled: Callable[[], bool]) -> None:
    zeros = memoryview(bytes(_CHUNK))
    while start < length and not cancelled():
        start += os.pwrite(fd, zeros[: length - start], start)


def _reserve(fd: int, start: int, length: int) -> bool:
    """Reserve blocks; False if the file system or the platform cannot."""
    if start >= length:
        return True
    call = _fallocate()
    if call is None:
        return False
    while True:
        number = call(fd, start, length - start)
        if number == 0:
            return True
        if number in _UNSUPPORTED:
            return False
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


@functools.cache
def _fallocate() -> Callable[[int, int, int], int] | None:
    """fallocate(2) as ``(fd, offset, bytes) -> errno``; None where there is none.

    ``os.posix_fallocate`` will not do: where the file system cannot reserve, glibc writes into every block, which
    takes minutes for a large file on FAT or NFS.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        # fallocate64 exists in glibc, where plain off_t may have 32 bits; musl's off_t always has 64.
        function = getattr(libc, "fallocate64", None) or libc.fallocate
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    function.restype = ctypes.c_int

    def call(fd: int, offset: int, size: int) -> int:
        return 0 if function(fd, 0, offset, size) == 0 else ctypes.get_errno()

    return call
