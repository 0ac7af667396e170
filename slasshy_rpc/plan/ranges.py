"""A set of bytes as sorted, disjoint, half-open ranges.

Owns: the arithmetic of ranges. Never: who owns a byte, or whether it is on disk.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[int, int]


class Ranges:
    """Bytes [start, end) of a file; touching ranges are merged."""

    __slots__ = ("_ends", "_starts", "total")

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self) -> Iterator[Range]:
        return zip(self._starts, self._ends, strict=True)

    def __len__(self) -> int:
        return len(self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._starts == other._starts and self._ends == other._ends

    __hash__ = None  # type: ignore[assignment]  # mutable: as list does it

    def __repr__(self) -> str:
        return f"Ranges({list(self)!r})"

    def add(self, start: int, end: int) -> None:
        """Put [start, end) in; bytes that are in already stay in."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self.total += end - start - sum(self._ends[i] - self._starts[i] for i in range(first, last))
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Take [start, end) out; bytes that are not in are no error."""
        if start >= end:
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        kept = [(self._starts[first], start), (end, self._ends[last - 1])]
        kept = [(a, b) for a, b in kept if a < b]
        self.total -= sum(self._ends[i] - self._starts[i] for i in range(first, last)) - sum(b - a for a, b in kept)
        self._starts[first:last] = [a for a, _ in kept]
        self._ends[first:last] = [b for _, b in kept]

    def covers(self, start: int, end: int) -> bool:
        """Whether every byte of [start, end) is in."""
        at = bisect_right(self._starts, start) - 1
        return start >= end or (at >= 0 and self._ends[at] >= end)

    def start_of(self, position: int) -> int:
        """Where the run of bytes that ends at or goes through ``position`` begins; ``position`` if there is none."""
        at = bisect_left(self._ends, position)
        if at < len(self._starts) and self._starts[at] <= position:
            return self._starts[at]
        return position

    def gaps(self, length: int) -> list[Range]:
        """What of [0, length) is not in, in order."""
        missing: list[Range] = []
        at = 0
        for start, end in self:
            if start >= length:
                break
            if at < start:
                missing.append((at, start))
            at = end
        if at < length:
            missing.append((at, length))
        return missing
