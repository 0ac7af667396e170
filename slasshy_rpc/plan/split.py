"""Where a file is cut: the first Segments, and what an idle Connection takes from a busy one.

Owns: the choice of cut points (design values at the top). Never: who owns which bytes, clocks, I/O.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from slasshy_rpc.plan.ranges import Range

#: Cuts fall on multiples of this: what the control file can express (bytes).
GRAIN = 16384

#: The least that is worth a request of its own when a Segment is split again (bytes). Small, because what is left to
#: the slowest Connection at the end is what everybody waits for; TOO_LATE keeps fast ones from being cut to crumbs.
RESPLIT_FLOOR = 64 * 1024

#: A Segment that will end by itself within this time is left alone (seconds).
TOO_LATE = 0.15

#: The most parts that a file is cut into beforehand: of a bigger one they are larger.
MOST_PARTS = 4096

#: Parts for each Connection where they are begun at random.
RANDOM_PARTS = 4

#: How much longer each part is than the one before it where they grow (aria2's figure).
GROWTH = 1.5


def planned(
    selector: str, gaps: Sequence[Range], parts: int, min_split_size: int, piece_length: int
) -> tuple[list[Range], Callable[[int], int]]:
    """The parts into which ``gaps`` are cut, in order, and which of n free ones is begun next (by its index).

    ``selector`` is --stream-piece-selector (aria2 manual; seen on 1.37): ``default`` makes ``parts`` equal ones and so
    keeps requests few. ``inorder`` makes parts of ``min_split_size``, so that the file fills up from its front.
    ``random`` begins anywhere. ``geom`` makes parts that begin at the pieces 0, 1, 2, 3, 5, 7, 11, 17 …, counted from
    the first that is missing.
    """
    missing = sum(end - start for start, end in gaps)
    coarsest = -(-missing // (MOST_PARTS * GRAIN)) * GRAIN
    if selector == "inorder":
        return _in_steps(gaps, max(min_split_size, coarsest)), _first
    if selector == "random":
        return first_cut(gaps, parts * RANDOM_PARTS, min_split_size, piece_length), random.randrange
    if selector == "geom" and gaps:
        return _growing(gaps, piece_length), _first
    return first_cut(gaps, parts, min_split_size, piece_length), _first


def _first(count: int) -> int:
    return 0


def _in_steps(gaps: Iterable[Range], step: int) -> list[Range]:
    """Parts of ``step`` bytes; the last of a gap may be longer, for none is shorter but a gap that is."""
    return [
        part
        for start, end in gaps
        for part in itertools.pairwise([*(start + n * step for n in range(max(1, (end - start) // step))), end])
    ]


def capped(parts: Sequence[Range], longest: int) -> list[Range]:
    """``parts`` cut further so that none is longer than ``longest`` bytes (at least GRAIN; 0: any length)."""
    if not longest:
        return list(parts)
    cut: list[Range] = []
    for start, end in parts:
        while end - start > longest:
            edge = (start + longest) // GRAIN * GRAIN
            cut.append((start, edge))
            start = edge
        cut.append((start, end))
    return cut


def _growing(gaps: Sequence[Range], piece_length: int) -> list[Range]:
    begin, end = gaps[0][0] // piece_length * piece_length, gaps[-1][1]
    edges = [begin]
    while edges[-1] < end:
        width = GROWTH ** (len(edges) - 1)
        edges.append(max(edges[-1], begin + int(width) * piece_length))
    return [(max(a, x), min(b, y)) for a, b in gaps for x, y in itertools.pairwise(edges) if max(a, x) < min(b, y)]


def first_cut(gaps: Sequence[Range], parts: int, min_split_size: int, piece_length: int = 1) -> list[Range]:
    """Cut what is missing into about ``parts`` ranges of about equal size, in order.

    No gap is cut into pieces smaller than ``min_split_size`` bytes, so a gap is cut only from twice that size on (aria2
    manual, ``--min-split-size``); as in aria2, a piece of which a part is missing counts whole. Gaps are never joined:
    there may be more ranges than ``parts``.
    """
    shares = [1] * len(gaps)
    heap: list[tuple[float, int]] = [(float(start - end), i) for i, (start, end) in enumerate(gaps)]
    heapq.heapify(heap)
    for _ in range(max(0, parts - len(gaps))):
        if not heap:
            break
        _, i = heap[0]
        start, end = gaps[i]
        size = end - start
        if (-(-end // piece_length) - start // piece_length) * piece_length < (shares[i] + 1) * min_split_size:
            heapq.heappop(heap)
            continue
        shares[i] += 1
        heapq.heapreplace(heap, (-size / shares[i], i))
    cut: list[Range] = []
    for (start, end), share in zip(gaps, shares, strict=True):
        points = [_on_grain(start + (end - start) * k // share) for k in range(1, share)]
        edges = [start, *(p for p in points if start < p < end), end]
        cut += [(a, b) for a, b in itertools.pairwise(edges) if a < b]
    return cut


def _on_grain(position: int) -> int:
    return (position + GRAIN // 2) // GRAIN * GRAIN


@dataclass(frozen=True, slots=True)
class Busy:
    """A Segment under way: where it is, where it ends (bytes), how fast it goes (bytes a second)."""

    position: int
    end: int
    rate: float


def eta(busy: Busy) -> float:
    """Seconds until a Segment ends by itself."""
    return (busy.end - busy.position) / busy.rate if busy.rate > 0 else math.inf


def steal(busy: Iterable[Busy], own_rate: float, min_split_size: int = 0) -> tuple[int, int] | None:
    """Which Segment an idle Connection should split, and where: ``(index, cut)``; None if none is worth it.

    The victim is the one that would end last; the cut lets both end together, by their speeds and not by half.
    ``own_rate`` is what the idle Connection did last (bytes a second, 0 if it did nothing yet). When the user set
    ``min_split_size``, neither side of the cut may be smaller.
    """
    floor = max(RESPLIT_FLOOR, min_split_size)
    kept = min_split_size or GRAIN
    victims = [
        # Stalled Segments all have an endless ETA: the longest of them comes first.
        (eta(one), one.end - one.position, index, one)
        for index, one in enumerate(busy)
        if one.end - one.position >= kept + floor and eta(one) >= TOO_LATE
    ]
    if not victims:
        return None
    _, left, index, victim = max(victims, key=lambda ranked: ranked[:2])
    rates = victim.rate + own_rate
    keep = left * victim.rate / rates if rates > 0 else left / 2
    keep = min(max(keep, kept), left - floor)
    cut = -(-(victim.position + int(keep)) // GRAIN) * GRAIN
    return (index, cut) if victim.position < cut < victim.end else None
