"""What is made of a worker's answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media.plan import LEAST_CHUNK, Unsupported, part_name, understood

PART: dict[str, Any] = {
    "url": "https://cdn.test/v?sig=1",
    "protocol": "https",
    "format": "137",
    "ext": "mp4",
    "headers": {"User-Agent": "U", "X-Tok": "t", "Range": "bytes=0-", "Proxy-Authorization": "p"},
    "cookie": "a=b; c=d",
    "size": 10,
    "chunk": 10 << 20,
}


def answer(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "video", "name": "A [x].mp4", "ext": "mp4", "parts": list(parts) or [PART], **more}


def test_what_goes_along() -> None:
    (part,) = understood(answer()).parts
    assert part.headers == ("User-Agent: U", "X-Tok: t", "Cookie: a=b; c=d")
    assert (part.url, part.size, part.chunk) == ("https://cdn.test/v?sig=1", 10, 10 << 20)


def test_a_header_that_begins_as_one_of_ours_goes_along() -> None:
    (part,) = understood(answer({**PART, "headers": {"Upgrade-Insecure-Requests": "1", "Upgrade": "h2c"}})).parts
    assert part.headers == ("Upgrade-Insecure-Requests: 1", "Cookie: a=b; c=d")


def test_no_page_makes_requests_small_without_end() -> None:
    assert understood(answer({**PART, "chunk": 1})).parts[0].chunk == LEAST_CHUNK
    assert understood(answer({**PART, "chunk": -1})).parts[0].chunk == 0


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("/../.././x.mp4", "x.mp4"),
        (".ssh/-a/x.mp4", "_ssh/_a/x.mp4"),
        ("-rf.mp4", "_rf.mp4"),
        ("a\nb.mp4", "a%0Ab.mp4"),
        ("CON.mp4", "_CON.mp4"),
        ("é" * 300 + ".mp4", "é" * 107 + ".mp4"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    media = understood(answer(name=name))
    assert media.name == safe
    assert len(f"{part_name(media.name, media.parts[0])}.aria2__temp".encode()) <= 255


@pytest.mark.parametrize("size", [-1, 10**30, 1e300])
def test_no_size_is_beyond_all_files(size: float) -> None:
    assert understood(answer({**PART, "size": size})).parts[0].size == 0
    with pytest.raises(DownloadError):
        understood(answer({**PART, "size": float("inf")}))


def test_names_of_parts() -> None:
    media = understood(answer(PART, {**PART, "format": "../x", "ext": "m4a"}))
    assert [part_name(media.name, part) for part in media.parts] == ["A [x].f137.mp4", "A [x].f___x.m4a"]
    assert media.formats == ""
    assert part_name("first", media.parts[0]) == "first.f137.mp4"  # an out that ends in nothing
    alike = [replace(media.parts[0], format=f"dash-of-the-{what}-1") for what in ("video", "sound")]
    assert len({part_name("x.mp4", part) for part in alike}) == 2
    for out in ("x" * 251 + ".mp4", "\u00e9" * 127, "x" * 255):  # as long as an out may be
        assert len(f"{part_name(out, media.parts[0])}.aria2__temp".encode()) <= 255
    assert understood(answer(PART, {**PART, "format": "140-drc"})).formats == "137+140-drc"


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("gone", 3, "why"),
        ("login", 24, "why"),
        ("timeout", 2, "why"),
        ("drm", 1, "why"),
        ("playlist", 1, "become a list"),
        ("live", 1, "Live"),
        ("formats", 1, "over HTTP"),
        (None, 1, "why"),
    ],
)
def test_what_cannot_be_had(kind: str, code: int, says: str) -> None:
    with pytest.raises(DownloadError, match=says) as caught:
        understood({"kind": kind, "text": "why"})
    assert caught.value.code == code


def test_what_a_server_says_reaches_no_terminal_as_it_is() -> None:
    with pytest.raises(DownloadError) as caught:
        understood({"kind": "failed", "text": "a\x1b[2Jb" + "c" * 9999})
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) <= 500


def test_no_url_is_told_with_what_is_secret_in_it() -> None:
    text = "Unsupported URL: https://u:pass@x.test/v?sig=secret; <urlopen 'http://y.test/a?key=secret'>"
    with pytest.raises(DownloadError) as caught:
        understood({"kind": "unsupported", "text": text})
    assert "https://x.test/v" in str(caught.value)
    assert "pass" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_unknown_page_can_be_told_apart() -> None:
    with pytest.raises(Unsupported):
        understood({"kind": "unsupported", "text": "why"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"ext": "desktop", "name": "A.desktop"},
        {"ext": "mp4/../x"},
        {"parts": [{**PART, "ext": "m3u8"}]},
        {"parts": [{**PART, "protocol": "m3u8_native", "url": "file:///etc/passwd"}]},
        {"parts": [{**PART, "protocol": "rtmp"}]},
        {"parts": [{**PART, "protocol": "http_dash_segments", "fragments": []}]},
        {"parts": [{**PART, "protocol": "http_dash_segments", "fragments": [["file:///etc/passwd", 1]]}]},
        {"parts": [{**PART, "url": "file:///etc/passwd"}]},
        {"parts": [PART] * 3},
        {"parts": []},
        {"parts": [{"url": "https://x.test"}]},
        {"parts": [PART, PART], "ext": "mp3"},
    ],
)
def test_nothing_else_is_fetched(wrong: dict[str, Any]) -> None:
    with pytest.raises(DownloadError):
        understood(answer(**wrong))
