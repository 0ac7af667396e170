"""Who may keep a connection when there are more than places: whoever has shown nothing good gives way, oldest first.

Owns: the number of connections, what those of strangers may hold in memory, and how long an answer to one is held back.
Never: sockets, or what is said over them.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import resource
from collections import OrderedDict
from collections.abc import Callable, Iterator

from slasshy_rpc.clock import monotonic
from slasshy_rpc.rpc.guard import is_loopback

log = logging.getLogger("slasshy_rpc.rpc")

#: Bytes of messages that are not answered yet: what all who have shown no token may have here together.
MOST_KEPT = 16 << 20
#: How many are cut off at a time where the system, and not the number of places, is at its limit.
_MUCH = 16
#: Seconds until it is said again that there is no more room.
_SILENCE = 60.0


class Standing(enum.IntEnum):
    """What a connection has shown so far; the lowest gives way first."""

    SUSPECT = 0  # a wrong token
    STRANGER = 1  # nothing
    LISTENER = 2  # that it is a program of this machine which only listens
    KNOWN = 3  # the token, or a request where none is asked for: it keeps its place


class Place:
    """One connection's. ``here`` when it comes from this machine; ``end`` cuts it off."""

    __slots__ = ("_places", "end", "gone", "here", "kept", "standing")

    def __init__(self, places: Places, here: bool, end: Callable[[], object]) -> None:
        self._places = places
        self.here = here
        self.end = end
        self.standing = Standing.STRANGER
        self.gone = asyncio.Event()
        self.kept = 0

    def stands(self, standing: Standing) -> None:
        """It has shown something; once it is KNOWN nothing takes that away."""
        if not self.gone.is_set() and self.standing not in (standing, Standing.KNOWN):
            self._places.move(self, standing)

    async def hold(self, seconds: float) -> None:
        """Wait before a wrong token is answered, unless the connection ends meanwhile."""
        self.stands(Standing.SUSPECT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.gone.wait()

    def keep(self, size: int) -> None:
        """It makes us keep ``size`` bytes of a message that is not answered; that may end it, or another."""
        if not self.gone.is_set() and self.standing is not Standing.KNOWN:
            self._places.kept += size - self.kept
            self.kept = size
            self._places.bound()

    def leave(self) -> None:
        """The connection has ended. Does nothing the second time."""
        if not self.gone.is_set():
            self.keep(0)
            self._places.drop(self)
            self.gone.set()


class Places:
    """``most`` of them, the last eighth for programs of this machine.

    ``most_kept`` is how many bytes of messages that are not answered yet all strangers together may have here.
    """

    def __init__(self, most: int, most_kept: int = MOST_KEPT) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Half of what the process may open: the downloads need the rest.
        self.most = most if files == resource.RLIM_INFINITY else min(most, files // 2)
        self.kept = 0
        self._most_kept = most_kept
        self._lines = {(standing, here): OrderedDict[Place, None]() for standing in Standing for here in (True, False)}
        self._silent_until = 0.0

    @property
    def taken(self) -> int:
        """How many are."""
        return sum(map(len, self._lines.values()))

    def take(self, peer: str, end: Callable[[], object]) -> Place | None:
        """A place for ``peer``, an address; None if all belong to those who keep theirs."""
        here = is_loopback(peer)
        room = self.most if here else self.most - self.most // 8
        if self.taken >= room and not self.make_room(here):
            return None
        place = Place(self, here, end)
        self._lines[place.standing, here][place] = None
        return place

    def make_room(self, here: bool) -> bool:
        """Cut off whoever gives way first to a newcomer, who is of this machine or not; False if nobody does."""
        now = monotonic()
        if now >= self._silent_until:
            log.warning("About %d RPC connections are open: those that have shown no token make room", self.taken)
            self._silent_until = now + _SILENCE
        for standing in (Standing.SUSPECT, Standing.STRANGER, Standing.LISTENER):
            for there in (False, True) if here else (False,):
                if self._lines[standing, there]:
                    _end(next(iter(self._lines[standing, there])))
                    return True
        return False

    def make_much_room(self) -> bool:
        """The same for several newcomers of this machine; the newer half of those who could give way stays."""
        old = min(sum(1 for _ in self._strangers()) // 2, _MUCH)
        for _ in range(old):
            self.make_room(True)
        return old > 0

    def move(self, place: Place, standing: Standing) -> None:
        """Put ``place`` last among those who stand there."""
        place.keep(0)
        del self._lines[place.standing, place.here][place]
        place.standing = standing
        self._lines[standing, place.here][place] = None

    def drop(self, place: Place) -> None:
        """It is free again."""
        del self._lines[place.standing, place.here][place]

    def bound(self) -> None:
        """Cut off whoever has the most, until all strangers together keep no more than they may."""
        while self.kept > self._most_kept:
            _end(max(self._strangers(), key=lambda one: one.kept))
            log.info("RPC: strangers sent more than %d bytes at once; the longest was cut off", self._most_kept)

    def _strangers(self) -> Iterator[Place]:
        return (place for (standing, _), line in self._lines.items() if standing < Standing.KNOWN for place in line)


def _end(place: Place) -> None:
    place.leave()
    place.end()
