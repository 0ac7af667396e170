"""The file that a download writes: what was there before, its control file and its live map.

Owns: the order in which bytes and the records about them reach the disk. Never: which bytes come next, or the loop:
every method here may block and is run off it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from slasshy_rpc import _engine
from slasshy_rpc.disk import control, existing, layout, livemap
from slasshy_rpc.disk.allocate import Method, allocate
from slasshy_rpc.disk.bits import BLOCK
from slasshy_rpc.errors import DiskError, OtherLength
from slasshy_rpc.plan.ranges import Range, Ranges
from slasshy_rpc.values import NOTICE

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileRules:
    """How a file is treated, in plain values; ``unallocated`` is --no-file-allocation-limit in bytes.

    ``save_interval``: seconds between two control files (0: only at a stop). ``sync`` is --file-sync: ``never`` waits
    for the disk nowhere, ``auto`` before a control file claims bytes and at the end of what a control file was found
    for, ``always`` at every end. ``follow``: the user typed the path, so a symbolic link at its end is meant.
    ``check_only`` leaves everything as it is unless a whole file is there. ``keep_piece_length``: go on with that of
    the control file, if it claims anything.
    """

    existing: existing.Rules
    allocation: Method
    unallocated: int
    piece_length: int
    sync: str
    remote_time: bool
    keep_control: bool
    follow: bool
    live_dir: Path | None
    save_interval: float = 1.0
    check_only: bool = False
    keep_piece_length: bool = True


@dataclass(slots=True)
class LocalFile:
    """An open target of ``length`` bytes (None: unknown); ``done`` is what of it was on disk when it was opened."""

    path: str
    rules: FileRules
    length: int | None
    piece_length: int
    action: existing.Action
    validators: livemap.Validators = ("", "")
    gid: str = ""
    at_once: bool = False
    fd: int = -1
    done: tuple[Range, ...] = ()
    live: _engine.LiveMap | None = None
    finished: bool = False
    _live_file: livemap.LiveFile | None = field(default=None, repr=False)
    _controlled: bool = False
    _saved: tuple[Range, ...] | None = None
    _device: bool = False  # the null device: no records, nothing to allocate, never removed

    @classmethod
    def prepare(
        cls,
        path: str,
        length: int | None,
        rules: FileRules,
        take: existing.Take,
        *,
        checksum: bool,
        begun: bool,
        validators: livemap.Validators,
        gid: str,
        cancelled: Callable[[], bool],
        at_once: bool = False,
    ) -> LocalFile:
        """Decide what to do with ``path``, ``take`` the path that comes of it, and open and allocate the file.

        With ``check_only`` a file that is not whole is not opened: ``fd`` stays -1.
        ``begun`` as in ``existing.settle``; ``gid`` is written into the live map. ``at_once``: all of it will be
        written in the next moment, so that no record is worth its while. Raises DiskError; nothing that was there is
        lost then.
        """
        found = existing.settle(path, length, take, rules.existing, checksum=checksum, begun=begun)
        if found.path != path:
            log.log(NOTICE, "File already exists. Renamed to %s.", found.path)
        elif found.action is existing.Action.COMPLETE:
            log.log(NOTICE, "GID#%s - Download has already completed: %s", gid, path)
        self = cls(found.path, rules, length, rules.piece_length, found.action, validators, gid, at_once)
        try:
            self._open(found, cancelled)
        except BaseException:
            self.close()
            raise
        return self

    @classmethod
    def put(cls, path: str, length: int, rules: FileRules) -> LocalFile:
        """What the engine has put at ``path``: all of it, and nothing is left to be done."""
        return cls(path, rules, length, rules.piece_length, existing.Action.FRESH, finished=True)

    def _open(self, found: existing.Existing, cancelled: Callable[[], bool]) -> None:
        resume = found.action is existing.Action.RESUME_CONTROL
        if resume:
            self._read_control(found.size)
        elif found.action is existing.Action.RESUME_LENGTH:
            self.done = ((0, found.size // BLOCK * BLOCK),) if found.size >= BLOCK else ()
        elif found.action in (existing.Action.COMPLETE, existing.Action.VERIFY):
            self.done = ((0, found.size),) if found.size else ()
        if self.rules.check_only and self.length and not self.whole:
            return
        layout.make_parents(self.path)
        if found.stale_control:
            control.remove(layout.control_path(self.path))
        self._device = found.device
        if self.length is not None and not self._device:
            layout.free_space_check(self.path, max(0, self.length - found.size) if found.size else self.length)
        self._controlled = resume or self._worth_records
        if self._controlled and not resume:
            # Before the target has its full length: a crash must never leave a file that only looks complete, nor
            # marks of what was at this path before.
            self._begin_records()
        try:
            self.fd = layout.open_target(
                self.path,
                create=True,
                truncate=found.action in (existing.Action.TRUNCATE, existing.Action.FRESH),
                follow=self.rules.follow,
            )
        except DiskError:
            if self._controlled and not resume:
                control.remove(layout.control_path(self.path))  # what lies there is not ours
            raise
        if self.length is None:
            return
        if resume:
            self._read_live(self.length)
        if self._controlled:
            if self.length >= self.rules.unallocated:
                allocate(self.fd, self.length, self.rules.allocation, path=self.path, cancelled=cancelled)
            self._map()

    @property
    def _worth_records(self) -> bool:
        return bool(self.length) and not (self.whole or self._device or (self.at_once and self.blank))

    def _begin_records(self) -> None:
        if self.rules.live_dir is not None:
            livemap.remove(self.rules.live_dir, self._live_key)
        self._saved = None
        self.save(self.done)

    def _read_control(self, size: int) -> None:
        found = control.load(layout.control_path(self.path))
        if found is None:
            return
        if found.total_length != self.length:
            raise OtherLength(
                f"{layout.control_path(self.path)} belongs to a file of {found.total_length} bytes, but the server has"
                f" {self.length}. Remove it to start over, or give another out.",
                self.path,
            )
        if found.done and self.rules.keep_piece_length:
            self.piece_length = found.piece_length
        self.done = self._saved = found.within(size).done

    def _read_live(self, length: int) -> None:
        """Add what the live map knows; bytes of a version that is no longer served are given up. Raises DiskError."""
        if self.rules.live_dir is None:
            return
        try:
            marked = livemap.recover(self.rules.live_dir, self._live_key, self.fd, length, self.validators)
        except livemap.AnotherVersion:
            log.warning("%s is a part of a version that the server no longer has. Starting over.", self.path)
            self.done = ()
            self.save(())
            layout.cut(self.fd, 0, self.path)
        else:
            self.done = tuple(Ranges([*self.done, *(marked or ())]))

    def _map(self) -> None:
        """Let the engine mark what reaches the file; a download goes on without it if that fails."""
        if self.rules.live_dir is None or not self.length:
            return
        try:
            self._live_file = livemap.LiveFile.create(
                self.rules.live_dir,
                self._live_key,
                self.fd,
                self.length,
                self.validators,
                self.done,
                path=self.path,
                gid=self.gid,
            )
        except DiskError as error:
            log.warning("%s A crash of the process may cost up to the last control file.", error)
            return
        self.live = _engine.LiveMap(self._live_file.bitmap, self.length)

    @property
    def _live_key(self) -> str:
        return livemap.key_for(self.path)

    @property
    def durable(self) -> bool:
        """Whether a record must not claim what a power cut could take away."""
        return self.rules.sync != "never"

    @property
    def whole(self) -> bool:
        """Whether every byte was there when the file was opened."""
        return self.length is not None and self.done == (((0, self.length),) if self.length else ())

    @property
    def intact(self) -> bool:
        """Whether all that is there was there before, and was only looked at."""
        return self.action in (existing.Action.COMPLETE, existing.Action.VERIFY)

    @property
    def blank(self) -> bool:
        """Whether nothing that was there before is kept."""
        if self.action is existing.Action.RESUME_LENGTH:
            return not self.done  # less than a block
        return self.action in (existing.Action.FRESH, existing.Action.TRUNCATE)

    def write(self, body: memoryview) -> None:
        """Put the beginning of the file there, or all of it. Raises DiskError; what had fitted gives its room back.

        A record that nothing of it counts needs some, and without that the file would look complete.
        """
        try:
            layout.write(self.fd, body, self.path)
        except DiskError:
            layout.cut(self.fd, 0, self.path)
            raise

    def save(self, solid: Iterable[Range], upload_length: int = 0) -> None:
        """Write the control file: ``solid`` ranges are in the file. Data first, then what claims it. DiskError.

        With ``sync`` ``never`` neither waits for the disk, as in aria2: a power cut may then leave a record that claims
        more than the disk has.
        """
        if not self._controlled or self.length is None:
            return
        ranges = tuple(Ranges(solid))
        if self.fd >= 0:
            if ranges == self._saved:
                return
            if self.durable:
                layout.sync_data(self.fd, self.path)
        record = control.Control(self.piece_length, self.length, upload_length, ranges)
        # The first record claims nothing, so it need not be durable.
        control.save(layout.control_path(self.path), record, durable=self.durable and self.fd >= 0)
        self._saved = ranges

    def empty(self) -> None:
        """Forget every byte but keep the file open: the content turned out to be another. Raises DiskError."""
        self._drop_live(remove=True)
        self.done, self.action, self.at_once = (), existing.Action.TRUNCATE, False
        self._controlled = self._worth_records
        if self._controlled:
            self._begin_records()
        layout.cut(self.fd, 0, self.path)
        if self._controlled:
            self._map()

    def discard(self) -> None:
        """Remove the file and every record about it."""
        self._drop_live(remove=True)
        self.close()
        if self._device:
            return
        control.remove(layout.control_path(self.path))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def finish(self, length: int, modified: float | None) -> None:
        """All ``length`` bytes are in: date the file, make it durable if asked, then drop the records. DiskError."""
        fd, self.fd = self.fd, -1
        dated = self.rules.remote_time and not self._device
        sync = self.rules.sync == "always" or (self.durable and self.action is existing.Action.RESUME_CONTROL)
        layout.finish(fd, length=length, modified=modified if dated else None, sync=sync, path=self.path)
        if self.rules.keep_control and length and not self._device:
            record = control.Control(self.piece_length, length, 0, ((0, length),))
            control.save(layout.control_path(self.path), record, durable=self.durable)
        elif self._controlled:
            control.remove(layout.control_path(self.path))
        self._controlled = False
        self._drop_live(remove=True)
        self.finished = True

    def suspend(self, solid: Iterable[Range]) -> None:
        """Stop here for now: records first, then close. A disk that refuses the record loses no byte.

        Does nothing after ``finish``, and leaves no record beside a file that was whole from the start.
        """
        if self.fd < 0:
            return
        if self._device or (self.whole and not self._controlled):
            self.close()
            return
        self._controlled = True  # a small file, too, must not look complete
        if self._live_file is None:
            self._map()  # for the version that it names
        try:
            self.save(solid)
        except DiskError as error:
            log.warning("%s", error)
        else:
            self._retire_live()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file without another record; does nothing the second time."""
        self._drop_live(remove=False)
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)

    def _retire_live(self) -> None:
        """The control file knows all bytes now; of the live map only the version counts."""
        if self.live is not None:
            self.live.close()
            self.live = None
        if self._live_file is not None:
            self._live_file.retire()
            self._live_file = None

    def _drop_live(self, *, remove: bool) -> None:
        if self.live is not None:
            self.live.close()
            self.live = None
        if self._live_file is not None:
            self._live_file.close(remove)
            self._live_file = None


def foresee(path: str, rules: FileRules) -> Range | None:
    """The first gap of a download that would be resumed at ``path``, so that the first request can ask for it.

    The gap's end is 0 when it is not known. None: ask for the file from its beginning.
    """
    size = existing.local_size(path)
    if size is None or size <= 0:
        return None
    if os.path.lexists(layout.control_path(path)) and not rules.existing.remove_control_file:
        try:
            found = control.load(layout.control_path(path))
        except DiskError:
            return None  # told when the file is prepared
        if found is None:
            return None
        done = [*found.within(size).done, *_marked(path, rules, found.total_length)]
        gaps = Ranges(done).gaps(found.total_length)
        if gaps:
            return gaps[0] if gaps[0][0] else None
    elif not rules.existing.continue_:
        return None
    start = (size - 1) // BLOCK * BLOCK  # what is whole is asked about, not fetched
    return (start, 0) if start else None


def whole_since(path: str) -> float | None:
    """When the file at ``path`` was last written (seconds since the epoch); None if there is none, or only a part."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime if layout.is_regular(status) and not os.path.lexists(layout.control_path(path)) else None


def _marked(path: str, rules: FileRules, length: int) -> tuple[Range, ...]:
    """What the live map adds to the control file, as far as that can be told before the server has spoken."""
    if rules.live_dir is None:
        return ()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ()  # told when the file is prepared
    try:
        return livemap.recover(rules.live_dir, livemap.key_for(path), fd, length, ("", "")) or ()
    finally:
        os.close(fd)
