"""Cookies out of the databases of browsers, and databases that are no use."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from slasshy_rpc.errors import DiskError, OptionError
from slasshy_rpc.net.address import parse
from slasshy_rpc.net.cookies import Cookies
from tests.support.browsers import LATER, chromium, firefox


def loaded(path: Path) -> Cookies:
    jar = Cookies()
    jar.load(str(path))
    return jar


def sent(path: Path, url: str = "http://a.example/d/e") -> str | None:
    return loaded(path).header_for(parse(url))


@pytest.fixture(params=[firefox, chromium])
def write(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.mark.parametrize(
    ("row", "url", "there"),
    [
        ({}, "http://a.example/", True),
        ({}, "http://b.a.example/", False),
        ({"host": ".a.example"}, "http://b.a.example/", True),
        ({"host": ".a.example"}, "http://a.example/", True),
        ({"host": ".a.example"}, "http://ba.example/", False),
        ({"host": ".127.0.0.1"}, "http://127.0.0.1/", True),
        ({"host": ".0.0.1"}, "http://127.0.0.1/", False),
        ({"host": "localhost"}, "http://localhost/", True),
        ({"secure": 1}, "http://a.example/", False),
        ({"secure": 1}, "https://a.example/", True),
        ({"path": "/d"}, "http://a.example/d/e", True),
        ({"path": "/d"}, "http://a.example/de", False),
        ({"path": ""}, "http://a.example/", False),
        ({"expires": 10**9}, "http://a.example/", False),
        ({"expires": 0}, "http://a.example/", False),
        ({"expires": "soon"}, "http://a.example/", False),
        ({"name": ""}, "http://a.example/", False),
        ({"name": None}, "http://a.example/", False),
        ({"value": "x\r\ny"}, "http://a.example/", False),
        ({"value": "x;y"}, "http://a.example/", False),
        ({"host": ""}, "http://a.example/", False),
    ],
)
def test_scope(tmp_path: Path, write: object, row: dict[str, object], url: str, there: bool) -> None:
    path = tmp_path / "c"
    write(path, [row])  # type: ignore[operator]
    assert (sent(path, url) is not None) is there


def test_the_last_used_comes_last(tmp_path: Path, write: object) -> None:
    path = tmp_path / "c"
    rows = [{"name": "a", "used": 9}, {"name": "b", "used": 3}, {"name": "deep", "path": "/d", "used": 99}]
    write(path, rows)  # type: ignore[operator]
    assert sent(path) == "deep=1;b=1;a=1;"


def test_milliseconds_of_newer_firefox(tmp_path: Path) -> None:
    path = tmp_path / "c"
    firefox(path, [{"name": "new", "expires": LATER * 1000}, {"name": "old", "expires": 10**12}])
    assert sent(path) == "new=1;"


def test_containers_and_frames_do_not_win(tmp_path: Path) -> None:
    path = tmp_path / "c"
    firefox(path, [{"value": "own", "used": 1}, {"value": "container", "used": 5, "partition": "^userContextId=2"}])
    assert sent(path) == "a=own;"
    chromium(path, [{"value": "own", "used": 1}, {"value": "frame", "used": 5, "partition": "https://b.example"}])
    assert sent(path) == "a=own;"


def test_encrypted_values_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c"
    hidden, empty = {"name": "hidden", "value": "", "encrypted": b"v10..."}, {"name": "empty", "value": ""}
    chromium(path, [hidden, empty, {"name": "open"}])
    with caplog.at_level(logging.WARNING):
        assert sent(path) == "empty=;open=1;"
    assert "1 cookies are encrypted" in caplog.text
    assert "--cookies-from-browser" in caplog.text


@pytest.mark.parametrize("secure", ["secure", "is_secure"])
def test_old_and_new_chromium(tmp_path: Path, secure: str) -> None:
    path = tmp_path / "c"
    chromium(path, [{"name": "s", "secure": 1}, {"name": "o"}], secure=secure)
    assert sent(path) == "o=1;"
    assert sent(path, "https://a.example/") in ("s=1;o=1;", "o=1;s=1;")


def test_a_browser_that_runs(tmp_path: Path) -> None:
    """It holds the file and has not written all of it back."""
    path = tmp_path / "c"
    firefox(path, [{"name": "old"}])
    browser = sqlite3.connect(path, isolation_level=None)
    browser.execute("PRAGMA journal_mode = WAL")
    browser.execute("PRAGMA locking_mode = EXCLUSIVE")
    browser.execute(
        "INSERT INTO moz_cookies SELECT 2, '', 'new', '1', host, path, expiry, 99, isSecure FROM moz_cookies"
    )
    before = sorted(os.listdir(tmp_path))
    assert sent(path) == "old=1;new=1;"
    assert sorted(os.listdir(tmp_path)) == before
    browser.close()


def test_a_browser_that_lets_nobody_else_look(tmp_path: Path, write: object) -> None:
    path = tmp_path / "c"
    write(path, [{}])  # type: ignore[operator]
    browser = sqlite3.connect(path, isolation_level=None)
    browser.execute("BEGIN EXCLUSIVE")
    assert sent(path) == "a=1;"
    browser.close()


def pieces(path: Path) -> Iterable[bytes]:
    firefox(path, [{"name": f"n{number}", "value": "v" * 500} for number in range(50)])
    data = path.read_bytes()
    yield data[:16]
    yield data[:5000]
    yield data[:16] + os.urandom(6000)
    yield data[:8192] + b"\xff" * 4096 + data[12288:]
    yield data[:8196] + bytes([data[8196] - 1]) + data[8197:]  # a page has one row less, which SQLite does not mind


@pytest.mark.parametrize("logged", [False, True])
def test_any_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: bool) -> None:
    """Also one whose bytes are no text, were it that of the folder for the copy."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/100%25 \xff?#"))
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    firefox(folder / "cookies.sqlite", [{}])
    if logged:
        shutil.copyfile(folder / "cookies.sqlite", folder / "cookies.sqlite-wal")  # no log that SQLite would take
    assert sent(folder / "cookies.sqlite") == "a=1;"


def test_a_database_is_not_written_over(tmp_path: Path, write: object) -> None:
    path = tmp_path / "c"
    write(path, [{}])  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(DiskError, match="a database is there"):
        loaded(path).save(str(path))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["c"]


def test_damaged_databases(tmp_path: Path) -> None:
    for data in pieces(tmp_path / "good"):
        path = tmp_path / "damaged"
        path.write_bytes(data)
        with pytest.raises(OptionError, match="database"):
            Cookies().load(str(path))


def test_another_database(tmp_path: Path) -> None:
    path = tmp_path / "c"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE something (x)")
    database.commit()
    database.close()
    with pytest.raises(OptionError, match="neither Firefox's nor Chromium's"):
        Cookies().load(str(path))
