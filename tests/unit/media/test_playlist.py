"""What is made of a worker's answer about a list."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media.playlist import DEEPEST, begotten
from slasshy_rpc.options.values import Layer, Normal, defaults
from slasshy_rpc.protocols.base import Request

PAGE = "https://tube.test/list?key=secret"
HOSTS = frozenset({"tube.test"})


def request(depth: int = 0, /, **own: str) -> Request:
    given = {name.replace("_", "-"): value for name, value in own.items()}
    return Request((PAGE,), defaults(compat=False).derive(given, Layer.OWN), depth=depth)


def children(asked: Request, *entries: dict[str, Any]) -> list[Request]:
    return list(begotten(asked, {"entries": entries}, HOSTS).followers)


def test_what_was_for_one_file_is_not_for_each() -> None:
    own = {"out": "x", "checksum": "md5=" + "0" * 32, "media_playlist_items": "1:2", "split": "3"}
    (child,) = children(request(**own), {"url": "https://tube.test/1"})
    assert child.options.own() == {"split": "3"}
    assert (child.uris, child.depth) == (("https://tube.test/1",), 1)


def test_an_entry_is_a_page_whatever_its_host_and_a_file_is_a_file() -> None:
    urls = ["https://tube.test/1", "https://else.test/1", "https://else.test/1.mp3"]
    found = children(request(), *({"url": url} for url in urls))
    assert [child.options.text("media") for child in found] == ["auto", "only", "auto"]


def test_what_the_user_gave_for_the_list_goes_to_no_other_server() -> None:
    lines = ("Cookie: a=b", "Authorization: Basic x", "Accept-Language: sv")
    own: dict[str, Normal] = {"http-user": "u", "http-passwd": "p", "header": lines}
    asked = replace(request(), options=request().options.derive(own, Layer.OWN))
    urls = ["https://tube.test/1", "https://tube.test:8443/1", "https://else.test/1.mp3", "http://tube.test/1"]
    home, *abroad = children(asked, *({"url": url} for url in urls))
    assert home.options.own() == own
    assert [child.options.lines("header") for child in abroad] == [lines[2:]] * 3
    assert {child.options.text(name) for child in abroad for name in ("http-user", "http-passwd")} == {""}


def test_an_entry_without_a_page_is_the_list_again_with_its_place() -> None:
    (child,) = children(request(), {"item": 7})
    assert (child.uris, child.options.text("media-playlist-items")) == ((PAGE,), "7")


@pytest.mark.parametrize("uri", [None, "", "ytsearch:x", "file:///x", "https://x/\n dir=/", "https://x/" + "x" * 9999])
def test_what_is_no_link_is_left_out(uri: str | None, caplog: pytest.LogCaptureFixture) -> None:
    assert len(children(request(), {"url": uri}, {"url": "https://tube.test/1"})) == 1
    assert "1 of its entries have no address" in caplog.text
    assert "secret" not in caplog.text
    with pytest.raises(DownloadError, match="nothing in it"):
        children(request(), {"url": uri})


def test_lists_are_followed_to_a_depth() -> None:
    entry = {"url": "https://tube.test/1"}
    assert children(request(DEEPEST - 1), entry)[0].depth == DEEPEST
    with pytest.raises(DownloadError, match="a list in a list"):
        children(request(DEEPEST), entry)
