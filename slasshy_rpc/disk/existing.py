"""What to do about a file that is there already: aria2's rules, as a decision that is made in one place.

Owns: the decision and the choice of a free name. Never: opening, changing or removing anything.
"""

from __future__ import annotations

import enum
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from slasshy_rpc.disk import control
from slasshy_rpc.disk.faults import printable
from slasshy_rpc.disk.layout import control_path, is_null, is_regular
from slasshy_rpc.errors import DiskError, ErrorCode
from slasshy_rpc.plan.naming import renamed

#: Makes a path the caller's own, or says False: another download has it.
Take = Callable[[str], bool]

#: The last number that is tried in ``name.N.ext``, as in aria2.
LAST_NUMBER = 9999


class Action(enum.Enum):
    """What a job does with its path."""

    FRESH = "fresh"  # nothing is there: create
    RESUME_CONTROL = "resume-control"  # data and control file: go on where the control file says
    RESUME_LENGTH = "resume-length"  # data only: its first ``size`` bytes are taken as good
    TRUNCATE = "truncate"  # empty what is there and fetch all
    COMPLETE = "complete"  # the file has the remote length: nothing to fetch
    VERIFY = "verify"  # the file has the remote length: check its digest; if wrong, TRUNCATE
    RENAME = "rename"  # leave it alone and write elsewhere


@dataclass(frozen=True, slots=True)
class Rules:
    """The options that decide, as aria2 names them."""

    continue_: bool = False
    allow_overwrite: bool = False
    auto_file_renaming: bool = True
    check_integrity: bool = False
    remove_control_file: bool = False


@dataclass(frozen=True, slots=True)
class Existing:
    """What to do at ``path``, where ``size`` bytes are now.

    ``stale_control``: a control file lies there that must be removed before the first byte is written. ``device``: it
    is the null device.
    """

    action: Action
    path: str
    size: int = 0
    stale_control: bool = False
    device: bool = False


def decide(size: int | None, controlled: bool, length: int | None, rules: Rules, *, checksum: bool = False) -> Action:
    """The action for a path that holds ``size`` bytes (None: nothing), ``controlled`` if it has a control file.

    ``length`` is the remote length, None if the server does not tell; ``checksum``: a digest of the whole file is
    known. Observed on aria2 1.37 over all combinations, for regular files.
    """
    if size is None:
        return Action.FRESH
    if length is None:
        # Nothing can be resumed; continue only takes over a file that is empty anyway.
        return Action.TRUNCATE if rules.allow_overwrite or (rules.continue_ and size == 0) else Action.RENAME
    if controlled and not rules.remove_control_file:
        return Action.RESUME_CONTROL
    if rules.continue_ and size < length:
        return Action.RESUME_LENGTH
    if rules.continue_ and size == length:
        return Action.VERIFY if checksum else Action.COMPLETE
    if rules.allow_overwrite:
        return Action.TRUNCATE
    if rules.check_integrity and checksum and size == length:
        return Action.VERIFY
    return Action.RENAME


def settle(
    path: str, length: int | None, take: Take, rules: Rules, *, checksum: bool = False, begun: bool = False
) -> Existing:
    """Look at the disk, decide, find another name where that is the decision, and take the path; never answers RENAME.

    A folder, or anything else that is no regular file, is renamed around, unless it was to be overwritten. ``begun``:
    what lies at ``path`` was written by this very download before it was paused. Without a control file that is part of
    a stream that could not be continued, and the download may begin over it.
    Raises DiskError 13, 14 or 16.
    """
    if not take(path):
        return _settle_elsewhere(path, length, take, rules)
    size = local_size(path)
    if size == -1 and rules.allow_overwrite:
        raise DiskError(
            f"Cannot write over {printable(path)}: it is not a regular file. Give another out.", ErrorCode.CREATE_FAILED
        )
    controlled = size is not None and os.path.lexists(control_path(path))
    action = decide(size, controlled, length, rules, checksum=checksum) if size != -1 else Action.RENAME
    if action in (Action.RENAME, Action.RESUME_LENGTH) and begun and size != -1:
        action = Action.TRUNCATE
    if action is Action.RENAME:
        return _settle_elsewhere(path, length, take, rules)
    stale = action is not Action.RESUME_CONTROL and os.path.lexists(control_path(path))
    return Existing(action, path, size or 0, stale, size == 0 and is_null(os.stat(path)))


def _settle_elsewhere(path: str, length: int | None, take: Take, rules: Rules) -> Existing:
    other = choose_path(path, length, take, auto_file_renaming=rules.auto_file_renaming)
    size = local_size(other)
    if size is None:
        return Existing(Action.FRESH, other, 0, os.path.lexists(control_path(other)))
    return Existing(Action.RESUME_CONTROL, other, size)


def choose_path(path: str, length: int | None, take: Take, *, auto_file_renaming: bool = True) -> str:
    """The first of ``name.1.ext`` to ``name.9999.ext`` that may be written, taken; never ``path`` itself.

    A candidate that exists but has a control file of its own for ``length`` bytes is an interrupted download of this
    kind and is as good.
    Raises DiskError 13 if renaming is off, 14 if no number is free.
    """
    if not auto_file_renaming:
        raise DiskError(
            f"{printable(path)} exists already, or another download is writing to it. Remove it, give another out, "
            "or allow allow-overwrite, continue or auto-file-renaming.",
            ErrorCode.FILE_EXISTS,
            terse=f"File {printable(path)} exists, but a control file(*.aria2) does not exist. Download was canceled "
            "in order to prevent your file from being truncated to 0. If you are sure to download the file all over "
            "again, then delete it or add --allow-overwrite=true option and restart aria2.",
        )
    folder, name = os.path.split(path)
    try:
        there = set(os.listdir(folder))
    except OSError:
        there = set()  # will speak for itself when the file is created
    for number in range(1, LAST_NUMBER + 1):
        other = renamed(name, number)
        if other in there and control_path(other) not in there:
            continue  # without a look at the disk: there may be thousands
        candidate = os.path.join(folder, other)
        # Looked at once it is ours: another download may have ended there a moment ago.
        if take(candidate) and _usable(candidate, length):
            return candidate
    raise DiskError(
        f"No free name for {printable(path)}: all up to number {LAST_NUMBER} are in use. Give another out.",
        ErrorCode.RENAMING_FAILED,
        terse=f"File renaming failed: {printable(path)}",
    )


def _usable(candidate: str, length: int | None) -> bool:
    size = local_size(candidate)
    if size is None:
        return True
    if length is None or size == -1:
        return False
    try:
        found = control.load(control_path(candidate))
    except DiskError:
        return False
    return found is not None and found.total_length == length


def local_size(path: str) -> int | None:
    """Bytes in the file at ``path``; None if there is nothing, -1 if it is no file that could be written over.

    The null device counts as an empty file.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return None  # anything but that there is nothing will speak for itself when it is opened
    if stat.S_ISLNK(status.st_mode):
        try:
            status = os.stat(path)
        except OSError:
            return -1  # a link that leads nowhere is something
    if is_regular(status):
        return status.st_size
    return 0 if is_null(status) else -1
