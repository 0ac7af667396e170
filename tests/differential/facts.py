"""What a run showed, as facts that two runs can be compared by.

Owns: one key for each value that was seen, the names that stand for what no two runs share, and the comparison.
Never: an opinion about a difference (allowed.py has those).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: Where the JSON value has no parts: what a fact holds.
Leaf = str | int | float | bool | None

ABSENT = "<absent>"
#: Keys whose digits depend on time.
_SPEEDS = {"downloadSpeed", "uploadSpeed"}
_HEX_40 = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(slots=True)
class Names:
    """What differs between two runs by nature, and what it is called in facts."""

    literal: dict[str, str] = field(default_factory=dict)
    gids: dict[str, str] = field(default_factory=dict)

    def gid(self, gid: str) -> None:
        """From now on ``gid`` is called by the order in which it appeared."""
        self.gids.setdefault(gid, f"<gid {len(self.gids) + 1}>")

    def normalised(self, text: str) -> str:
        """``text`` with the names in place; the longest literals first, numbers only where no digit is beside them."""
        for literal in sorted(self.literal, key=len, reverse=True):
            name = self.literal[literal]
            between = r"(?<!\d){}(?!\d)" if literal.isdigit() else "{}"
            text = re.sub(between.format(re.escape(literal)), name, text)
        for gid, name in self.gids.items():
            text = text.replace(gid, name)
        return text


@dataclass(slots=True)
class Facts:
    """Facts by key, in the order in which they were seen. A key is ``area/scene/step: path of the value``."""

    prefix: str
    names: Names = field(default_factory=Names)
    seen: dict[str, Leaf] = field(default_factory=dict)

    def note(self, step: str, value: object) -> None:
        """Note every part of a JSON value that was seen at ``step``."""
        self._note(f"{self.prefix}/{step}: ", "", "", value)

    def _note(self, start: str, path: str, key: str, value: object) -> None:
        match value:
            case dict() if value:
                for name, part in value.items():
                    inner = self.names.normalised(str(name))
                    self._note(start, f"{path}.{inner}" if path else inner, str(name), part)
            case list() | tuple() if value:
                for number, part in enumerate(value):
                    self._note(start, f"{path}[{number}]", key, part)
            case dict():
                self._put(start + path, "{}")
            case list() | tuple():
                self._put(start + path, "[]")
            case str():
                self._put(start + path, self._text(key, value))
            case bool() | int() | float() | None:
                self._put(start + path, value)
            case _:
                raise TypeError(f"{value!r} is no JSON value")

    def _text(self, key: str, text: str) -> str:
        if key in _SPEEDS and text.isdigit():
            return "<speed>"
        if key == "sessionId" and _HEX_40.match(text):
            return "<40 hex digits>"
        return text if key == "bitfield" else self.names.normalised(text)

    def _put(self, key: str, value: Leaf) -> None:
        if key in self.seen:
            raise ValueError(f"two facts would be called {key!r}: give the steps different names")
        self.seen[key] = value


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that two runs do not share."""

    key: str
    theirs: Leaf
    ours: Leaf

    def __str__(self) -> str:
        return f"{self.key}\n    aria2c: {self.theirs!r}\n    ours:   {self.ours!r}"


def same(one: Leaf, other: Leaf) -> bool:
    """Equal in type and value: "1" is not 1, and 1 is not true."""
    return type(one) is type(other) and one == other


def compare(theirs: dict[str, Leaf], ours: dict[str, Leaf]) -> list[Difference]:
    """The facts in which they differ, in order."""
    keys = dict.fromkeys([*theirs, *ours])
    pairs = ((key, theirs.get(key, ABSENT), ours.get(key, ABSENT)) for key in keys)
    return [Difference(key, one, other) for key, one, other in pairs if not same(one, other)]


def count(theirs: dict[str, Leaf], ours: dict[str, Leaf]) -> int:
    """How many facts were compared: those that are there on at least one side."""
    return len(theirs.keys() | ours.keys())
