"""What is known of the servers that were asked before: how fast they were, and whether they could be reached.

Owns: the figures, aria2's rules for them, and the text of aria2's server performance profile. Never: files, or which
Source is asked (selector.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from slasshy_rpc import clock

#: The most that aria2 keeps in a field, signed 32 bits.
_MOST = 2**31 - 1
#: Origins that are kept; who lists more than this has no use for the oldest.
MOST_ORIGINS = 10_000
#: (host, protocol).
Server = tuple[str, str]

_UNFIT = re.compile(r"[ ,=]")
_AUTHORITY = re.compile(r"[^/?#]*")


@dataclass(slots=True)
class Origin:
    """One host under one protocol; speeds in bytes a second, ``updated`` in seconds since the epoch.

    ``single`` and ``multi`` are averages over downloads with one Connection and with several. ``reached``: it could be
    reached the last time.
    """

    host: str
    protocol: str
    speed: int = 0
    single: int = 0
    multi: int = 0
    updated: int = 0
    counter: int = 0
    reached: bool = True

    @property
    def average(self) -> int:
        """The better of its averages."""
        return max(self.single, self.multi)

    def learn(self, speed: int, *, alone: bool, now: int) -> None:
        """Take the speed of its fastest Connection in a download that had only one (``alone``), or several."""
        self.counter = min(self.counter + 1, _MOST)
        self.speed, self.updated, self.reached = speed, now, True
        if not alone:
            self.multi = self._averaged(self.multi, speed)
            return
        before, self.single = self.single, self._averaged(self.single, speed)
        if self.single < int(before * 0.8):
            self.counter = 0  # adaptive is to try it again soon

    def _averaged(self, old: int, speed: int) -> int:
        weight = min(self.counter, 5)
        return int((old * (weight - 1) + speed) / weight)

    def line(self) -> str:
        """Its line in the profile."""
        return (
            f"host={self.host}, protocol={self.protocol}, dl_speed={self.speed}, sc_avg_speed={self.single}, "
            f"mc_avg_speed={self.multi}, last_updated={self.updated}, counter={self.counter}, "
            f"status={'OK' if self.reached else 'ERROR'}\n"
        )


class Origins:
    """All Origins that are known to one process, and how many Connections each has now."""

    def __init__(self, now: Callable[[], float] = clock.wall) -> None:
        self._known: dict[Server, Origin] = {}
        self.connections: Counter[str] = Counter()
        self.now = now

    def __iter__(self) -> Iterator[Origin]:
        """In the order of aria2's file: by host and protocol."""
        return iter([self._known[key] for key in sorted(self._known)])

    def find(self, key: Server) -> Origin | None:
        """What is known of it."""
        return self._known.get(key)

    def learn(self, key: Server, speed: int, *, alone: bool) -> None:
        """See ``Origin.learn``; no speed teaches nothing."""
        if speed > 0:
            self._of(key).learn(min(speed, _MOST), alone=alone, now=int(self.now()))

    def miss(self, key: Server) -> None:
        """It could not be reached."""
        origin = self._of(key)
        origin.reached, origin.updated = False, int(self.now())

    def load(self, text: str) -> None:
        """Take the lines of a profile, as leniently as aria2; of two for one server the first counts."""
        for line in text.split("\n"):
            origin = _read(line)
            if origin is not None and len(self._known) < MOST_ORIGINS:
                self._known.setdefault((origin.host, origin.protocol), origin)

    def drop_stale(self, seconds: int) -> None:
        """Forget those that were last heard of ``seconds`` ago, or longer (aria2 manual, --server-stat-timeout)."""
        last = self.now() - seconds
        self._known = {key: origin for key, origin in self._known.items() if origin.updated > last}

    def text(self) -> str:
        """The profile. A host that cannot stand in it is left out."""
        return "".join(one.line() for one in self if one.host.isprintable() and not _UNFIT.search(one.host))

    def _of(self, key: Server) -> Origin:
        if key not in self._known and len(self._known) >= MOST_ORIGINS:
            del self._known[min(self._known, key=lambda one: self._known[one].updated)]
        return self._known.setdefault(key, Origin(*key))


def server(uri: str) -> Server:
    """That of a URI with an authority, in small letters; ports make no difference, as in aria2."""
    scheme, _, rest = uri.partition("://")
    authority = _AUTHORITY.match(rest)
    place = (authority[0] if authority else "").rpartition("@")[2].lower()
    host = place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0]
    return host, scheme.lower()


def _read(line: str) -> Origin | None:
    """One line of a profile; None for what aria2 skips."""
    fields = {}
    for item in line.split(","):
        name, _, value = item.partition("=")
        fields[name.strip()] = value.strip()
    host, protocol = fields.get("host", ""), fields.get("protocol", "")
    speed, updated = _number(fields.get("dl_speed", "")), _number(fields.get("last_updated", ""))
    single, multi, counter = (_number(fields.get(name) or "0") for name in ("sc_avg_speed", "mc_avg_speed", "counter"))
    if not host or not protocol:
        return None
    if speed is None or single is None or multi is None or updated is None or counter is None:
        return None
    return Origin(host, protocol, speed, single, multi, updated, counter, fields.get("status") != "ERROR")


def _number(text: str) -> int | None:
    return min(int(text), _MOST) if text.isascii() and text.isdigit() and len(text) <= 20 else None
