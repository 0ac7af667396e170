"""Fragments that cannot be had, or must not: DRM, live streams, what is missing, and playlists that lead elsewhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.media import decoded, durations, listed, page, playlist, put
from tests.support.origin import Origin
from tests.support.process import Server

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
STANDING = True

TS = [f"t{n}.ts" for n in range(4)]
Files = dict[str, bytes]

WIDEVINE = 'KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",KEYFORMATVERSIONS="1"'
LIVE = b"#EXTM3U\n#EXTINF:1,\nt0.ts\n"
PLAYLISTS = {
    "sample": (playlist('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key"', "t0.ts"), "DRM"),
    "fairplay": (playlist('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k",KEYFORMAT="com.apple"', "t0.ts"), "DRM"),
    "widevine": (playlist(f'#EXT-X-KEY:METHOD=AES-128,URI="key",{WIDEVINE}', "t0.ts"), "DRM"),
    "live": (LIVE, "Live streams are not supported."),
    "event": (LIVE + b"#EXT-X-PLAYLIST-TYPE:EVENT\n", "Live streams are not supported."),
    "file": (playlist("t0.ts", "file:///etc/passwd"), "only http and https"),
    "ftp": (playlist("ftp://127.0.0.1/t0.ts"), "only http and https"),
    "data": (playlist("data:video/mp2t;base64,Rw=="), "only http and https"),
    "concat": (playlist("concat:/etc/passwd|/etc/group"), "only http and https"),
    "map": (playlist('#EXT-X-MAP:URI="file:///etc/passwd"', "t0.ts"), "only http and https"),
    "key": (playlist('#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"', "t0.ts"), "only http and https"),
    "short": (playlist('#EXT-X-KEY:METHOD=AES-128,URI="k5"', "t0.ts"), "has to have 16 bytes"),
    "html": (b"<html>", "something else than the HLS playlist"),
    "empty": (playlist(), "names no media"),
}


def test_drm_live_streams_and_urls_beyond_the_web_are_refused(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    """Each is told, and nothing is left."""
    site = put(origin, {**files, "k5": b"12345"})
    added = {}
    for name, (text, _) in PLAYLISTS.items():
        origin.serve(f"/s/{name}.m3u8", data=text)
        added[name] = server.add(page(origin, name, listed(f"{site}{name}.m3u8")))
    failed = {name: server.finished(gid) for name, gid in added.items()}
    assert {name: (one["status"], one["errorCode"]) for name, one in failed.items()} == dict.fromkeys(
        PLAYLISTS, ("error", "1")
    )
    assert {name: says for name, (_, says) in PLAYLISTS.items() if says not in failed[name]["errorMessage"]} == {}
    assert [name for name in os.listdir(folder) if not name.endswith(".part")] == []


def test_a_key_and_a_playlist_without_end_are_stopped(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    """Whether their length is told or not; there is no room for all of it anywhere."""
    put(origin, {**files, "x.m3u8": playlist('#EXT-X-KEY:METHOD=AES-128,URI="key"', "t0.ts")})
    for endless in (Behaviour(), Behaviour(framing="chunked", rate=64 << 20)):
        for name, told in (("key", "x"), ("long.m3u8", "long")):
            origin.serve(f"/s/{name}", length=1 << 40, behaviour=endless)
            failed = server.finished(server.add(page(origin, "one", listed(origin.url(f"/s/{told}.m3u8")))))
            assert "more than the" in failed["errorMessage"]
    assert origin.sent() < 1 << 28


def test_a_redirect_leads_no_fragment_to_a_file(server: Server, origin: Origin, files: Files, folder: Path) -> None:
    site = put(origin, files)
    origin.serve("/s/t1.ts", behaviour=Behaviour(redirect="file:///etc/passwd"))
    failed = server.finished(server.add(page(origin, "one", listed(f"{site}ts.m3u8"))))
    assert "file is not supported here" in failed["errorMessage"]
    assert not (folder / "One [one].mp4").exists()


def test_fragments_are_numbered_whatever_their_urls_are(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    names = ["../../../t0.ts", "..%2f..%2ft1.ts", "/etc/t2.ts", "%00t3.ts?a=/../b"]
    for n, path in enumerate(("/t0.ts", "/s/..%2f..%2ft1.ts", "/etc/t2.ts", "/s/%00t3.ts")):
        behaviour = Behaviour(hold_at=100) if n == 3 else Behaviour()
        origin.serve(path, data=files[f"t{n}.ts"], behaviour=behaviour)
    origin.serve("/s/x.m3u8", data=playlist(*names))
    gid = server.add(page(origin, "one", listed(origin.url("/s/x.m3u8"))))
    part = folder / "One [one].mp4.part"
    server.until(gid, lambda status: status["bitfield"] == "e0" if "bitfield" in status else False)
    assert sorted(os.listdir(part)) == ["00000", "00001", "00002", "00003.new", "slasshy-rpc.fragments"]
    origin.release("/s/%00t3.ts")
    server.completed(gid)
    assert decoded(folder / "One [one].mp4") == source


def test_a_fragment_that_is_a_playlist_reads_no_file(
    server: Server, origin: Origin, made: Path, files: Files, folder: Path
) -> None:
    """Were it followed, the picture of the local file would be in the result."""
    inner = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{made}/source.mp4\n#EXT-X-ENDLIST\n".encode()
    for disguise in (b"", b"G" * 376, b"\0\0\0\x18ftypmp42" + b"\0" * 12):
        site = put(origin, {"t0.ts": disguise + inner, "t1.ts": inner, "x.m3u8": playlist("t0.ts", "t1.ts")})
        failed = server.finished(server.add(page(origin, "one", listed(f"{site}x.m3u8"))))
        assert failed["status"] == "error"
        assert not (folder / "One [one].mp4").exists()


def test_a_page_in_the_place_of_a_fragment_is_an_error(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    """ffmpeg passes over it and says that all is well: some of the media would be missing."""
    site = put(origin, files)
    for text in (b"<!DOCTYPE html><title>Log in</title>", b'{"error": 1}'):
        origin.serve("/s/t1.ts", data=text)
        failed = server.finished(server.add(page(origin, "one", listed(f"{site}ts.m3u8"))))
        assert (failed["errorCode"], "a text in the place" in failed["errorMessage"]) == ("22", True)
    origin.serve("/s/t1.ts", data=files["t1.ts"])
    server.completed(server.add(page(origin, "one", listed(f"{site}ts.m3u8"))))
    assert [len(origin.requests(f"/s/{name}")) for name in TS] == [1, 5, 1, 1]


def test_nothing_is_fetched_where_only_a_check_was_asked_for(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    url = page(origin, "one", listed(f"{put(origin, files)}ts.m3u8"))
    failed = server.finished(server.add(url, hash_check_only="true"))
    assert (failed["status"], "--hash-check-only" in failed["errorMessage"]) == ("error", True)
    assert (os.listdir(folder), origin.requests("/s/t0.ts")) == ([], [])


def test_a_missing_fragment_is_an_error_unless_it_may_be_left_out(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    site = put(origin, files)
    origin.serve("/s/t1.ts", behaviour=Behaviour(status=404))
    url = page(origin, "one", listed(f"{site}ts.m3u8"))
    failed = server.finished(server.add(url))
    assert (failed["errorCode"], failed["files"][0]["path"]) == ("3", f"{folder}/One [one].mp4")
    assert not (folder / "One [one].mp4").exists()
    done = server.completed(server.add(url, media_skip_unavailable="true"))
    assert done["files"][0]["path"] == f"{folder}/One [one].mp4"
    assert os.listdir(folder) == ["One [one].mp4"]
    assert [round(seconds) for seconds in durations(folder / "One [one].mp4")] == [4, 4]
    for name in TS:
        origin.serve(f"/s/{name}", behaviour=Behaviour(status=404))
    failed = server.finished(server.add(url, media_skip_unavailable="true", out="none.mp4"))
    assert (failed["errorCode"], failed["errorMessage"]) == ("3", "None of the media's fragments is there.")
