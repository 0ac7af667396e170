"""What becomes of a proxy's text: aria2's form, which the differential tests compare too, and ours for SOCKS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.table import TABLE, Scope
from slasshy_rpc.options.values import check_rpc

KIND = TABLE["all-proxy"].kind


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("u:p@h", "http://u:p@h/"),
        ("ftp://foo", "http://foo:21/"),
        ("ftp://foo:1/?q", "http://foo:1/?q"),
        ("https://a:b@c:80/path", "http://a:b@c/path"),
        ("https://foo", "http://foo:443/"),
        ("HTTP://foo:80", "http://foo/"),
        ("foo:0080", "http://foo/"),
        ("foo:0", "http://foo/"),
        ("[::1]:3128", "http://[::1]:3128/"),
        ("u:p@[fe80::1%25eth0]", "http://u:p@[fe80::1%25eth0]/"),
        ("foo/p/q", "http://foo/p/q"),
        ("foo?q#f", "http://foo/?q"),
        ("u@foo", "http://u@foo/"),
        ("u:@foo", "http://u:@foo/"),
        ("a+b:c d@foo", "http://a%2Bb:c%20d@foo/"),
        ("a@b:c@foo", "http://a%40b:c@foo/"),
        ("u:p:q@foo", "http://u:p%3Aq@foo/"),
        ("u%zz:%c3%bc@foo", "http://u%25zz:%C3%BC@foo/"),
        ("u:\u00fc@foo", "http://u:%C3%BC@foo/"),
        ("u:1", "http://u:1/"),
        ("u:?p@foo", "http://u:%3Fp@foo/"),
        ("socks5://foo", "socks5://foo:1080/"),
        ("SOCKS5H://u:p@[::1]:80", "socks5h://u:p@[::1]:80/"),
        ("socks4://foo:9", "socks4://foo:9/"),
        ("", ""),
    ],
)
def test_proxies_are_rewritten(raw: str, shown: str) -> None:
    assert KIND.parse("all-proxy", raw) == shown
    assert KIND.parse("all-proxy", shown) == shown
    assert check_rpc({"all-proxy": raw}, Scope.NEW) == {"all-proxy": shown}


@pytest.mark.parametrize(
    "raw",
    [
        *("foo:99999", "foo:", "foo:x", "foo:1:2", "http://", ":1", "@foo", ":p@foo", "u:p/q@foo", "socks://foo"),
        *("x://foo", "http://http://foo", "[::1", "[]:1", "[x]", "a[b", " foo", "a b", "//foo", "socks5://", "foo\x7f"),
    ],
)
def test_proxies_that_are_none(raw: str) -> None:
    with pytest.raises(OptionError, match="unrecognized proxy format"):
        KIND.parse("all-proxy", raw)


@given(st.text(max_size=30))
def test_what_is_taken_stays_as_it_is_and_is_one_line(raw: str) -> None:
    try:
        shown = KIND.parse("all-proxy", raw)
    except OptionError:
        return
    assert KIND.parse("all-proxy", shown) == shown
    assert shown == "" or shown.isprintable() or not shown.isascii()
