"""Video and audio that come apart: one GID, one complete event, one file at the end; ffmpeg reads nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from slasshy_rpc.media.ffmpeg import command
from slasshy_rpc.media.recipe import Recipe
from tests.support.behaviour import Behaviour
from tests.support.daemon import Ear
from tests.support.media import apart, clip, digests, page, whole
from tests.support.origin import Origin
from tests.support.process import Server, run

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


PARTS = ("/v.mp4", "/a.m4a")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return clip(tmp_path_factory.mktemp("clip"))


def test_one_gid_one_event_one_file(
    server: Server, origin: Origin, media: tuple[bytes, bytes], folder: Path, tmp_path: Path
) -> None:
    urls = [origin.serve(path, data=data) for path, data in zip(("/v.mp4", "/a.m4a"), media, strict=True)]
    worse = whole(origin.serve("/w.mp4", length=5), height=144)
    with Ear(server.port) as ear:
        gid = server.add(page(origin, "one", worse, *apart(*urls)))
        done = server.completed(gid)
        ear.wait(lambda heard: any("onDownloadComplete" in text for text in heard))
        heard = [text for text in ear.heard if gid in text]
    assert [text.partition("aria2.on")[2].partition('"')[0] for text in heard] == ["DownloadStart", "DownloadComplete"]
    (path,) = folder.iterdir()
    assert path.name == "One [one].mp4"
    length = str(path.stat().st_size)
    assert [(file["path"], file["length"], file["completedLength"]) for file in done["files"]] == [
        (str(path), length, length)
    ]
    assert (done["totalLength"], done["completedLength"]) == (length, length)
    parts = []
    for name, data in zip(("v.mp4", "a.m4a"), media, strict=True):
        (tmp_path / name).write_bytes(data)
        parts.append(str(tmp_path / name))
    assert digests(str(path)) == digests(*parts)
    assert origin.requests("/w.mp4") == []


def test_the_same_page_twice_at_once_is_two_files(
    server: Server, origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    """Whose parts are not each other's either, however much alike their GIDs are."""
    held = Behaviour(hold_at=0)
    urls = [origin.serve(path, data=data, behaviour=held) for path, data in zip(PARTS, media, strict=True)]
    url = page(origin, "one", *apart(*urls))
    gids = [server.add(url, gid=f"{last:016x}") for last in (1, 2)]
    origin.wait(lambda o: len({seen.connection for seen in o.requests(PARTS[0])}) == 2)
    for path in PARTS:
        origin.release(path)
    paths = {server.completed(gid)["files"][0]["path"] for gid in gids}
    assert paths == {str(folder / "One [one].mp4"), str(folder / "One [one].1.mp4")}
    assert len(os.listdir(folder)) == 2
    assert len({tuple(digests(path)) for path in paths}) == 1


def test_two_whose_gids_are_neighbours_have_parts_of_their_own(
    server: Server, origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    held = Behaviour(hold_at=500)
    gids = {"00000000000000a1": "one", "00000000000000a2": "two"}
    for gid, name in gids.items():
        paths = [f"/{name}{path[1:]}" for path in PARTS]
        urls = [origin.serve(path, data=data, behaviour=held) for path, data in zip(paths, media, strict=True)]
        server.add(page(origin, name, *apart(*urls)), gid=gid)
    for name in gids.values():  # the sound of one comes to its end while the other's is under way
        origin.release(f"/{name}v.mp4")
    origin.wait(lambda o: bool(o.requests("/onea.m4a") and o.requests("/twoa.m4a")))
    for gid, name in gids.items():
        origin.release(f"/{name}a.m4a")
        server.completed(gid)
    assert sorted(os.listdir(folder)) == ["One [one].mp4", "Two [two].mp4"]


def test_paused_between_and_gone_on_with(
    server: Server, origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    video = origin.serve("/v.mp4", data=media[0])
    audio = origin.serve("/a.m4a", data=media[1], behaviour=Behaviour(hold_at=4096))
    url = page(origin, "one", *apart(video, audio))
    gid = server.add(url, gid="000000000000000a", remove_control_file="true")
    origin.wait(lambda o: bool(o.requests("/a.m4a")))
    status = server.until(gid, lambda status: len(status["files"]) == 2)
    assert [os.path.basename(file["path"]) for file in status["files"]] == ["One [one].f137.mp4", "One [one].f140.m4a"]
    servers = [one["uri"] for file in server.call("aria2.getServers", gid) for one in file["servers"]]
    assert servers == [url]
    server.call("aria2.pause", gid)
    server.until(gid, lambda status: status["status"] == "paused")
    sent = origin.sent("/v.mp4")
    origin.serve("/a.m4a", data=media[1])
    server.call("aria2.unpause", gid)
    server.completed(gid)
    assert origin.sent("/v.mp4") - sent < len(media[0])
    assert os.listdir(folder) == ["One [one].mp4"]


def test_killed_between_and_gone_on_with(
    options: list[str], origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    """The next server asks the page again; what is there is not fetched again."""
    video = origin.serve("/v.mp4", data=media[0])
    audio = origin.serve("/a.m4a", data=media[1], behaviour=Behaviour(hold_at=4096))
    with Server(*options) as server:
        gid = server.add(page(origin, "one", *apart(video, audio)))
        origin.wait(lambda o: bool(o.requests("/a.m4a")))
        server.kill()
    sent = origin.sent("/v.mp4")
    origin.serve("/a.m4a", data=media[1])
    with Server(*options) as server:
        server.completed(gid)
    assert len(origin.requests("/watch/one")) == 2
    assert origin.sent("/v.mp4") - sent < len(media[0])
    assert os.listdir(folder) == ["One [one].mp4"]


def test_nothing_that_is_there_is_written_over(
    server: Server, origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    folder.mkdir()
    mine = folder / "One [one].mp4"
    mine.write_bytes(b"mine")
    (folder / "One [one].1.mp4.merge").write_bytes(b"mine too")
    urls = [origin.serve(path, data=data) for path, data in zip(("/v.mp4", "/a.m4a"), media, strict=True)]
    (folder / "One [one].1.f137.mp4").write_bytes(media[0][:999])
    (folder / "One [one].1.f140.m4a").write_bytes(media[1])
    done = server.completed(server.add(page(origin, "one", *apart(*urls)), **{"continue": "true"}))
    assert done["files"][0]["path"] == str(folder / "One [one].1.mp4")
    assert mine.read_bytes() == b"mine"
    assert (folder / "One [one].1.f137.mp4").read_bytes() == media[0][:999]
    assert (folder / "One [one].1.f140.m4a").read_bytes() == media[1]
    assert (folder / "One [one].1.mp4.merge").read_bytes() == b"mine too"
    assert len(os.listdir(folder)) == 5


def test_one_file_that_comes_in_two_parts_later(
    options: list[str], origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    """What had come of the one file stays where it is, and is in nobody's way."""
    url = page(origin, "one", whole(origin.serve("/w.mp4", data=media[0], behaviour=Behaviour(hold_at=20000))))
    with Server(*options) as server:
        gid = server.add(url)
        server.until(gid, lambda status: int(status["completedLength"]) > 0)
        server.call("aria2.pause", gid)
        server.until(gid, lambda status: status["status"] == "paused")
        assert server.stop() == 0
    urls = [origin.serve(path, data=data) for path, data in zip(("/v.mp4", "/a.m4a"), media, strict=True)]
    page(origin, "one", *apart(*urls))
    with Server(*options) as server:
        server.call("aria2.unpause", gid)
        done = server.completed(gid)
    assert done["files"][0]["path"] == str(folder / "One [one].1.mp4")


def test_a_part_that_is_a_playlist_reads_no_file(
    server: Server, origin: Origin, media: tuple[bytes, bytes], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.mp4").write_bytes(media[0])
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/secret.mp4\n#EXT-X-ENDLIST\n".encode()
    video, audio = origin.serve("/v.mp4", data=playlist), origin.serve("/a.m4a", data=media[1])
    failed = server.finished(server.add(page(origin, "one", *apart(video, audio))))
    assert failed["status"] == "error"
    assert failed["errorMessage"].startswith("ffmpeg could not merge")
    assert not (folder / "One [one].mp4").exists()


def test_without_ffmpeg_one_file_is_chosen(options: list[str], origin: Origin, folder: Path, tmp_path: Path) -> None:
    formats = apart(origin.url("/v.mp4"), origin.url("/a.m4a"))
    both = whole(origin.serve("/w.mp4", length=5))
    bare = {"PATH": str(tmp_path)}
    code, said = run(*options, page(origin, "one", both, *formats), environment=bare)
    assert code == 0, said
    assert origin.content("/w.mp4").difference(folder / "One [one].mp4") is None
    code, said = run(*options, page(origin, "two", *formats), environment=bare)
    assert code == 1
    assert "ffmpeg is needed to merge" in said
    assert [file.name for file in folder.iterdir()] == ["One [one].mp4"]


def test_ffmpeg_is_told_what_each_file_is() -> None:
    words = command(
        "ffmpeg", [("/d/-v", "webm"), ("/d/a:b", "opus")], Recipe("mkv", ("-c", "copy"), "merge"), "/d/x.unready"
    )
    inputs = [words[at - 4 : at + 2] for at, word in enumerate(words) if word == "-i"]
    assert inputs == [
        ["-protocol_whitelist", "file", "-f", "matroska", "-i", "file:/d/-v"],
        ["-protocol_whitelist", "file", "-f", "ogg", "-i", "file:/d/a:b"],
    ]
    assert words[-3:] == ["-f", "matroska", "file:/d/x.unready"]
