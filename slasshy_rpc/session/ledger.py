"""What the session tells about its Downloads so that they outlive the process, and who listens.

Owns: the calls of a Store, the one that keeps nothing, and the Ledger that turns each call into a note for the history.
Never: waiting for a disk; every call returns at once.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from slasshy_rpc.clock import wall
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.record import End, Reader, entry_text, facts, result_text
from slasshy_rpc.session.store import EntryRow, HistoryFile, Kind, Note, ResultRow
from slasshy_rpc.values import Status

log = logging.getLogger(__name__)

#: Notes that may wait before whoever makes them is asked to: memory, and what a kill would lose.
CROWD = 4096


class Store(Protocol):
    """Hears of every change that a restart must not undo. The order of what is queued is that of the ranks."""

    def queued(self, download: Download, rank: float, path: str = "") -> None:
        """It is in the queue, as a new one or again. ``path`` is what it has in Claims."""

    def restated(self, download: Download) -> None:
        """It is WAITING or PAUSED where it stands, or has become ACTIVE."""

    def changed(self, download: Download, path: str) -> None:
        """It has other URIs, options or progress."""

    def removed(self, download: Download) -> None:
        """It is gone without a result."""

    def ended(self, download: Download) -> None:
        """It is a result now."""

    def forgot(self, download: Download) -> None:
        """Its result was removed."""

    def forgot_all(self) -> None:
        """All results were removed."""

    def renumbered(self) -> None:
        """Those that are queued have the ranks 1, 2, 3 … now, in the same order."""

    @property
    def crowded(self) -> bool:
        """Whether so much waits to be written that more changes should wait for ``room``."""

    async def room(self) -> None:
        """Returns when it is not crowded, or has nowhere to write to."""

    async def page(self, offset: int, number: int) -> list[tuple[Download, int]]:
        """Results from ``offset`` on, newest first, each with its end in seconds since 1970. Raises RpcError."""


class NoStore:
    """Keeps nothing."""

    crowded = False

    def queued(self, download: Download, rank: float, path: str = "") -> None:
        """Nothing happens; the same below."""

    def restated(self, download: Download) -> None:
        """."""

    def changed(self, download: Download, path: str) -> None:
        """."""

    def removed(self, download: Download) -> None:
        """."""

    def ended(self, download: Download) -> None:
        """."""

    def forgot(self, download: Download) -> None:
        """."""

    def forgot_all(self) -> None:
        """."""

    def renumbered(self) -> None:
        """."""

    async def room(self) -> None:
        """."""

    async def page(self, offset: int, number: int) -> list[tuple[Download, int]]:
        """Always an RpcError."""
        raise RpcError("No history is kept here; --history=true turns it on.")


@dataclass(slots=True)
class Remembered:
    """What a history holds when the process starts. ``paths`` are those that unfinished ones had, by GID.

    ``unfinished`` has their ranks with them. ``settled`` are the GIDs of all results that did not fail, to know the
    entries of an input file that are done with.
    """

    unfinished: list[tuple[Download, float]] = field(default_factory=list)
    results: list[Download] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)


class Ledger:
    """The Store that writes to the history in ``folder``. ``options`` is the global set."""

    def __init__(self, folder: Path, options: OptionSet) -> None:
        self._options = options
        self._keep_urls = options.flag("history-keep-urls")
        self._starts = count(1)
        self._room = asyncio.Event()
        self._most = options.integer("history-count")
        self._file = HistoryFile(folder, self._row, days=options.integer("history-days"), count=self._most)

    # -- start and end ---------------------------------------------------------------------------------------------

    def load(self) -> Remembered:
        """Open the file and say what is in it. Raises OSError and sqlite3.Error where there can be none."""
        self._file.open()
        found = Remembered()
        try:
            self._file.read(lambda entries, results: self._collect(found, entries, results), self._most)
        except ValueError:  # text that is no text
            log.exception("The history is not readable to its end.")
        return found

    def start(self, whole: Callable[[], Iterable[tuple[Download, str]]]) -> None:
        """Begin to write. ``whole`` gives all unfinished Downloads and their paths, should the file be lost."""
        loop = asyncio.get_running_loop()

        def anew() -> None:
            self._file.note((Kind.CLEAR, ""))
            for rank, (download, path) in enumerate(whole(), 1):
                self.queued(download, float(rank), path)

        def call(function: Callable[[], None]) -> None:
            try:
                loop.call_soon_threadsafe(function)
            except RuntimeError:  # the loop has closed in this moment
                log.debug("The history outlives the event loop.")

        self._file.start(on_lost=lambda: call(anew), on_room=lambda: call(self._room.set))

    def close(self) -> None:
        """Write the last of it; may take some seconds on a bad disk."""
        self._file.close()

    # -- the calls of a Store --------------------------------------------------------------------------------------

    def queued(self, download: Download, rank: float, path: str = "") -> None:
        """As in Store."""
        self._file.note((Kind.QUEUE, download.gid, download.status.value, rank, facts(download, path)))

    def restated(self, download: Download) -> None:
        """As in Store. Those that run are in the order of their starts, and before all others after a restart."""
        rank = float(next(self._starts)) if download.status is Status.ACTIVE else None
        self._file.note((Kind.STATE, download.gid, download.status.value, rank))

    def changed(self, download: Download, path: str) -> None:
        """As in Store."""
        self._file.note((Kind.CHANGE, download.gid, facts(download, path)))

    def removed(self, download: Download) -> None:
        """As in Store."""
        self._file.note((Kind.REMOVE, download.gid))

    def ended(self, download: Download) -> None:
        """As in Store."""
        end = End(download.status, download.ending, int(wall()))
        self._file.note((Kind.END, download.gid, facts(download, ""), end))

    def forgot(self, download: Download) -> None:
        """As in Store."""
        self._file.note((Kind.FORGET, download.gid))

    def forgot_all(self) -> None:
        """As in Store."""
        self._file.note((Kind.FORGET_ALL, ""))

    def renumbered(self) -> None:
        """As in Store."""
        self._file.note((Kind.RENUMBER, ""))

    @property
    def crowded(self) -> bool:
        """As in Store."""
        return self._file.behind > CROWD and not self._file.failing

    async def room(self) -> None:
        """As in Store."""
        while self.crowded:
            self._room.clear()
            await self._room.wait()

    async def page(self, offset: int, number: int) -> list[tuple[Download, int]]:
        """As in Store."""
        rows: Future[list[ResultRow]] = self._file.page(offset, number)
        try:
            found = await asyncio.wrap_future(rows)
        except sqlite3.Error as error:
            raise RpcError(f"The history cannot be read: {error}") from error
        reader = Reader(self._options)
        return [(download, ended) for gid, ended, text in found if (download := _result(reader, gid, text)) is not None]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _row(self, note: Note) -> tuple[object, ...]:
        match note:
            case Kind.QUEUE, gid, status, rank, kept:
                return gid, status, rank, entry_text(kept)
            case Kind.CHANGE, gid, kept:
                return gid, entry_text(kept)
            case Kind.END, gid, kept, end:
                return gid, end.at, result_text(kept, end, keep_urls=self._keep_urls)
        return note[1:]

    def _collect(self, found: Remembered, entries: Iterator[EntryRow], results: Iterator[ResultRow]) -> None:
        reader = Reader(self._options)
        was_active: list[tuple[Download, str]] = []
        for gid, state, rank, text in entries:
            status = Status(state)
            try:
                download, path = reader.entry(gid, Status.PAUSED if status is Status.PAUSED else Status.WAITING, text)
            except (ValueError, KeyError, TypeError, IndexError):
                log.error("GID#%s cannot be read from the history; it is left out.", gid)
                continue
            if status is Status.ACTIVE:
                was_active.append((download, path))
            else:
                found.unfinished.append((download, rank))
            if path:
                found.paths[gid] = path
        first = found.unfinished[0][1] if found.unfinished else 1.0
        fronts = [(download, first - len(was_active) + at) for at, (download, _) in enumerate(was_active)]
        found.unfinished[:0] = fronts
        for (download, rank), (_, path) in zip(fronts, was_active, strict=True):
            self.queued(download, rank, path)
        room = self._options.integer("max-download-result")
        for gid, _, text in results:
            ended = _result(reader, gid, text)
            if ended is not None:
                found.results.append(ended)
                if ended.status is not Status.ERROR:
                    found.settled.add(gid)
        del found.results[: max(0, len(found.results) - room)]


def _result(reader: Reader, gid: str, text: str) -> Download | None:
    try:
        return reader.result(gid, text)
    except (ValueError, KeyError, TypeError, IndexError):
        log.error("GID#%s cannot be read from the history; it is left out.", gid)
        return None
