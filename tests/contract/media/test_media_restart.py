"""What a stop, a kill or an expired link leaves is gone on with: the page is asked again, for the same formats."""

from __future__ import annotations

import json
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.support.behaviour import Behaviour, Seen
from tests.support.media import apart, clip, digests, page, whole
from tests.support.origin import Origin
from tests.support.process import Server

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")

MIB = 1 << 20
#: What may be fetched twice: less than one of the units in which progress is kept, for each connection.
UNIT = 16 << 10
PARTS = ("/v.mp4", "/a.m4a")


def padded(data: bytes) -> bytes:
    """The same media in a file that is larger by a mebibyte: an MP4 box that is free."""
    return data + struct.pack(">I", MIB) + b"free" + random.Random(1).randbytes(MIB - 8)


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    video, audio = clip(tmp_path_factory.mktemp("clip"))
    return padded(video), padded(audio)


def half_there(server: Server, gid: str, data: bytes) -> None:
    """Wait until the half of ``data`` that is served at first is in the latest of a download's files."""

    def there(status: dict[str, Any]) -> bool:
        path = Path(status["files"][-1]["path"])
        return path.exists() and path.read_bytes()[: MIB // 2 - UNIT] == data[: MIB // 2 - UNIT]

    server.until(gid, there)


@needs_ffmpeg
def test_killed_in_the_middle_of_each_part_nothing_is_fetched_twice(
    options: list[str], origin: Origin, media: tuple[bytes, bytes], folder: Path, tmp_path: Path
) -> None:
    """With one connection, so that it is known how much has come."""
    held = Behaviour(hold_at=MIB // 2)
    urls = [origin.serve(path, data=data, behaviour=held) for path, data in zip(PARTS, media, strict=True)]
    url, gid = page(origin, "one", *apart(*urls)), "00000000000000ab"
    for path, data in zip(PARTS, media, strict=True):
        with Server(*options) as server:
            if path == PARTS[0]:
                server.add(url, gid=gid, split="1")
            half_there(server, gid, data)
            server.kill()
        origin.serve(path, data=data)
    with Server(*options) as server:
        done = server.completed(gid)
    for path, data in zip(PARTS, media, strict=True):
        assert origin.sent(path) <= len(data) + 2 * UNIT
        (tmp_path / path[1:]).write_bytes(data)
    (file,) = done["files"]
    assert digests(file["path"]) == digests(str(tmp_path / "v.mp4"), str(tmp_path / "a.m4a"))


def test_the_formats_that_were_chosen_survive_a_kill(options: list[str], origin: Origin, folder: Path) -> None:
    """Also one which is by now not the best; and no URL of theirs is kept."""
    video = origin.serve("/v.mp4", length=MIB, behaviour=Behaviour(hold_at=MIB // 2))
    better = origin.serve("/better.mp4", length=MIB)
    url = page(origin, "one", whole(f"{video}?sig=secret"))
    with Server(*options) as server:
        gid = server.add(url)
        server.until(gid, lambda status: int(status["completedLength"]) > 0)
        server.call("slasshy.getHistory", 0, 1)  # answered when all that was noted before it is committed
        server.kill()
    kept = b"".join(path.read_bytes() for path in (folder.parent / "state").glob("history.db*"))
    assert b"secret" not in kept
    origin.serve("/v.mp4", length=MIB)
    page(origin, "one", whole(f"{video}?sig=secret"), whole(better, format_id="99", height=9999))
    with Server(*options) as server:
        assert server.completed(gid)["status"] == "complete"
    assert origin.requests("/better.mp4") == []
    assert origin.content("/v.mp4").difference(folder / "One [one].mp4") is None


def test_the_formats_that_were_chosen_are_in_the_session_file(
    options: list[str], origin: Origin, folder: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "session"
    held = Behaviour(hold_at=MIB // 2)
    url = page(origin, "one", whole(f"{origin.serve('/v.mp4', length=MIB, behaviour=held)}?sig=secret"))
    with Server(*options, f"--save-session={saved}") as server:
        gid = server.add(url, media_format="b/w")
        server.until(gid, lambda status: int(status["completedLength"]) > 0)
        for _ in range(2):  # a choice that stays the same is noted once
            server.call("aria2.pause", gid)
            server.until(gid, lambda status: status["status"] == "paused")
            server.call("aria2.unpause", gid)
            server.until(gid, lambda status: status["status"] == "active" and status["totalLength"] == str(MIB))
        assert server.stop() == 7
    lines = saved.read_text().splitlines()
    assert " media-format=22/b/w" in lines
    assert "secret" not in saved.read_text()


def expiring(good: str) -> Any:
    """A file whose links work for a while each, but for the one with ``sig=`` ``good``, which works to the end."""

    def choose(seen: Seen) -> Behaviour:
        if f"sig={good}" in seen.target:
            return Behaviour()
        earlier = [one for one in asked if one == seen.target]
        asked.append(seen.target)
        return Behaviour(status=403) if earlier else Behaviour(fail_after=MIB // 4)

    asked: list[str] = []
    return choose


def test_a_link_that_expires_twice_is_an_error_and_its_bytes_are_kept(
    server: Server, origin: Origin, folder: Path
) -> None:
    """A server that lets nobody through is not asked without end; whoever wants more of it adds the page again."""
    video = origin.serve("/v.mp4", length=MIB, behaviour=expiring("3"))

    def renewed(seen: Seen) -> Behaviour:
        text = json.dumps({"title": "E", "formats": [whole(f"{video}?sig={seen.nth}")]})
        return Behaviour(status=200, body=text.encode(), content_type="application/json")

    url = origin.serve("/watch/e", data=b"", behaviour=renewed)
    failed = server.finished(server.add(url, split="1"))
    assert (failed["status"], failed["errorCode"]) == ("error", "22")
    assert len(origin.requests("/watch/e")) == 2
    server.completed(server.add(url, split="1"))
    assert origin.content("/v.mp4").difference(folder / "E [e].mp4") is None
    assert origin.sent("/v.mp4") <= MIB + 3 * UNIT


@needs_ffmpeg
def test_a_file_that_has_become_another_is_begun_anew(
    options: list[str], origin: Origin, media: tuple[bytes, bytes], folder: Path
) -> None:
    """Of a part it is known by its name whose it is, of a file by the Download that began it."""
    held = Behaviour(hold_at=MIB // 2)
    urls = [origin.serve(path, data=data, behaviour=held) for path, data in zip(PARTS, media, strict=True)]
    alone = page(origin, "alone", whole(origin.serve("/w.mp4", length=MIB, behaviour=held)))
    gids = ("00000000000000ab", "00000000000000ac")
    with Server(*options) as server:
        for url, gid in zip((page(origin, "one", *apart(*urls)), alone), gids, strict=True):
            server.add(url, gid=gid)
            server.until(gid, lambda status: int(status["completedLength"]) > 0)
        server.kill()
    for path, data in zip(PARTS, media, strict=True):
        origin.serve(path, data=data[:-MIB])
    origin.serve("/w.mp4", length=MIB // 4)
    with Server(*options) as server:
        for gid in gids:
            server.completed(gid)
    assert origin.content("/w.mp4").difference(folder / "Alone [alone].mp4") is None
    assert sorted(path.name for path in folder.iterdir()) == ["Alone [alone].mp4", "One [one].mp4"]
