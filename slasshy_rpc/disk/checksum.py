"""Digests of files that are on disk.

Owns: aria2's algorithms over a descriptor or a path. Never: the decision when to check, or what a mismatch means.
"""

from __future__ import annotations

import hashlib
import os
import typing
import zlib
from collections.abc import Callable

from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.errors import SlasshyError

#: aria2's names, strongest last as aria2 ranks them, adler32 being no digest at all. Values are hashlib's names.
ALGORITHMS: dict[str, str] = {
    "adler32": "",
    "md5": "md5",
    "sha-1": "sha1",
    "sha-224": "sha224",
    "sha-256": "sha256",
    "sha-384": "sha384",
    "sha-512": "sha512",
}
CHUNK = 1 << 20


class Cancelled(SlasshyError):
    """The digest was not finished because ``cancelled`` said so."""


class Hash(typing.Protocol):
    """A digest in the making, as hashlib's objects."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """What it is until now, in lower case."""


class _Adler32:
    def __init__(self) -> None:
        self._value = 1

    def update(self, data: bytes, /) -> None:
        self._value = zlib.adler32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


def new_digest(algorithm: str) -> Hash:
    """An empty digest of one of ``ALGORITHMS``; KeyError if it is none."""
    name = ALGORITHMS[algorithm.lower()]
    return hashlib.new(name, usedforsecurity=False) if name else _Adler32()


def _ignore(done: int) -> None: ...


def _never() -> bool:
    return False


def digest_file(
    target: int | str,
    algorithm: str,
    progress: Callable[[int], None] = _ignore,
    cancelled: Callable[[], bool] = _never,
) -> str:
    """The lower-case hex digest of a whole file, read in chunks of 1 MiB; blocking, so run off the loop.

    ``target`` is a descriptor, whose position is left alone, or a path. After each chunk ``progress`` gets the
    number of bytes read so far and ``cancelled`` is asked. ``algorithm`` is one of ``ALGORITHMS``; KeyError if not.
    Raises DiskError 17, or Cancelled.
    """
    digest = new_digest(algorithm)
    path = target if isinstance(target, str) else "the file"
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC) if isinstance(target, str) else target
    except OSError as error:
        raise disk_error(error, "read", path) from error
    position = 0
    try:
        while chunk := os.pread(descriptor, CHUNK, position):
            if cancelled():
                raise Cancelled("The check of the file was interrupted.")
            digest.update(chunk)
            position += len(chunk)
            progress(position)
    except OSError as error:
        raise disk_error(error, "read", path) from error
    finally:
        if isinstance(target, str):
            os.close(descriptor)
    return digest.hexdigest()
