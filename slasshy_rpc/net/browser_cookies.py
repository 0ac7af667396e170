"""The cookies in a browser's database: Firefox's cookies.sqlite and Chromium's Cookies.

Owns: finding the tables, what their columns mean, and never to disturb a browser that runs. Never: which cookies are
kept (cookies). Imports sqlite3.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

#: Seconds from 1601, where Chromium counts its microseconds from, to 1970.
_CHROMIUM_EPOCH = 11_644_473_600

#: Newer Firefox counts expiry in milliseconds; as seconds this is the year 5138.
_MILLISECONDS = 100_000_000_000


class Row(NamedTuple):
    """One cookie as it stands there; ``expires`` is in seconds since 1970."""

    host: str
    path: str
    secure: bool
    expires: int
    name: str
    value: str


class NotCookies(Exception):
    """What is wrong with the database, as the end of a sentence that begins with its path."""


def read(path: str) -> tuple[list[Row], int]:
    """All rows, those last used longest ago first, and how many were left out because their values are encrypted.

    Of equal cookies the one that belongs to no container or other site's frame comes last. Raises NotCookies.
    """
    try:
        with _opened(path) as database:
            (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if sound != "ok":  # SQLite itself would show what is left without a word
                raise NotCookies(f"is a damaged database: {sound}")
            for table, reader in (("moz_cookies", _firefox), ("cookies", _chromium)):
                columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
                if columns:
                    return reader(database, columns)
    except sqlite3.Error as error:
        raise NotCookies(f"is a database that cannot be read: {error}") from error
    except OSError as error:
        raise NotCookies(f"cannot be read: {error.strerror}") from error
    raise NotCookies("is a database, but neither Firefox's nor Chromium's of cookies")


@contextlib.contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    """The database, looked at without a lock; what waits in its write-ahead log is looked at in a private copy."""
    log = path + "-wal"
    with contextlib.ExitStack() as stack:
        if os.path.exists(log) and os.path.getsize(log):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="slasshy-rpc-"))
            copy = os.path.join(folder, "cookies")
            shutil.copyfile(path, copy)
            shutil.copyfile(log, copy + "-wal")
            place = f"file:{urllib.parse.quote(os.fsencode(copy))}"
        else:
            place = f"file:{urllib.parse.quote(os.fsencode(os.path.abspath(path)))}?mode=ro&immutable=1"
        database = stack.enter_context(contextlib.closing(sqlite3.connect(place, uri=True)))
        database.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        yield database


def _firefox(database: sqlite3.Connection, columns: set[str]) -> tuple[list[Row], int]:
    own = "originAttributes = ''" if "originAttributes" in columns else "1"
    rows = database.execute(
        "SELECT host, path, isSecure, expiry, name, value FROM moz_cookies"
        f" WHERE typeof(expiry) = 'integer' ORDER BY {own}, lastAccessed, rowid"
    )
    found = []
    for host, path, secure, expiry, name, value in rows:
        expires = expiry // 1000 if expiry > _MILLISECONDS else expiry
        found.append(_row(host, path, secure, expires, name, value))
    return found, 0


def _chromium(database: sqlite3.Connection, columns: set[str]) -> tuple[list[Row], int]:
    secure = "is_secure" if "is_secure" in columns else "secure"
    own = "top_frame_site_key = ''" if "top_frame_site_key" in columns else "1"
    encrypted = "length(encrypted_value)" if "encrypted_value" in columns else "0"
    rows = database.execute(
        f"SELECT host_key, path, {secure}, expires_utc / 1000000, name, value, {encrypted} FROM cookies"
        f" WHERE typeof(expires_utc) = 'integer' ORDER BY {own}, last_access_utc, rowid"
    )
    found, hidden = [], 0
    for host, path, is_secure, expires, name, value, size in rows:
        if size and not value:
            hidden += 1
        else:
            found.append(_row(host, path, is_secure, expires - _CHROMIUM_EPOCH, name, value))
    return found, hidden


def _row(host: object, path: object, secure: object, expires: int, name: object, value: object) -> Row:
    """Columns have no types in SQLite: what is no text counts as empty, and that is no cookie."""
    texts = [text if isinstance(text, str) else "" for text in (host, path, name, value)]
    return Row(texts[0], texts[1], secure == 1, expires, texts[2], texts[3])
