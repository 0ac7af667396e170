"""Sound alone: as it comes, taken out of a video, or converted; stopped on the way and gone on with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.support.behaviour import Behaviour
from tests.support.daemon import Ear
from tests.support.media import apart, digests, page, whole
from tests.support.origin import Origin
from tests.support.process import Server, run
from tests.support.sound import patient, probed, songs, streams

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return songs(tmp_path_factory.mktemp("songs"))


def both(origin: Origin, sound: dict[str, bytes]) -> str:
    """A page with a video and a sound, and with a worse one that has both."""
    audio = origin.serve("/a.m4a", data=sound["a.m4a"])
    return page(origin, "one", whole(origin.url("/w.mp4")), *apart(origin.url("/v.mp4"), audio))


def working(server: Server) -> list[Any]:
    """Processes that run ffmpeg for it, or what stands for that."""
    found = psutil.Process(server.pid).children(recursive=True)
    return [child for child in found if child.name() in ("ffmpeg", "sleep")]


def test_as_it_is(server: Server, origin: Origin, sound: dict[str, bytes], folder: Path) -> None:
    done = server.completed(server.add(both(origin, sound), media_audio_only="true"))
    assert done["files"][0]["path"] == f"{folder}/One [one].m4a"
    assert (folder / "One [one].m4a").read_bytes() == sound["a.m4a"]
    assert len(os.listdir(folder)) == 1
    assert origin.requests("/v.mp4") == origin.requests("/w.mp4") == []


def test_out_of_a_video(options: list[str], origin: Origin, sound: dict[str, bytes], folder: Path) -> None:
    url = page(origin, "one", whole(origin.serve("/b.mp4", data=sound["b.mp4"])))
    code, said = run(*options, "--media-audio-only", url)
    assert code == 0, said
    assert os.listdir(folder) == ["One [one].m4a"]
    assert streams(folder / "One [one].m4a") == ["aac"]


@pytest.mark.parametrize(
    ("source", "codec", "form", "made"),
    [
        ("a.m4a", "mp4a.40.2", "mp3", "mp3"),
        ("a.m4a", "mp4a.40.2", "flac", "flac"),
        ("o.webm", "opus", "opus", "opus"),
        ("o.webm", "", "m4a", "aac"),
    ],
)
def test_converted(
    options: list[str],
    origin: Origin,
    sound: dict[str, bytes],
    folder: Path,
    source: str,
    codec: str,
    form: str,
    made: str,
) -> None:
    video = {"url": origin.serve(f"/{source}", data=sound[source]), "format_id": "1", "ext": source[2:]}
    url = page(origin, "one", {**video, "vcodec": "none", "acodec": codec})
    code, said = run(*options, f"--media-audio-format={form}", url)
    assert code == 0, said
    assert os.listdir(folder) == [f"One [one].{form}"]
    assert streams(folder / f"One [one].{form}") == [made]


def test_paused_while_it_is_converted(
    options: list[str], origin: Origin, sound: dict[str, bytes], folder: Path, tmp_path: Path
) -> None:
    """One GID, one event; nothing is fetched again, and ffmpeg is gone with the pause."""
    environment, held = patient(tmp_path)
    with Server(*options, environment=environment) as server, Ear(server.port) as ear:
        gid = server.add(both(origin, sound), media_audio_format="mp3", out="sub/song.mp3")
        status = server.until(gid, lambda _: bool(working(server)))
        assert status["status"] == "active"
        assert status["completedLength"] == status["totalLength"] == str(len(sound["a.m4a"]))
        server.call("aria2.pause", gid)
        server.until(gid, lambda status: status["status"] == "paused")
        assert working(server) == []
        assert sorted(os.listdir(folder / "sub")) == ["song.f140.m4a", "song.f140.m4a.aria2"]
        held.unlink()
        origin.serve("/a.m4a", data=sound["a.m4a"], behaviour=Behaviour(hold_at=9))
        server.call("aria2.unpause", gid)
        done = server.completed(gid)
        ear.wait(lambda heard: any("onDownloadComplete" in text for text in heard))
        assert sum("onDownloadComplete" in text for text in ear.heard) == 1
    song = folder / "sub/song.mp3"
    assert [(file["path"], file["length"]) for file in done["files"]] == [(str(song), str(song.stat().st_size))]
    assert os.listdir(folder / "sub") == ["song.mp3"]
    assert streams(song) == ["mp3"]


def test_killed_while_it_is_converted(
    options: list[str], origin: Origin, sound: dict[str, bytes], folder: Path, tmp_path: Path
) -> None:
    environment, held = patient(tmp_path)
    with Server(*options, environment=environment) as server:
        gid = server.add(both(origin, sound), media_audio_format="mp3")
        server.until(gid, lambda _: bool(working(server)))
        (child,) = working(server)
        server.kill()
        psutil.wait_procs([child], timeout=10)
        assert not child.is_running()
    assert f".{gid}.unready" in os.listdir(folder)
    held.unlink()
    origin.serve("/a.m4a", data=sound["a.m4a"], behaviour=Behaviour(hold_at=9))
    with Server(*options, environment=environment) as server:
        server.completed(gid)
    assert os.listdir(folder) == ["One [one].mp3"]
    assert streams(folder / "One [one].mp3") == ["mp3"]


def test_what_cannot_be_converted(
    options: list[str], origin: Origin, sound: dict[str, bytes], folder: Path, tmp_path: Path
) -> None:
    """Without ffmpeg nothing is fetched; and what it refuses stays, so that nothing is fetched again."""
    code, said = run(*options, "--media-audio-format=mp3", both(origin, sound), environment={"PATH": str(tmp_path)})
    assert code == 1
    assert "ffmpeg is needed to convert the sound to mp3" in said
    assert origin.requests("/a.m4a") == []
    origin.serve("/a.m4a", data=f"#EXTM3U\nfile://{tmp_path}/a.m4a\n".encode())
    code, said = run(*options, "--media-audio-format=mp3", origin.url("/watch/one"))
    assert code == 1
    assert "ffmpeg could not convert the sound to mp3" in said
    assert "One [one].mp3" not in os.listdir(folder)


def test_tags_and_a_cover(server: Server, origin: Origin, sound: dict[str, bytes], folder: Path) -> None:
    """The sound is what it was; the picture is the best one that can be had."""
    pictures = [
        origin.serve("/small.jpg", data=b"\xff\xd8\xff small"),
        origin.serve("/best.jpg", data=sound["cover.jpg"]),
        origin.serve("/gone.jpg", behaviour=Behaviour(status=404)),
        origin.serve("/lies.jpg", data=b"<svg>"),
        origin.url("/modern.webp"),
    ]
    thumbnails = [{"url": url, "preference": place} for place, url in enumerate(pictures)]
    said: dict[str, Any] = {
        "artist": "Ä",
        "album": "B",
        "track_number": 7,
        "upload_date": "20240501",
        "thumbnails": thumbnails,
    }
    url = page(origin, "one", *apart(origin.url("/v.mp4"), origin.serve("/a.m4a", data=sound["a.m4a"])), **said)
    for form in ("keep", "mp3"):
        server.completed(server.add(url, media_audio_only="true", media_audio_format=form, media_metadata="true"))
    assert sorted(os.listdir(folder)) == ["One [one].m4a", "One [one].mp3"]
    assert origin.requests("/small.jpg") == []
    tags = {"title": "One", "artist": "Ä", "album": "B", "track": "7", "date": "2024-05-01"}
    tags["comment"] = url
    for name in os.listdir(folder):
        found = probed(folder / name)
        assert [stream["codec_name"] for stream in found["streams"]][1:] == ["mjpeg"]
        assert tags.items() <= found["format"]["tags"].items()
    (folder / "plain.m4a").write_bytes(sound["a.m4a"])
    assert digests(str(folder / "plain.m4a"))[0] == digests(str(folder / "One [one].m4a"))[0]


def test_tags_of_a_video(options: list[str], origin: Origin, sound: dict[str, bytes], folder: Path) -> None:
    urls = [origin.serve(path, data=sound[name]) for path, name in (("/v.mp4", "b.mp4"), ("/a.m4a", "a.m4a"))]
    code, said = run(*options, "--media-metadata", page(origin, "one", *apart(*urls), artist="A"))
    assert code == 0, said
    found = probed(folder / "One [one].mp4")
    assert (len(found["streams"]), found["format"]["tags"]["artist"]) == (2, "A")


def test_without_tags_it_is_as_good(options: list[str], origin: Origin, sound: dict[str, bytes], folder: Path) -> None:
    """What mutagen cannot read is what has come, byte for byte; and what takes no tags comes as it is."""
    broken = {"url": origin.serve("/x.m4a", data=sound["a.m4a"][:5000]), "format_id": "1", "ext": "m4a"}
    code, said = run(*options, "--media-metadata", page(origin, "one", {**broken, "vcodec": "none"}))
    assert code == 0, said
    assert "stays without tags: mutagen could not write the tags" in said
    assert (folder / "One [one].m4a").read_bytes() == sound["a.m4a"][:5000]
    webm = {"url": origin.serve("/o.webm", data=sound["o.webm"]), "format_id": "1", "ext": "webm"}
    code, said = run(*options, "--media-metadata", page(origin, "two", {**webm, "vcodec": "none"}))
    assert code == 0, said
    assert "gets no tags: a file of type webm takes none here" in said
    assert (folder / "Two [two].webm").read_bytes() == sound["o.webm"]
    assert len(os.listdir(folder)) == 2
