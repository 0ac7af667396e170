"""Which of several mirrors the next Connection asks: aria2's --uri-selector, for one file.

Owns: the three rules, and what the file's Connections teach about Origins. Never: whether a Source may be asked at all
(sources.py), or opening it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Sequence

from slasshy_rpc.errors import DownloadError, ErrorCode, ProxyFault, Unreachable
from slasshy_rpc.plan.origin import Origins, Server

if typing.TYPE_CHECKING:
    from slasshy_rpc.plan.sources import Source

#: What was slower (bytes a second) has no precedence over what is not known.
_FAST = 20 * 1024
#: So many servers of a file are to be known before the best of them is preferred.
_TESTED = 3
_DAY = 86400
_OFTEN = 8  # who was used more often than this is not tried again for its own sake
_SHORTEST = 0.004  # seconds; what did not take longer teaches nothing, as in aria2


class Selector:
    """``rule`` is inorder, feedback or adaptive (aria2 manual, --uri-selector); shared by all Sources of the file.

    What a rule leaves open is decided by the fewest Connections, then by the order of the list.
    """

    def __init__(self, rule: str = "inorder", origins: Origins | None = None) -> None:
        self._origins = Origins() if origins is None else origins
        self._rule = {"feedback": self._feedback, "adaptive": self._adaptive}.get(rule, _in_order)
        self._speeds: dict[Server, int] = {}  # those of the fastest Connections
        self._open = self._most = 0

    def pick(self, sources: Sequence[Source]) -> Source:
        """One of ``sources``: there is at least one, and each may be asked."""
        return self._rule(sources)

    # ---- what Connections tell

    def join(self, key: Server) -> None:
        """A Connection asks that server."""
        self._open += 1
        self._most = max(self._most, self._open)
        self._origins.connections[key[0]] += 1

    def leave(self, key: Server, received: int, seconds: float) -> None:
        """It has parted with it, after ``received`` bytes of the file in so many ``seconds``."""
        self._open -= 1
        self._origins.connections[key[0]] -= 1
        if not self._origins.connections[key[0]]:
            del self._origins.connections[key[0]]
        if received > 0 and seconds > _SHORTEST:
            self._speeds[key] = max(int(received / seconds), self._speeds.get(key, 0))

    def report(self, key: Server, error: DownloadError) -> None:
        """Remember a server that does not answer; other errors do not speak against it as a server."""
        silent = isinstance(error, Unreachable) or error.code in (ErrorCode.TIMEOUT, ErrorCode.NAME_RESOLUTION)
        if silent and not isinstance(error, ProxyFault):
            self._origins.miss(key)

    def learn(self) -> None:
        """The download has ended, or pauses: keep how fast its servers were."""
        for key, speed in self._speeds.items():
            self._origins.learn(key, speed, alone=self._most == 1)
        self._speeds.clear()

    # ---- the rules

    def _feedback(self, sources: Sequence[Source]) -> Source:
        """Those that the file asks least; of them hosts that nobody asks, the fastest in front, before those that other
        downloads ask. One that could not be reached is left for the end.
        """

        find, connections = self._origins.find, self._origins.connections

        def rank(source: Source) -> tuple[bool, int, int, int]:
            known = find(source.server)
            busy = connections.get(source.server[0], 0)
            lost = known is not None and not known.reached
            speed = known.speed if known is not None and known.reached else 0
            return lost, source.connections, busy, -speed if busy or speed > _FAST else 0

        return min(sources, key=rank)

    def _adaptive(self, sources: Sequence[Source]) -> Source:
        """Until three are known, those that are not. Then the best; for further Connections, what is to be tried."""
        tested = [source for source in sources if self._origins.find(source.server) is not None]
        fresh = [source for source in sources if self._origins.find(source.server) is None]
        if len(tested) < _TESTED and fresh:
            return _in_order(fresh)
        if any(source.connections for source in sources):
            idle = [one for one in fresh if not one.connections] or [one for one in tested if self._due(one)]
            if idle:
                return idle[0]
        return _in_order(self._best(tested) or sources)

    def _due(self, source: Source) -> bool:
        """Whether it is idle and was not used for as many days as two to the power of how often it was."""
        known = self._origins.find(source.server)
        if known is None or source.connections or known.counter > _OFTEN:
            return False
        return self._origins.now() - known.updated > _DAY << known.counter

    def _best(self, tested: Iterable[Source]) -> list[Source]:
        """Those that are not more than a quarter slower than the fastest."""
        found = [
            (known.average, source) for source in tested if (known := self._origins.find(source.server)) is not None
        ]
        least = max((speed for speed, _ in found), default=0) * 0.75
        return [source for speed, source in found if speed >= least]


def _in_order(sources: Sequence[Source]) -> Source:
    return min(sources, key=lambda source: source.connections)
