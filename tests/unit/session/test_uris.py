"""Which texts count as URIs, as aria2c 1.37 answered them."""

from __future__ import annotations

import pytest

from slasshy_rpc.session.uris import added, normalised, usable

#: All printable ASCII and DEL as aria2c 1.37 showed them.
ENCODED = "!%22#$%&'()*+,-./0123456789:;%3C=%3E?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~%7F"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://h/a b", "http://h/a%20b"),
        ("http://h/a\tb", "http://h/a%09b"),
        ("http://h/ü", "http://h/%C3%BC"),
        (" http://h/x\t", "http://h/x"),
        ("http://h/" + "".join(map(chr, range(33, 128))), "http://h/" + ENCODED),
        ("http://h:000000080/", "http://h:000000080/"),
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
    "text",
    [
        "foo",
        "/etc/passwd",
        "http://",
        "http:///x",
        "",
        "file:///etc/passwd",
        "http://h:99999/x",
        "http://h:/x",
        "http://h:80x/",
    ],
)
def test_refused(text: str) -> None:
    assert normalised(text) is None


def test_usable_ones_in_order_as_often_as_they_are_there() -> None:
    assert usable(["http://b/", "no", "http://a/", "http://b/"]) == ("http://b/", "http://a/", "http://b/")


def test_what_counts_as_added() -> None:
    assert added(["http://h/ä", "ftp://h/", "magnet:?xt=1", "no", "http://h/ä"]) == [
        "http://h/%C3%A4", "ftp://h/", "http://h/%C3%A4",
    ]  # fmt: skip
