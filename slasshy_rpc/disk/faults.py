"""The one table that turns the operating system's errors into DiskError.

Owns: codes and sentences for what a disk refuses. Never: the decision what to do about it.
"""

from __future__ import annotations

import errno

from slasshy_rpc.errors import DiskError, ErrorCode

# errno → the code that overrides the operation's own, what is wrong, what to do.
_FAULTS: dict[int, tuple[ErrorCode | None, str, str]] = {
    errno.ENOSPC: (ErrorCode.DISK_FULL, "the disk is full", "Free some space or choose another dir."),
    errno.EDQUOT: (ErrorCode.DISK_FULL, "the disk quota is used up", "Free some space or choose another dir."),
    errno.EFBIG: (
        None,
        "the file system, or a limit set for this process, does not take files this large",
        "Choose a dir on another file system (FAT ends at 4 GiB) or raise 'ulimit -f'.",
    ),
    errno.EACCES: (None, "permission denied", "Choose another dir or change the permissions of this one."),
    errno.EPERM: (None, "the system does not permit it", "Choose another dir or change the owner of this one."),
    errno.EROFS: (None, "the file system is read-only", "Choose another dir or remount it for writing."),
    errno.ENAMETOOLONG: (None, "the name is too long for the file system", "Give a shorter name with out."),
    errno.EISDIR: (None, "it is a folder", "Give another name with out."),
    errno.ENOTDIR: (None, "a part of the path is a file, not a folder", "Choose another dir or rename that file."),
    errno.EEXIST: (None, "it exists already", "Rename or remove what is there."),
    errno.ENOENT: (None, "the path does not exist", "Create the folder or choose another dir."),
    errno.ELOOP: (None, "it is a symbolic link", "Remove the link or give another name with out."),
    errno.EMFILE: (None, "too many files are open", "Raise 'ulimit -n' or lower max-concurrent-downloads."),
    errno.ENFILE: (None, "the system has too many files open", "Close other programs or raise fs.file-max."),
    errno.EIO: (ErrorCode.IO_ERROR, "the device reported an error", "Check the disk and its cable, then try again."),
    errno.ENODEV: (ErrorCode.IO_ERROR, "the device is gone", "Connect it again, then resume."),
    errno.ENXIO: (ErrorCode.IO_ERROR, "the device is gone", "Connect it again, then resume."),
    errno.ESTALE: (ErrorCode.IO_ERROR, "the network share has gone stale", "Mount it again, then resume."),
    errno.ETIMEDOUT: (ErrorCode.IO_ERROR, "the network share does not answer", "Check the share, then resume."),
}
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_ADVICE = "Check the path and the disk, then try again."


def disk_error(error: OSError, doing: str, path: str, code: int = ErrorCode.IO_ERROR) -> DiskError:
    """A DiskError for ``error``, met while ``doing`` ("create the file") something to ``path``.

    ``code`` is the operation's own (15 open, 16 create, 18 mkdir, 17 other I/O); a full disk is always 9.
    """
    number = error.errno or 0
    override, reason, advice = _FAULTS.get(number, (None, error.strerror or str(error), _ADVICE))
    return DiskError(f"Cannot {doing} {printable(path)}: {reason}. {advice}", override or code)


def printable(path: str) -> str:
    """The path as it may stand in a message: control characters and undecodable bytes become ``?``."""
    return "".join(character if character.isprintable() else "?" for character in path)


def readable(size: int) -> str:
    """Bytes in the largest binary unit that leaves a figure of at least one: ``1.5 GiB``."""
    if size < 1024:
        return f"{size} bytes"
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    return f"{size / 1024**power:.1f} {_UNITS[power - 1]}"
