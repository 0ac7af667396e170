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

from slasshy_rpc.clock import monotonic, wall

log = logging.getLogger(__name__)

NAME = "history.db"

#: The first SQLite that has UPDATE ... FROM.
OLDEST = (3, 33, 0)
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
#: Seconds until what was deleted, and may have been a password, is gone from the log (the WAL) too.
WIPE = 60.0
#: Spoilt files that are kept; a disk that spoils every file must not fill up.
MOST_DAMAGED = 9
DAY = 86400  # seconds

#: Number n brings a file of version n to n + 1. What is here is never changed, only added to.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE entries (gid TEXT NOT NULL UNIQUE, status TEXT NOT NULL, rank REAL NOT NULL, data TEXT NOT NULL)",
        "CREATE TABLE results (seq INTEGER PRIMARY KEY AUTOINCREMENT, gid TEXT NOT NULL UNIQUE,"
        " ended INTEGER NOT NULL, data TEXT NOT NULL)",
    ),
)

#: What the statements below need.
TABLES = {"entries": "gid, status, rank, data", "results": "seq, gid, ended, data"}

#: What stands before the status of an entry that could not be read: it stays, and has no place among the others.
UNREAD = "unread "

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
        f" WHERE status IN ('waiting', 'paused') AND gid NOT IN {_GIDS}) AS new WHERE entries.gid = new.gid",
    )
    CLEAR = ("DELETE FROM entries WHERE ?1 IS NOT NULL",)


#: A kind, the GID that it is about ("" for all), and what makes the rest of the row.
Note = tuple[Any, ...]
#: Changes nothing: what is left to try a disk with when all else was dropped.
_PROBE: Note = (Kind.FORGET, "")
_ERASES = (Kind.CHANGE, Kind.REMOVE, Kind.END, Kind.FORGET, Kind.FORGET_ALL)
_ABOUT_RESULTS = (Kind.END, Kind.FORGET, Kind.FORGET_ALL)
#: gid, status, rank, JSON text.
EntryRow = tuple[str, str, float, str]
#: gid, seconds since 1970, JSON text.
ResultRow = tuple[str, int, str]
#: Takes the entries, the newest results, and the GIDs of all results that did not fail, as they are read.
Visit = Callable[[Iterator[EntryRow], Iterator[ResultRow], Iterator[tuple[str]]], None]


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
        self._identity: tuple[object, ...] = ()
        self._wipe_at: float | None = 0.0  # an earlier process may have left a log
        self._on_lost: Callable[[], None] = _nothing
        self._on_room: Callable[[], None] = _nothing
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._db: sqlite3.Connection | None = None

    # -- before the thread -----------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open it, made anew or brought to this version. A damaged or newer one is moved aside, with a line in the log.

        Raises OSError or sqlite3.Error where not even a fresh one can be had.
        """
        if sqlite3.sqlite_version_info < OLDEST:
            raise sqlite3.NotSupportedError(f"SQLite {sqlite3.sqlite_version} is too old")
        try:
            self._db = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._move_aside(str(error))
            self._db = self._opened()

    def read(self, visit: Visit, results: int) -> bool:
        """Call ``visit`` with what there is: the unfinished in their order, those that ran at the front; the newest
        ``results`` finished ones, oldest first; and which of all finished ones did not fail.

        A file that cannot be read to its end is moved aside, as it is; False says so. Raises OSError and sqlite3.Error
        where there can be no new one.
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
            settled = self._ready().execute(
                "SELECT gid FROM results"
                " WHERE CASE WHEN json_valid(data) THEN json_extract(data, '$.status') END <> 'error'"
            )
            visit(entries, ended, settled)
        except sqlite3.Error as error:
            self._move_aside(str(error))
            self._db = self._opened()
            return False
        return True

    # -- from the event loop's thread ------------------------------------------------------------------------------

    def start(self, on_lost: Callable[[], None], on_room: Callable[[], None]) -> None:
        """Let the thread write. It calls ``on_lost`` when notes were lost and the file wants the queue as a whole: all
        is noted when that returns; and ``on_room`` whenever fewer notes wait than before, or cannot be written."""
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
            if self._thread.is_alive():
                log.error("%s takes too long; its last %d changes may be missing.", self._path, self.behind)

    @property
    def behind(self) -> int:
        """How many notes wait."""
        return len(self._notes) + len(self._batch)

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(None if self._wipe_at is None else max(0.0, self._wipe_at - monotonic()))
            self._wake.clear()
            self._work()
            if self._wipe_at is not None and self._wipe_at <= monotonic():
                self._wipe()
            self._closing.wait(GROUP)
        if self._thread.ident is not None and self._db is not None and self._identity != self._seen():
            self._notes.append(_PROBE)  # the last chance to notice
        self._work()
        if self.behind:
            log.error("The last %d changes are missing in %s.", self.behind, self._path)
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()

    def _work(self) -> None:
        """Write all that is noted, and answer who reads. With a disk that takes nothing, until the process ends."""
        while self._batch or self._notes or self._reads:
            asked = len(self._reads)  # what is asked from here on may be about notes of the next round
            if not self._batch:
                self._batch = [self._notes.popleft() for _ in range(min(BATCH, len(self._notes)))]
            written = self._written()
            if written:
                self._batch = []
            self._answer(0 if written and self._notes else asked)
            self._on_room()
            if not written:
                if self._closing.wait(RETRY):
                    break
                if len(self._notes) > MOST_BEHIND:
                    self._drop()

    def _wipe(self) -> None:
        """Bring the log into the file and empty it. With secure_delete nothing is left of what was deleted there."""
        self._wipe_at = None
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):  # a disk that takes nothing; the end of the process does the same
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _drop(self) -> None:
        """Forget what waits: the whole queue will come instead. What is about results stays."""
        waiting = [*self._batch, *(self._notes.popleft() for _ in range(len(self._notes)))]
        self._batch = [_PROBE, *(note for note in waiting if note[0] in _ABOUT_RESULTS)]
        self._lost = True

    def _written(self) -> bool:
        """Whether what is in the batch need not be written any more."""
        try:
            self._commit()
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            if not (isinstance(error, OSError | sqlite3.OperationalError) or _is_damage(error)):
                log.exception("The history did not take %d changes.", len(self._batch))
                return True
            if not self.failing:
                log.warning("The history cannot be written to %s (%s); downloads go on.", self._path, error)
            self.failing = True
            return False
        except Exception:  # a mistake of ours must not end the history, still less the server
            self._roll_back()
            log.exception("The history could not keep %d changes.", len(self._batch))
            return True
        if self.failing:
            log.warning("The history is written again.")
            self.failing = False
        if self._lost:
            self._lost = False
            self._on_lost()
        return True

    def _commit(self) -> None:
        """Write the batch; into a new file, what is left of it, if the old one is spoilt or not there any more."""
        if self._db is not None and self._identity != self._seen():
            self._begin_anew("another file, or none, is in its place")
        try:
            self._write(self._batch)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._begin_anew(str(error))
            self._write(self._batch)

    def _roll_back(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()

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
            if kind in _ERASES and self._wipe_at is None:
                self._wipe_at = monotonic() + WIPE
        db.execute("COMMIT")

    def _answer(self, count: int) -> None:
        for _ in range(count):
            offset, rows, future = self._reads.popleft()
            if not future.set_running_or_notify_cancel():
                continue  # who asked has gone
            try:
                found = self._ready().execute(
                    "SELECT gid, ended, data FROM results ORDER BY seq DESC LIMIT ? OFFSET ?", (rows, offset)
                )
                future.set_result(found.fetchall())
            except (sqlite3.Error, OSError) as error:
                future.set_exception(error)

    # -- the file itself -------------------------------------------------------------------------------------------

    def _ready(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = self._opened()
        return self._db

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        os.chmod(self._path, 0o600)
        db = self._connect(self._path, isolation_level=None, check_same_thread=False)
        db.text_factory = _text
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute("PRAGMA secure_delete=ON").fetchall()
            db.execute("PRAGMA cache_size=-8192")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if not 0 <= version <= len(MIGRATIONS):
                raise _unusable(f"it is of version {version}, which only a newer slasshy-rpc knows")
            for number, statements in enumerate(MIGRATIONS[version:], version + 1):
                db.execute("BEGIN IMMEDIATE")
                for statement in statements:
                    _make(db, statement)
                db.execute(f"PRAGMA user_version={number}")
                db.execute("COMMIT")
            for table, columns in TABLES.items():
                _check(db, table, columns)
        except BaseException:
            db.close()
            raise
        self._identity = self._seen()
        return db

    def _seen(self) -> tuple[object, ...]:
        """What is in the places of the file and its log: somebody may remove them, and SQLite would not notice."""
        found: list[object] = []
        for suffix in ("", "-wal"):
            try:
                status = os.lstat(f"{self._path}{suffix}")
            except OSError as error:
                found.append(error.errno)
            else:
                found.append((status.st_dev, status.st_ino))
        return tuple(found)

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
        """The file was spoilt, or taken away, while it was in use."""
        self._drop()
        self._move_aside(reason)
        self._db = self._opened()

    def _move_aside(self, reason: str) -> None:
        """Close it, and give what is in its place another name. Raises OSError."""
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        number = 1
        while number < MOST_DAMAGED and os.path.lexists(f"{self._path}.damaged-{number}"):
            number += 1
        target = f"{self._path}.damaged-{number}"
        log.error("The history in %s cannot be used (%s). It becomes %s, and a new one begins.", NAME, reason, target)
        for suffix in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._path}{suffix}", target + suffix)


def _nothing() -> None:
    pass


def _text(raw: bytes) -> str:
    """A bad byte spoils its row, and must not spoil those after it."""
    return raw.decode("utf-8", "replace")


def _make(db: sqlite3.Connection, statement: str) -> None:
    try:
        db.execute(statement)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # the disk is innocent: something else is in the file
            raise _unusable(str(error)) from error
        raise


def _check(db: sqlite3.Connection, table: str, columns: str) -> None:
    """Raise what counts as damage if there is no such table; OperationalError otherwise stands for a disk."""
    found = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    if not found.issuperset(columns.split(", ")):
        raise _unusable(f"it has no table {table} with {columns}")


def _unusable(reason: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(reason)
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    return error


def _is_damage(error: sqlite3.Error) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _CORRUPT
