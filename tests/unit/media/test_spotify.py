"""What is understood of the page that Spotify gives to others to embed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.media.detect import spotify as link
from slasshy_rpc.media.match import Candidate, Song
from slasshy_rpc.media.song import candidates
from slasshy_rpc.media.spotify import LARGEST_PAGE, MOST_SONGS, listing, places, track
from tests.support.spotify import embedded, identifier, listed, song

ID = identifier(1)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        (f"https://open.spotify.com/track/{ID}", ("track", ID)),
        (f"https://open.spotify.com/intl-de/album/{ID}?si=1", ("album", ID)),
        (f"http://open.spotify.com/embed/playlist/{ID}#x", ("playlist", ID)),
        (f"spotify:track:{ID}", ("track", ID)),
        (f"spotify:episode:{ID}", ("episode", ID)),
        (f"https://Open.Spotify.com:443/track/{ID}/?si=1", ("track", ID)),
        (f"https://open.spotify.com/track/{ID}x", None),
        (f"https://open.spotify.com/track/{ID}/../x", None),
        ("https://open.spotify.com/track/1", None),
        (f"https://open.spotify.com.evil.test/track/{ID}", None),
        (f"https://x.test/?u=https://open.spotify.com/track/{ID}", None),
        ("https://open.spotify.com/search", None),
    ],
)
def test_links(uri: str, found: tuple[str, str] | None) -> None:
    assert link(uri) == found


def test_a_song() -> None:
    images = {"image": [{"url": "https://i.test/64", "maxWidth": 64}, {"url": "https://i.test/640", "maxWidth": 640}]}
    page = embedded(song(1, "A </script> B\n", "Tyler, The Creator", "Ada", seconds=61.5, visualIdentity=images))
    found = track(page, ID)
    assert found.song == Song("A </script> B", ("Tyler, The Creator", "Ada"), 61.5)
    assert found.labels.covers == ("https://i.test/640", "https://i.test/64")
    assert dict(found.labels.tags) == {
        "title": "A </script> B",
        "artist": "Tyler, The Creator, Ada",
        "date": "2020-03-04",
        "comment": f"https://open.spotify.com/track/{ID}",
    }
    bare = track(embedded(song(1, "A", "B", visualIdentity=None, releaseDate=None)), ID)
    assert (bare.labels.covers, dict(bare.labels.tags).get("date")) == ((), None)


def test_a_list() -> None:
    uris = [f"spotify:track:{identifier(n)}" for n in range(3)]
    page = embedded(listed("playlist", 1, "Mine", *uris, f"spotify:episode:{ID}", "spotify:local:a:b:c:1"))
    found = listing(page, "playlist", ID)
    assert (found.name, found.tracks, found.skipped) == ("Mine", tuple(identifier(n) for n in range(3)), 2)
    many = embedded(listed("album", 1, "Long", *[uris[0]] * 999))
    assert len(listing(many, "album", ID).tracks) == MOST_SONGS


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("2", [1]),
        ("-1", [4]),
        ("6,-6,9:99", []),
        ("2:3,2,-2:", [1, 2, 3, 4]),
        (":2,5", [0, 1, 4]),
        ("4-9,1-1", [3, 4, 0]),
        ("::2", [0, 2, 4]),
        ("-1:3:-1", [4, 3, 2]),
        ("::-2", [4, 2, 0]),
        ("-99:-4", [0, 1]),
    ],
)
def test_some_of_a_list(items: str, found: list[int]) -> None:
    """As yt-dlp has them."""
    assert places(items, 5) == found


WRONG: list[tuple[str, bytes]] = [
    ("no data", b"<html>"),
    ("no data", b""),
    ("no JSON", b'<script id="__NEXT_DATA__">{</script>'),
    ("missing", b'<script id="__NEXT_DATA__">[]</script>'),
    ("missing", b'<script id="__NEXT_DATA__">{"props": {"pageProps": {}}}</script>'),
    ("asked for", embedded(song(2, "A", "B"))),
    ("artists", embedded(song(1, "A"))),
    ("artists is missing", embedded(song(1, "A", "B", artists="B"))),
    ("an entry is missing", embedded(song(1, "A", "B", artists=["B"]))),
    ("name is empty", embedded(song(1, " ", "B"))),
    ("name is missing", embedded(song(1, "A", "B", name=["A"]))),
    ("length", embedded(song(1, "A", "B", seconds=0))),
    ("length", embedded(song(1, "A", "B", seconds=1e9))),
    ("duration is missing", embedded(song(1, "A", "B", duration=True))),
    ("duration is missing", embedded(song(1, "A", "B", duration="1"))),
]


@pytest.mark.parametrize(("says", "page"), WRONG)
def test_a_page_that_has_changed(says: str, page: bytes) -> None:
    with pytest.raises(DownloadError, match=f"not as it was .*{says}"):
        track(page, ID)


def test_a_song_that_is_not_there() -> None:
    with pytest.raises(DownloadError, match="does not have this") as caught:
        track(b'<script id="__NEXT_DATA__">{"props": {"pageProps": {"status": 404}}}</script>', ID)
    assert caught.value.code == ErrorCode.NOT_FOUND


def test_deep_data_is_refused() -> None:
    with pytest.raises(DownloadError, match="no JSON"):
        track(b'<script id="__NEXT_DATA__">' + b"[" * 100000 + b"</script>", ID)


def test_a_page_that_is_hard_to_read_is_read_once() -> None:
    """Tags without an end before 4 MiB of text: seconds, if each is tried with all of the text."""
    began = b"<script " * 18 + b'id="__NEXT_DATA__" ' * 10 + b">"
    started = time.process_time()
    with pytest.raises(DownloadError, match="no data"):
        track(began.ljust(LARGEST_PAGE, b"a"), ID)
    assert time.process_time() - started < 1


def test_what_a_search_found() -> None:
    one: dict[str, Any] = {"url": "https://v.test/1", "title": "T", "channel": "C", "seconds": 3}
    answer = {"kind": "search", "found": [one, {**one, "url": "file:///etc/passwd"}, {**one, "seconds": None}] * 9}
    found = candidates(answer)
    assert found[:2] == [Candidate("https://v.test/1", "T", "C", 3.0), Candidate("https://v.test/1", "T", "C", 0.0)]
    assert len(found) < 10
    with pytest.raises(DownloadError) as caught:
        candidates({"kind": "failed", "text": "no way through http://u:secret@proxy.test:1/?k=secret\x1b[2J"})
    assert str(caught.value) == "The search (--media-search) failed: no way through http://proxy.test:1/?k=***"
