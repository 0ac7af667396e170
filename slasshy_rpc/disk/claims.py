"""Which path belongs to which Download, so that two of them never write to one file.

Owns: one path a GID, given to whoever asks first and kept over a pause. Never: what lies at a path (``existing``), or
when a claim ends: the session gives it up with the Download, or when the Download is to go elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable


class Claims:
    """Paths by GID. Any thread may ask: to look and to take are one step.

    Paths are absolute; two that lead to one file over symbolic links are the same. ``reserved`` ones are never given.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._owners = {os.path.realpath(path): "" for path in reserved}
        self._paths: dict[str, tuple[str, str]] = {}

    def take(self, path: str, gid: str) -> bool:
        """Whether ``path`` is now ``gid``'s alone; if so, what it had before is free again."""
        place = os.path.realpath(path)
        with self._lock:
            if self._owners.setdefault(place, gid) != gid:
                return False
            before = self._paths.get(gid)
            if before is not None and before[1] != place:
                del self._owners[before[1]]
            self._paths[gid] = (path, place)
            return True

    def path_of(self, gid: str) -> str:
        """The path that ``gid`` has, as it asked for it; empty if it has none."""
        with self._lock:
            return self._paths.get(gid, ("", ""))[0]

    def release(self, gid: str) -> None:
        """Give up what ``gid`` has, if anything."""
        with self._lock:
            held = self._paths.pop(gid, None)
            if held is not None:
                del self._owners[held[1]]
