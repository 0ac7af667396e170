"""Where calls over RPC may have files written (rpc-path-policy), and where they never may.

Owns: that decision for every option whose value is a path. Never: opening files; ``disk`` checks once more, without
following links, when it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from slasshy_rpc.disk.claims import hidden_on, is_record
from slasshy_rpc.disk.layout import inside
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.kinds import Path, home
from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import Normal, OptionSet

#: Options of single downloads whose values are names below ``dir``.
_NAMES = ("out", "index-out")
_PATHS = tuple(option.name for option in TABLE.values() if isinstance(option.kind, Path) and option.name not in _NAMES)
#: Where ``-`` is no file but standard input or output.
_STREAMS = ("log", "input-file")
#: Bytes: no system takes a longer path, and to follow one is work.
_LONGEST = 4096
#: Names in one call: each is looked at on the disk.
_MOST_NAMES = 2000


@lru_cache(maxsize=4)
def server_files(options: OptionSet) -> tuple[str, ...]:
    """The files and folders that the server itself reads or writes, absolute, links resolved."""
    return _resolved(tuple((name, options.text(name)) for name in _PATHS if name != "dir"))


@lru_cache(maxsize=16)
def _resolved(values: tuple[tuple[str, str | None], ...]) -> tuple[str, ...]:
    found = []
    for name, value in values:
        if value and not _is_stream(name, value):
            found.append(os.path.realpath(value))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class PathPolicy:
    """``policy`` is any, home or dir; ``root`` the folder of downloads that the server was started with; absolute.

    ``kept`` are the dot folders of ``home`` that ``root`` itself lies in.
    """

    policy: str
    root: str
    home: str
    kept: frozenset[str] = frozenset()

    @classmethod
    def of(cls, options: OptionSet) -> PathPolicy:
        """What the options at start say: without rpc-path-policy, any with a secret and dir without one."""
        policy = options.text("rpc-path-policy") or ("any" if options.text("rpc-secret") else "dir")
        root, house = options.text("dir") or ".", os.path.realpath(home() or "/")
        return cls(policy, os.path.realpath(root), house, frozenset(hidden_on(root, os.path.realpath(root), house)))

    def check(self, changed: Mapping[str, Normal], options: OptionSet) -> None:
        """Raise RpcError, naming the option and the way out, if a path among ``changed`` is out of bounds.

        ``options`` are those that apply without ``changed``: a name that was fine may not be in another ``dir``. What
        stays as it is passes. Touches the file system only to resolve links.
        """
        for name in _PATHS:
            value = changed.get(name)
            if isinstance(value, str) and value != options.text(name):
                value = value or ("." if name == "dir" else "")
                if value and not _is_stream(name, value):
                    self._check_place(name, value, options)
        merged = {name: changed[name] if name in changed else options.raw(name) for name in ("dir", *_NAMES)}
        if any(value != options.raw(name) for name, value in merged.items()):
            folder = merged["dir"]
            names = list(islice(_names(merged), _MOST_NAMES + 1))
            if len(names) > _MOST_NAMES:
                raise RpcError(f"The option 'index-out' may have {_MOST_NAMES} entries at most.")
            for name, wanted in names:
                self._check_name(name, wanted, folder if isinstance(folder, str) and folder else ".", options)

    def _check_name(self, name: str, wanted: str, folder: str, options: OptionSet) -> None:
        if os.path.isabs(wanted) or ".." in wanted.split("/"):
            raise RpcError(f"The option '{name}' must be a name below 'dir', without '..' and not starting with '/'.")
        if is_record(wanted):
            raise RpcError(f"The option '{name}' must not end in '.aria2': that is what control files are called.")
        top = os.path.realpath(folder)
        path = os.path.join(folder, wanted)
        place = _resolve(name, path)
        if not inside(place, top):
            raise RpcError(f"The option '{name}' leads out of 'dir' over a symbolic link.")
        self._check_forbidden(name, path, place, options)

    def _check_place(self, name: str, path: str, options: OptionSet) -> None:
        place = _resolve(name, path)
        bounds = {"home": (self.home, self.root), "dir": (self.root,)}.get(self.policy)
        if bounds is not None and not any(inside(place, folder) for folder in bounds):
            raise RpcError(
                f"The option '{name}' must stay within {' or '.join(bounds)} (rpc-path-policy={self.policy}); "
                "start the server with rpc-secret, or another rpc-path-policy, to allow other places."
            )
        self._check_forbidden(name, path, place, options)

    def _check_forbidden(self, name: str, path: str, place: str, options: OptionSet) -> None:
        if any(inside(place, own) for own in server_files(options)):
            raise RpcError(f"The option '{name}' must not name a file or folder of the server itself.")
        for hidden in hidden_on(path, place, self.home) - self.kept:
            raise RpcError(f"The option '{name}' must not lead into {hidden}, where programs keep their settings.")


def _is_stream(name: str, value: str) -> bool:
    return value == "-" and name in _STREAMS


def _resolve(name: str, path: str) -> str:
    if len(path) > _LONGEST:
        raise RpcError(f"The option '{name}' makes a path of more than {_LONGEST} bytes.")
    return os.path.realpath(path)


def _names(values: Mapping[str, Normal | None]) -> Iterator[tuple[str, str]]:
    """Each name below ``dir`` among ``values``; of an index-out entry, what follows the ``=``."""
    for name in _NAMES:
        value = values.get(name) or ()
        if isinstance(value, str):
            value = (value,)
        for entry in value:
            wanted = entry.partition("=")[2] if name == "index-out" else entry
            if wanted:
                yield name, wanted
