"""A file as a strip of cells: which parts are there, and which connection brings which.

Owns: what each cell stands for, and its character. Never: colours of a terminal, or asking for facts.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from slasshy_rpc.values import ServerView, Snapshot

#: Half-open, in bytes.
Range = tuple[int, int]

#: What the connections are called where there is no colour; more of them begin anew.
NAMES = "123456789abcdefghijklmnopqrstuvwxyz"


class Kind(enum.Enum):
    """What a cell shows: its character, and the one for terminals that have ASCII only."""

    DONE = ("█", "#")
    COMING = ("█", "")  # there, and brought by the connection that is still at work on this part
    FRONT = ("▓", "")  # where a connection is
    PARTLY = ("▒", "+")
    TAKEN = ("░", "-")  # a connection is on its way there
    MISSING = ("·", ".")


class Cell(NamedTuple):
    """``connection`` is the index of the one that brings it, -1 if none does."""

    kind: Kind
    connection: int = -1

    def character(self, *, colour: bool, ascii: bool) -> str:
        """One column. Without ``colour`` a connection's part shows its name from NAMES."""
        if self.kind in (Kind.COMING, Kind.FRONT) and (ascii or not colour):
            return NAMES[self.connection % len(NAMES)]
        return self.kind.value[ascii]


def done_ranges(snapshot: Snapshot) -> tuple[Range, ...]:
    """The finished pieces as byte ranges."""
    if not snapshot.bitfield:
        return ()
    return _runs(snapshot.bitfield, snapshot.num_pieces, snapshot.piece_length, snapshot.total_length)


@lru_cache(maxsize=64)
def _runs(bitfield: bytes, pieces: int, piece: int, length: int) -> tuple[Range, ...]:
    digits = f"{int.from_bytes(bitfield, 'big'):0{8 * len(bitfield)}b}"[:pieces]
    return tuple((m.start() * piece, min(m.end() * piece, length)) for m in re.finditer("1+", digits))


def cells(width: int, length: int, done: Iterable[Range], servers: Sequence[ServerView]) -> list[Cell]:
    """``width`` cells for a file of ``length`` bytes of which ``done`` is there; none without a length.

    A cell counts as there only if all of its bytes are. Parts of ``servers`` that are not known are left out.
    """
    if length <= 0 or width <= 0:
        return []
    parts = [(number, view) for number, view in enumerate(servers) if 0 <= view.start <= view.position <= view.end]
    there = _merged([*done, *((view.start, view.position) for _, view in parts)])
    ends = [end for _, end in there]
    return [
        _cell(length * at // width, max(length * (at + 1) // width, length * at // width + 1), there, ends, parts)
        for at in range(width)
    ]


def _cell(
    start: int, end: int, there: Sequence[Range], ends: Sequence[int], parts: Sequence[tuple[int, ServerView]]
) -> Cell:
    covered, at = 0, bisect_right(ends, start)
    while at < len(there) and there[at][0] < end:
        covered += min(there[at][1], end) - max(there[at][0], start)
        at += 1
    if covered >= end - start:
        middle = (start + end) // 2
        coming = next((number for number, view in parts if view.start <= middle < view.position), None)
        return Cell(Kind.DONE) if coming is None else Cell(Kind.COMING, coming)
    for number, view in parts:
        if start <= view.position < end and view.position < view.end:
            return Cell(Kind.FRONT, number)
    if covered:
        return Cell(Kind.PARTLY)
    taken = next((number for number, view in parts if view.position < end and start < view.end), None)
    return Cell(Kind.MISSING) if taken is None else Cell(Kind.TAKEN, taken)


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged
