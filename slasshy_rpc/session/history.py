"""What the session tells about its Downloads so that they outlive the process, and who listens.

Owns: the calls of a Store, which keeps nothing, and the History that turns each of them into a note for the file.
Never: waiting for a disk; every call returns at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from slasshy_rpc.clock import wall
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.record import End, Reader, entry_text, facts, result_text
from slasshy_rpc.session.store import PATIENCE, UNREAD, EntryRow, HistoryFile, Kind, Note, ResultRow
from slasshy_rpc.values import Status

log = logging.getLogger(__name__)

#: Notes that may wait before whoever makes them is asked to: memory, and what a kill would lose.
CROWD = 4096

#: Beyond it there is no next rank; only a damaged file has one.
MOST_RANK = 2.0**52

#: Takes unfinished Downloads with their ranks, in order, and results, oldest first.
Restore = Callable[[Iterable[tuple[Download, float]], Iterable[Download]], None]


class Store:
    """Hears of every change that a restart must not undo. The order of what is queued is that of the ranks.

    This one keeps nothing.
    """

    @property
    def crowded(self) -> bool:
        """Whether so much waits to be written that more changes should wait for ``room``."""
        return False

    async def room(self) -> None:
        """Returns when it is not crowded, or has nowhere to write to."""

    async def page(self, offset: int, number: int) -> list[tuple[Download, int]]:
        """Results from ``offset`` on, newest first, each with its end in seconds since 1970. Raises RpcError."""
        raise RpcError("No history is kept here; --history=true turns it on.")

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

    def renumbered(self, newcomer: Download) -> None:
        """Those that are queued have the ranks 1, 2, 3 … now, in the same order: all but ``newcomer``, which is about
        to be queued, or in another place."""


@dataclass(slots=True)
class Remembered:
    """What is known of earlier processes beside their Downloads.

    ``paths`` are those that unfinished ones had, by GID. ``settled`` are the GIDs of all results that did not fail, to
    know the entries of an input file that are done with.
    """

    paths: dict[str, str] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)


class History(Store):
    """The Store that writes to the history in ``folder``. ``options`` is the global set."""

    def __init__(self, folder: Path, options: OptionSet) -> None:
        self._options = options
        self._keep_urls = options.flag("history-keep-urls")
        self._starts = count(1)
        self._room = asyncio.Event()
        self._whole = True  # all that the session restored is in the file
        days, most = options.integer("history-days"), options.integer("history-count")
        self._file = HistoryFile(folder, self._row, days=days, count=most)

    # -- start and end ---------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the file, or begin a new one. Raises OSError and sqlite3.Error where there can be none."""
        self._file.open()

    def load(self, restore: Restore) -> Remembered:
        """Call ``restore`` with what the file holds, read as it goes: there may be half a million. Before ``start``."""
        found = Remembered()
        reader = Reader(self._options)

        def visit(entries: Iterator[EntryRow], results: Iterator[ResultRow], settled: Iterator[tuple[str]]) -> None:
            found.settled.update(gid for (gid,) in settled)
            ended = (_result(reader, gid, text) for gid, _, text in results)
            restore(self._unfinished(reader, entries, found), (one for one in ended if one is not None))

        try:
            self._whole = self._file.read(visit, self._options.integer("max-download-result"))
        except (OSError, sqlite3.Error) as error:
            log.error("The history can neither be read nor begun anew at present: %s", error)
            self._whole = False
        return found

    def start(self, whole: Callable[[], Iterable[tuple[Download, str]]]) -> None:
        """Begin to write. ``whole`` gives all unfinished Downloads and their paths, should the file be lost."""
        loop = asyncio.get_running_loop()

        def anew() -> None:
            self._file.note((Kind.CLEAR, ""))
            for rank, (download, path) in enumerate(whole(), 1):
                self.queued(download, float(rank), path)

        def call(function: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed in this moment
                loop.call_soon_threadsafe(function)

        def lost() -> None:
            noted = threading.Event()
            call(anew)
            call(noted.set)
            noted.wait(PATIENCE / 2)  # the process may be about to end

        if not self._whole:
            anew()
        self._file.start(on_lost=lost, on_room=lambda: call(self._room.set))

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

    def renumbered(self, newcomer: Download) -> None:
        """As in Store."""
        self._file.note((Kind.RENUMBER, newcomer.gid))

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
        except (sqlite3.Error, OSError) as error:
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

    def _unfinished(
        self, reader: Reader, rows: Iterator[EntryRow], found: Remembered
    ) -> Iterator[tuple[Download, float]]:
        """Those that ran, as waiting ones before all others, then the queue; each with its rank."""
        were_active: list[tuple[Download, str]] = []
        for gid, state, rank, text in rows:
            try:
                status = Status(state.removeprefix(UNREAD))
                entry = reader.entry(gid, Status.PAUSED if status is Status.PAUSED else Status.WAITING, text)
                if not -MOST_RANK < rank < MOST_RANK:
                    raise ValueError(rank)
            except (ValueError, TypeError, AttributeError):
                log.error("GID#%s cannot be read from the history; it is left out.", gid)
                if not str(state).startswith(UNREAD):
                    self._file.note((Kind.STATE, gid, f"{UNREAD}{state}", None))
                continue
            if entry[1]:
                found.paths[gid] = entry[1]
            if status is Status.ACTIVE:
                were_active.append(entry)
                continue
            yield from self._to_front(were_active, rank)
            yield entry[0], rank
        yield from self._to_front(were_active, 1.0)

    def _to_front(self, were_active: list[tuple[Download, str]], first: float) -> Iterator[tuple[Download, float]]:
        while were_active:
            download, path = were_active[0]
            rank = first - len(were_active)
            self.queued(download, rank, path)
            yield download, rank
            del were_active[0]


def _result(reader: Reader, gid: str, text: str) -> Download | None:
    try:
        return reader.result(gid, text)
    except ValueError:
        log.error("GID#%s cannot be read from the history; it is left out.", gid)
        return None
