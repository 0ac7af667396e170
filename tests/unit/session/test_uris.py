"""Which texts count as URIs, as aria2c 1.37 answered them."""

from __future__ import annotations

import pytest

from slasshy_rpc.errors import RpcError
from slasshy_rpc.session.uris import MOST, added, merged, normalised, usable, withdraw

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


def test_each_once_in_order() -> None:
    assert usable(["http://b/", "no", "http://a/", "http://b/"]) == ("http://b/", "http://a/")


def test_withdrawing_takes_a_line_for_each_mention() -> None:
    assert withdraw(["a", "b", "a"], ["a", "c", "b", "b"]) == (2, {"a"})
    assert withdraw(["a", "b"], []) == (0, {"a", "b"})


class Compared(str):
    """A text that counts how often it is compared with another."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_withdrawing_many_looks_at_each_a_few_times() -> None:
    listed = [Compared(number) for number in range(2000)]
    assert withdraw(listed, [Compared(number) for number in reversed(range(2000))]) == (2000, set())
    assert Compared.times < 20_000


def test_what_counts_as_added() -> None:
    assert added(["http://h/ä", "ftp://h/", "magnet:?xt=1", "no", "http://h/ä"]) == [
        "http://h/%C3%A4", "ftp://h/", "http://h/%C3%A4",
    ]  # fmt: skip


def test_merged_at_a_position() -> None:
    assert merged(["a", "b"], ["n", "b"], 1, 2) == ("a", "n", "b")
    assert merged(["a", "b"], ["n"], None, 2) == ("a", "b", "n")
    many = [str(number) for number in range(MOST + 5)]
    assert len(merged(many, [], None, len(many))) == len(many)  # there were as many before
    with pytest.raises(RpcError, match="10000 URIs at most"):
        merged(many, ["n"], None, len(many))
