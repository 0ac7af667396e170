"""Pages that list media: one download for each, begotten as aria2's torrents and Metalink files beget theirs."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.daemon import Ear
from tests.support.media import OPTIONS, listing, page, whole
from tests.support.origin import Origin
from tests.support.process import PATIENCE, Refused, Server, run

#: Their server is one for all of them.
STANDING = True


def begun(server: Server, url: str, **options: str) -> tuple[str, list[str]]:
    """Add a list; its GID and its children's."""
    gid = server.add(url, **options)
    return gid, server.completed(gid)["followedBy"]


def asked(server: Server, children: list[str]) -> list[str]:
    """The URIs of Downloads, in their order."""
    return [server.status(child)["files"][0]["uris"][0]["uri"] for child in children]


@pytest.fixture
def three(origin: Origin) -> str:
    """A list of three pages, of which the second is broken."""
    video = origin.serve("/v.mp4", length=5)
    good = [page(origin, name, whole(video)) for name in ("one", "three")]
    return listing(origin, "three-of-them", good[0], origin.url("/watch/gone"), good[1])


def test_a_list_begets_its_entries_and_a_broken_one_fails_alone(
    server: Server, origin: Origin, folder: Path, three: str
) -> None:
    with Ear(server.port) as ear:
        gid, children = begun(server, three, out="one-name")
        ends = [server.finished(child) for child in children]
        ear.wait(lambda heard: sum("onDownload" in text and "Start" not in text for text in heard) == 4)
    parent = server.status(gid)
    assert (parent["totalLength"], parent["files"][0]["path"]) == ("0", f"[MEDIA]{three}")
    assert [(end["status"], end["errorCode"]) for end in ends] == [("complete", "0"), ("error", "3"), ("complete", "0")]
    assert {end["following"] for end in ends} == {gid}
    assert sorted(os.listdir(folder)) == ["One [one].mp4", "Three [three].mp4"]
    stats = server.call("aria2.getGlobalStat")
    assert (stats["numWaiting"], stats["numStopped"]) == ("0", "4")


def test_only_the_wanted_entries_of_a_list_are_taken(server: Server, origin: Origin) -> None:
    url = listing(origin, "many", *(origin.url(f"/watch/n{n}") for n in range(1, 10)))
    for items, wanted in (("2:3", [2, 3]), ("1,5,-1", [1, 5, 9]), ("7:", [7, 8, 9])):
        _, children = begun(server, url, media_playlist_items=items, pause_metadata="true")
        assert asked(server, children) == [origin.url(f"/watch/n{n}") for n in wanted]
    with pytest.raises(Refused, match="media-playlist-items"):
        server.add(url, media_playlist_items="1;2")
    nothing = server.finished(server.add(url, media_playlist_items="50:"))
    assert (nothing["errorCode"], nothing["errorMessage"]) == ("3", "The page is a list of media with nothing in it.")


def test_a_video_in_a_list_is_that_video_unless_all_are_wanted(
    server: Server, origin: Origin, folder: Path, three: str
) -> None:
    url = f"{origin.url('/watch/one')}?list=three-of-them"
    server.completed(server.add(url))
    assert os.listdir(folder) == ["One [one].mp4"]
    _, children = begun(server, url, media_playlist="all", pause_metadata="true")
    assert len(children) == 3
    refused = server.finished(server.add(three, media_playlist="single"))
    assert "media-playlist=single" in refused["errorMessage"]


def test_a_thousand_entries_are_cut_and_keep_nobody_waiting(server: Server, origin: Origin) -> None:
    url = listing(origin, "thousand", *(origin.url(f"/watch/n{n}") for n in range(1000)))
    answers, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            began = time.monotonic()
            server.call("aria2.tellWaiting", 0, 20)
            answers.append(time.monotonic() - began)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        _, children = begun(server, url, pause_metadata="true")
    finally:
        done.set()
        watching.join(PATIENCE)
    assert len(children) == len(set(children)) == 500
    assert asked(server, children[-1:]) == [origin.url("/watch/n499")]
    assert origin.requests("/watch/n0") == []
    server.hears("media-playlist-items=501: for more")
    _, rest = begun(server, url, pause_metadata="true", media_playlist_items="301:")
    assert len(rest) == 500
    server.hears("media-playlist-items=801: for more")
    print(f"longest answer: {max(answers) * 1000:.0f} ms")
    assert max(answers) < 3


def test_children_are_paused_removed_saved_and_restarted_like_any_download(
    options: list[str], origin: Origin, folder: Path, tmp_path: Path
) -> None:
    session = tmp_path / "session"
    video = origin.serve("/v.mp4", length=5)
    url = listing(origin, "four", *(page(origin, name, whole(video)) for name in ("a", "b", "c", "d")))
    options += [f"--save-session={session}"]
    with Server(*options) as server:
        gid, children = begun(server, url, pause_metadata="true", split="3")
        server.call("aria2.remove", children[3])
        server.call("aria2.unpause", children[0])
        server.completed(children[0])
        assert server.stop() == 0
    saved = session.read_text()
    assert [child in saved for child in (gid, *children)] == [False, False, True, True, False]
    with Server(*options) as server:
        assert {server.status(child)["following"] for child in children[1:3]} == {gid}
        assert server.status(gid)["followedBy"] == children
        server.call("aria2.unpause", children[1])
        assert server.completed(children[1])["status"] == "complete"
        assert server.call("aria2.getOption", children[2])["split"] == "3"
        assert server.stop() == 0
    elsewhere = [*OPTIONS, f"--dir={folder}", f"--state-dir={tmp_path / 'other'}", f"--input-file={session}"]
    elsewhere.append("--enable-rpc")
    with Server(*elsewhere) as server:
        assert server.status(children[2])["status"] == "paused"
        server.call("aria2.unpause", children[2])
        server.completed(children[2])
    assert sorted(os.listdir(folder)) == ["A [a].mp4", "B [b].mp4", "C [c].mp4"]


def test_media_without_pages_of_their_own_are_taken_by_their_places(
    server: Server, origin: Origin, folder: Path
) -> None:
    video = origin.serve("/v.mp4", length=5)
    bare = [{"id": f"n{n}", "title": f"N{n}", "formats": [whole(video)]} for n in (1, 2)]
    broken = {"id": "x", "title": "X", "formats": [whole(video, protocol="rtmp")]}
    _, children = begun(server, listing(origin, "bare", bare[0], broken, bare[1]))
    assert [server.finished(child)["status"] for child in children] == ["complete", "error", "complete"]
    assert sorted(os.listdir(folder)) == ["N1 [n1].mp4", "N2 [n2].mp4"]


def test_two_videos_of_an_unknown_page_are_two_downloads(options: list[str], origin: Origin, folder: Path) -> None:
    for name in ("v", "w"):
        origin.serve(f"/{name}.mp4", length=1 << 20)
    html = b"<html><head><title>T</title></head><body><video src='/v.mp4'></video><video src='/w.mp4'></video></body>"
    url = origin.serve("/blog", data=html, behaviour=Behaviour(content_type="text/html"))
    code, said = run(*options, "--media=only", url)
    assert code == 0, said
    assert len(list(folder.glob("*.mp4"))) == 2


def test_lists_in_lists_have_an_end(server: Server, origin: Origin) -> None:
    url = listing(origin, "again", origin.url("/watch/again"))
    _, children = begun(server, url)
    (grandchild,) = server.completed(children[0])["followedBy"]
    last = server.finished(grandchild)
    assert last["errorMessage"] == "The page is a list in a list of lists. Add it by itself."


def test_a_list_names_pages_and_files_and_nothing_else(server: Server, origin: Origin) -> None:
    file = origin.url("/x.mp3")
    url = listing(origin, "odd", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.1/a b", file)
    _, children = begun(server, url, pause_metadata="true")
    assert asked(server, children) == [file]
