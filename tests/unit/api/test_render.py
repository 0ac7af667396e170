"""Wire forms: keys, strings, the coarse piece map, and what they cost."""

from __future__ import annotations

import time
import weakref
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.api import render
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session.download import Download, Ending, Family, Run
from slasshy_rpc.values import FileView, ServerView, Snapshot, Status, UriView
from tests.support.fake_protocol import options

URI = "http://127.0.0.1/f"
FILE = FileView("/d/f", 9 << 20, 1 << 20, uris=(UriView(URI, False), UriView(URI, True)))
LOADED = Snapshot(
    total_length=9 << 20,
    completed_length=1310720,
    download_speed=7,
    connections=3,
    num_pieces=9,
    bitfield=b"\xff\x80",
    files=(FILE,),
)


class StillJob:
    """A Job that only shows a Snapshot."""

    def __init__(self, state: Snapshot) -> None:
        self.state = state
        self.asked = 0

    def snapshot(self) -> Snapshot:
        self.asked += 1
        return self.state


def active(state: Snapshot = LOADED) -> Download:
    download = Download("a" * 16, Request((URI,), options()), Status.ACTIVE)
    download.run = cast(Run, type("Still", (), {"job": StillJob(state), "started": 0.0})())
    return download


def stopped(status: Status = Status.COMPLETE) -> Download:
    download = Download("b" * 16, Request((URI,), options()), status)
    download.last = LOADED
    return download


def shown(download: Download, *names: str, compat: bool = True) -> dict[str, object]:
    return render.status(download, render.wanted(names), compat)


def test_all_keys_of_an_active_one() -> None:
    told = shown(active())
    assert told == {
        "gid": "a" * 16,
        "status": "active",
        "dir": "/downloads",
        "totalLength": "9437184",
        "completedLength": "1310720",
        "uploadLength": "0",
        "bitfield": "ff80",
        "downloadSpeed": "7",
        "uploadSpeed": "0",
        "pieceLength": "1048576",
        "numPieces": "9",
        "connections": "3",
        "files": [
            {
                "index": "1",
                "path": "/d/f",
                "length": "9437184",
                "completedLength": "1048576",
                "selected": "true",
                "uris": [{"status": "used", "uri": URI}, {"status": "waiting", "uri": URI}],
            }
        ],
    }


def test_a_stopped_one_adds_its_error_even_when_there_is_none() -> None:
    told = shown(stopped())
    assert (told["errorCode"], told["errorMessage"]) == ("0", "")
    assert set(told) - set(shown(active())) == {"errorCode", "errorMessage"}


def test_the_family() -> None:
    download = stopped()
    download.family = Family("d", ("c",), "e")
    assert shown(download, "followedBy", "following", "belongsTo") == {
        "followedBy": ["c"],
        "following": "d",
        "belongsTo": "e",
    }


def test_keys_choose_and_unknown_ones_are_ignored() -> None:
    assert shown(active(), "gid", "nope", "status") == {"gid": "a" * 16, "status": "active"}


def test_only_unknown_keys_are_not_all_keys() -> None:
    assert shown(stopped(), "nope") == {}
    assert set(shown(stopped())) > {"gid", "files"}


def test_what_callers_ask_for_in_vain_is_not_kept() -> None:
    shown(stopped(), "gid")
    before = render._fields.cache_info().currsize
    for number in range(20):
        shown(stopped(), "gid", *(f"{number}-{other}" for other in range(20)))
    assert render._fields.cache_info().currsize == before


class Made(list[Download]):
    """Notes the Downloads whose answer is made, and not taken from the shelf."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        told = render._told

        def noted(download: Download, *others: Any) -> dict[str, object]:
            self.append(download)
            return told(download, *others)

        monkeypatch.setattr(render, "_told", noted)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


def test_many_are_told_as_they_are_asked_for(made: Made) -> None:
    downloads = [Download(f"{number:016x}", Request((URI,), options()), Status.WAITING) for number in range(5)]
    told = render.Told(downloads, render.wanted(["gid"]), render.Shelf(True))
    assert (len(told), made) == (5, [])
    assert told[3] == {"gid": f"{3:016x}"}
    assert made == [downloads[3]]
    assert list(told[1:3]) == list(told)[1:3]


def test_what_has_not_changed_is_told_again(made: Made) -> None:
    shelf, download = render.Shelf(False), Download("c" * 16, Request((URI,), options()), Status.WAITING)
    assert shelf.status(download, None) is shelf.status(download, None)
    assert len(made) == 1
    assert shelf.status(download, render.wanted(["gid"])) == {"gid": "c" * 16}
    assert len(made) == 2


def test_every_change_is_told_at_once() -> None:
    shelf, download = render.Shelf(False), Download("c" * 16, Request((URI,), options()), Status.WAITING)

    def told() -> dict[str, object]:
        answer = shelf.status(download, None)
        assert answer == render.status(download, None, False)
        return answer

    assert told()["status"] == "waiting"
    download.status = Status.PAUSED
    assert told()["status"] == "paused"
    download.replace_request(Request((URI,), options(dir="/elsewhere")))
    assert told()["dir"] == "/elsewhere"
    job = StillJob(LOADED)
    download.status, download.run = Status.ACTIVE, cast(Run, type("Still", (), {"job": job, "started": 0.0})())
    assert told()["completedLength"] == "1310720"
    job.state = replace(LOADED, completed_length=2 << 20)
    assert told()["completedLength"] == "2097152"
    download.last, download.run, download.status = job.state, None, Status.WAITING
    assert told()["connections"] == "3"
    download.last = replace(LOADED, connections=0)
    assert told()["connections"] == "0"
    download.status, download.ending = Status.ERROR, Ending(3, "gone")
    assert told()["errorMessage"] == "gone"
    download = Download("c" * 16, Request((URI + "2",), options()), Status.WAITING)
    assert told()["status"] == "waiting"


def test_the_shelf_stays_small(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "MOST_KEPT", 2)
    shelf = render.Shelf(True)
    first, *others = (Download(f"{number:016x}", Request((URI,), options()), Status.WAITING) for number in range(3))
    for download in (first, *others, first):
        shelf.status(download, None)
    assert made == [first, *others, first]
    many_lines = Download("d" * 16, Request(tuple(f"{URI}{n}" for n in range(100)), options()), Status.WAITING)
    long_map = stopped()
    long_map.last = replace(LOADED, num_pieces=80_000, bitfield=b"\xff" * 10_000)
    for download in (many_lines, long_map):
        assert shelf.status(download, None) is not shelf.status(download, None)


def test_the_shelf_knows_how_much_it_holds(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes and goes, and who was asked for last stays."""
    monkeypatch.setattr(render, "MOST_KEPT", 2)
    shelf = render.Shelf(True)
    one, two, three = (Download(f"{number:016x}", Request((URI,), options()), Status.WAITING) for number in range(3))
    for status in (Status.PAUSED, Status.WAITING, Status.PAUSED):
        one.status = status
        shelf.status(one, None)
    for _ in range(3):
        shelf.status(two, None)
        shelf.drop(two.gid)
    shelf.status(one, None)
    shelf.clear()
    for download in (one, two, one, three, one):
        shelf.status(download, None)
    assert made == [one, one, one, two, two, two, one, two, three]


def test_what_was_purged_leaves_the_shelf(made: Made) -> None:
    shelf = render.Shelf(True)

    class Watched(Download):
        __slots__ = ("__weakref__",)

    gone, kept = (Watched(f"{number:016x}", Request((URI,), options()), Status.WAITING) for number in range(2))
    alive = weakref.ref(gone)
    for keys in (None, render.wanted(["gid", "files"])):
        shelf.status(gone, keys)
        shelf.status(kept, keys)
    shelf.drop(gone.gid)
    shelf.drop(gone.gid)
    made.clear()
    del gone
    assert alive() is None
    shelf.status(kept, None)
    assert made == []
    shelf.clear()
    shelf.status(kept, None)
    assert made == [kept]


def test_a_uri_that_is_listed_many_times_is_made_once() -> None:
    views = (UriView(URI, False),) * 3 + (UriView(URI + "2", True),)
    told = render.uris(views)
    assert [(each["status"], each["uri"]) for each in told] == [("used", URI + "2")] + [("waiting", URI)] * 3
    assert told[1] is told[2] is told[3]


def test_files_are_not_made_for_those_who_do_not_ask() -> None:
    download = Download("c" * 16, Request((URI,), options()), Status.WAITING)
    assert download.snapshot(files=False) == replace(download.snapshot(), files=())
    assert shown(download, "pieceLength", "totalLength") == {"pieceLength": "1048576", "totalLength": "0"}


def test_nobody_asks_a_queued_one_for_more_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Download) -> Snapshot:
        raise AssertionError

    monkeypatch.setattr(Download, "snapshot", never)
    assert shown(stopped(), "gid") == {"gid": "b" * 16}


def test_a_hash_check_shows_whatever_the_keys() -> None:
    state = replace(LOADED, verified_length=5, verify_pending=True)
    assert shown(active(state), "gid") == {
        "gid": "a" * 16,
        "verifiedLength": "5",
        "verifyIntegrityPending": "true",
    }


def test_nothing_known_yet() -> None:
    told = shown(active(Snapshot()))
    assert (told["numPieces"], told["pieceLength"], told["files"]) == ("0", "1048576", [])
    assert "bitfield" not in told


def test_servers() -> None:
    assert render.servers((ServerView(URI, URI + "2", 5),), 1) == [
        {"index": "1", "servers": [{"uri": URI, "currentUri": URI + "2", "downloadSpeed": "5"}]}
    ]


def test_many_pieces_are_joined_outside_compat_only() -> None:
    state = replace(LOADED, num_pieces=5000, bitfield=b"\xff" * 625)
    keys = ("numPieces", "pieceLength", "bitfield")
    assert shown(active(state), *keys) == {
        "numPieces": "5000", "pieceLength": "1048576", "bitfield": "ff" * 625,
    }  # fmt: skip
    assert shown(active(state), *keys, compat=False) == {
        "numPieces": "1250", "pieceLength": "4194304", "bitfield": "ff" * 156 + "c0",
    }  # fmt: skip


@given(st.integers(1, 9000), st.randoms(use_true_random=False), st.sampled_from([0.0, 0.5, 0.99, 1.0]))
@settings(max_examples=60, deadline=None)
def test_a_joined_piece_is_there_when_all_its_parts_are(pieces: int, random: object, share: float) -> None:
    import random as plain

    dice = plain.Random(pieces)
    bits = [dice.random() < share for _ in range(pieces)]
    coarse, count = render.coarse(packed(bits), pieces)
    expected = bits
    while len(expected) > render.MOST_PIECES:
        expected = [all(expected[at : at + 2]) for at in range(0, len(expected), 2)]
    assert count == len(expected)
    assert coarse == packed(expected)


def packed(bits: list[bool]) -> bytes:
    text = "".join("01"[bit] for bit in bits)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def test_tell_active_of_twenty_is_cheap() -> None:
    """The budget is 200 µs; a loaded machine gets five times that, of the best of many rounds."""
    views = tuple(UriView(URI, at % 2 == 0) for at in range(16))
    downloads = [
        active(replace(LOADED, num_pieces=1024, bitfield=b"\xf0" * 128, files=(replace(FILE, uris=views),)))
        for _ in range(20)
    ]
    best = 1.0
    for _ in range(50):
        begun = time.perf_counter()
        for download in downloads:
            render.status(download, None, False)
        best = min(best, time.perf_counter() - begun)
    assert best < 0.001
