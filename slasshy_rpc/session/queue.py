"""The order of Downloads that are waiting or paused.

Owns: positions, the ranks that stand for them in a store, and a cheap answer to "who starts next" among hundreds
of thousands of entries.
Never: a Download's status (it only reads it), or starting one.

The list is cut into blocks of at most ``BLOCK_LIMIT`` entries; every entry knows its block and every
block counts its startable entries. So no operation moves or looks at more than one block's entries
plus one number per block, and a long run of paused entries is skipped block by block.

A rank lies between its neighbours', so that a move changes one entry's. When there is no number left between two of
them, all are numbered anew.
"""

from __future__ import annotations

import enum
import gc
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from slasshy_rpc.values import Status

if TYPE_CHECKING:
    from slasshy_rpc.session.download import Download

BLOCK_LIMIT = 1024

#: After so many additions what is there is taken out of the collector's sight. Entries die by their reference counts,
#: and a full pass over half a million of them would hold the event loop for a second.
SETTLE = 5000


class Whence(enum.Enum):
    """What a new position is counted from; the values are aria2's."""

    START = "POS_SET"
    CURRENT = "POS_CUR"
    END = "POS_END"


class Block:
    """A run of neighbouring entries and their ranks; ``startable`` counts those whose status is WAITING."""

    __slots__ = ("entries", "ranks", "startable")

    def __init__(self, entries: list[Download], ranks: Iterable[float]) -> None:
        self.entries = entries
        self.ranks = array("d", ranks)  # an attribute of each entry would take five times the room
        self.startable = sum(entry.status is Status.WAITING for entry in entries)


class Queue:
    """Waiting and paused Downloads, first to start first.

    ``renumbered(newcomer)`` is called when all have new ranks, before ``newcomer`` is put among them.
    """

    __slots__ = ("_added", "_blocks", "_length", "_renumbered", "_startable")

    def __init__(self, renumbered: Callable[[Download], None]) -> None:
        self._renumbered = renumbered
        self._blocks: list[Block] = []
        self._added = 0
        self._length = 0
        self._startable = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Download]:
        """In order; the queue must not change meanwhile (see ``copy``)."""
        for block in self._blocks:
            yield from block.entries

    @property
    def startable(self) -> int:
        """How many entries are waiting, not paused."""
        return self._startable

    def copy(self) -> list[Download]:
        """The entries as they stand now."""
        entries: list[Download] = []
        for block in self._blocks:
            entries.extend(block.entries)
        return entries

    def append(self, download: Download) -> float:
        """Put it last; returns its rank."""
        rank = self._blocks[-1].ranks[-1] + 1.0 if self._blocks else 1.0
        self.restore(download, rank)
        return rank

    def restore(self, download: Download, rank: float) -> None:
        """Put it last with a ``rank`` that it had, above all others'."""
        if self._blocks and len(self._blocks[-1].entries) < BLOCK_LIMIT:
            block = self._blocks[-1]
        else:
            block = Block([], ())
            self._blocks.append(block)
        block.entries.append(download)
        block.ranks.append(rank)
        self._entered(download, block)

    def insert(self, position: int, download: Download) -> float:
        """Put it at ``position``; a number past the end means the end. Returns its rank."""
        if position >= self._length:
            return self.append(download)
        at, inside = self._locate(max(position, 0))
        rank = self._rank_before(at, inside, download)
        block = self._blocks[at]
        block.entries.insert(inside, download)
        block.ranks.insert(inside, rank)
        self._entered(download, block)
        if len(block.entries) > BLOCK_LIMIT:
            self._halve(at)
        return rank

    def remove(self, download: Download) -> None:
        """Take it out. Its status must still be the one it was queued, or last noted, with."""
        block = self._block_of(download)
        inside = block.entries.index(download)
        del block.entries[inside], block.ranks[inside]
        download.block = None
        self._length -= 1
        if download.status is Status.WAITING:
            block.startable -= 1
            self._startable -= 1
        if not block.entries:
            self._blocks.remove(block)

    def restate(self, download: Download, status: Status) -> None:
        """Turn an entry WAITING or PAUSED where it stands."""
        if download.status is status:
            return
        step = 1 if status is Status.WAITING else -1
        download.status = status
        self._block_of(download).startable += step
        self._startable += step

    def first_startable(self) -> Download | None:
        """The first entry that is waiting, still queued, or None."""
        if not self._startable:
            return None
        block = next(block for block in self._blocks if block.startable)
        return next(entry for entry in block.entries if entry.status is Status.WAITING)

    def index(self, download: Download) -> int:
        """Where it stands, from 0."""
        mine = self._block_of(download)
        before = 0
        for block in self._blocks:
            if block is mine:
                break
            before += len(block.entries)
        return before + mine.entries.index(download)

    def slice(self, start: int, end: int) -> list[Download]:
        """The entries at positions ``start`` to ``end`` (exclusive)."""
        found: list[Download] = []
        for block in self._blocks:
            size = len(block.entries)
            if end <= 0:
                break
            if start < size:
                found.extend(block.entries[max(start, 0) : end])
            start -= size
            end -= size
        return found

    @staticmethod
    def _block_of(download: Download) -> Block:
        if download.block is None:
            raise ValueError(f"GID#{download.gid} is not queued")
        return download.block

    def _rank_before(self, at: int, inside: int, newcomer: Download) -> float:
        """A rank for ``newcomer``, which comes before the entry ``inside`` the block ``at``."""
        middle = self._between(at, inside)
        if middle is None:  # after some fifty moves to one place
            number = 1.0
            for block in self._blocks:
                block.ranks = array("d", (number + each for each in range(len(block.entries))))
                number += len(block.entries)
            self._renumbered(newcomer)
            middle = self._between(at, inside)
            assert middle is not None
        return middle

    def _between(self, at: int, inside: int) -> float | None:
        after = self._blocks[at].ranks[inside]
        if inside:
            before = self._blocks[at].ranks[inside - 1]
        elif at:
            before = self._blocks[at - 1].ranks[-1]
        else:
            return after - 1.0
        middle = (before + after) / 2
        return middle if before < middle < after else None

    def _entered(self, download: Download, block: Block) -> None:
        download.block = block
        self._length += 1
        if download.status is Status.WAITING:
            block.startable += 1
            self._startable += 1
        self._added += 1
        if self._added % SETTLE == 0:
            gc.collect()  # of what came since the last time: garbage that is frozen stays for good
            gc.freeze()

    def _locate(self, position: int) -> tuple[int, int]:
        for at, block in enumerate(self._blocks):
            if position < len(block.entries):
                return at, position
            position -= len(block.entries)
        raise IndexError(position)

    def _halve(self, at: int) -> None:
        block = self._blocks[at]
        middle = len(block.entries) // 2
        upper = Block(block.entries[middle:], block.ranks[middle:])
        del block.entries[middle:], block.ranks[middle:]
        block.startable -= upper.startable
        for entry in upper.entries:
            entry.block = upper
        self._blocks.insert(at + 1, upper)
