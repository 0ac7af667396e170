"""The ``NAME.aria2`` control file: which bytes of a file are on disk, in aria2's own version-1 format.

Owns: encoding, decoding, and the durable exchange of old for new. Never: knowing when to save, and never claiming a
byte it was not given. The caller makes the data itself durable first (``layout.sync_data``).
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
from dataclasses import dataclass, replace

from slasshy_rpc.disk import bits
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.disk.faults import disk_error, printable
from slasshy_rpc.disk.layout import sync_folder
from slasshy_rpc.errors import DiskError, ErrorCode

#: The longest control file that is read: 1 MiB pieces of half a petabyte.
SIZE_LIMIT = 64 << 20

_VERSION_1 = 1
_TORRENT = 1  # last bit of the extension field: an info hash follows and counts


@dataclass(frozen=True, slots=True)
class Control:
    """Progress of one file; lengths in bytes.

    ``done`` holds sorted, disjoint, non-touching half-open byte ranges that are on disk. ``upload_length`` only
    matters to torrents.
    """

    piece_length: int
    total_length: int
    upload_length: int
    done: tuple[Range, ...]

    def within(self, size: int) -> Control:
        """What can be true of a file that is only ``size`` bytes long: claims beyond it are dropped.

        aria2 believes its control file even when the data file was cut; that ends in a file with holes.
        """
        done = tuple((start, min(end, size)) for start, end in self.done if start < size)
        return replace(self, done=done)


def bitfield(done: tuple[Range, ...], total: int, piece_length: int) -> bytes:
    """One bit a piece, high bit first; set only for pieces wholly inside ``done``."""
    field = bytearray(bits.size(bits.count(total, piece_length)))
    for start, end in bits.merged(done, total):
        bits.set_run(field, *bits.whole_units(start, end, total, piece_length))
    return bytes(field)


def encode(control: Control) -> bytes:
    """The file's content. ``done`` is rounded down to whole 16 KiB blocks (the file's last may be short).

    Of a piece that is not whole the last block is never claimed: aria2c (1.36 and 1.37, tried) reads a piece from its
    first missing block on and takes it for finished when none is missing. If the stream has not come to the end of
    the piece by then, it writes what follows into the wrong place of the next piece, and reports success.
    Raises ValueError for values that no download has (no length, a piece length of zero, ranges outside the file).
    """
    total, piece_length = control.total_length, control.piece_length
    if not (0 < total < 1 << 63 and 0 < piece_length < 1 << 32):
        raise ValueError(f"no control file for {total} bytes in pieces of {piece_length}")
    done = bits.merged(control.done, total)
    field = bitfield(done, total, piece_length)
    partial = _in_flight(done, total, piece_length)
    parts = [
        struct.pack(">HIIIQQI", _VERSION_1, 0, 0, piece_length, total, control.upload_length, len(field)),
        field,
        struct.pack(">I", len(partial)),
    ]
    for index, blocks in sorted(partial.items()):
        length = min(piece_length, total - index * piece_length)
        parts += [struct.pack(">III", index, length, len(blocks)), bytes(blocks)]
    return b"".join(parts)


def _in_flight(done: tuple[Range, ...], total: int, piece_length: int) -> dict[int, bytearray]:
    """Piece number → bits of its 16 KiB blocks, for pieces that have some blocks but not all bytes."""
    result: dict[int, bytearray] = {}
    for start, end in done:
        first, last = bits.whole_units(start, end, total, piece_length)
        edges = {start // piece_length, (end - 1) // piece_length}
        for index in edges:
            if first <= index < last:
                continue
            offset = index * piece_length
            length = min(piece_length, total - offset)
            count = bits.count(length, BLOCK)
            first_block, after = bits.whole_units(max(start - offset, 0), min(end - offset, length), length, BLOCK)
            after = min(after, count - 1)  # see encode
            if first_block < after:
                bits.set_run(result.setdefault(index, bytearray(bits.size(count))), first_block, after)
    return result


class _Reader:
    """A cursor over the file's content that refuses to run off its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self.order = ">"

    @property
    def left(self) -> int:
        return len(self._data) - self._position

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise _damaged("it ends too early")
        self._position += size
        return self._data[self._position - size : self._position]

    def number(self, code: str) -> int:
        layout = struct.Struct(self.order + code)
        value: int = layout.unpack(self.take(layout.size))[0]
        return value


def _damaged(reason: str, code: int = ErrorCode.UNKNOWN) -> DiskError:
    return DiskError(f"The control file cannot be used: {reason}. Remove it to start the download anew.", code)


def decode(data: bytes) -> Control:
    """What a control file says, to the block. Raises DiskError (code 1) if it is damaged or not for a single file.

    Version 0 (aria2 before 1.4) is read too: the same fields in the byte order of this machine.
    """
    reader = _Reader(data)
    version = reader.take(2)
    if version == b"\0\0":
        reader.order = "<" if sys.byteorder == "little" else ">"
    elif version != b"\0\1":
        raise _damaged(f"its version is {version.hex()}, not 0001")
    extension = reader.take(4)
    if extension[3] & _TORRENT or reader.number("I") != 0:
        raise _damaged("it belongs to a torrent")
    piece_length, total, uploaded = reader.number("I"), reader.number("Q"), reader.number("Q")
    if piece_length == 0 or total >= 1 << 63 or uploaded >= 1 << 63:
        raise _damaged("its lengths are impossible")
    pieces = bits.count(total, piece_length)
    if reader.number("I") != bits.size(pieces):
        raise _damaged("its bitfield does not match its length")
    done = [
        (first * piece_length, min(last * piece_length, total))
        for first, last in bits.runs(reader.take(bits.size(pieces)), pieces)
    ]
    for _ in range(reader.number("I")):
        done += _decode_piece(reader, total, piece_length, pieces)
    if reader.left:
        raise _damaged(f"it has {reader.left} bytes too many")
    return Control(piece_length, total, uploaded, bits.merged(done, total))


def _decode_piece(reader: _Reader, total: int, piece_length: int, pieces: int) -> list[Range]:
    """The byte ranges of one piece in flight."""
    index, length, size = reader.number("I"), reader.number("I"), reader.number("I")
    offset = index * piece_length
    if index >= pieces or length != min(piece_length, total - offset):
        raise _damaged(f"piece {index} does not belong to this file")
    blocks = bits.count(length, BLOCK)
    if size != bits.size(blocks):
        raise _damaged(f"the blocks of piece {index} do not match its length")
    return [
        (offset + first * BLOCK, offset + min(last * BLOCK, length))
        for first, last in bits.runs(reader.take(size), blocks)
    ]


def load(path: str) -> Control | None:
    """What the control file at ``path`` (``layout.control_path``) says; None if there is none.

    Keep its piece length for the rest of the download: aria2 refuses a file whose piece length changed (code 10).
    Raises DiskError: code 1 for a damaged file (which is left as it is), 15 if it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error(error, "read the control file", path, ErrorCode.OPEN_FAILED) from error
    with os.fdopen(descriptor, "rb") as file:
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _damaged(f"{printable(path)} is not a regular file")
            if status.st_size > SIZE_LIMIT:
                raise _damaged(f"{printable(path)} has {status.st_size} bytes, more than any download needs")
            data = file.read(SIZE_LIMIT)
        except OSError as error:
            raise disk_error(error, "read the control file", path, ErrorCode.OPEN_FAILED) from error
    try:
        return decode(data)
    except DiskError as error:
        raise DiskError(f"{printable(path)}: {error}", error.code) from error


def save(path: str, control: Control, *, durable: bool = True) -> None:
    """Put ``control`` at ``path`` so that, whatever happens, the old or the new one is there whole.

    Temp file beside it (``F.aria2__temp``, aria2's name), fsync, rename, fsync of the folder. What it claims must
    have been made durable before. Not ``durable``: without the fsyncs, which then only a power cut can tell.
    Raises DiskError (9, 16 or 17).
    """
    data = encode(control)
    temporary = path + "__temp"
    try:
        # A leftover of a crash, or a link somebody put there, is removed rather than written through.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise disk_error(error, "save the control file", path, ErrorCode.CREATE_FAILED) from error
    if durable:
        sync_folder(os.path.dirname(path) or ".")


def remove(path: str) -> None:
    """Drop the control file and the leftover of an interrupted save; nothing happens if there are none."""
    for name in (path, path + "__temp"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_error(error, "remove the control file", name) from error
