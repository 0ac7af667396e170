"""The folder in which a file lies in fragments until all are there: ``NAME.part`` beside it, one file a fragment.

Owns: the folder, whose it is, and which fragments are whole, over a crash of the process or of the machine. Never: what
is in a fragment, or a name that somebody else has chosen: fragments are called by their numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from slasshy_rpc.disk import bits, layout
from slasshy_rpc.disk.faults import disk_error, printable
from slasshy_rpc.disk.livemap import boot_id
from slasshy_rpc.errors import DiskError, ErrorCode
from slasshy_rpc.plan.naming import fit

#: How a folder of fragments ends, and how many are tried beside those that are not ours.
SUFFIX = ".part"
LAST_NUMBER = 99

#: Bytes of the name before that: file systems take 255 in all.
_LONGEST_NAME = 255 - len(f".{LAST_NUMBER}{SUFFIX}")

#: What tells a folder of ours from any other: the record in it, which is written before the first fragment.
_RECORD = "slasshy-rpc.fragments"
_VERSION = 1
_LARGEST = 1 << 20  # bytes of a record

#: So many fragments are made durable at once: file systems do that together, ten times quicker than one by one.
_SYNCS = 8

#: A fragment that is not whole, or a record that is not, ends like this.
_UNREADY = ".new"
_SCRATCH = ".run"
_OURS = re.compile(rf"\d{{5,7}}({re.escape(_UNREADY)}|{re.escape(_SCRATCH)})?", re.ASCII)


class Folder:
    """A folder of ``count`` fragments; ``sizes`` are the bytes of those that are whole, by their numbers.

    Every method may block, and raises DiskError.
    """

    def __init__(self, path: str, fd: int, identity: str, count: int, sync: bool) -> None:
        self.path = path
        self.sizes: dict[int, int] = {}
        self._fd = fd
        self._identity = identity
        self._count = count
        self._sync = sync
        self._solid: set[int] = set()  # what a record claims
        self._fresh: set[int] = set()  # what none claims yet

    @classmethod
    def open(cls, target: str, identity: str, count: int, take: Callable[[str], bool], *, sync: bool) -> Folder:
        """The folder for the fragments of the file ``target``, taken and ready to be gone on with.

        ``identity`` is a text that other fragments do not have: those of another are removed. A folder that has no
        record of ours is left alone, and so is one that ``take`` refuses: the next name is tried. ``sync``: no record
        claims what a power cut could take away.
        """
        layout.make_parents(target)
        for path in _candidates(target):
            if not take(path):
                continue
            try:
                fresh = _make(path)
                fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileExistsError:  # no folder
                continue
            except OSError as error:
                raise disk_error(error, "create the folder", path, ErrorCode.MKDIR_FAILED) from error
            self = cls(path, fd, identity, count, sync)
            try:
                if fresh or self._load():
                    self._save()
                    return self
            except BaseException:
                self.close()
                raise
            self.close()
        raise DiskError(f"No free name for the fragments of {printable(target)}.", ErrorCode.RENAMING_FAILED)

    def begin(self, number: int) -> int:
        """An empty file for fragment ``number``, as a descriptor for ``finish`` or ``drop``."""
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(_name(number) + _UNREADY, flags, 0o666, dir_fd=self._fd)
        except OSError as error:
            raise self._fault(error, "create a fragment in") from error

    def finish(self, number: int, fd: int) -> None:
        """Fragment ``number`` is whole, and from now on called so; ``fd`` is closed, whatever happens."""
        try:
            try:
                size = os.fstat(fd).st_size
            finally:
                os.close(fd)
            os.rename(_name(number) + _UNREADY, _name(number), src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError as error:
            raise self._fault(error, "finish a fragment in") from error
        self.sizes[number] = size
        self._fresh.add(number)

    def drop(self, number: int, fd: int) -> None:
        """Fragment ``number`` did not become whole: away with what there is of it."""
        with contextlib.suppress(OSError):
            os.close(fd)
        with contextlib.suppress(OSError):
            os.unlink(_name(number) + _UNREADY, dir_fd=self._fd)

    def save(self) -> None:
        """Write down what is whole, so that it counts after a crash of the machine too."""
        fresh = sorted(self._fresh)
        if not fresh:
            return
        if self._sync:
            with ThreadPoolExecutor(_SYNCS, "sync") as threads:
                for _ in threads.map(self._sync_one, fresh):
                    pass
        self._solid.update(fresh)
        self._fresh.difference_update(fresh)
        self._save()

    def path_of(self, number: int) -> str:
        """The file of a fragment that is whole."""
        return os.path.join(self.path, _name(number))

    def close(self) -> None:
        """Let go of the folder, which stays as it is; does nothing the second time."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # ---- the record

    def _load(self) -> bool:
        """Whether the folder is ours; then it has what can be gone on with, and nothing else of ours."""
        try:
            fd = os.open(_RECORD, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError:
            return False
        with open(fd, "rb") as file:
            try:
                found = json.loads(file.read(_LARGEST))
                version, boot = found["version"], found["boot"]
                same = (found["identity"], found["count"]) == (self._identity, self._count)
                claimed = bytes.fromhex(found["solid"])
            except (OSError, ValueError, TypeError, LookupError):
                return False
        if version != _VERSION:
            return False
        same = same and len(claimed) == bits.size(self._count)
        alive = bool(boot) and boot == boot_id()  # what this process's forerunner has renamed is there
        for name in os.listdir(self._fd):
            if not _OURS.fullmatch(name):
                continue
            number = int(name) if name.isdigit() else -1
            solid = same and 0 <= number < self._count and bool(claimed[number // 8] & 0x80 >> number % 8)
            if same and 0 <= number < self._count and (solid or alive):
                status = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    self.sizes[number] = status.st_size
                    (self._solid if solid else self._fresh).add(number)
                    continue
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._fd)
        return True

    def _save(self) -> None:
        field = bytearray(bits.size(self._count))
        for number in self._solid:
            bits.set_run(field, number, number + 1)
        record = {"version": _VERSION, "identity": self._identity, "count": self._count, "boot": boot_id()}
        data = json.dumps({**record, "solid": field.hex()}).encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(_RECORD + _UNREADY, flags, 0o666, dir_fd=self._fd)
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                if self._sync and self._solid:
                    layout.sync_data(fd, self.path)
            os.rename(_RECORD + _UNREADY, _RECORD, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError as error:
            raise self._fault(error, "write the record in") from error

    def _sync_one(self, number: int) -> None:
        try:
            fd = os.open(_name(number), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError as error:
            raise self._fault(error, "open a fragment in") from error
        try:
            layout.sync_data(fd, self.path)
        finally:
            os.close(fd)

    def _fault(self, error: OSError, doing: str) -> DiskError:
        return disk_error(error, doing, self.path)


def scratch(folder: str, number: int) -> str:
    """An empty file of ours in a folder of fragments, for what is made of some of them. Raises DiskError."""
    path = os.path.join(folder, _name(number) + _SCRATCH)
    with contextlib.suppress(OSError):
        os.unlink(path)  # of a try that was killed
    os.close(layout.open_target(path, create=True, exclusive=True))
    return path


def remove(paths: Sequence[str]) -> None:
    """Remove folders of fragments with what is ours in them; what else lies there keeps its folder."""
    for path in paths:
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                for name in os.listdir(fd):
                    if _OURS.fullmatch(name) or name in (_RECORD, _RECORD + _UNREADY):
                        with contextlib.suppress(OSError):
                            os.unlink(name, dir_fd=fd)
            finally:
                os.close(fd)
            os.rmdir(path)


def _candidates(target: str) -> Iterator[str]:
    folder, name = os.path.split(target)
    target = os.path.join(folder, fit(name, _LONGEST_NAME))
    yield target + SUFFIX
    for number in range(1, LAST_NUMBER + 1):
        yield f"{target}.{number}{SUFFIX}"


def _make(path: str) -> bool:
    """Whether the folder was made just now; else a folder is there."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not os.path.isdir(path) or os.path.islink(path):
            raise
        return False
    return True


def _name(number: int) -> str:
    return f"{number:05d}"
