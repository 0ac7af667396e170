"""Which credentials a request carries."""

from __future__ import annotations

import base64
import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.net.address import parse
from slasshy_rpc.net.auth import authorization, load_netrc


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("url", "user", "expected"),
    [  # seen from aria2c 1.37
        ("http://us%40er:p%3ass@h/a", None, "us@er:p:ss"),
        ("http://user@h/a", "other", "user:"),
        ("http://us@er:p:a@h/a", None, "us@er:p:a"),
        ("http://h/a", "ou", "ou:op"),
        ("http://h/a", None, "nu:np"),
        ("http://H/a", "", "nu:np"),
        ("http://ü:ß@h/", None, "ü:ß"),
    ],
)
def test_order(url: str, user: str | None, expected: str) -> None:
    assert authorization(parse(url), user, "op", {"h": ("nu", "np")}) == basic(expected)


def test_none() -> None:
    assert authorization(parse("http://h/")) is None
    assert authorization(parse("http://sub.h/"), netrc={"h": ("nu", "np")}) is None


def write(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_netrc(tmp_path: Path) -> None:
    path = write(tmp_path / "netrc", "machine H.example login a password b\ndefault login c password d\n")
    assert load_netrc(path) == {"h.example": ("a", "b")}


@pytest.mark.parametrize(
    ("text", "mode", "word"),
    [("machine h login a password b\n", 0o640, "chmod 600"), ("machine h login a bogus\n", 0o600, "is not used")],
)
def test_netrc_that_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, mode: int, word: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_netrc(write(tmp_path / "netrc", text, mode)) == {}
    assert word in caplog.text


def test_no_netrc_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_netrc(str(tmp_path / "none")) == {}
    assert not caplog.records


@given(st.binary(max_size=120) | st.text('machine default login password account macdef h x\n\t#"\\').map(str.encode))
def test_any_file_is_a_netrc_or_not_used(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        for name, (login, password) in load_netrc(file.name).items():
            header = authorization(parse("http://h/"), netrc={"h": (login, password)})
            assert header is not None
            assert header.isascii()
            assert name == name.lower()
