"""Option values in layers: defaults, conf file, environment, command line, global changes, one download's own.

Owns: OptionSet and the checks of values that come over RPC. Never: changes a set after it was made.
"""

from __future__ import annotations

import enum
import os.path
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar, cast

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.kinds import Bool, Lines, Optimize, Value
from slasshy_rpc.options.table import TABLE, Option, Scope, State

_T = TypeVar("_T")

#: Values up to which looking through all of them is as fast as a dict.
_FEW = 12
#: Different combinations of names that are kept in memory once for all sets; callers may think of any number of them.
_MOST_SHARED = 1000

#: Normalised: one text, or for cumulative options one text an entry.
Normal = str | tuple[str, ...]

#: A value, or what finds it when it is asked for: some defaults depend on the machine.
Stored = Normal | Callable[[], str]

#: What is not shown as it was given.
_DISGUISED = {option.name: option.kind for option in TABLE.values() if isinstance(option.kind, Optimize)}

_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}


class Layer(enum.IntEnum):
    """Who set a value; the higher one wins."""

    DEFAULT = 0
    CONF = 1
    ENVIRONMENT = 2
    COMMAND = 3
    GLOBAL = 4  # changeGlobalOption
    OWN = 5  # addUri, an entry of the input file, changeOption


class OptionSet:
    """Immutable values of one layer on top of a parent's; half a million may share one parent.

    Values are normalised text (``parse_value``, ``check_rpc``); the getters decode them. A getter asked for a value
    that the option's kind does not have is a mistake in the program, not of a user.
    """

    __slots__ = ("_common", "_names", "_own", "_parent", "layer")

    def __init__(self, own: Mapping[str, Stored], layer: Layer, parent: OptionSet | None = None) -> None:
        # Half a million sets of a few values each: without a dict of its own, each takes a third of the room.
        few = layer is Layer.OWN and len(own) <= _FEW
        self._names: Final = _shared(tuple(own)) if few else None
        self._own: Final = _values(own) if few else dict(own)
        self._parent: Final = parent
        self.layer: Final = layer
        #: All values up to the command line's in one dict. What is set later is not in it: as many sets of that as
        #: there are calls may be alive, and each would take kilobytes.
        self._common: Final[Mapping[str, Stored]] = _common(own, layer, parent)

    def derive(self, own: Mapping[str, Normal], layer: Layer) -> OptionSet:
        """These values with ``own`` on top. A second set of the same layer is merged into the first one."""
        if not own:
            return self
        if layer is self.layer and self._parent is not None:
            return OptionSet({**dict(self._items()), **own}, layer, self._parent)
        return OptionSet(own, layer, self)

    def without(self, *names: str) -> OptionSet:
        """These values without what a download's own layer has of ``names``."""
        if self.layer is not Layer.OWN or self._parent is None or all(self._here(name) is None for name in names):
            return self
        return OptionSet({name: value for name, value in self._items() if name not in names}, Layer.OWN, self._parent)

    def raw(self, name: str) -> Normal | None:
        """The normalised value as aria2 shows it, None where there is none."""
        node: OptionSet | None = self
        while node is not None and node.layer > Layer.COMMAND:
            value = node._here(name)
            if value is not None:
                return value() if callable(value) else value
            node = node._parent
        value = self._common.get(name)
        return value() if callable(value) else value

    def _here(self, name: str) -> Stored | None:
        names = self._names
        if names is None:
            return self._dict().get(name)
        return self._row(names)[names.index(name)] if name in names else None

    def _items(self) -> Iterable[tuple[str, Stored]]:
        names = self._names
        return self._dict().items() if names is None else zip(names, self._row(names), strict=True)

    def _dict(self) -> dict[str, Stored]:
        return cast("dict[str, Stored]", self._own)

    def _row(self, names: tuple[str, ...]) -> tuple[Stored, ...]:
        return cast("tuple[Stored, ...]", (self._own,) if len(names) == 1 else self._own)

    def given(self, name: str) -> Layer | None:
        """The nearest layer that sets the option, None where nothing does."""
        node: OptionSet | None = self
        while node is not None:
            if node._here(name) is not None:
                return node.layer
            node = node._parent
        return None

    def text(self, name: str) -> str | None:
        """The text as it stands, None where there is none."""
        value = self.raw(name)
        if value is None or isinstance(value, str):
            return value
        raise TypeError(f"the option {name} has lines, not a text")

    def flag(self, name: str) -> bool:
        """True for ``true``; False also where there is no value."""
        return self.raw(name) == "true"

    def integer(self, name: str) -> int:
        """A number or a size in bytes. Raises KeyError where there is no value."""
        value = self.text(name)
        if value is None:
            raise KeyError(name)
        return int(value)

    def real(self, name: str) -> float:
        """A number with a fraction. Raises KeyError where there is no value."""
        value = self.text(name)
        if value is None:
            raise KeyError(name)
        return float(_decoded(name, value, float))

    def lines(self, name: str) -> tuple[str, ...]:
        """The entries of a cumulative option or of a list; none where there is no value."""
        value = self.raw(name)
        if value is None:
            return ()
        return value if isinstance(value, tuple) else _decoded(name, value, tuple)

    def own(self) -> dict[str, Normal]:
        """The values of this layer alone, as ``derive`` took them."""
        return {name: value() if callable(value) else value for name, value in self._items()}

    def folder(self) -> str:
        """``dir``, absolute."""
        return os.path.abspath(self.text("dir") or ".")

    def lasting(self) -> dict[str, Normal]:
        """What a download takes along to another process: its own values, global ones that were changed before it was
        added, and its folder, where the file may have been begun. The conf file and the command line are the server's.
        """
        merged = self._merged(Layer.GLOBAL)
        kept = {name: merged[name] for name in _SHOWN[Scope.NEW] if name in merged}
        found = {name: value() if callable(value) else value for name, value in kept.items()}
        return found if "dir" in found else {**found, "dir": self.folder()}

    def items_for_rpc(self, scope: Scope) -> dict[str, str]:
        """What aria2.getOption (Scope.NEW) or aria2.getGlobalOption (Scope.GLOBAL) shows, in the table's order."""
        merged = self._merged(Layer.DEFAULT)
        return {name: _wire(name, merged[name]) for name in _SHOWN[scope] if name in merged and not TABLE[name].own}

    def items_for_session(self) -> Iterator[tuple[str, str]]:
        """The lines of a session file's entry, in the table's order, without gid and pause.

        That is what was given on the command line, changed globally or set for the download itself: not defaults and
        not the conf file's. Each header is a line of its own.
        """
        merged = self._merged(Layer.COMMAND)
        for name in _SHOWN[Scope.NEW]:
            value = merged.get(name)
            if value is None:
                continue
            if isinstance(value, tuple):
                yield from ((name, line) for line in value if line)
            elif isinstance(value, str):
                yield name, value

    def _merged(self, lowest: Layer) -> dict[str, Stored]:
        """Every value from ``lowest`` upwards; nearer ones win."""
        chain = []
        node: OptionSet | None = self
        while node is not None and node.layer >= lowest:
            chain.append(node)
            node = node._parent
        merged: dict[str, Stored] = {}
        for each in reversed(chain):
            merged.update(each._items())
        return merged

    def __repr__(self) -> str:
        return (
            f"<OptionSet {self.layer.name}: {', '.join(name for name, _ in self._items()) if self._parent else 'all'}>"
        )


def _common(own: Mapping[str, Stored], layer: Layer, parent: OptionSet | None) -> Mapping[str, Stored]:
    below = parent._common if parent is not None else {}
    return below if layer > Layer.COMMAND else {**below, **own}


def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    return _NAMES.setdefault(names, names) if len(_NAMES) < _MOST_SHARED else _NAMES.get(names, names)


def _values(own: Mapping[str, Stored]) -> Stored | tuple[Stored, ...]:
    """A single one as it is, of others a tuple."""
    values = tuple(own.values())
    return values[0] if len(values) == 1 else values


def _wire(name: str, value: Stored) -> str:
    if isinstance(value, tuple):
        return "\n".join(value) + "\n"
    text = value() if callable(value) else value
    return text if name not in _DISGUISED else _DISGUISED[name].shown(text)


def _decoded(name: str, value: str, shape: type[_T]) -> _T:
    decoded: Value = TABLE[name].kind.decode(value)
    if isinstance(decoded, shape):
        return decoded
    raise TypeError(f"the option {name} is not a {shape.__name__}")


#: What each view of aria2 shows when it has a value, but for what is ours, and what session files and the history keep:
#: never what the start or an addition used up.
_SHOWN: dict[Scope, tuple[str, ...]] = {
    Scope.NEW: tuple(o.name for o in TABLE.values() if Scope.NEW in o.scope and o.name not in ("gid", "pause")),
    Scope.GLOBAL: tuple(
        o.name for o in TABLE.values() if not o.own and o.name not in ("rpc-secret", "input-file", "force-sequential")
    ),
}


def defaults(compat: bool) -> OptionSet:
    """The lowest layer: aria2's defaults, or ours. What depends on the machine is found when it is first asked for."""
    rows = TABLE.values()
    if compat:
        return OptionSet({o.name: o.compat_default for o in rows if o.compat_default is not None}, Layer.DEFAULT)
    return OptionSet({o.name: o.default for o in rows if o.default is not None}, Layer.DEFAULT)


def parse_value(option: Option, raw: str, *, compat: bool) -> Normal:
    """Normalise what a user gave. Raises OptionError with the reason.

    A cumulative option's text may hold several lines, each of them an entry. A REFUSED option is an error whatever it
    was given, unless that turns it off.
    """
    kind = option.compat_kind if compat else option.kind
    if option.state is State.REFUSED:
        wanted = kind.parse(option.name, raw) == "true" if isinstance(kind, Bool) else raw != ""
        if wanted:
            raise OptionError(option.name, f"{option.name} cannot be used: {option.reason}.")
    return kind.split(option.name, raw) if isinstance(kind, Lines) else kind.parse(option.name, raw)


def is_void(option: Option, value: Normal) -> bool:
    """Whether a value that ``parse_value`` took is not to be kept."""
    return isinstance(value, str) and option.kind.is_void(value)


def check_rpc(raw: Mapping[str, object], scope: Scope, *, compat: bool = False) -> dict[str, Normal]:
    """The options of an RPC call by aria2's rules, normalised.

    Unknown names, names that ``scope`` does not allow and values that are not text are passed over in silence; a list
    is read only for ``header`` and ``index-out``. A bad value raises OptionError and fails the whole call.
    For changeOption ask with Scope.WAITING, and ``needs_restart`` about the answer when the download is running.
    """
    checked: dict[str, Normal] = {}
    for name, value in raw.items():
        option = TABLE.get(name)
        if option is None or not option.scope & scope:
            continue
        if isinstance(value, str):
            normal = parse_value(option, value, compat=compat)
            if not is_void(option, normal):
                checked[option.name] = normal
        elif option.cumulative and isinstance(value, list):
            entries: list[str] = []
            for text in value:
                if isinstance(text, str):
                    entries += parse_value(option, text, compat=compat)
            if entries:
                checked[option.name] = tuple(entries)
    return checked


def needs_restart(changed: Mapping[str, object]) -> bool:
    """Whether a running download must be restarted for these changes (not all of them may be changed at once)."""
    return any(not TABLE[name].scope & Scope.ACTIVE for name in changed)
