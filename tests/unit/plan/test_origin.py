"""What is remembered of servers: aria2's figures, its file both ways, and no text that breaks the reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.plan import origin
from slasshy_rpc.plan.origin import Origin, Origins, server

LINE = (
    "host=h, protocol=http, dl_speed=2097152, sc_avg_speed=1, mc_avg_speed=2, last_updated=1795791094, counter=3, "
    "status=OK\n"
)


def known(text: str) -> Origins:
    origins = Origins(lambda: 2_000_000_000)
    origins.load(text)
    return origins


def test_a_line() -> None:
    assert list(known(LINE)) == [Origin("h", "http", 2097152, 1, 2, 1795791094, 3, True)]
    assert known(LINE).text() == LINE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("host=h,protocol=http,dl_speed=5,last_updated=7", [Origin("h", "http", 5, updated=7)]),
        ("status = ERROR ,last_updated= 7,\tdl_speed =5,protocol=ftp , host=h,x=y,", [Origin("h", "ftp", 5, updated=7,
                                                                                       reached=False)]),
        ("host=h,protocol=http,dl_speed=5,last_updated=7,status=odd\r", [Origin("h", "http", 5, updated=7)]),
        ("host=h,protocol=http,dl_speed=5,last_updated=7\n\nhost=h,protocol=http,dl_speed=6,last_updated=7",
         [Origin("h", "http", 5, updated=7)]),
        ("host=h,protocol=http,dl_speed=99999999999,last_updated=7", [Origin("h", "http", 2**31 - 1, updated=7)]),
        ("host=,protocol=http,dl_speed=5,last_updated=7", []),
        ("protocol=http,dl_speed=5,last_updated=7", []),
        ("host=h,dl_speed=5,last_updated=7", []),
        ("host=h,protocol=http,last_updated=7", []),
        ("host=h,protocol=http,dl_speed=5", []),
        ("host=h,protocol=http,dl_speed=-5,last_updated=7", []),
        ("host=h,protocol=http,dl_speed=5,last_updated=7,counter=x", []),
        ("", []),
    ],
)  # fmt: skip
def test_what_a_file_may_say(text: str, found: list[Origin]) -> None:
    assert list(known(text)) == found


@given(st.binary() | st.lists(st.sampled_from([b"host=", b"protocol=h", b",", b"dl_speed=", b"9" * 30, b"\n", b"=",
                                               b"last_updated=1", b"\xff"])).map(b"".join))  # fmt: skip
def test_no_text_breaks_the_reading(data: bytes) -> None:
    text = known(data.decode("utf-8", "surrogateescape")).text()
    assert known(text).text() == text


names = st.text(st.characters(exclude_characters=" ,=", exclude_categories=("C", "Z")), min_size=1)
numbers = st.integers(0, 2**31 - 1)


@given(st.lists(st.builds(Origin, names, names, numbers, numbers, numbers, numbers, numbers, st.booleans())))
def test_what_is_written_is_read(origins: list[Origin]) -> None:
    first = {(one.host, one.protocol): one for one in reversed(origins)}
    assert list(known("".join(one.line() for one in origins))) == [first[key] for key in sorted(first)]


def test_a_host_that_would_be_a_field_is_not_written() -> None:
    origins = Origins()
    for host in ("a,status=ERROR", "a=b", "a b", "a\nhost=b", "a\0", "\ud800"):
        origins.miss((host, "http"))
    assert origins.text() == ""


def test_averages() -> None:
    """A fifth of the new speed, more as long as there were fewer than five."""
    multi, single = Origin("m", "http"), Origin("s", "http")
    multis, singles = [], []
    for speed in (1000, 2000, 3000, 3000, 3000, 1000):
        multi.learn(speed, alone=False, now=9)
        multis.append(multi.multi)
    for speed in (1000, 2000, 1000, 100):
        single.learn(speed, alone=True, now=9)
        singles.append((single.single, single.counter))
    assert multis == [1000, 1500, 2000, 2250, 2400, 2120]
    assert singles == [(1000, 1), (1500, 2), (1333, 3), (1024, 0)]
    assert multi == Origin("m", "http", 1000, 0, 2120, 9, 6, True)


def test_a_miss_and_what_comes_after_it() -> None:
    origins = Origins(lambda: 9)
    origins.miss(("h", "http"))
    assert list(origins) == [Origin("h", "http", updated=9, reached=False)]
    origins.learn(("h", "http"), 0, alone=True)
    assert list(origins) == [Origin("h", "http", updated=9, reached=False)]
    origins.learn(("h", "http"), 5, alone=True)
    assert list(origins) == [Origin("h", "http", 5, 5, 0, 9, 1, True)]


def test_stale_ones_are_dropped() -> None:
    origins = known("".join(f"host=h{age},protocol=http,dl_speed=1,last_updated={2_000_000_000 - age}\n"
                            for age in (0, 9, 10, 11)))  # fmt: skip
    origins.drop_stale(10)
    assert [one.host for one in origins] == ["h0", "h9"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "MOST_ORIGINS", 3)
    time = iter(range(9))
    origins = Origins(lambda: next(time))
    for host in "abcd":
        origins.miss((host, "http"))
    assert [one.host for one in origins] == ["b", "c", "d"]
    origins.load(LINE)
    assert [one.host for one in origins] == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("http://Host.Test:81/a", ("host.test", "http")),
        ("HTTPS://user:a@b@h/", ("h", "https")),
        ("http://[2001:DB8::1]:80/", ("2001:db8::1", "http")),
        ("http://h", ("h", "http")),
        ("http://h?a/b@c", ("h", "http")),
        ("http://h#a", ("h", "http")),
        ("no uri", ("", "no uri")),
    ],
)
def test_servers_of_uris(uri: str, found: tuple[str, str]) -> None:
    assert server(uri) == found
