"""Heads: every split gives the same answer, nothing but SourceError comes out of rubbish, framing is RFC 9112's."""

from __future__ import annotations

import itertools
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc._engine import CHUNKED, CLOSE, LENGTH
from slasshy_rpc.errors import DownloadError, ErrorCode, SourceError
from slasshy_rpc.net.address import parse
from slasshy_rpc.net.head import (
    HEAD_LIMIT,
    ContentRange,
    Headers,
    HeadReader,
    ResponseHead,
    build_head,
    framing,
    keep_alive,
    parse_content_range,
    parse_head,
    unsatisfied_total,
)

NGINX = (
    b"HTTP/1.1 206 Partial Content\r\nServer: nginx/1.22.1\r\nContent-Length: 1048576\r\n"
    b'Connection: keep-alive\r\nETag: "abc"\r\nContent-Range: bytes 0-1048575/1073741824\r\n\r\n'
)
STREAMS = [
    NGINX + b"body\r\n\r\n",
    b"HTTP/1.0 200\nA: b\n\nrest",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n\n",
    b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td\r\nEmpty:\r\n\r\n\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\nA: b\r\n\nbody",
]


def read(data: bytes, *cuts: int) -> ResponseHead | str | None:
    """The head and all that follows it, fed in pieces; the message of a SourceError; None if unfinished."""
    reader = HeadReader()
    edges = [0, *sorted(cuts), len(data)]
    try:
        for start, end in itertools.pairwise(edges):
            head = reader.feed(data[start:end])
            if head is not None:
                head.leftover += data[end:]
                return head
    except SourceError as error:
        return str(error)
    return None


@pytest.mark.parametrize("stream", STREAMS)
def test_every_split_gives_the_same(stream: bytes) -> None:
    whole = read(stream)
    assert isinstance(whole, ResponseHead)
    assert read(stream, *range(len(stream))) == whole
    for cut in range(len(stream)):
        assert read(stream, cut) == whole


@given(
    st.binary(), st.lists(st.integers(0, 200)), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\n\n"])
)
def test_rubbish_is_a_source_error_however_it_is_cut(data: bytes, cuts: list[int], start: bytes) -> None:
    data = start + data
    assert read(data, *(cut for cut in cuts if cut < len(data))) == read(data)


@given(st.text(st.sampled_from("HTP/1. 20:\r\n\tab\0é"), max_size=60))
def test_near_misses(text: str) -> None:
    data = text.encode("latin-1")
    for start in (b"", b"HTTP/1.1 200 OK\r\n"):
        whole = read(start + data + b"\r\n\r\n")
        assert read(start + data + b"\r\n\r\n", *range(len(start) + len(data))) == whole
        if isinstance(whole, ResponseHead):
            for name, value in whole.headers:
                assert not set("\r\n\0") & set(name + value)


def test_what_is_read() -> None:
    head = parse_head(STREAMS[3].partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert (head.status, head.reason, head.version) == (200, "OK", (1, 1))
    assert list(head.headers) == [("A", "b c d"), ("Empty", "")]
    head = parse_head(b"HTTP/1.0 999\nX:\xe9 \nx: 2\n\n")
    assert (head.status, head.reason, head.version) == (999, "", (1, 0))
    assert head.headers.get("X") == "é"
    assert list(head.headers.all("x")) == ["é", "2"]
    assert head.headers.get("y") is None
    assert "x" in head.headers
    assert len(head.headers) == 2
    with pytest.raises(SourceError, match="twice"):
        head.headers.single("X")
    assert Headers([("A", "1"), ("a", "1")]).single("A") == "1"
    assert Headers([("A", "X, y"), ("a", ",z")]).tokens("A") == ["x", "y", "z"]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
        b"HTTP/1.1 200 O\rK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"<html>",
    ],
)
def test_refused(data: bytes) -> None:
    with pytest.raises(SourceError, match="not valid HTTP") as caught:
        HeadReader().feed(data)
    assert caught.value.code == ErrorCode.UNKNOWN


def test_tls_where_plain_http_was_expected_is_named() -> None:
    with pytest.raises(SourceError, match="https://"):
        HeadReader().feed(b"\x15\x03\x01\x00\x02\x02\x46")


@pytest.mark.parametrize("step", [1 << 20, 1000])
def test_the_limit_of_heads(step: int) -> None:
    start = b"HTTP/1.1 200 OK\r\nX: "
    most = start + b"a" * (HEAD_LIMIT - len(start) - 4) + b"\r\n\r\n"
    for data, fits in (
        (most + b"b" * 5000, True),
        (start + b"a" + most[len(start) :], False),
        (most[:-4] + b"a" * 1000, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + most, False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + NGINX, False),
    ):
        result = read(data, *range(0, len(data), step))
        assert isinstance(result, ResponseHead) == fits
        if not fits:
            assert isinstance(result, str)
            assert "longer than 65536" in result


def answer(*lines: str, status: int = 200, version: str = "1.1") -> ResponseHead:
    return parse_head("\r\n".join((f"HTTP/{version} {status} X", *lines, "\r\n")).encode())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((), (CLOSE, -1)),
        (("Content-Length: 5",), (LENGTH, 5)),
        (("Content-Length: 5", "content-length:  5"), (LENGTH, 5)),
        (("Content-Length: 5, 5",), (LENGTH, 5)),
        (("Content-Length: 9223372036854775807",), (LENGTH, (1 << 63) - 1)),
        (("Transfer-Encoding: Chunked",), (CHUNKED, -1)),
        (("Transfer-Encoding: identity", "Content-Length: 3"), (LENGTH, 3)),
        (("Transfer-Encoding: chunked", "Content-Length: 3"), (CHUNKED, -1)),
    ],
)
def test_framing(lines: tuple[str, ...], expected: tuple[int, int]) -> None:
    assert framing(answer(*lines)) == expected


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5, 6",),
        ("Content-Length: +5",),
        ("Content-Length: -1",),
        ("Content-Length: 0x5",),
        ("Content-Length: ٣",),
        ("Content-Length:",),
        ("Content-Length: 9223372036854775808",),
        ("Content-Length: " + "1" * 5000,),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ],
)
def test_framing_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(SourceError) as caught:
        framing(answer(*lines))
    assert caught.value.code == ErrorCode.UNKNOWN
    assert len(str(caught.value)) < 300


def test_answers_without_a_body() -> None:
    assert framing(answer("Content-Length: 5"), "HEAD") == (LENGTH, 0)
    assert framing(answer("Content-Length: 5", status=304)) == (LENGTH, 0)
    assert framing(answer("Transfer-Encoding: chunked", status=204)) == (LENGTH, 0)


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (answer("Content-Length: 1"), True),
        (answer("Content-Length: 1", "Connection: x, Close"), False),
        (answer(), False),
        (answer(status=304), True),
        (answer("Transfer-Encoding: chunked"), True),
        (answer("Transfer-Encoding: chunked", "Content-Length: 1"), False),
        (answer("Transfer-Encoding: chunked", "Connection: keep-alive", version="1.0"), False),
        (answer("Content-Length: 1", version="1.0"), False),
        (answer("Content-Length: 1", "Connection: Keep-Alive", version="1.0"), True),
    ],
)
def test_keep_alive(head: ResponseHead, kept: bool) -> None:
    assert keep_alive(head) is kept


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes 0-0/1", ContentRange(0, 1, 1)),
        ("Bytes 5-9/*", ContentRange(5, 10, None)),
        ("bytes=5-9/10", ContentRange(5, 10, 10)),
    ],
)
def test_content_range(value: str, expected: ContentRange) -> None:
    assert parse_content_range(value) == expected


@given(
    st.text()
    | st.from_regex(r"bytes \d+-\d+/(\d+|\*)", fullmatch=True)
    | st.tuples(st.integers(), st.integers(), st.integers()).map(lambda n: f"bytes {n[0]}-{n[1]}/{n[2]}")
)
def test_content_range_is_consistent_or_a_source_error(value: str) -> None:
    try:
        start, end, total = parse_content_range(value)
    except SourceError:
        return
    assert 0 <= start < end < 1 << 63
    assert total is None or end <= total


def test_unsatisfied() -> None:
    assert unsatisfied_total("bytes */1234") == 1234
    assert [unsatisfied_total(value) for value in (None, "", "bytes */*", "bytes 0-1/2", "bytes */" + "9" * 19)] == [
        None
    ] * 5


def test_built_as_aria2_does() -> None:
    head = build_head(
        parse("http://u:p@h:81/a b"),
        user_agent="aria2/1.37.0",
        accept_encoding="deflate, gzip",
        no_cache=True,
        close=True,
        byte_range=(10, 20),
        authorization="Basic dTpw",
        referer="http://r/",
        cookie="a=b;",
        if_modified_since="Thu, 01 Jan 1970 00:00:00 GMT",
        want_digest="SHA;q=0.1",
        extra=["X-Own: é", "x-empty:"],
    )
    assert (
        head
        == (
            "GET /a%20b HTTP/1.1\r\nUser-Agent: aria2/1.37.0\r\n"
            "Accept: */*,application/metalink4+xml,application/metalink+xml\r\nAccept-Encoding: deflate, gzip\r\n"
            "Host: h:81\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nConnection: close\r\nRange: bytes=10-19\r\n"
            "Authorization: Basic dTpw\r\nReferer: http://r/\r\nCookie: a=b;\r\n"
            "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\nWant-Digest: SHA;q=0.1\r\nX-Own: é\r\nx-empty:\r\n\r\n"
        ).encode()
    )


def test_own_lines_replace_ours() -> None:
    target = parse("http://h/")
    head = build_head(
        target, user_agent="u", accept=None, byte_range=(7, None), extra=["host: other", "User-Agent: me"]
    )
    assert head == b"GET / HTTP/1.1\r\nRange: bytes=7-\r\nhost: other\r\nUser-Agent: me\r\n\r\n"


class Texts(typing.TypedDict, total=False):
    """Arguments of build_head that come from users and servers."""

    user_agent: str
    referer: str
    cookie: str
    authorization: str


@given(st.text())
def test_nothing_smuggles_a_line(text: str) -> None:
    target = parse("http://h/")
    every: list[Texts] = [{"user_agent": text}, {"referer": text}, {"cookie": text}, {"authorization": text}]
    for arguments in every:
        if set(text) & set("\r\n\0"):
            with pytest.raises(DownloadError, match="line break"):
                build_head(target, accept=None, **arguments)
            continue
        head = build_head(target, accept=None, **arguments)
        assert head.count(b"\r\n") == 4
        assert head.count(b"\n") == 4


@given(st.text())
def test_own_lines_are_one_header_or_refused(text: str) -> None:
    try:
        head = build_head(parse("http://h/"), accept=None, extra=[text])
    except DownloadError:
        return
    name = text.partition(":")[0]
    assert name.isascii()
    assert head.count(b"\n") == (3 if name.lower() == "host" else 4)
