"""Links to Spotify: the song is looked for elsewhere, and comes from there; lists beget a download for each song."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.behaviour import Behaviour
from tests.support.certs import Certificates
from tests.support.daemon import Ear
from tests.support.media import listing, page
from tests.support.origin import Origin
from tests.support.process import Refused, Server, run
from tests.support.sound import probed, songs
from tests.support.spotify import embedded, environment, found, identifier, in_its_place, listed, serve, song

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return songs(tmp_path_factory.mktemp("songs"))


@pytest.fixture
def fan(options: list[str], origin: Origin) -> Iterator[Server]:
    """A server that takes the origin for Spotify, and for where songs are looked for."""
    with Server(*options, *in_its_place(origin), environment=environment(origin)) as server:
        yield server


@pytest.fixture
def right(origin: Origin, sound: dict[str, bytes]) -> dict[str, Any]:
    """The page that has the song."""
    audio = {"url": origin.serve("/a.m4a", data=sound["a.m4a"]), "format_id": "140", "ext": "m4a"}
    url = page(origin, "right", {**audio, "vcodec": "none", "acodec": "mp4a.40.2"})
    return {"url": url, "title": "The Lamps - Night (Official Video)", "channel": "The Lamps", "duration": 1}


def decoys(origin: Origin) -> list[dict[str, Any]]:
    """Pages that seem to have it."""
    titles = ("The Lamps - Night (Live)", "The Lamps - Night (cover)", "The Lamps - Night 10 hours", "Night Sounds")
    return [{"url": origin.url(f"/watch/wrong-{n}"), "title": title, "duration": 2} for n, title in enumerate(titles)]


def test_a_song(fan: Server, origin: Origin, sound: dict[str, bytes], folder: Path, right: dict[str, Any]) -> None:
    """One GID and one event; the best match, with tags, the picture, and where it came from."""
    image = {"image": [{"url": origin.serve("/i", data=sound["cover.jpg"]), "maxWidth": 640}]}
    link = serve(origin, song(1, "Night", "The Lamps", "A/B, C", visualIdentity=image))
    found(origin, *decoys(origin)[:2], right, *decoys(origin)[2:])
    with Ear(fan.port) as ear:
        gid = fan.call("aria2.addUri", [link], {"header": ["Cookie: of=spotify", "Authorization: Bearer x"]})
        done = fan.completed(gid)
        ear.wait(lambda heard: any("onDownloadComplete" in text for text in heard))
        assert sum("onDownloadComplete" in text for text in ear.heard) == 1
    path = folder / "The Lamps, A\N{BIG SOLIDUS}B, C - Night.m4a"
    assert [file["path"] for file in done["files"]] == [str(path)]
    assert {uri["uri"] for uri in done["files"][0]["uris"]} == {link}
    assert os.listdir(folder) == [path.name]
    made = probed(path)
    tags = {"title": "Night", "artist": "The Lamps, A/B, C", "date": "2020-03-04", "comment": right["url"]}
    assert tags.items() <= made["format"]["tags"].items()
    assert [stream["codec_name"] for stream in made["streams"]] == ["aac", "mjpeg"]
    (asked,) = origin.requests("/found")
    assert "q=The+Lamps%2C+A%2FB%2C+C+-+Night" in asked.target
    assert not [seen for seen in origin.requests() if "wrong" in seen.target]
    assert not [seen for seen in origin.requests() if seen.header("cookie") or seen.header("authorization")]


def test_off_is_off(options: list[str], origin: Origin, folder: Path) -> None:
    """Nobody is asked, and the error says what to do."""
    on = in_its_place(origin)[1:]
    links = (f"https://open.spotify.com/intl-de/track/{identifier(1)}", f"spotify:track:{identifier(1)}")
    for given in (links[:1], links[1:], links):
        code, said = run(*options, *on, *given)
        assert code == 1, said
        assert "--media-spotify=true" in said
        assert "Spotify's own audio is protected, and is never fetched" in said
    assert origin.requests() == []
    code, said = run(*options, *on, "--media=off", f"spotify:track:{identifier(1)}")
    assert code != 0
    assert not folder.exists() or os.listdir(folder) == []


def test_what_is_not_surely_the_song_is_not_taken(fan: Server, origin: Origin, folder: Path) -> None:
    link = serve(origin, song(1, "Night", "The Lamps"))
    found(origin, *decoys(origin))
    failed = fan.finished(fan.add(link))
    assert (failed["status"], failed["errorCode"]) == ("error", "3")
    said = failed["errorMessage"]
    assert said.startswith("Nothing that was found is surely 'The Lamps - Night': the nearest, ")
    found(origin)
    failed = fan.finished(fan.add(link))
    assert failed["errorMessage"].startswith("Nothing that was found is surely 'The Lamps - Night'. Look")
    origin.serve("/found", behaviour=Behaviour(status=403))
    failed = fan.finished(fan.add(link))
    assert failed["errorMessage"].startswith("The search (--media-search) failed: ")
    assert not folder.exists()


def test_a_list_is_not_the_song(fan: Server, origin: Origin, folder: Path, right: dict[str, Any]) -> None:
    """Nor is all that is on it."""
    link = serve(origin, song(1, "Night", "The Lamps"))
    found(origin, {**right, "url": listing(origin, "many", right["url"], right["url"])})
    failed = fan.finished(fan.add(link))
    assert (failed["status"], "a list of media" in failed["errorMessage"]) == ("error", True)
    assert "followedBy" not in failed
    assert not folder.exists()


def test_a_page_that_is_not_as_it_was(fan: Server, origin: Origin) -> None:
    link = serve(origin, song(1, "Night", "The Lamps"))
    place = f"/embed/track/{identifier(1)}"
    for data in (b"<html>Sign in", embedded({"uri": f"spotify:track:{identifier(1)}"})):
        origin.serve(place, data=data)
        failed = fan.finished(fan.add(link))
        assert failed["status"] == "error"
        assert "Spotify's page for embedding is not as it was" in failed["errorMessage"]
    origin.serve(place, behaviour=Behaviour(status=404))
    failed = fan.finished(fan.add(link))
    assert (failed["errorCode"], "could not be read" in failed["errorMessage"]) == ("3", True)
    failed = fan.finished(fan.add(f"spotify:episode:{identifier(1)}"))
    assert "leads to a Spotify episode" in failed["errorMessage"]


def test_a_playlist(fan: Server, origin: Origin, folder: Path, right: dict[str, Any]) -> None:
    """One is complete, one is found nowhere, and a podcast is left out."""
    serve(origin, song(1, "Night", "The Lamps"))
    serve(origin, song(2, "Nowhere", "Nobody"))
    uris = [f"spotify:{kind}:{identifier(n)}" for n, kind in enumerate(("episode", "track", "track"))]
    found(origin, right)
    parent = fan.completed(fan.add(serve(origin, listed("playlist", 3, "Mine", *uris)), out="never", dir=str(folder)))
    ended = {gid: fan.finished(gid) for gid in parent["followedBy"]}
    assert sorted(one["status"] for one in ended.values()) == ["complete", "error"]
    assert {one["following"] for one in ended.values()} == {parent["gid"]}
    assert os.listdir(folder) == ["The Lamps - Night.m4a"]
    fan.hears("Mine: podcast episodes and files of somebody's own are left out (1).")


def test_an_album(fan: Server, origin: Origin, folder: Path, right: dict[str, Any]) -> None:
    """Its songs know which one they are."""
    serve(origin, song(1, "Night", "The Lamps"))
    found(origin, right)
    uris = [f"spotify:track:{identifier(n)}" for n in (2, 1, 4)]
    album = serve(origin, listed("album", 3, "Lights", *uris))
    parent = fan.completed(fan.add(album, media_playlist_items="1:2"))
    lost, there = (fan.finished(gid) for gid in parent["followedBy"])
    assert (lost["status"], there["status"]) == ("error", "complete")
    tags = probed(folder / "The Lamps - Night.m4a")["format"]["tags"]
    assert (tags["album"], tags["track"]) == ("Lights", "2")


def test_paused_and_gone_on_with(
    fan: Server, origin: Origin, sound: dict[str, bytes], folder: Path, right: dict[str, Any]
) -> None:
    """What was found is not looked for again; the user's own wishes count."""
    link = serve(origin, song(1, "Night", "The Lamps"))
    found(origin, right)
    origin.serve("/a.m4a", data=sound["a.m4a"], behaviour=Behaviour(hold_at=5000))
    gid = fan.add(f"spotify:track:{identifier(1)}", media_metadata="false", media_audio_format="mp3", out="x.mp3")
    assert link
    fan.until(gid, lambda status: int(status["completedLength"]) > 0)
    fan.call("aria2.pause", gid)
    fan.until(gid, lambda status: status["status"] == "paused")
    origin.serve("/a.m4a", data=sound["a.m4a"])
    fan.call("aria2.unpause", gid)
    fan.completed(gid)
    assert len(origin.requests("/found")) == 1
    assert os.listdir(folder) == ["x.mp3"]
    assert "artist" not in probed(folder / "x.mp3")["format"]["tags"]


def test_a_gid_that_is_used_again(fan: Server, origin: Origin, folder: Path, right: dict[str, Any]) -> None:
    """What was found for another song of that name is not this one."""
    links = [serve(origin, song(n, title, "The Lamps")) for n, title in enumerate(("Night", "Day"), 1)]
    found(origin, right, {**right, "title": "The Lamps - Day"})
    for link in links:
        gid = fan.add(link, gid="00000000000000aa")
        fan.completed(gid)
        fan.call("aria2.removeDownloadResult", gid)
    assert sorted(os.listdir(folder)) == ["The Lamps - Day.m4a", "The Lamps - Night.m4a"]


def test_whom_the_user_trusts_may_find_songs(
    options: list[str], origin: Origin, secure_origin: Origin, certificates: Certificates, right: dict[str, Any]
) -> None:
    link = serve(origin, song(1, "Night", "The Lamps"))
    found(secure_origin, right)
    options = [*options, *in_its_place(origin), f"--ca-certificate={certificates.authority}"]
    code, said = run(*options, link, environment=environment(secure_origin))
    assert code == 0, said


def test_callers_choose_no_place_and_no_command(fan: Server, origin: Origin) -> None:
    link = serve(origin, song(1, "Night", "The Lamps"))
    found(origin)
    fan.finished(fan.add(link, media_spotify_base="http://127.0.0.1:1"))
    assert len(origin.requests(f"/embed/track/{identifier(1)}")) == 1
    with pytest.raises(Refused, match="--media-search"):
        fan.add(link, media_search="http://x")
