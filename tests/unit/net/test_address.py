"""What a URL becomes on the wire, and what no URL may become."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slasshy_rpc.errors import SourceError
from slasshy_rpc.net.address import Target, is_address, is_web, join, parse, redact


@pytest.mark.parametrize(
    ("path", "sent"),
    [  # seen from aria2c 1.37
        ("/a b", "/a%20b"),
        ('/a"<>\\^`{|}~c', "/a%22%3C%3E\\^`{|}~c"),
        ("/é", "/%C3%A9"),
        ("/a/../b/./c", "/a/../b/./c"),
        ("/%zz%41%2f", "/%zz%41%2f"),
        ("/a#frag", "/a"),
        ("?q=1", "/?q=1"),
        ("", "/"),
        ("/a?b c=[d]&e'(!*);:@$,", "/a?b%20c=[d]&e'(!*);:@$,"),
        ("/tab\tx", "/tab%09x"),
        ("//x", "//x"),
        ("/a%", "/a%"),
    ],
)
def test_the_request_line_is_aria2s(path: str, sent: str) -> None:
    assert parse("http://127.0.0.1:8080" + path).path_query == sent


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://Example.COM", Target("http", "example.com", 80)),
        ("HTTPS://example.com/", Target("https", "example.com", 443)),
        ("http://example.com:/x", Target("http", "example.com", 80, "/x")),
        ("http://example.com:08080/x", Target("http", "example.com", 8080, "/x")),
        ("http://[::1]:81/x", Target("http", "::1", 81, "/x")),
        ("http://[FE80::1%25eth0]/", Target("http", "fe80::1%eth0", 80)),
        ("http://u:p@h/", Target("http", "h", 80, "/", "u:p")),
        ("http://u@e:p@h/", Target("http", "h", 80, "/", "u@e:p")),
        ("http://@h/", Target("http", "h", 80, "/", "")),
        ("http://a_b.local./", Target("http", "a_b.local.", 80)),
        ("http://bücher.example/", Target("http", "xn--bcher-kva.example", 80)),
    ],
)
def test_parts(url: str, target: Target) -> None:
    assert parse(url) == target


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://h/a\r\nX: y", "line break"),
        ("http://h/a\0", "line break"),
        ("gopher://h/", "gopher is not supported"),
        ("file:///etc/passwd", "file is not supported"),
        ("h/a", "not of the form"),
        (" http://h/a", "not of the form"),
        ("http:///a", "has no host"),
        ("http://u:p@/a", "has no host"),
        ("http://h h/a", "a space"),
        ("http://h\\@x/a", "backslash"),
        ("http://u s@h/a", "a space"),
        ("http://h%41/a", "not a name"),
        ("http://-h/a", "not a name"),
        ("http://a..b/a", "not a name"),
        ("http://:80/", "has no host"),
        ("http://h:0/", "port"),
        ("http://h:65536/", "port"),
        ("http://h:8a/", "port"),
        ("http://h:-1/", "port"),
        ("http://h:٣/", "port"),
        ("http://[::1/", "IPv6"),
        ("http://[1.2.3.4]/", "IPv6"),
        ("http://[::1]x/", "IPv6"),
        ("http://[::1%25a,b]/", "zone"),
        ("http://" + "ü" * 80 + "/", "international"),
    ],
)
def test_refused(url: str, word: str) -> None:
    with pytest.raises(SourceError, match=word):
        parse(url)


def test_names_of_one_target() -> None:
    target = parse("https://me%40home:p%3Ass@[fe80::1%25eth0]:8443/x?y")
    assert (target.user, target.password) == ("me@home", "p:ss")
    assert target.authority == "[fe80::1]:8443"
    assert target.place == "[fe80::1%eth0]:8443"
    assert target.origin == ("https", "fe80::1%eth0", 8443)
    assert parse("http://h:80/x").url == "http://h/x"
    assert parse("http://h/x").user is None


@pytest.mark.parametrize(
    ("location", "url"),
    [  # RFC 3986 section 5.4, those that can be asked
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y#s", "http://a/b/c/g?y"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("https://x/y", "https://x/y"),
        ("b?x=1 2", "http://a/b/c/b?x=1%202"),
        ("/\xc3\xa9", "http://a/%C3%A9"),  # UTF-8 as it is read from the wire
        ("/\xe9", "http://a/%E9"),  # latin-1
        ("//b\xc3\xbccher.example/", "http://xn--bcher-kva.example/"),
        ("/\u20ac", "http://a/%E2%82%AC"),
    ],
)
def test_joined(location: str, url: str) -> None:
    assert join(parse("http://a/b/c/d;p?q"), location).url == url


@pytest.mark.parametrize(
    "location", ["", " ", "javascript:alert(1)", "http://[bad/", "/a\r\nSet-Cookie: x", "ftp://h/"]
)
def test_locations_that_lead_nowhere(location: str) -> None:
    with pytest.raises(SourceError):
        join(parse("http://a/"), location)


def test_credentials_stay_with_relative_locations() -> None:
    base = parse("http://u:p@a/x")
    assert join(base, "y").userinfo == "u:p"
    assert join(base, "//a/y").userinfo is None
    assert join(base, "http://a/y").userinfo is None
    assert join(base, "http://v:q@a/y").userinfo == "v:q"
    assert join(base, "https://a/y").userinfo is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://u:p@h:1/a?t=secret&b#f", "http://h:1/a?t=***&***"),
        ("http://h/@scope/x", "http://h/@scope/x"),
        ("http://u:p/w@h/a", "http://h/a"),
        ("http://h/a\nb", "http://h/a?b"),
        ("magnet:?xt=urn:x", "magnet:?xt=***"),
        ("http://h/?dG9rZW4=", "http://h/?***"),
        ("u:p@h", "u:h"),
        ("", ""),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text() | st.text(string.printable).map("http://".__add__))
@example("http://[v1.a]/")
@example("http://h:00000")
@example("http://[fe80::1%2525]:1/[fe80::1]")
def test_any_text_is_a_target_or_a_source_error(text: str) -> None:
    try:
        target = parse(text)
    except SourceError:
        return
    assert re.fullmatch(r"/[\x21-\x7e]*", target.path_query)
    assert re.fullmatch(r"[\x21-\x7e]+", target.authority)
    assert 0 < target.port < 65536
    again = parse(target.url)  # a second round changes nothing (a zone is not for the wire)
    assert again.path_query == target.path_query
    assert again.authority == target.authority
    assert parse(target.again).origin == target.origin


@given(st.text(st.characters(max_codepoint=255)) | st.text())
def test_any_location_is_a_target_or_a_source_error(text: str) -> None:
    try:
        target = join(parse("http://u:p@a/b"), text)
    except SourceError:
        return
    assert re.fullmatch(r"/[\x21-\x7e]*", target.path_query)
    if target.host != "a":
        assert target.userinfo != "u:p"


@given(st.text(), st.text(string.ascii_letters + string.digits + "!$&:;=/@", min_size=1))
def test_no_secret_is_shown(text: str, secret: str) -> None:
    marked = "S3CR3T" + secret
    assert "S3CR3T" not in redact(f"http://user:{marked}@host/path?key={marked}&S3CR3T#{marked}")
    redact(text)  # whatever it is


def test_address_families() -> None:
    assert [bool(is_address(text)) for text in ("127.0.0.1", "::1", "fe80::1%eth0", "localhost", "127.1", "a\0b")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("url", "web"),
    [("http://h/", True), ("HTTPS://h/", True), ("ftp://h/http://", False), ("http:/h", False), ("file:///x", False)],
)
def test_of_the_web(url: str, web: bool) -> None:
    assert is_web(url) is web
