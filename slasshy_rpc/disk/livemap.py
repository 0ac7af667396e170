"""The live map: which 16 KiB blocks of a file were written, kept where a crash of this process cannot lose it.

Owns: one small mmapped file per active download, and the rules for believing it later. Never: setting marks, which
the engine does, and never a claim that outlives the machine: that is the control file's.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import mmap
import os
import stat
import struct
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from slasshy_rpc.disk import bits
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.plan.version import same_version

#: Bytes before the bitmap; a page, so that the marks are aligned.
HEADER_SIZE = 4096
SUFFIX = ".live"

_MAGIC = b"slshlive"
_VERSION = 3
# magic, version, block, boot id, device, inode, length, half a SHA-256 of each validator (zeros: unknown), the GID that
# writes, length of the path
_HEAD = struct.Struct("<8sII64sQQQ32s16sH")
_CHECK = struct.Struct("<I")  # CRC-32 of all the header before it, in its last four bytes
_PATH_LIMIT = HEADER_SIZE - _HEAD.size - _CHECK.size
_HALF = 16
_WORD = (1 << 64) - 1

#: What names the version of a content: its entity tag and its Last-Modified, each empty if unknown.
Validators = tuple[str, str]


@functools.cache
def boot_id() -> str:
    """A text that differs after every start of the machine; empty if the system does not tell."""
    if sys.platform == "darwin":
        return _boot_session()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _boot_session() -> str:
    """macOS: the UUID that the kernel draws at boot (sysctl kern.bootsessionuuid)."""
    import ctypes

    buffer = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(buffer))
    try:
        answer = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", buffer, ctypes.byref(size), None, None)
    except (OSError, AttributeError):
        return ""
    return buffer.value.decode("ascii", "replace") if answer == 0 else ""


def key_for(path: str) -> str:
    """The stable name of a target's live file, from the target's absolute path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Header:
    """Whose marks these are. ``path`` may be empty: too long, or not given; so may ``gid`` (NULs)."""

    boot: bytes
    device: int
    inode: int
    length: int
    validators: bytes
    gid: bytes
    path: bytes

    def pack(self) -> bytes:
        fixed = (self.boot, self.device, self.inode, self.length, self.validators, self.gid)
        head = _HEAD.pack(_MAGIC, _VERSION, BLOCK, *fixed, len(self.path))
        body = (head + self.path).ljust(HEADER_SIZE - _CHECK.size, b"\0")
        return body + _CHECK.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> _Header | None:
        """The header in the first 4096 bytes; None if it is damaged or of another version."""
        body, check = data[: HEADER_SIZE - _CHECK.size], data[HEADER_SIZE - _CHECK.size : HEADER_SIZE]
        if len(data) < HEADER_SIZE or check != _CHECK.pack(zlib.crc32(body)):
            return None
        magic, version, block, boot, device, inode, length, validators, gid, size = _HEAD.unpack_from(data)
        if (magic, version, block) != (_MAGIC, _VERSION, BLOCK) or size > _PATH_LIMIT:
            return None
        return cls(boot, device, inode, length, validators, gid, data[_HEAD.size : _HEAD.size + size])


def _boot_field() -> bytes:
    """This boot as the header keeps it; all zeros if it is unknown."""
    return boot_id().encode("ascii", "replace")[:64].ljust(64, b"\0")


def _validators_field(validators: Validators) -> bytes:
    tag, date = validators
    validators = (tag.removeprefix("W/"), date)
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:_HALF] for text in validators)
    return b"".join(digest if text else bytes(_HALF) for text, digest in zip(validators, digests, strict=True))


def _same_version(one: bytes, other: bytes) -> bool:
    """Whether two validators fields may name the same content; which tags were weak is not kept."""
    return same_version(_halves(one), _halves(other))


def _halves(field: bytes) -> tuple[bytes, bytes]:
    """The digests of tag and date, each empty if unknown."""
    tag, date = field[:_HALF], field[_HALF:]
    return (tag if any(tag) else b"", date if any(date) else b"")


def _bitmap_size(length: int) -> int:
    return bits.size(bits.count(length, BLOCK))


@dataclass(slots=True)
class LiveFile:
    """The live map of one active download. ``bitmap`` is writable: one bit a block, high bit first."""

    path: str
    bitmap: memoryview
    _map: mmap.mmap = field(repr=False)

    @classmethod
    def create(
        cls,
        directory: str | os.PathLike[str],
        key: str,
        fd: int,
        length: int,
        validators: Validators,
        done: tuple[Range, ...],
        *,
        path: str = "",
        gid: str = "",
    ) -> LiveFile:
        """A new live map for the open target ``fd`` of ``length`` > 0 bytes, replacing an older one.

        ``done`` are byte ranges that are in the file already, rounded down to blocks. ``path`` (the target's) lets
        ``prune`` see that the target is gone, and with ``gid`` ``owners`` tell whose it is. Folder 0700, file 0600.
        Raises DiskError (16, 9 …): a download may go on without it.
        """
        os_path = os.path.join(directory, key + SUFFIX)
        try:
            status = os.fstat(fd)
            encoded = os.fsencode(path)
            header = _Header(
                _boot_field(),
                status.st_dev & _WORD,
                status.st_ino & _WORD,
                length,
                _validators_field(validators),
                gid.encode("ascii", "replace")[:16],
                encoded if len(encoded) <= _PATH_LIMIT else b"",
            )
            bitmap = bytearray(_bitmap_size(length))
            for start, end in bits.merged(done, length):
                bits.set_run(bitmap, *bits.whole_units(start, end, length, BLOCK))
            os.makedirs(directory, mode=0o700, exist_ok=True)
            mapped = _write_and_map(os_path, header.pack() + bitmap)
        except OSError as error:
            raise disk_error(error, "create the live map", os_path, ErrorCode.CREATE_FAILED) from error
        return cls(os_path, memoryview(mapped)[HEADER_SIZE:], mapped)

    def close(self, remove: bool) -> None:
        """Let go of the map; ``remove`` when its target is complete, else it may be recovered.

        Close the engine's LiveMap first: BufferError if the bitmap is still lent. Calling it again does nothing.
        """
        if remove:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
        self.bitmap.release()
        self._map.close()

    def retire(self) -> None:
        """Let go of the map when the control file knows all: no mark counts any more, the version still does.

        Close the engine's LiveMap first, as for ``close``, which does nothing after this.
        """
        self.bitmap[:] = bytes(len(self.bitmap))
        self.close(remove=False)


def remove(directory: str | os.PathLike[str], key: str) -> None:
    """Drop the live map of a target that begins anew: its old marks must never be believed. DiskError (17)."""
    path = os.path.join(directory, key + SUFFIX)
    try:
        os.unlink(path)
    except OSError as error:
        if os.path.lexists(path):  # a read-only file system says so before it looks for the name
            raise disk_error(error, "remove the live map", path) from error


def _write_and_map(path: str, content: bytes) -> mmap.mmap:
    """A new file with this content, mapped shared.

    The bytes are written, not left as a hole: marking a block on a full disk must not end in SIGBUS. The old file is
    unlinked, not truncated, for the same reason.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # The header goes last: half a live map must not look like a whole one.
        for start, end in ((HEADER_SIZE, len(content)), (0, HEADER_SIZE)):
            while start < end:
                start += os.pwrite(descriptor, content[start:end], start)
        return mmap.mmap(descriptor, len(content))
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


class AnotherVersion(Exception):
    """The marks are of this very file, but of a content that was another."""


def recover(
    directory: str | os.PathLike[str], key: str, fd: int, length: int, validators: Validators
) -> tuple[Range, ...] | None:
    """The byte ranges of the open target ``fd`` that are on disk, or None if nothing can be believed.

    Marks are believed only within the same boot, for the same device, inode and length, and if the file reaches as far
    as they do. Raises AnotherVersion if it is this file and the validators disagree, after another boot too. Ask only
    for a file that is being resumed: a file system may give the inode of a deleted file to a new one.
    """
    content = _read(os.path.join(directory, key + SUFFIX), HEADER_SIZE + _bitmap_size(length))
    header = _Header.unpack(content) if content is not None else None
    if content is None or header is None or header.length != length:
        return None
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    if not _same_file(header, status):
        return None
    if not _same_version(header.validators, _validators_field(validators)):
        raise AnotherVersion
    if not _same_boot(header):
        return None
    ranges = tuple(
        (first * BLOCK, min(last * BLOCK, length))
        for first, last in bits.runs(memoryview(content)[HEADER_SIZE:], bits.count(length, BLOCK))
    )
    if ranges and ranges[-1][1] > status.st_size:
        return None
    return ranges


def _same_file(header: _Header, status: os.stat_result) -> bool:
    """Whether the header speaks of this file; devices may be numbered anew with every boot."""
    same_device = header.device == status.st_dev & _WORD or not _same_boot(header)
    return same_device and header.inode == status.st_ino & _WORD


def _same_boot(header: _Header) -> bool:
    return boot_id() != "" and header.boot == _boot_field()


def _read(path: str, size: int) -> bytes | None:
    """The content of a live file of exactly ``size`` bytes that belongs to this user; else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_size != size:
            return None
        content = os.pread(descriptor, size, 0)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return content if len(content) == size else None


def prune(directory: str | os.PathLike[str]) -> int:
    """Remove live files that can never be believed again; returns how many. For the start of a server.

    Those are the damaged, those whose target is gone or has been replaced, and those of another boot that do not name
    their target. Files that are not live maps are left alone, and so is a folder that is missing or cannot be read.
    """
    removed = 0
    for path in _live_files(directory):
        if not _hopeful(path):
            with contextlib.suppress(OSError):
                os.unlink(path)
                removed += 1
    return removed


def owners(directory: str | os.PathLike[str]) -> dict[str, str]:
    """Which path each GID was writing to, by the live maps in ``directory``: so that after a restart it is given to no
    other. For the start of a server, after ``prune``.
    """
    found: dict[str, str] = {}
    for path in _live_files(directory):
        try:
            with open(path, "rb") as file:
                header = _Header.unpack(file.read(HEADER_SIZE))
        except OSError:
            continue
        if header is not None and header.path and (gid := header.gid.rstrip(b"\0")):
            found[gid.decode("ascii", "replace")] = os.fsdecode(header.path)
    return found


def _live_files(directory: str | os.PathLike[str]) -> list[str]:
    """The paths of all live files in a folder, none if it is missing or cannot be read."""
    try:
        return [entry.path for entry in os.scandir(directory) if entry.name.endswith(SUFFIX)]
    except OSError:
        return []


def _hopeful(path: str) -> bool:
    """Whether the live file may still tell something when its target is resumed."""
    try:
        size = os.lstat(path).st_size
        content = _read(path, size) if size <= HEADER_SIZE + _bitmap_size(1 << 50) else None
        header = _Header.unpack(content) if content is not None else None
        if content is None or header is None:
            return False
        if len(content) != HEADER_SIZE + _bitmap_size(header.length):
            return False
        if not header.path:
            return _same_boot(header)
        return _same_file(header, os.stat(header.path))
    except (OSError, ValueError):
        return False
