"""Which URIs are media pages."""

from __future__ import annotations

import pytest

from slasshy_rpc.media.detect import are_pages, is_page


@pytest.mark.parametrize(
    "uri",
    [
        "https://www.youtube.com/watch?v=x",
        "https://youtu.be/x",
        "http://M.YouTube.com:80/shorts/x",
        "https://user:word@vimeo.com/1",
        "https://soundcloud.com/a/b.c",
        "https://archive.org/details/x",
        "https://tube.test/watch/1",
        "https://a.tube.test./1",
    ],
)
def test_pages(uri: str) -> None:
    assert is_page(uri, "auto", {"tube.test"})
    assert is_page(uri, "only")
    assert not is_page(uri, "off", {"tube.test"})


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org/watch?v=x",
        "https://youtube.com.example.org/x",
        "https://notyoutube.com/x",
        "https://example.org/youtube.com/x",
        "https://youtube.com@example.org/x",
        "https://i.imgur.com/A61SaA1.jpg",
        "https://archive.org/download/x/y",
        "https://archive.org//download/x/y",
        "https://ia800.us.archive.org/1/items/x/y.csv",
        "https://www.youtube.com/video.MP4?x=1#y",
        "https://example.org?x@youtube.com/x",
        "https://example.org#@youtube.com/x",
        "ftp://youtube.com/x",
        "magnet:?xt=urn:btih:x",
        "http://[::1]/x",
        "",
    ],
)
def test_no_pages(uri: str) -> None:
    assert not is_page(uri, "auto", {"tube.test"})


def test_of_mirrors_all_must_be_pages() -> None:
    pages = ["https://youtu.be/x", "https://vimeo.com/1"]
    assert are_pages(pages, "auto")
    assert not are_pages([*pages, "https://example.org/x.mp4"], "auto")
    assert not are_pages([], "only")
