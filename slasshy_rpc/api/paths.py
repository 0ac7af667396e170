"""Where calls over RPC may have files written (rpc-path-policy), and where they never may.

Owns: that decision for every option whose value is a path. Never: opening files; ``disk`` checks once more, without
following links, when it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.kinds import Path, home
from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import Normal, OptionSet

#: Options of single downloads whose values are names below ``dir``.
_NAMES = ("out", "index-out")
_PATHS = tuple(option.name for option in TABLE.values() if isinstance(option.kind, Path) and option.name not in _NAMES)


def server_files(options: OptionSet) -> tuple[str, ...]:
    """The files and folders that the server itself reads or writes, absolute, links resolved."""
    return _resolved(tuple(options.text(name) for name in _PATHS if name != "dir"))


@lru_cache(maxsize=16)
def _resolved(values: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(os.path.realpath(value) for value in values if value and value != "-")


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """``policy`` is any, home or dir; ``root`` the folder of downloads that the server was started with; absolute."""

    policy: str
    root: str
    home: str

    @classmethod
    def of(cls, options: OptionSet) -> PathPolicy:
        """What the options at start say: without rpc-path-policy, any with a secret and dir without one."""
        policy = options.text("rpc-path-policy") or ("any" if options.text("rpc-secret") else "dir")
        return cls(policy, os.path.realpath(options.text("dir") or "."), os.path.realpath(home() or "/"))

    def check(self, changed: Mapping[str, Normal], options: OptionSet) -> None:
        """Raise RpcError, naming the option and the way out, if a path among ``changed`` is out of bounds.

        ``options`` are those that apply without ``changed``. Touches the file system only to resolve links.
        """
        for name in changed:
            if name in _PATHS:
                value = changed[name]
                if name == "dir":
                    value = value or "."
                if isinstance(value, str) and value not in ("", "-", options.text(name)):
                    self._check_place(name, os.path.realpath(value), options)
        folder = changed.get("dir") or options.text("dir")
        for name, wanted in _names(changed):
            self._check_name(name, wanted, folder if isinstance(folder, str) else ".", options)

    def _check_name(self, name: str, wanted: str, folder: str, options: OptionSet) -> None:
        if os.path.isabs(wanted) or ".." in wanted.split("/"):
            raise RpcError(f"The option '{name}' must be a name below 'dir', without '..' and not starting with '/'.")
        top = os.path.realpath(folder)
        place = os.path.realpath(os.path.join(top, wanted))
        if not _inside(place, top):
            raise RpcError(f"The option '{name}' leads out of 'dir' over a symbolic link.")
        self._check_forbidden(name, place, options)

    def _check_place(self, name: str, place: str, options: OptionSet) -> None:
        bounds = {"home": (self.home, self.root), "dir": (self.root,)}.get(self.policy)
        if bounds is not None and not any(_inside(place, folder) for folder in bounds):
            raise RpcError(
                f"The option '{name}' must stay within {' or '.join(bounds)} (rpc-path-policy={self.policy}); "
                "start the server with rpc-secret, or another rpc-path-policy, to allow other places."
            )
        self._check_forbidden(name, place, options)

    def _check_forbidden(self, name: str, place: str, options: OptionSet) -> None:
        if any(_inside(place, own) for own in server_files(options)):
            raise RpcError(f"The option '{name}' must not name a file or folder of the server itself.")
        hidden = self._hidden_folder(place)
        if hidden is not None and hidden != self._hidden_folder(self.root):
            raise RpcError(f"The option '{name}' must not lead into {hidden}, where programs keep their settings.")

    def _hidden_folder(self, place: str) -> str | None:
        """The dot folder (or dot file) of the home folder that ``place`` is, or lies in."""
        if place == self.home or not _inside(place, self.home):
            return None
        first = os.path.relpath(place, self.home).split("/")[0]
        return os.path.join(self.home, first) if first.startswith(".") else None


def _names(changed: Mapping[str, Normal]) -> Iterator[tuple[str, str]]:
    """Each name below ``dir`` among ``changed``; of an index-out entry, what follows the ``=``."""
    for name in _NAMES:
        value = changed.get(name, ())
        if isinstance(value, str):
            value = (value,)
        for entry in value:
            wanted = entry.partition("=")[2] if name == "index-out" else entry
            if wanted:
                yield name, wanted


def _inside(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")
