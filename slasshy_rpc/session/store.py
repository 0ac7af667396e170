"""The file of the history: ``history.db`` in the state folder, SQLite in WAL mode, written by one thread of its own.

Owns: tables and migrations, group commits, the bounds on finished rows, and what happens when the disk is full or the
file is damaged. Never: what a row says (``record``), a Download, or work on the event loop's thread once it runs.

Notes reach the file in the order in which they were made: a single one at once, what is noted within ``GROUP``
seconds after it as one transaction.
Rows of one kind go to SQLite as one JSON text: one statement then works through thousands of them without the GIL,
where a statement for each would ask for it twice.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from slasshy_rpc.clock import wall

log = logging.getLogger(__name__)

NAME = "history.db"

#: Seconds of rest after a transaction, in which notes gather for the next one.
GROUP = 0.02
#: Notes in one transaction at most: what they become must not pile up in memory.
BATCH = 1024
#: Seconds until the next attempt after a disk took nothing.
RETRY = 5.0
#: Notes that may wait for such a disk; beyond it they are dropped, and the queue is written anew when it takes again.
MOST_BEHIND = 100_000
#: Seconds that the end of the process waits for the last transaction.
PATIENCE = 10.0
DAY = 86400  # seconds

#: Number n brings a file of version n to n + 1. What is here is never changed, only added to.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE entries (gid TEXT NOT NULL UNIQUE, status TEXT NOT NULL, rank REAL NOT NULL, data TEXT NOT NULL)",
        "CREATE TABLE results (seq INTEGER PRIMARY KEY AUTOINCREMENT, gid TEXT NOT NULL UNIQUE,"
        " ended INTEGER NOT NULL, data TEXT NOT NULL)",
    ),
)

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _rows(*columns: str) -> str:
    """A subquery: the notes' rows, in order, as a table with these columns. json_extract is in SQLite since 3.9."""
    picked = ", ".join(f"json_extract(value, '$[{at}]') AS {name}" for at, name in enumerate(columns))
    return f"(SELECT {picked} FROM json_each(?1) ORDER BY key)"


_GIDS = f"(SELECT gid FROM {_rows('gid')})"


class Kind(enum.Enum):
    """What a Note changes; the value says with which statements. Each gets the notes' rows as one JSON list, ``?1``."""

    QUEUE = (
        f"DELETE FROM results WHERE gid IN {_GIDS}",
        f"INSERT OR REPLACE INTO entries SELECT * FROM {_rows('gid', 'status', 'rank', 'data')}",
    )
    STATE = (
        "UPDATE entries SET status = new.status, rank = coalesce(new.rank, entries.rank)"
        f" FROM {_rows('gid', 'status', 'rank')} AS new WHERE entries.gid = new.gid",
    )
    CHANGE = (f"UPDATE entries SET data = new.data FROM {_rows('gid', 'data')} AS new WHERE entries.gid = new.gid",)
    REMOVE = (f"DELETE FROM entries WHERE gid IN {_GIDS}",)
    END = (
        f"DELETE FROM entries WHERE gid IN {_GIDS}",
        f"INSERT OR REPLACE INTO results (gid, ended, data) SELECT * FROM {_rows('gid', 'ended', 'data')}",
    )
    FORGET = (f"DELETE FROM results WHERE gid IN {_GIDS}",)
    FORGET_ALL = ("DELETE FROM results WHERE ?1 IS NOT NULL",)
    RENUMBER = (
        "UPDATE entries SET rank = new.place FROM (SELECT gid, row_number() OVER (ORDER BY rank) AS place FROM entries"
        " WHERE status <> 'active') AS new WHERE entries.gid = new.gid AND ?1 IS NOT NULL",
    )
    CLEAR = ("DELETE FROM entries WHERE ?1 IS NOT NULL",)


#: A kind, the GID that it is about ("" for all), and what makes the rest of the row.
Note = tuple[Any, ...]
#: Changes nothing: what is left to try a disk with when all else was dropped.
_PROBE: Note = (Kind.FORGET, "")
#: gid, status, rank, JSON text.
EntryRow = tuple[str, str, float, str]
#: gid, seconds since 1970, JSON text.
ResultRow = tuple[str, int, str]
#: Takes the entries and the results as they are read.
Visit = Callable[[Iterator[EntryRow], Iterator[ResultRow]], None]


class HistoryFile:
    """One ``history.db``. ``open`` and the readers come first, then ``start``; from then on only its thread touches it.

    ``encode(note)`` gives a note's row, gid first; it is called in the thread. ``days`` and ``count`` bound the
    finished rows. ``connect`` is for tests that have no disk to fill.
    """

    def __init__(
        self,
        folder: Path,
        encode: Callable[[Note], tuple[object, ...]],
        *,
        days: int = 90,
        count: int = 10_000,
        connect: Callable[..., sqlite3.Connection] = sqlite3.connect,
    ) -> None:
        self._path = folder / NAME
        self._encode = encode
        self._days = days
        self._count = count
        self._connect = connect
        self._notes: deque[Note] = deque()
        self._batch: list[Note] = []  # taken from the notes, not written yet
        self._reads: deque[tuple[int, int, Future[list[ResultRow]]]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self.failing = False  # the disk takes nothing at present
        self._lost = False
        self._on_lost: Callable[[], None] = _nothing
        self._on_room: Callable[[], None] = _nothing
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._db: sqlite3.Connection | None = None

    # -- before the thread -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open it, made anew or brought to this version. A damaged or newer one is moved aside, with a line in the log.

        Raises OSError or sqlite3.Error where not even a fresh one can be had.
        """
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._move_aside(str(error))
            self._db = self._opened()

    def read(self, visit: Visit, results: int) -> bool:
        """Call ``visit`` with what there is: the unfinished in their order, those that ran at the front; and the newest
        ``results`` finished ones, oldest first.

        A file that turns out to be damaged is moved aside; False says so.
        """
        try:
            self._tidy(self._ready())
            entries = self._ready().execute(
                "SELECT gid, status, rank, data FROM entries ORDER BY status <> 'active', rank"
            )
            ended = self._ready().execute(
                "SELECT gid, ended, data FROM (SELECT * FROM results ORDER BY seq DESC LIMIT ?) ORDER BY seq",
                (results,),
            )
            visit(entries, ended)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._move_aside(str(error))
            self._db = self._opened()
            return False
        return True

    # -- from the event loop's thread ------------------------------------------------------------------------------

    def start(self, on_lost: Callable[[], None], on_room: Callable[[], None]) -> None:
        """Let the thread write. It calls ``on_lost`` when notes were lost and the file wants the queue as a whole,
        and ``on_room`` whenever fewer notes wait than before, or cannot be written."""
        self._on_lost = on_lost
        self._on_room = on_room
        self._thread.start()

    def note(self, note: Note) -> None:
        """Put a change into the commit queue."""
        self._notes.append(note)
        if not self._wake.is_set():
            self._wake.set()

    def page(self, offset: int, count: int) -> Future[list[ResultRow]]:
        """``count`` finished rows from ``offset`` on, newest first, with all in them that was noted before."""
        future: Future[list[ResultRow]] = Future()
        self._reads.append((offset, count, future))
        self._wake.set()
        return future

    def close(self) -> None:
        """Write what was noted, wait for that (PATIENCE seconds at most), and close the file."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is None:
            self._run()
        else:
            self._thread.join(PATIENCE)

    @property
    def behind(self) -> int:
        """How many notes wait."""
        return len(self._notes) + len(self._batch)

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._work()
            self._closing.wait(GROUP)
        self._work()
        if self.behind:
            log.error("The last %d changes are missing in %s.", self.behind, self._path)
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()

    def _work(self) -> None:
        """Write all that is noted, and answer who reads. With a disk that takes nothing, until the process ends."""
        try:
            while self._batch or self._notes or self._reads:
                asked = len(self._reads)  # what is asked from here on may be about notes of the next round
                if not self._batch:
                    self._batch = [self._notes.popleft() for _ in range(min(BATCH, len(self._notes)))]
                written = self._written(self._batch)
                if written:
                    self._batch = []
                self._answer(0 if written and self._notes else asked)
                self._on_room()
                if not written:
                    if self._closing.wait(RETRY):
                        break
                    if len(self._notes) > MOST_BEHIND:
                        self._drop()
                        self._lost = True
        except Exception:  # a mistake of ours must not end the history, still less the server
            self._batch = []
            log.exception("The history could not be written.")

    def _drop(self) -> None:
        """Forget what waits: the whole queue will come instead. Only ends would be lost, so they stay."""
        waiting = [*self._batch, *(self._notes.popleft() for _ in range(len(self._notes)))]
        self._batch = [_PROBE, *(note for note in waiting if note[0] is Kind.END)]

    def _written(self, batch: list[Note]) -> bool:
        try:
            self._write(batch)
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._ready().rollback()
            if _is_damage(error):
                self._begin_anew(str(error))
                return False
            if not isinstance(error, sqlite3.OperationalError):
                log.exception("The history did not take %d changes.", len(batch))
                return True
            if not self.failing:
                log.warning("The history cannot be written to %s (%s); downloads go on.", self._path, error)
            self.failing = True
            return False
        if self.failing:
            log.warning("The history is written again.")
            self.failing = False
        if self._lost:
            self._lost = False
            self._on_lost()
        return True

    def _write(self, batch: list[Note]) -> None:
        db = self._ready()
        db.execute("BEGIN IMMEDIATE")
        for kind, notes in groupby(batch, key=lambda note: note[0]):
            rows: dict[str, tuple[object, ...]] = {}
            for note in notes:
                try:
                    row = self._encode(note)
                except Exception:
                    log.exception("GID#%s cannot be kept in the history.", note[1])
                    continue
                rows.pop(note[1], None)  # the last word counts, in its place
                rows[note[1]] = row
            text = orjson.dumps(list(rows.values())).decode()
            for statement in kind.value:
                db.execute(statement, (text,))
            if kind is Kind.END:
                self._bound(db)
        db.execute("COMMIT")

    def _answer(self, count: int) -> None:
        for _ in range(count):
            offset, rows, future = self._reads.popleft()
            try:
                found = self._ready().execute(
                    "SELECT gid, ended, data FROM results ORDER BY seq DESC LIMIT ? OFFSET ?", (rows, offset)
                )
                future.set_result(found.fetchall())
            except sqlite3.Error as error:
                future.set_exception(error)

    # -- the file itself -------------------------------------------------------------------------------------------

    def _ready(self) -> sqlite3.Connection:
        if self._db is None:
            raise sqlite3.OperationalError("the file is not open")
        return self._db

    def _opened(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        os.chmod(self._path, 0o600)
        db = self._connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA cache_size=-8192")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise _newer(version)
            for number, statements in enumerate(MIGRATIONS[version:], version + 1):
                db.execute("BEGIN IMMEDIATE")
                for statement in statements:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={number}")
                db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def _tidy(self, db: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk; reading works all the same
            self._bound(db)

    def _bound(self, db: sqlite3.Connection) -> None:
        """Drop finished rows that are too old or too many."""
        db.execute("DELETE FROM results WHERE ended < ?", (int(wall()) - self._days * DAY,))
        db.execute(
            "DELETE FROM results WHERE seq <= (SELECT seq FROM results ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (self._count,),
        )

    def _begin_anew(self, reason: str) -> None:
        """The file was spoilt while it was in use."""
        self._move_aside(reason)
        try:
            self._db = self._opened()
        except (OSError, sqlite3.Error) as error:
            log.error("There is no history from now on: %s", error)
        self._drop()
        self._on_lost()

    def _move_aside(self, reason: str) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        number = 1
        while os.path.lexists(target := f"{self._path}.damaged-{number}"):
            number += 1
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._path}{suffix}", target + suffix)
        log.error("The history in %s cannot be used (%s). It is now %s, and a new one begins.", NAME, reason, target)


def _nothing() -> None:
    pass


def _newer(version: int) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(f"it is of version {version}, made by a newer slasshy-rpc")
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def _is_damage(error: sqlite3.Error) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _CORRUPT
