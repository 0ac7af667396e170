"""Which texts the media options take."""

from __future__ import annotations

import pytest

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import parse_value

TAKEN = {
    "media-playlist-items": ["", "1", "1:10", "1,3,-2:", ":5", "1::2", "2-4", "-1"],
    "media-format": ["b", "bv*[height<=720]+ba/b", "137+140"],
    "media-template": ["%(title)s", "%(uploader)s/%(title).80B [%(id)s]", "%(episode_number)03d"],
    "media-subtitles": ["", "en", "en,pt-BR", "all"],
    "media-js-runtime": ["deno", "deno,node:/opt/node/bin/node"],
    "media-extractor-args": ["youtube:player_client=web,tv;lang=en"],
}
REFUSED = {
    "media-playlist-items": ["0", "1;2", "a", "1:2:0", "1:2:3:4", ",", "1" * 9],
    "media-format": ["", " ", "b\x1b", "b" * 1001],
    "media-template": [
        "%(cookies)s",
        "%(title)99999s",
        "%(title)r",
        "../x",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "~",
        "$X",
        "%",
    ],
    "media-subtitles": ["en;de", ".*", "../x", "en,,de"],
    "media-js-runtime": ["sh", "node:relative", "deno --allow-all"],
    "media-extractor-args": ["youtube", "youtube:x", ":x=y", "a b:x=y"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TAKEN.items() for text in texts])
def test_taken(name: str, text: str) -> None:
    found = parse_value(TABLE[name], text, compat=False)
    assert found in (text, (text,))


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_refused(name: str, text: str) -> None:
    with pytest.raises(OptionError, match=name):
        parse_value(TABLE[name], text, compat=False)


def test_what_yt_dlp_writes_at_the_end_of_a_template_may_be_there() -> None:
    assert parse_value(TABLE["media-template"], "%(title)s.%(ext)s", compat=False) == "%(title)s"
