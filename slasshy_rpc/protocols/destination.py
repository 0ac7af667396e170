"""Where a download's file goes: names to paths, and paths to what is shown.

Owns: what of the options decides that. Never: looking at what is there (localfile).
"""

from __future__ import annotations

from slasshy_rpc.disk import layout
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.plan import naming


class Destination:
    """Paths in ``directory``; ``out`` and ``trusted`` as in ``disk.layout.resolve``, ``compat`` as in plan/naming."""

    def __init__(self, directory: str, out: str, trusted: bool, compat: bool) -> None:
        self._directory = directory
        self._out = out
        self._trusted = trusted
        self._compat = compat
        self._latest = "", ""  # a name and its path

    def path(self, name: str) -> str:
        """The path of the file if it is called ``name``. Raises DiskError 16."""
        if name != self._latest[0]:
            trusted = self._trusted and name == self._out
            self._latest = name, layout.resolve(self._directory, name, trusted=trusted, compat=self._compat)
        return self._latest[1]

    def named(self, url: str) -> str:
        """The path of a file that has its name from ``url``; '' if it cannot be."""
        try:
            return self.path(naming.choose(None, url, compat=self._compat))
        except DownloadError:
            return ""

    def shown(self, path: str) -> str:
        """The path below ``dir`` as it was written, with as many slashes at its end and one more, as aria2 shows it."""
        folder = self._directory.rstrip("/")
        inside = folder and folder != self._directory and path.startswith(folder + "/")
        return self._directory + path[len(folder) :] if inside else path
