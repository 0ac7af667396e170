"""What answers to a request for a file mean: which fit what was asked, and what they may tell about the file."""

from __future__ import annotations

import base64
from typing import cast

import pytest

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import ErrorCode, SourceError
from slasshy_rpc.net.address import parse
from slasshy_rpc.net.head import Headers, ResponseHead
from slasshy_rpc.protocols import answer
from slasshy_rpc.protocols.answer import Hearsay, Reading
from slasshy_rpc.protocols.opener import Arrival, RangeRefused

TARGET = parse("http://h/f")
DIGEST = "SHA-256=" + base64.b64encode(bytes(32)).decode()


class Silent:
    """In a Channel's place."""

    def begin_body(self, kind: int, length: int, leftover: bytes) -> None:
        """See Channel."""


def head(status: int, **fields: object) -> ResponseHead:
    return ResponseHead(status, "", Headers((n.replace("_", "-"), str(v)) for n, v in fields.items()), (1, 1))


def arrived(told: ResponseHead, start: int = 0, end: int | None = None) -> Arrival:
    return answer.arrival(cast(Channel, Silent()), told, TARGET, (start, end), "GET", Hearsay(), Reading())


def test_the_21st_redirect_is_not_followed() -> None:
    told = head(302, Location="/g")
    assert answer.redirected(TARGET, told, answer.REDIRECTS).url == "http://h/g"
    with pytest.raises(SourceError, match="count=20") as caught:
        answer.redirected(TARGET, told, answer.REDIRECTS + 1)
    assert caught.value.code == ErrorCode.TOO_MANY_REDIRECTS


@pytest.mark.parametrize(("status", "heard"), [(200, True), (206, True), (302, True), (404, False), (503, False)])
def test_what_is_no_answer_about_the_file_tells_nothing_of_it(status: int, heard: bool) -> None:
    hearsay = Hearsay()
    hearsay.hear(head(status, Digest=DIGEST, Link="<http://m/f>; rel=duplicate"))
    assert (hearsay.digest is not None, bool(hearsay.mirrors)) == (heard, heard)


def test_a_part_is_the_one_that_was_asked_for() -> None:
    found = arrived(head(206, Content_Range="bytes 10-19/100", Content_Length=10), 10, 30)
    assert (found.start, found.end, found.facts.length) == (10, 20, 100)  # less is no lie


@pytest.mark.parametrize(
    ("content_range", "length", "start", "end"),
    [
        ("bytes 11-19/100", 9, 10, 20),
        ("bytes 0-19/100", 20, 10, 20),
        ("bytes 10-20/100", 11, 10, 20),  # more than was asked for
        ("bytes 10-19/100", 11, 10, 20),  # a body of another length
        ("bytes 10-19/100", 9, 10, None),
        ("bytes 10-19/*", 10, 10, 20),
    ],
)
def test_parts_that_are_others(content_range: str, length: int, start: int, end: int | None) -> None:
    with pytest.raises(SourceError, match=r"^Invalid range header\.") as caught:
        arrived(head(206, Content_Range=content_range, Content_Length=length), start, end)
    assert caught.value.code == ErrorCode.CANNOT_RESUME


def test_a_zone_is_kept_for_the_next_request() -> None:
    url, told = "http://[fe80::1%25lo]/f", head(200, Content_Length=1)
    found = answer.arrival(cast(Channel, Silent()), told, parse(url), (0, None), "GET", Hearsay(), Reading())
    assert found.facts.url == url


def test_all_of_it_is_no_part() -> None:
    with pytest.raises(RangeRefused) as caught:
        arrived(head(200, Content_Length=100), 1)
    assert caught.value.length == 100


def test_a_retry_after_that_is_over_asks_for_no_wait() -> None:
    assert answer.retry_after("Thu, 01 Jan 1970 00:00:01 GMT") == 0
    assert answer.retry_after("7") == 7
    assert answer.retry_after("soon") is None


@pytest.mark.parametrize(("value", "length"), [("5", 5), ("9" * 18, 10**18 - 1), ("9" * 19, 0), ("-5", 0), ("٣", 0)])
def test_a_length_without_a_body(value: str, length: int) -> None:
    assert answer.entity_length(head(304, Content_Length=value)) == length
