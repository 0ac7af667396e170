"""The ledger of one file's bytes: on disk, owned by a Connection, or free.

Owns: every byte of the file exactly once. Never: I/O, clocks, or the choice of where to cut (plan/split).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from slasshy_rpc.plan.ranges import Range, Ranges


@dataclass(slots=True, eq=False)
class Segment:
    """Bytes [position, end) that one Connection is to bring; ``position`` moves as they are committed."""

    start: int
    position: int
    end: int

    @property
    def left(self) -> int:
        """Bytes not yet committed."""
        return self.end - self.position


class SegmentMap:
    """Who owns which bytes of [0, length). Every byte is done, in one owned Segment, or in one free range."""

    def __init__(self, length: int, done: Iterable[Range] = ()) -> None:
        self.length = length
        self.done = Ranges((max(0, a), min(b, length)) for a, b in done)
        self._free: list[Range] = self.done.gaps(length)
        self.owned: set[Segment] = set()
        self._pick: Callable[[int], int] | None = None

    @property
    def complete(self) -> bool:
        """Whether every byte is on disk."""
        return self.done.total == self.length

    @property
    def free(self) -> tuple[Range, ...]:
        """Ranges that nobody owns, in order; neighbours are separate where a cut was planned."""
        return tuple(self._free)

    def plan(self, ranges: Iterable[Range], pick: Callable[[int], int] | None = None) -> None:
        """Put planned cuts in place of the free ranges; together they must be the same bytes.

        ``pick`` says which of n free ranges is claimed next; else it is the first.
        """
        planned = sorted(ranges)
        if list(Ranges(planned)) != list(Ranges(self._free)) or sum(b - a for a, b in planned) != sum(
            b - a for a, b in self._free
        ):
            raise ValueError("a plan must cover exactly the free bytes")
        self._free = planned
        self._pick = pick

    def claim(self, near: int | None = None) -> Segment | None:
        """Own a free range: the one that begins at ``near``, else the next by the plan; None if none is free."""
        if not self._free:
            return None
        at = bisect_left(self._free, (near, 0)) if near is not None else len(self._free)
        if at == len(self._free) or self._free[at][0] != near:
            at = self._pick(len(self._free)) if self._pick is not None else 0
        start, end = self._free.pop(at)
        return self._own(start, end)

    def adjacent(self, position: int) -> bool:
        """Whether a free range begins at ``position``."""
        i = bisect_left(self._free, (position, 0))
        return i < len(self._free) and self._free[i][0] == position

    def owns_from(self, position: int) -> bool:
        """Whether an owned Segment has all from ``position`` on still before it."""
        return any(segment.position == position for segment in self.owned)

    def commit(self, segment: Segment, upto: int) -> None:
        """Bytes of the Segment up to ``upto`` are in the file."""
        if not segment.position <= upto <= segment.end or segment not in self.owned:
            raise ValueError(f"{upto} is not in {segment}")
        self.done.add(segment.position, upto)
        segment.position = upto
        if upto == segment.end:
            self.owned.discard(segment)

    def release(self, segment: Segment) -> None:
        """Give back what was not committed."""
        if segment in self.owned:
            self.owned.discard(segment)
            insort(self._free, (segment.position, segment.end))

    def part(self, segment: Segment, cut: int) -> Segment:
        """Move the bytes from ``cut`` on to a new owner; the engine must have agreed (``Transfer.shrink``)."""
        if segment not in self.owned or not segment.position < cut < segment.end:
            raise ValueError(f"{segment} cannot be cut at {cut}")
        end = segment.end
        segment.end = cut
        return self._own(cut, end)

    def solid_from(self, position: int) -> int:
        """Where the bytes that are on disk without a gap before ``position`` begin."""
        return self.done.start_of(position)

    def _own(self, start: int, end: int) -> Segment:
        segment = Segment(start, start, end)
        self.owned.add(segment)
        return segment
