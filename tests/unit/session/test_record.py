"""Rows of the history: what was kept is there again, and what somebody has written into the file harms nobody."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.options.values import Layer, Normal, defaults
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session.download import Download, Ending, Family
from slasshy_rpc.session.record import End, Reader, entry_text, facts, result_text
from slasshy_rpc.values import FileView, Snapshot, Status, UriView

GID = "00000000000000a1"
GLOBAL = defaults(compat=False)

texts = st.text(st.characters(max_codepoint=0x2FFF), max_size=12)
numbers = st.integers(0, 1 << 62)
files = st.builds(
    FileView,
    path=texts,
    length=numbers,
    completed=numbers,
    selected=st.booleans(),
    uris=st.lists(st.builds(UriView, texts, st.booleans()), max_size=5).map(tuple),
)
snapshots = st.builds(
    Snapshot,
    total_length=numbers,
    completed_length=numbers,
    upload_length=numbers,
    piece_length=numbers,
    num_pieces=numbers,
    bitfield=st.none() | st.binary(max_size=20),
    files=st.lists(files, max_size=3).map(tuple),
)
#: A value of an option never has line breaks or NUL: they are refused when it is given.
lines = st.text(st.characters(max_codepoint=0x2FFF, exclude_characters="\r\n\0"), max_size=12)
own: st.SearchStrategy[dict[str, Normal]] = st.fixed_dictionaries(
    {}, optional={"out": lines, "split": st.just("3"), "header": st.lists(lines, min_size=1, max_size=3).map(tuple)}
)


@st.composite
def downloads(draw: st.DrawFn) -> Download:
    options = GLOBAL.derive(draw(own), Layer.OWN)
    request = Request(tuple(draw(st.lists(texts, max_size=4))), options, draw(st.booleans()), draw(st.integers(0, 9)))
    download = Download(GID, request, Status.WAITING)
    download.last = draw(st.none() | snapshots)
    download.family = Family(draw(texts), tuple(draw(st.lists(texts, max_size=2))), draw(texts))
    return download


def shape(download: Download) -> tuple[Any, ...]:
    return (
        *(download.gid, download.request.uris, download.request.options.own(), download.request.trusted),
        *(download.request.depth, download.last, download.family),
    )


@settings(deadline=None)
@given(downloads(), texts)
def test_what_is_kept_is_there_again(download: Download, path: str) -> None:
    again, place = Reader(GLOBAL).entry(GID, Status.WAITING, entry_text(facts(download, path)))
    assert (shape(again), place) == (shape(download), path)
    text = result_text(facts(download, path), End(Status.ERROR, Ending(3, "gone"), 1), keep_urls=True)
    ended = Reader(GLOBAL).result(GID, text)
    assert (ended.status, ended.ending) == (Status.ERROR, Ending(3, "gone"))
    assert (ended.request.uris, ended.last) == (download.request.uris, download.last)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
KEYS = ["uris", "options", "status", "code", "message", "last", "path", "trusted", "depth", "following", "followedBy"]
INNER = [
    "total",
    "completed",
    "upload",
    "pieceLength",
    "pieces",
    "files",
    "bits",
    "path",
    "length",
    "lines",
    "selected",
]


def damaged(draw: st.DrawFn, text: str) -> str:
    """``text`` with another value somewhere, or without one."""
    document = json.loads(text)
    place = document
    if isinstance(document.get("last"), dict) and draw(st.booleans()):
        place = document["last"]
        if place.get("files") and draw(st.booleans()):
            place = place["files"][0]
    key = draw(st.sampled_from([*KEYS, *INNER]))
    if draw(st.booleans()):
        place[key] = draw(plain)
    else:
        place.pop(key, None)
    return json.dumps(document)


@settings(deadline=None)
@given(st.data())
def test_a_row_that_is_damaged_is_read_or_refused(data: st.DataObject) -> None:
    kept = facts(data.draw(downloads()), "p")
    for text in (entry_text(kept), result_text(kept, End(Status.COMPLETE, Ending(), 1), keep_urls=False)):
        change = st.composite(lambda draw, text=text: damaged(draw, text))()
        given_text = data.draw(change | st.just(text[: len(text) // 2]) | texts)
        reader = Reader(GLOBAL)
        with contextlib.suppress(ValueError):
            shape(reader.entry(GID, Status.WAITING, given_text)[0])
        with contextlib.suppress(ValueError):
            shape(reader.result(GID, given_text))


GOOD = {"total": 1, "completed": 1, "upload": 0, "pieceLength": 1, "pieces": 1, "files": []}


@pytest.mark.parametrize(
    "row",
    [
        "[" * 100_000,
        '{"uris":[],"options":{},"last":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}",
        json.dumps({"uris": [], "options": []}),
        json.dumps({"uris": [], "options": {"out": {"a": "b"}}}),
        '{"uris":[],"options":{},"last":{"total":1e999}}',
        json.dumps({"uris": [], "options": {}, "last": {**GOOD, "bits": "%%%"}}),
        json.dumps({"uris": [], "options": {}, "last": {**GOOD, "bits": base64.b64encode(b"no").decode()}}),
        json.dumps({"uris": [], "options": {}, "last": {**GOOD, "files": [{"path": "", "uris": [], "lines": [9]}]}}),
        json.dumps({"uris": 1, "options": {}}),
    ],
)
def test_rows_that_are_none(row: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Reader(GLOBAL).entry(GID, Status.WAITING, row)


def test_a_map_of_gigabytes_is_not_unpacked() -> None:
    bits = base64.b64encode(zlib.compress(bytes(64 << 20))).decode()
    with pytest.raises(ValueError, match="bits"):
        Reader(GLOBAL).entry(
            GID, Status.WAITING, json.dumps({"uris": [], "options": {}, "last": {**GOOD, "bits": bits}})
        )
