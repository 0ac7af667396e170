"""Where a download's file is, and how it is opened and closed there.

Owns: paths inside ``dir``, folders, descriptors of target files, free space. Never: the decision what to do with a
file that is there already (``existing``), and never a byte of content.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Sequence

from slasshy_rpc.disk.faults import disk_error, printable, readable
from slasshy_rpc.errors import DiskError, ErrorCode

CONTROL_SUFFIX = ".aria2"

# What fsync answers where there is nothing to make durable: devices, and file systems that cannot sync folders.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def control_path(path: str) -> str:
    """Where the control file of ``path`` is kept: ``NAME.aria2`` beside it."""
    return path + CONTROL_SUFFIX


def inside(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or something below it, by their letters; both absolute and plain."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def taken(path: str) -> bool:
    """Whether something lies there, were it a link that leads nowhere."""
    return os.path.lexists(path)


def resolve(directory: str, name: str, *, trusted: bool, compat: bool = False) -> str:
    """The absolute path of ``name`` (``out``, or a name from plan/naming) in ``directory``.

    ``name`` may contain folders. ``trusted`` (command line, input file): ``..`` may leave the directory, as in aria2,
    and an absolute name stands for itself, unless ``compat``, where it is taken below the directory, as aria2 does
    (so both serve ``--dir=/ --out=/abs``). Not trusted (RPC, network): an absolute name is taken below the
    directory too, and neither ``..`` nor a symbolic link among its folders may lead out of it.
    Raises DiskError 16 for a name that names no file or leaves the directory.
    """
    _refuse_unusable(directory, "dir")
    _refuse_unusable(name, "out")
    # abspath keeps a leading "//", which POSIX allows to mean something else.
    base = "/" + os.path.abspath(directory).lstrip("/")
    if trusted and not compat and name.startswith("/"):
        base = "/"
    path = os.path.normpath(os.path.join(base, name.lstrip("/")))
    if name.endswith(("/", "/.", "/..")) or path == base or name in {"", ".", ".."}:
        raise _refusal(name, f"it names a folder, not a file in {printable(base)}")
    if not trusted:
        _contain(base, path, name)
    return path


def _refuse_unusable(text: str, option: str) -> None:
    """No NUL, which no system call takes, and nothing that cannot become bytes (lone surrogates in JSON)."""
    try:
        usable = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise DiskError(
            f"The {option} {printable(text)!r} contains characters that no file name can have. Remove them.",
            ErrorCode.CREATE_FAILED,
        )


def _contain(base: str, path: str, name: str) -> None:
    """Raise unless ``path`` is inside ``base``, by its letters and after its folders' links were followed."""
    if any(not character.isprintable() and character.isascii() for character in name):
        raise _refusal(name, "it contains control characters")
    if not inside(path, base):
        raise _refusal(name, f"it leads out of {printable(base)}")
    folder = os.path.dirname(path)
    if folder != base and not inside(os.path.realpath(folder), os.path.realpath(base)):
        raise _refusal(name, f"a symbolic link on its way leads out of {printable(base)}")


def _refusal(name: str, reason: str) -> DiskError:
    text = f"The file name {printable(name)!r} is refused: {reason}. Give an out that names a file inside dir."
    return DiskError(text, ErrorCode.CREATE_FAILED, terse=text)  # aria2 refuses nothing here, so it has no words for it


def make_parents(path: str) -> None:
    """Create the folders above ``path``. Raises DiskError 18 (9 if the disk is full)."""
    folder = os.path.dirname(path)
    if os.path.isdir(folder):
        return
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError):  # makedirs says so when a part of the path is a file
            error = NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        raise disk_error(error, "create the folder", folder, ErrorCode.MKDIR_FAILED) from error


def open_target(
    path: str, *, create: bool, exclusive: bool = False, truncate: bool = False, follow: bool = False
) -> int:
    """A descriptor of ``path`` for reading and writing; the caller closes it, best with ``finish``.

    ``create`` makes the file if it is missing; with ``exclusive`` it must have been missing (DiskError 13).
    ``truncate`` empties it. A symbolic link is refused unless ``follow`` (for a path the user typed). Only regular
    files and the null device are taken. Raises DiskError 15 (16 with ``create``).
    """
    # O_NONBLOCK: a FIFO somebody put there must not hold us; it means nothing to regular files.
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
    flags |= (os.O_CREAT if create else 0) | (os.O_EXCL if create and exclusive else 0)
    flags |= 0 if follow else os.O_NOFOLLOW
    code = ErrorCode.CREATE_FAILED if create else ErrorCode.OPEN_FAILED
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileExistsError as error:
        raise disk_error(error, "create the file", path, ErrorCode.FILE_EXISTS) from error
    except OSError as error:
        raise disk_error(error, "create the file" if create else "open the file", path, code) from error
    try:
        status = os.fstat(descriptor)
        if not is_regular(status) and not is_null(status):
            raise DiskError(f"Cannot write to {printable(path)}: it is not a regular file. Give another out.", code)
        if truncate and is_regular(status) and status.st_size:
            os.ftruncate(descriptor, 0)
    except OSError as error:
        os.close(descriptor)
        raise disk_error(error, "empty the file", path, code) from error
    except DiskError:
        os.close(descriptor)
        raise
    return descriptor


def is_regular(status: os.stat_result) -> bool:
    """Whether this is an ordinary file, with a length and bytes of its own."""
    return stat.S_ISREG(status.st_mode)


def is_null(status: os.stat_result) -> bool:
    """Whether this is /dev/null, where people send speed tests (``-d /dev -o null``)."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.stat(os.devnull).st_rdev


def remove(paths: Sequence[str]) -> None:
    """Delete what is there of these files."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def free_space(path: str) -> int:
    """Bytes an ordinary user may still write where ``path`` is, or will be created; no bound where a file system does
    not count. Raises DiskError 17."""
    place = os.path.dirname(os.path.abspath(path))
    while True:
        try:
            status = os.statvfs(place)
        except (FileNotFoundError, NotADirectoryError):
            place = os.path.dirname(place)
        except OSError as error:
            raise disk_error(error, "ask for the free space at", place) from error
        else:
            return status.f_bavail * status.f_frsize if status.f_blocks else sys.maxsize


def free_space_check(path: str, needed: int, *, reserve: int = 0) -> None:
    """Raise DiskError 9 unless ``needed`` more bytes fit, leaving ``reserve`` bytes free."""
    available = free_space(path)
    if needed + reserve > available:
        kept = f" (and {readable(reserve)} to be kept free)" if reserve else ""
        raise DiskError(
            f"Not enough space for {printable(path)}: {readable(needed)} needed{kept}, {readable(available)} available."
            " Free some space or choose another dir.",
            ErrorCode.DISK_FULL,
        )


def sync_data(fd: int, path: str = "the file") -> None:
    """Return when the written bytes survive a power cut. ``path`` is for messages. Raises DiskError 9 or 17."""
    try:
        if sys.platform == "darwin":
            import fcntl

            # fsync on macOS stops at the drive's cache (fsync(2)).
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise disk_error(error, "make the written bytes durable in", path) from error


def sync_folder(folder: str) -> None:
    """Make names in ``folder`` durable after a rename; file systems that cannot are let be. Raises DiskError 17."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # a folder may be writable without being readable
    except OSError as error:
        raise disk_error(error, "open the folder", folder) from error
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise disk_error(error, "make names durable in the folder", folder) from error
    finally:
        os.close(descriptor)


def cut(fd: int, length: int, path: str = "the file") -> None:
    """Drop what lies beyond ``length`` bytes; a shorter file stays as it is. Raises DiskError 17."""
    try:
        status = os.fstat(fd)
        if is_regular(status) and status.st_size > length:
            os.ftruncate(fd, length)
    except OSError as error:
        raise disk_error(error, "shorten", path) from error


def write(fd: int, body: bytes | memoryview, path: str = "the file", at: int = 0) -> None:
    """Put all of ``body`` at the beginning, or at another place. Raises DiskError 9 or 17."""
    done = 0
    try:
        while done < len(body):
            done += os.pwrite(fd, body[done:] if done else body, at + done)
    except OSError as error:
        raise disk_error(error, "write", path) from error


def set_mtime(fd: int, modified: float) -> bool:
    """Set the modification time (seconds since the epoch); False if the file system will not have it.

    A refusal is no reason to fail a download that has all its bytes.
    """
    try:
        os.utime(fd, (modified, modified))
    except (OSError, OverflowError):
        return False
    return True


def finish(
    fd: int, *, length: int | None = None, modified: float | None = None, sync: bool = False, path: str = "the file"
) -> None:
    """Close a target: cut to ``length`` bytes, date it, make it durable, in this order, each if asked.

    The descriptor is closed even if a step fails. Raises DiskError 9 or 17.
    """
    try:
        if length is not None:
            cut(fd, length, path)
        if modified is not None:
            set_mtime(fd, modified)
        if sync:
            sync_data(fd, path)
    finally:
        os.close(fd)
