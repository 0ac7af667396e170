"""A small body that comes at once: taken into memory, so that its file is made, written and finished in one step.

Owns: how much is taken, and for how long. Never: the file. What is left after that goes the way of all bodies.
"""

from __future__ import annotations

import asyncio
import typing

from slasshy_rpc._engine import LENGTH, TlsError
from slasshy_rpc.net.ready import ready
from slasshy_rpc.protocols.opener import Arrival

#: Bodies up to this size are taken into memory, as long as the room of all of them is below that (bytes).
MOST = 1 << 20
MOST_TOGETHER = 32 << 20
#: Seconds that one has to come, and that there may be between two parts of it.
PATIENCE = 1.0
GAP = 0.1
#: What is kept of the room that bodies have had, for the next ones, and what its sizes are multiples of (bytes).
MOST_SPARE = 4 << 20
GRAIN = 64 << 10


class AtOnce:
    """What one download takes into memory; ``received`` bytes of it have come, and more may while it is ``running``.

    ``stopped``: it was cancelled meanwhile. What had come goes into the file first.
    """

    _together = 0
    _spare: typing.ClassVar[list[bytearray]] = []  # the one that was used last comes last

    def __init__(self) -> None:
        self.received = 0
        self.running = self.stopped = False
        self._room = bytearray()

    @classmethod
    def fits(cls, arrival: Arrival) -> bool:
        """Whether its body is all of a small file, and not too much beside others."""
        length = arrival.facts.length or 0
        whole = arrival.start == 0 and arrival.end == length
        return whole and 0 < length <= min(MOST, MOST_TOGETHER - cls._together)

    async def take(self, arrival: Arrival, timeout: float) -> memoryview:
        """The body of ``arrival``, which fits; or its beginning, if the rest is not there in time.

        A connection that breaks, or that ``timeout`` seconds are too long for, ends it early; whoever reads on will see
        why. ``let_go`` comes after it, and nobody looks at the bytes any more then.
        """
        length = arrival.facts.length or 0
        self._room = self._roomy(length)
        AtOnce._together += len(self._room)
        self.running = True
        try:
            return await self._read(arrival, memoryview(self._room)[:length], min(timeout, PATIENCE))
        finally:
            self.running = False

    def let_go(self) -> None:
        """What was taken is in the file, or of no use: make room for others."""
        AtOnce._together -= len(self._room)
        if self._room:
            self._spare.append(self._room)
        while sum(map(len, self._spare)) > MOST_SPARE:
            del self._spare[0]
        self._room = bytearray()
        self.received = 0

    @classmethod
    def _roomy(cls, length: int) -> bytearray:
        """Room for ``length`` bytes; what is used again is in the processor's caches, and costs no page fault."""
        for at in reversed(range(len(cls._spare))):
            if len(cls._spare[at]) >= length:
                return cls._spare.pop(at)
        return bytearray(-(-length // GRAIN) * GRAIN)

    async def _read(self, arrival: Arrival, room: memoryview, patience: float) -> memoryview:
        channel, at, length = arrival.channel, 0, len(room)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        arrival.fresh = False
        try:
            while at < length:
                taken = channel.recv_into(room[at:] if at else room)
                if taken < 0:
                    await ready(channel, min(GAP, deadline - loop.time()))
                    continue
                if not taken:
                    break
                at += taken
                self.received = at
        except (OSError, TlsError):  # TimeoutError is one
            pass
        except asyncio.CancelledError:
            self.stopped = True
        try:
            channel.begin_body(LENGTH, length - at)
        except RuntimeError:  # more came than the body has: nobody may use it again, or wait for the rest
            arrival.reusable = False
        return room[:at]
