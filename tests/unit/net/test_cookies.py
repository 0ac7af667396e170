"""To whom a cookie goes, and what files it comes from and goes to."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.errors import DiskError, OptionError
from slasshy_rpc.net.address import parse
from slasshy_rpc.net.cookies import MOST, Cookies


def after(url: str, *headers: str) -> Cookies:
    jar = Cookies()
    jar.store(parse(url), headers)
    return jar


@pytest.mark.parametrize(
    ("url", "cookie", "other", "sent"),
    [
        ("http://a.example/", "x=1", "http://a.example/any", True),
        ("http://a.example/", "x=1", "http://a.example:81/", True),
        ("http://a.example/", "x=1", "http://b.a.example/", False),
        ("http://a.example/", "x=1", "http://b.example/", False),
        ("http://a.example/", "x=1; Domain=a.example", "http://b.a.example/", True),
        ("http://b.a.example/", "x=1; Domain=a.example", "http://c.a.example/", True),
        ("http://c.b.a.example/", "x=1; Domain=a.example", "http://a.example/", True),
        ("http://a.example/", "x=1; Domain=b.example", "http://b.example/", False),
        ("http://a.example/", "x=1; Domain=ba.example", "http://ba.example/", False),
        ("http://ba.example/", "x=1; Domain=a.example", "http://a.example/", False),
        ("http://a.example/", "x=1; Domain=example", "http://b.example/", False),
        ("http://a.co.uk/", "x=1; Domain=co.uk", "http://b.co.uk/", False),
        ("http://127.0.0.1/", "x=1; Domain=.0.0.1", "http://10.0.0.1/", False),
        ("http://127.0.1/", "x=1; Domain=0.1", "http://10.0.1/", False),
        ("http://127.0.0.1/", "x=1; domain = 127.0.0.1 ;a", "http://127.0.0.1/", True),
        ("http://127.0.0.1/", "x=1", "http://127.0.0.1/", True),
        ("http://[::1]/", "x=1", "http://[::1]:81/", True),
        ("http://localhost/", "x=1", "http://localhost/", True),
        ("http://localhost/", "x=1", "http://other/", False),
        ("https://a.example/", "x=1; Secure", "http://a.example/", False),
        ("https://a.example/", "x=1; Secure", "https://a.example/", True),
        ("http://a.example/", "x=1", "https://a.example/", True),
        ("http://a.example/d/e", "x=1", "http://a.example/d/f", True),
        ("http://a.example/d/e", "x=1", "http://a.example/f", False),
        ("http://a.example/d/e", "x=1; Path=/", "http://a.example/f", True),
        ("http://a.example/", "x=1; Path=/d", "http://a.example/dd", False),
        ("http://a.example/", "x=1; Max-Age=0", "http://a.example/", False),
        ("http://a.example/", "x=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT", "http://a.example/", False),
        ("http://a.example/", "x=1; Expires=Thu, 01 Jan 2099 00:00:01 GMT", "http://a.example/", True),
        ("http://a.example/", "x=1\x01", "http://a.example/", False),
        ("http://a.example/", "x=" + "1" * 10000, "http://a.example/", False),
    ],
)
def test_scope(url: str, cookie: str, other: str, sent: bool) -> None:
    assert (after(url, cookie).header_for(parse(other)) is not None) is sent


def test_the_header_is_aria2s() -> None:
    jar = after("http://h/x/y", "a=b", "c=d; Path=/; Max-Age=1000", "e=f")
    assert jar.header_for(parse("http://h/x/z")) == "a=b;e=f;c=d;"
    assert Cookies().header_for(parse("http://h/")) is None


def test_a_flood_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    jar = Cookies()
    target = parse("http://h/")
    with caplog.at_level(logging.WARNING):
        for start in range(0, MOST + 200, 100):
            jar.store(target, [f"c{number}=x" for number in range(start, start + 100)])
    assert len(jar) == MOST
    assert "not kept" in caplog.text


def test_what_has_expired_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    jar, target, now = Cookies(), parse("http://h/"), time.time()
    jar.store(target, [f"c{number}=x; Max-Age=60" for number in range(MOST)])
    monkeypatch.setattr(time, "time", lambda: now + 61)
    jar.store(target, ["new=1"])
    assert jar.header_for(target) == "new=1;"


def test_a_save_that_fails_leaves_no_cookies_about(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    with pytest.raises(DiskError, match="cannot be written"):
        after("http://h/", "a=b").save(str(tmp_path / "c"))
    assert os.listdir(tmp_path) == ["c"]


FILE = (
    "# Netscape HTTP Cookie File\n"
    ".a.example\tTRUE\t/\tFALSE\t0\tsession\tv\n"
    "#HttpOnly_a.example\tFALSE\t/\tTRUE\t4102444800\tsecure\tw\n"
    "a.example\tFALSE\t/\tFALSE\t1000\told\tx\n"
    "localhost\tFALSE\t/d\tFALSE\t0\tlocal\t\n"
    "\n# a remark\n"
)


def test_load_and_save(tmp_path: Path) -> None:
    path = tmp_path / "cookies.txt"
    path.write_text(FILE)
    jar = Cookies()
    jar.load(str(path))
    for _ in range(2):
        assert len(jar) == 3
        assert jar.header_for(parse("http://b.a.example/")) == "session=v;"
        assert set((jar.header_for(parse("https://a.example/")) or "").split(";")) == {"session=v", "secure=w", ""}
        assert jar.header_for(parse("http://localhost/d/e")) == "local=;"
        out = tmp_path / "out.txt"
        jar.save(str(out))
        assert os.stat(out).st_mode & 0o777 == 0o600
        assert os.listdir(tmp_path).count("out.txt") == 1
        assert len(os.listdir(tmp_path)) == 2
        assert ".a.example\tTRUE\t/\tFALSE\t0\tsession\tv\n" in out.read_text()
        jar = Cookies()
        jar.load(str(out))


def test_stored_ones_survive_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "c")
    urls = ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://a.example/"]
    jar = Cookies()
    for url in urls:
        jar.store(parse(url), ["x=1", "y=2; Max-Age=1000"])
    jar.save(path)
    assert "127.0.0.1\tFALSE\t/\tFALSE\t0\tx\t1\n" in Path(path).read_text()
    again = Cookies()
    again.load(path)
    for url in urls:
        assert again.header_for(parse(url)) == "x=1;y=2;"


@pytest.mark.parametrize(
    "line", ["no tabs", "a\tFALSE\t/\tFALSE\tsoon\tn\tv", "a\tFALSE\trel\tFALSE\t0\tn\tv", "." * 3 + "\t" * 6]
)
def test_lines_that_are_no_cookies(tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str) -> None:
    path = tmp_path / "c"
    path.write_text(line + "\na.example\tFALSE\t/\tFALSE\t0\tn\tv\n")
    jar = Cookies()
    with caplog.at_level(logging.WARNING):
        jar.load(str(path))
    assert len(jar) == 1
    assert "1 lines are no cookies" in caplog.text


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        Cookies().load(str(tmp_path / "none"))
    database = tmp_path / "cookies.sqlite"
    database.write_bytes(b"SQLite format 3\0...")
    with pytest.raises(OptionError, match="database"):
        Cookies().load(str(database))
    with pytest.raises(DiskError, match="cannot be written"):
        Cookies().save(str(tmp_path / "none" / "c"))


@given(st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))))
def test_any_header_is_stored_or_left_out(headers: list[str]) -> None:
    value = after("http://a.example/x", *headers).header_for(parse("http://a.example/x"))
    if value is not None:
        assert not set(value) & set("\r\n\0")


@given(st.binary(max_size=200) | st.text("a.\t/TRUE0\n#:").map(str.encode))
def test_any_file_is_loaded_or_skipped(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        jar = Cookies()
        with contextlib.suppress(OptionError):  # it may begin as a database does
            jar.load(file.name)
        jar.header_for(parse("http://a.a/"))
        jar.save(file.name + ".out")
        os.unlink(file.name + ".out")
