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


class Store(Protocol):
    """Hears of every change that a restart must not undo. The order of Downloads is that of their ``rank``."""

    def added(self, download: Download, path: str = "") -> None:
        """A new one, queued. ``path`` is what it has in Claims."""

    def placed(self, download: Download) -> None:
        """It has another rank or status (WAITING, PAUSED, ACTIVE)."""

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

    async def page(self, offset: int, number: int) -> list[tuple[Download, int]]:
        """Results from ``offset`` on, newest first, each with its end in seconds since 1970. Raises RpcError."""


class NoStore:
    """Keeps nothing."""

    def added(self, download: Download, path: str = "") -> None:
        """Nothing happens; the same below."""

    def placed(self, download: Download) -> None:
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

    async def page(self, offset: int, number: int) -> list[tuple[Download, int]]:
        """Always an RpcError."""
        raise RpcError("No history is kept here; --history=true turns it on.")


@dataclass(slots=True)
class Remembered:
    """What a history holds when the process starts. ``paths`` are those that unfinished ones had, by GID.

    ``settled`` are the GIDs of all that did not fail, to know the entries of an input file that are done with.
    """

    unfinished: list[Download] = field(default_factory=list)
    results: list[Download] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)


class Ledger:
    """The Store that writes to the history in ``folder``. ``options`` is the global set."""

    def __init__(self, folder: Path, options: OptionSet) -> None:
        self._options = options
        self._keep_urls = options.flag("history-keep-urls")
        self._starts = count(1)
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
            for download, path in whole():
                self.added(download, path)

        self._file.start(lambda: None if loop.is_closed() else _hand_over(loop, anew))

    def close(self) -> None:
        """Write the last of it; may take some seconds on a bad disk."""
        self._file.close()

    # -- the calls of a Store --------------------------------------------------------------------------------------

    def added(self, download: Download, path: str = "") -> None:
        """As in Store."""
        status, rank = self._place(download)
        self._file.note((Kind.ADD, download.gid, status, rank, facts(download, path)))

    def placed(self, download: Download) -> None:
        """As in Store."""
        self._file.note((Kind.PLACE, download.gid, *self._place(download)))

    def changed(self, download: Download, path: str) -> None:
        """As in Store."""
        self._file.note((Kind.CHANGE, download.gid, facts(download, path)))

    def removed(self, download: Download) -> None:
        """As in Store."""
        self._file.note((Kind.REMOVE, download.gid))

    def ended(self, download: Download) -> None:
        """As in Store."""
        end = End(download.status.value, int(download.error_code), download.error_message, int(wall()))
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

    def _place(self, download: Download) -> tuple[str, float]:
        """Those that run are in the order of their starts, and before all others after a restart."""
        rank = float(next(self._starts)) if download.status is Status.ACTIVE else download.rank
        return download.status.value, rank

    def _row(self, note: Note) -> tuple[object, ...]:
        match note:
            case Kind.ADD, gid, status, rank, kept:
                return gid, status, rank, entry_text(kept)
            case Kind.CHANGE, gid, kept:
                return gid, entry_text(kept)
            case Kind.END, gid, kept, end:
                return gid, end.at, result_text(kept, end, keep_urls=self._keep_urls)
        return note[1:]

    def _collect(self, found: Remembered, entries: Iterator[EntryRow], results: Iterator[ResultRow]) -> None:
        reader = Reader(self._options)
        was_active: list[Download] = []
        for gid, state, rank, text in entries:
            status = Status(state)
            try:
                download, path = reader.entry(gid, Status.PAUSED if status is Status.PAUSED else Status.WAITING, text)
            except ValueError:
                log.error("GID#%s cannot be read from the history; it is left out.", gid)
                continue
            download.rank = rank
            if status is Status.ACTIVE:
                was_active.append(download)
            found.unfinished.append(download)
            if path:
                found.paths[gid] = path
        self._to_front(was_active, found.unfinished[len(was_active) :])
        room = self._options.integer("max-download-result")
        for gid, _, text in results:
            ended = _result(reader, gid, text)
            if ended is not None:
                found.results.append(ended)
                if ended.status is not Status.ERROR:
                    found.settled.add(gid)
        del found.results[: max(0, len(found.results) - room)]

    def _to_front(self, was_active: list[Download], queued: list[Download]) -> None:
        first = queued[0].rank if queued else 1.0
        for number, download in enumerate(was_active):
            download.rank = first - len(was_active) + number
            self.placed(download)


def _hand_over(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # it has closed in this moment
        log.info("The history was not written anew: the process ends.")


def _result(reader: Reader, gid: str, text: str) -> Download | None:
    try:
        return reader.result(gid, text)
    except ValueError:
        log.error("GID#%s cannot be read from the history; it is left out.", gid)
        return None
