"""Fragments as the one stream that they are together: what it is, and how it gets into a file or a pipe.

Owns: telling a stream's type by its first bytes, from a list that has no playlist in it. Never: fragments that are not
whole, or what ffmpeg does with them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import FileIO

from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.errors import DownloadError

#: Bytes that are looked at, and moved at a time.
_HEAD = 4096
_STEP = 1 << 20

_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg", b"free", b"skip", b"prft", b"mdat"})
_TS_PACKET = 188


def kind(head: bytes) -> str:
    """The file extension of what begins like this; '' for what is no media that comes in fragments."""
    while head[:3] == b"ID3" and len(head) >= 10:  # before each fragment of packed audio (RFC 8216 section 3.4)
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        head = head[10 + size :]
    if head[:1] == b"G" and head[_TS_PACKET : _TS_PACKET + 1] in (b"G", b""):
        return "ts"
    if head[4:8] in _BOXES:
        return "mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE0 == 0xE0:
        return "aac" if head[1] & 0x06 == 0 else "mp3"
    return "ogg" if head[:4] == b"OggS" else ""


def kind_of(paths: Sequence[str]) -> str:
    """``kind`` of what these files are together. Raises DownloadError if it is none, or cannot be read."""
    try:
        with _open(paths[0]) as file:
            found = kind(file.read(_HEAD))
    except OSError as error:
        raise disk_error(error, "read", paths[0]) from error
    if not found:
        raise DownloadError("The fragments are no media that is known: the server has sent something else.")
    return found


class Joining:
    """The files ``paths`` get into the file ``into``, one behind the other."""

    def __init__(self, paths: Sequence[str], into: str) -> None:
        self._paths = paths
        self._into = into
        self._stopped = False

    def run(self) -> None:
        """Write them; blocks until that is done, or ``stop`` was called. Raises DiskError."""
        try:
            with FileIO(self._into, "r+") as file:
                for path in self._paths:
                    if self._stopped:
                        return
                    _copy([path], file)
        except OSError as error:
            raise disk_error(error, "write", self._into) from error

    def stop(self) -> None:
        """Have ``run`` end after the file that it is at."""
        self._stopped = True


@dataclass(slots=True)
class Feed:
    """A pipe out of which the files ``paths`` come, one behind the other; ``reader`` is the other process's end."""

    paths: Sequence[str]
    reader: FileIO = field(init=False)
    _writer: FileIO = field(init=False)

    def __post_init__(self) -> None:
        reader, writer = os.pipe()
        self.reader, self._writer = FileIO(reader, "r"), FileIO(writer, "w")

    def close(self) -> None:
        """Close both ends, as far as that is not done."""
        self.reader.close()
        self._writer.close()

    def pour(self) -> None:
        """Write all of it and close the pipe; ends early when nobody reads any more. Raises DiskError."""
        with self._writer as writer:
            try:
                _copy(self.paths, writer)
            except BrokenPipeError:
                return  # who was to read has ended, and will be asked why
            except OSError as error:
                raise disk_error(error, "read", os.path.dirname(self.paths[0])) from error


class Feeds:
    """Several of them, each poured by a thread of its own: other steps must not wait for a reader's."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._threads = ThreadPoolExecutor(max(1, len(feeds)), thread_name_prefix="feed")
        self._poured: list[Future[None]] = [self._threads.submit(feed.pour) for feed in feeds]
        for feed in feeds:
            feed.reader.close()

    def finish(self) -> None:
        """Once nobody reads any more: raises DiskError if not all could be poured."""
        self._threads.shutdown()
        for one in self._poured:
            one.result()


def _copy(paths: Sequence[str], into: FileIO) -> None:
    for path in paths:
        with _open(path) as file:
            while data := memoryview(file.read(_STEP)):
                while data:
                    data = data[into.write(data) :]


def _open(path: str) -> FileIO:
    return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "r")
