"""Which path belongs to which Download, so that two of them never write to one file, nor to one of the server's own.

Owns: one path a GID, given to whoever asks first and kept over a pause; and what no stranger's Download may write to.
Never: what lies at a path (``existing``), or when a claim ends: the session gives it up with the Download, or when the
Download is to go elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass

from slasshy_rpc.disk.faults import printable
from slasshy_rpc.disk.layout import CONTROL_SUFFIX, inside
from slasshy_rpc.errors import DiskError, ErrorCode

#: How the files that lie beside a download end: its control file, and that one while it is written.
RECORDS = (CONTROL_SUFFIX, f"{CONTROL_SUFFIX}__temp")


@dataclass(frozen=True, slots=True)
class Fence:
    """What keeps a stranger's Download in: the ``folder`` that it was given, and the user's ``home``."""

    folder: str
    home: str


class Claims:
    """Paths by GID. Any thread may ask: to look and to take are one step.

    Paths are absolute; two that lead to one file over symbolic links are the same. ``reserved`` ones are never given.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._owners: dict[str, str] = {}
        self._always = frozenset(map(os.path.realpath, reserved))
        self._reserved: set[str] = set()
        self._paths: dict[str, tuple[str, str]] = {}
        self._fence: Fence | None = None
        self._latest = ("", (0, 0), "")  # a folder, which one that is, and its path without links
        self.reserve(())

    def reserve(self, paths: Iterable[str]) -> None:
        """From now on give ``paths`` to nobody, nor what was ``reserved`` at first; who has one keeps it till the end.

        What an earlier call has reserved is free again.
        """
        wanted = self._always.union(map(os.path.realpath, paths))
        with self._lock:
            for place in self._reserved - wanted:
                self._reserved.remove(place)
                if not self._owners[place]:
                    del self._owners[place]
            for place in wanted:
                self._reserved.add(place)
                self._owners.setdefault(place, "")

    def fenced(self, folder: str, home: str) -> Claims:
        """The same claims, as a Download sees them that came over RPC and is to store a file in ``folder``.

        Its name was checked with the call; this is about the path that comes out in the end, whoever named the file.
        """
        view = copy(self)
        view._fence = Fence(folder, home)
        return view

    def take(self, path: str, gid: str) -> bool:
        """Whether ``path`` is now ``gid``'s alone; if so, what it had before is free again.

        Raises DiskError 16 for a path beyond the fence: what is called like a control file, and what lies in a folder
        of the server's own or in a dot folder of the home folder (or is a dot file there), unless ``folder`` does, too.
        """
        place = self._place(path)
        if self._fence is not None:
            self._check(path, place, self._fence)
        with self._lock:
            if self._owners.setdefault(place, gid) != gid:
                return False
            before = self._paths.get(gid)
            if before is not None and before[1] != place:
                self._free(before[1])
            self._paths[gid] = (path, place)
            return True

    def _place(self, path: str) -> str:
        """``path`` without links. Thousands of downloads go to one folder: its links are followed once."""
        folder, name = os.path.split(path)
        known, before, real = self._latest
        identity = _identity(folder)
        if identity is None:
            return os.path.realpath(path)
        # What a link leads to may have got another name since, and its number may be another folder's.
        if known != folder or before != identity or (real != folder and _identity(real) != identity):
            real = os.path.realpath(folder)
            self._latest = folder, identity, real
        place = os.path.join(real, name)
        return os.path.realpath(place) if os.path.islink(place) else place

    def path_of(self, gid: str) -> str:
        """The path that ``gid`` has, as it asked for it; empty if it has none."""
        with self._lock:
            return self._paths.get(gid, ("", ""))[0]

    def release(self, gid: str) -> None:
        """Give up what ``gid`` has, if anything."""
        with self._lock:
            held = self._paths.pop(gid, None)
            if held is not None:
                self._free(held[1])

    def _free(self, place: str) -> None:
        if place in self._reserved:
            self._owners[place] = ""
        else:
            del self._owners[place]

    def _check(self, path: str, place: str, fence: Fence) -> None:
        """Raise DiskError if ``path``, which is ``place`` once links are resolved, is no business of a stranger's."""
        if is_record(path):
            raise _refusal(path, "the files that end like this are control files of other downloads")
        with self._lock:
            around = [own for own in self._reserved if place != own and inside(place, own)]
        folder = os.path.realpath(fence.folder)
        if not all(inside(folder, own) for own in around):
            raise _refusal(path, "it would lie in a folder of the server itself")
        home = os.path.realpath(fence.home)
        for hidden in hidden_on(path, place, home) - hidden_on(fence.folder, folder, home):
            raise _refusal(path, f"{printable(hidden)} is where programs keep their settings")


def _identity(folder: str) -> tuple[int, int] | None:
    """Device and number of what is there, links followed; None if nothing is."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def lies_in(path: str, folder: str, *, links: bool) -> bool:
    """Whether ``path``, in its plainest spelling, is below the absolute ``folder``; with ``links`` these may lead out
    of it."""
    if os.path.normpath(path) != path or path == folder or not inside(path, folder):
        return False
    try:
        place = os.path.realpath(path)
    except ValueError:  # characters that no path has
        return False
    return links or inside(place, os.path.realpath(folder))


def is_record(name: str) -> bool:
    """Whether ``name``, or a path, ends as only control files do; a file system may not tell capitals apart."""
    return name.lower().endswith(RECORDS)


def hidden_on(path: str, place: str, home: str) -> set[str]:
    """The dot folders and dot files of the folder ``home`` that ``path`` leads through, or is.

    By its letters and where links lead: people keep ~/.ssh as a link into a folder with a plain name. ``place`` is
    ``path`` with all links resolved, and ``home`` has none.
    """
    home = home.rstrip("/") + "/"
    plain = os.path.abspath(path)
    found = {name for name in (_hidden(plain, home), _hidden(place, home)) if name}
    if plain != place:  # over a link, which may lead through a dot folder and out again
        step = "/"
        for part in plain.split("/"):
            step = os.path.join(step, part)
            if os.path.islink(step):
                found.add(_hidden(step, home))
                step = os.path.realpath(step)
            found.add(_hidden(step, home))
    return found - {""}


def _hidden(path: str, home: str) -> str:
    first = path[len(home) :].partition("/")[0] if path.startswith(home) else ""
    return home + first if first.startswith(".") else ""


def _refusal(path: str, reason: str) -> DiskError:
    text = f"{printable(path)} is refused as the place of a download that came over RPC: {reason}. Give another out."
    return DiskError(text, ErrorCode.CREATE_FAILED, terse=text)  # aria2 refuses nothing here, so it has no words for it
