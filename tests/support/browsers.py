"""Databases of cookies as Firefox and Chromium keep them.

Owns: their tables. Never: imports slasshy_rpc.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

#: A time that is still to come, in seconds since 1970: 2100.
LATER = 4102444800

_CHROMIUM_EPOCH = 11644473600
_ROW = {"host": "a.example", "name": "a", "value": "1", "path": "/", "expires": LATER, "used": 1, "secure": 0}


def firefox(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """cookies.sqlite; a row may have the keys of _ROW and ``partition``."""
    table = (
        "moz_cookies (id INTEGER PRIMARY KEY, originAttributes TEXT NOT NULL DEFAULT '', name TEXT, value TEXT, "
        "host TEXT, path TEXT, expiry INTEGER, lastAccessed INTEGER, isSecure INTEGER)"
    )
    values = [
        (
            None,
            r.get("partition", ""),
            r["name"],
            r["value"],
            r["host"],
            r["path"],
            r["expires"],
            r["used"],
            r["secure"],
        )
        for r in ({**_ROW, **row} for row in rows)
    ]
    _write(path, table, values)


def chromium(path: Path, rows: Sequence[Mapping[str, object]], *, secure: str = "is_secure") -> None:
    """Cookies; a row may have the keys of _ROW, ``partition`` and ``encrypted``. ``secure`` is the column's name."""
    table = (
        "cookies (creation_utc INTEGER, host_key TEXT, top_frame_site_key TEXT, name TEXT, value TEXT, "
        f"encrypted_value BLOB, path TEXT, expires_utc INTEGER, {secure} INTEGER, last_access_utc INTEGER)"
    )
    values = [
        (
            *(1, r["host"], r.get("partition", ""), r["name"], r["value"], r.get("encrypted", b""), r["path"]),
            *(_microseconds(r["expires"]), r["secure"], _microseconds(r["used"])),
        )
        for r in ({**_ROW, **row} for row in rows)
    ]
    _write(path, table, values)


def _microseconds(seconds: object) -> object:
    """Since 1601; 0, which stands for a session, and what is no number stay."""
    return (seconds + _CHROMIUM_EPOCH) * 1000000 if isinstance(seconds, int) and seconds else seconds


def _write(path: Path, table: str, values: Sequence[Sequence[object]]) -> None:
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE {table}")
        if values:
            marks = ",".join("?" * len(values[0]))
            database.executemany(f"INSERT INTO {table.split()[0]} VALUES ({marks})", values)
        database.commit()
