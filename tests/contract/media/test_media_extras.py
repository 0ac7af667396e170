"""Subtitles and pictures of a media page are stored beside its file, and keep nobody from having that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.behaviour import GOOD, Behaviour
from tests.support.media import apart, clip, listing, page, whole
from tests.support.origin import Origin
from tests.support.process import Refused, Server

WANTED = {"media_subtitles": "en,pt-BR,xx", "media_thumbnail": "true"}

#: Their server is one for all of them.
STANDING = True


def with_extras(origin: Origin, *formats: dict[str, object], behaviour: Behaviour = GOOD) -> str:
    """A page with two subtitles that are there, one that is not, and two pictures; its URL."""
    subtitles = {
        language: [{"url": origin.serve(f"/{language}.vtt", data=language.encode()), "ext": "vtt"}]
        for language in ("en", "pt-BR", "de")
    }
    subtitles["xx"] = [{"url": origin.url("/none.vtt"), "ext": "vtt"}]
    sizes = {"small": 100, "large": 900}
    pictures = [{"url": origin.serve(f"/{name}.jpg", data=name.encode()), "width": sizes[name]} for name in sizes]
    return page(origin, "one", *formats, behaviour=behaviour, subtitles=subtitles, thumbnails=pictures)


def test_they_lie_beside_one_file(server: Server, origin: Origin, folder: Path) -> None:
    headers = {"X-Tok": "t", "Referer": "http://page.test/"}
    url = with_extras(origin, whole(origin.serve("/v.mp4", length=5), http_headers=headers))
    gid = server.add(url, **WANTED)
    done = server.completed(gid)
    assert server.call("slasshy.getMedia", gid) == {
        **{"gid": gid, "page": url, "stage": "done", "title": "One", "format": "22"},
        "extras": [str(folder / f"One [one].{ending}") for ending in ("en.vtt", "pt-BR.vtt", "jpg")],
    }
    assert [os.path.basename(file["path"]) for file in done["files"]] == ["One [one].mp4"]
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found.pop("One [one].mp4") == origin.content("/v.mp4").slice(0, 5)
    assert found == {"One [one].en.vtt": b"en", "One [one].pt-BR.vtt": b"pt-BR", "One [one].jpg": b"large"}
    assert "One [one].xx.vtt could not be had" in server.said
    assert origin.requests("/en.vtt")[0].header("x-tok") == "t"
    assert origin.requests("/large.jpg")[0].header("x-tok") is None
    assert origin.requests("/de.vtt") == []


def test_a_url_that_is_none_keeps_nobody_from_the_media(server: Server, origin: Origin) -> None:
    video = whole(origin.serve("/v.mp4", length=5))
    for url in ("http://[", "http://\u2100/x"):
        subtitles = {"en": [{"url": url, "ext": "vtt"}]}
        odd = page(origin, "one", video, subtitles=subtitles, thumbnails=[{"url": url}])
        server.completed(server.add(odd, **WANTED))


def test_subtitles_elsewhere_do_not_get_what_is_for_the_media_server(server: Server, origin: Origin) -> None:
    headers = {"Authorization": "Bearer x", "X-Tok": "t", "Referer": "http://page.test/"}
    with Origin(host="127.0.0.2") as other:
        subtitles = {"en": [{"url": other.serve("/en.vtt", data=b"en"), "ext": "vtt"}]}
        video = whole(origin.serve("/v.mp4", length=5), http_headers=headers)
        server.completed(server.add(page(origin, "one", video, subtitles=subtitles), media_subtitles="en"))
        (seen,) = other.requests("/en.vtt")
        told = [seen.header(name) for name in ("authorization", "x-tok", "referer")]
        assert told == [None, None, "http://page.test/"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_they_lie_beside_a_merged_file_whatever_its_number(
    server: Server, origin: Origin, folder: Path, tmp_path: Path
) -> None:
    urls = [origin.serve(path, data=data) for path, data in zip(("/v.mp4", "/a.m4a"), clip(tmp_path), strict=True)]
    (folder / "One [one].mp4").write_bytes(b"mine")
    server.completed(server.add(with_extras(origin, *apart(*urls)), **WANTED))
    assert sorted(os.listdir(folder)) == [
        "One [one].1.en.vtt",
        "One [one].1.jpg",
        "One [one].1.mp4",
        "One [one].1.pt-BR.vtt",
        "One [one].mp4",
    ]


def test_names_and_types_are_safe_and_what_is_there_is_left_alone(server: Server, origin: Origin, folder: Path) -> None:
    video, evil = origin.serve("/v.mp4", length=5), origin.serve("/evil", data=b"evil")
    subtitles = {
        "../../x": [{"url": evil, "ext": "vtt"}],
        "en": [{"url": evil, "ext": "desktop"}],
        "de": [{"url": evil, "ext": "vtt"}],
        "sv": [{"url": "file:///etc/passwd", "ext": "vtt"}],
    }
    (folder / "One [one].de.vtt").write_bytes(b"mine")
    pictures = [{"url": f"{evil}.sh", "ext": "sh"}]
    url = page(origin, "one", whole(video), subtitles=subtitles, thumbnails=pictures)
    server.completed(server.add(url, media_subtitles="all", media_thumbnail="true"))
    assert sorted(os.listdir(folder)) == ["One [one].de.vtt", "One [one].mp4"]
    assert (folder / "One [one].de.vtt").read_bytes() == b"mine"
    assert origin.requests("/evil") == []


def test_killed_meanwhile_the_media_are_not_fetched_again(options: list[str], origin: Origin, folder: Path) -> None:
    url = with_extras(origin, whole(origin.serve("/v.mp4", length=1 << 20)))
    origin.serve("/en.vtt", data=b"en", behaviour=Behaviour(hold_at=0))
    with Server(*options) as server:
        gid = server.add(url, **WANTED)
        origin.wait(lambda o: bool(o.requests("/en.vtt")))
        server.kill()
    origin.serve("/en.vtt", data=b"en")
    with Server(*options) as server:
        server.completed(gid)
    assert origin.sent("/v.mp4") < (1 << 20) + (64 << 10)
    names = ["One [one].en.vtt", "One [one].jpg", "One [one].mp4", "One [one].pt-BR.vtt"]
    assert sorted(os.listdir(folder)) == names


def test_the_stage_of_a_page_is_told(server: Server, origin: Origin) -> None:
    held = Behaviour(hold_at=0)
    video = origin.serve("/v.mp4", length=1 << 20, behaviour=Behaviour(hold_at=5))
    url = with_extras(origin, whole(video), behaviour=held)
    origin.serve("/en.vtt", data=b"en", behaviour=held)
    gid = server.add(url, **WANTED)
    for held_at, stage in (("/watch/one", "extracting"), ("/v.mp4", "downloading"), ("/en.vtt", "extras")):
        origin.wait(lambda o, path=held_at: bool(o.requests(path)))  # type: ignore[misc]
        assert server.call("slasshy.getMedia", gid)["stage"] == stage
        origin.release(held_at)
    server.completed(gid)
    listed = server.add(listing(origin, "few", url), pause_metadata="true")
    server.completed(listed)
    assert server.call("slasshy.getMedia", listed)["stage"] == "list"
    plain = server.add(origin.serve("/plain.bin", length=5))
    server.completed(plain)
    with pytest.raises(Refused, match="No media data"):
        server.call("slasshy.getMedia", plain)
    failed = server.add(origin.url("/watch/drm"))
    server.finished(failed)
    assert server.call("slasshy.getMedia", failed)["stage"] == "extracting"
