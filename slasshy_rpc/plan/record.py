"""When the control file of a running download is worth writing again.

Owns: the choice of the moment. Never: writing, clocks.
"""

from __future__ import annotations

#: What a disk is thought to take before it has shown itself (bytes a second).
FIRST_GUESS = 200 << 20


class Cadence:
    """A record first waits until the bytes that it claims are durable, and a download that ends waits for its record.

    So one that would be overtaken by the end of the download only delays that end, and is left out.
    """

    __slots__ = ("_claimed", "_rate")

    def __init__(self) -> None:
        self._claimed = 0
        self._rate = float(FIRST_GUESS)

    def worth(self, solid: int, left: int, speed: float) -> bool:
        """Whether to record now that ``solid`` bytes are in the file, with ``left`` to come at ``speed`` bytes/s."""
        if solid <= self._claimed:
            return False
        return left > 0 and (solid - self._claimed) / self._rate * speed <= left

    def note(self, solid: int, seconds: float) -> None:
        """A record that claims ``solid`` bytes took so long; the disk's rate is learned from it."""
        if seconds > 0.01:
            self._rate = (self._rate + max(solid - self._claimed, 1 << 20) / seconds) / 2
        self._claimed = solid
