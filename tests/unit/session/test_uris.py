"""Which texts count as URIs, as aria2c 1.37 answered them."""

from __future__ import annotations

import pytest

from slasshy_rpc.session.uris import normalised, usable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/a\tb", "http://h/a%09b"),
        ("http://h/ü", "http://h/%C3%BC"),
        ("http://h/%41", "http://h/%41"),
        ("http://u:p@h:81/q?x#frag", "http://u:p@h:81/q?x#frag"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("HTTP://h/x", "HTTP://h/x"),
        ("gopher://x/y", "gopher://x/y"),
        ("magnet:?xt=1", "magnet:?xt=1"),
        ("http://h", "http://h"),
        ("http://h/\ud800", "http://h/%3F"),
    ],
)
def test_accepted(text: str, expected: str) -> None:
    assert normalised(text) == expected


@pytest.mark.parametrize(
    "text", ["foo", "/etc/passwd", "http://", "http:///x", "", "file:///etc/passwd", "http://h:99999/x", " http://h/"]
)
def test_refused(text: str) -> None:
    assert normalised(text) is None


def test_each_once_in_order() -> None:
    assert usable(["http://b/", "no", "http://a/", "http://b/"]) == ("http://b/", "http://a/")
