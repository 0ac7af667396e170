"""A file that another program has begun: what is in it, and how it gets its final name and a control file.

Owns: never to overwrite anything, and the order in which names and records change. Never: whether the bytes are right.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass

from slasshy_rpc.disk import control, layout
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.disk.faults import disk_error, printable
from slasshy_rpc.errors import DiskError, ErrorCode

#: How programs mark what is not complete; the final name is without it.
SUFFIXES = (".crdownload", ".part", ".partial", ".download", ".opdownload", ".filepart", ".fdmdownload")

_CHUNK = 4 << 20
_ZEROS = bytes(BLOCK)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(slots=True)
class Partial:
    """An open partial file; ``zeros`` are its runs of blocks that hold nothing else, sorted."""

    path: str
    fd: int
    size: int
    modified: int
    zeros: tuple[Range, ...] = ()

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)

    def check_still(self) -> None:
        """Raise DiskError if somebody has written to it since it was opened, or put another file into its place."""
        now = os.fstat(self.fd)
        try:
            there = os.lstat(self.path)
        except OSError as error:
            raise disk_error(error, "find", self.path) from error
        same = (now.st_dev, now.st_ino) == (there.st_dev, there.st_ino)
        if not same or (now.st_size, now.st_mtime_ns) != (self.size, self.modified):
            raise DiskError(f"{printable(self.path)} is being written to. End the program that does so first.")

    def look(self) -> None:
        """Read all of it for ``zeros``; may take a while. Raises DiskError."""
        try:
            self.zeros = tuple(_runs(self.fd, self.size))
        except OSError as error:
            raise disk_error(error, "read", self.path) from error


def open_partial(path: str) -> Partial:
    """The file at ``path``, to be read and to be written by whoever goes on with it. Raises DiskError."""
    if os.path.isdir(path):
        raise DiskError(f"{printable(path)} is a folder. Name the file in it that holds the bytes.")
    if os.path.lexists(layout.control_path(path)):
        raise DiskError(
            f"{printable(path)} has a control file, so it is known which parts of it are there. Download it as you "
            "began it, into the same folder and by the same name: that goes on with it."
        )
    if not os.path.lexists(path):
        raise DiskError(f"There is no {printable(path)}.", ErrorCode.OPEN_FAILED)
    fd = layout.open_target(path, create=False)
    status = os.fstat(fd)
    if not layout.is_regular(status):
        os.close(fd)
        raise DiskError(f"{printable(path)} is not a regular file.", ErrorCode.OPEN_FAILED)
    return Partial(path, fd, status.st_size, status.st_mtime_ns)


def final_name(path: str) -> str:
    """The name of ``path`` without the mark of what is not complete; '' for one that says nothing about the file."""
    name = os.path.basename(path)
    stem = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
    return "" if stem.startswith("Unconfirmed ") and stem != name else stem  # Chromium's, before it knows a name


def settle(partial: Partial, target: str, record: control.Control) -> None:
    """Give the partial file the name ``target``, with ``record`` as its control file beside it.

    What its record claims is on the disk first. Raises DiskError, 13 if anything has that name; nothing has changed
    then.
    """
    source = os.path.abspath(partial.path)
    moves = source != target
    records = layout.control_path(target)
    for path in (target, records) if moves else (records,):
        if os.path.lexists(path):
            text = f"{printable(path)} is there already. Give another --out."
            raise DiskError(text, ErrorCode.FILE_EXISTS)
    layout.make_parents(target)
    layout.sync_data(partial.fd, source)
    control.save(records, record)
    if moves:
        try:
            _rename(source, target)
        except OSError as error:
            with contextlib.suppress(DiskError):
                control.remove(records)
            if error.errno == errno.EXDEV:
                folder = printable(os.path.dirname(target))
                raise DiskError(f"{folder} is on another file system. Move {printable(source)} there first.") from error
            raise disk_error(error, f"give {printable(source)} the name", target, ErrorCode.RENAMING_FAILED) from error
    layout.sync_folder(os.path.dirname(target))


def _rename(source: str, target: str) -> None:
    """Rename without overwriting: a link fails where something is, a rename would not."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        os.rename(source, target)
        return
    try:
        os.unlink(source)
    except OSError:
        os.unlink(target)
        raise


def _runs(fd: int, size: int) -> list[Range]:
    """The runs of zero blocks. A last block that is not whole is left out: it is never claimed."""
    runs: list[Range] = []
    at, end = 0, size // BLOCK * BLOCK
    while at < end:
        data = os.pread(fd, min(_CHUNK, end - at), at)
        if len(data) < BLOCK:
            break
        view = memoryview(data)
        for offset in range(0, len(data) - BLOCK + 1, BLOCK):
            # The first byte tells nearly always.
            if not data[offset] and view[offset : offset + BLOCK] == _ZEROS:
                start = at + offset
                if runs and runs[-1][1] == start:
                    runs[-1] = (runs[-1][0], start + BLOCK)
                else:
                    runs.append((start, start + BLOCK))
        at += len(data) // BLOCK * BLOCK
    return runs
