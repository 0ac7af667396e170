"""Media that comes in fragments, HLS and DASH: one GID, one file, whose pictures and sound are those of the source."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.certs import Certificates
from tests.support.daemon import Ear
from tests.support.media import apart, decoded, durations, encrypted, listed, page, playlist, put, whole
from tests.support.origin import Origin
from tests.support.process import Server, run

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
STANDING = True

TS = [f"t{n}.ts" for n in range(4)]
Files = dict[str, bytes]


def one_file(folder: Path) -> Path:
    """What lies in ``folder``, which is one file and nothing else."""
    (path,) = folder.iterdir()
    return path


def test_hls_becomes_one_file(server: Server, origin: Origin, files: Files, folder: Path, source: list[str]) -> None:
    """Fragments that are files, ranges of one file, or need what EXT-X-MAP names first."""
    site = put(origin, files)
    for name in ("ts", "one", "fmp4"):
        done = server.completed(server.add(page(origin, name, listed(f"{site}{name}.m3u8"))))
        path = folder / f"{name.capitalize()} [{name}].mp4"
        assert decoded(path) == source
        length = str(path.stat().st_size)
        assert [(file["path"], file["length"]) for file in done["files"]] == [(str(path), length)]
        assert (done["totalLength"], done["completedLength"]) == (length, length)
    assert len(os.listdir(folder)) == 3


def test_of_a_master_playlist_the_best_comes(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    site = put(origin, files)
    master = "#EXTM3U\n"
    for bits, size, name in ((90_000, "80x60", "worse.m3u8"), (900_000, "160x120", "ts.m3u8")):
        master += f'#EXT-X-STREAM-INF:BANDWIDTH={bits},RESOLUTION={size},CODECS="avc1.42c00b,mp4a.40.2"\n{name}\n'
    origin.serve("/s/master.m3u8", data=master.encode())
    server.completed(server.add(page(origin, "one", masters=[f"{site}master.m3u8"])))
    assert decoded(one_file(folder)) == source
    # An extractor may also give the master for what yt-dlp takes for the media itself.
    server.completed(server.add(page(origin, "two", listed(f"{site}master.m3u8")), out="two.mp4"))
    assert decoded(folder / "two.mp4") == source
    assert origin.requests("/s/worse.m3u8") == []


def test_dash_video_and_audio_are_one_download(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    site = put(origin, files)
    origin.serve("/s/1-4.m4s", data=files["1-4.m4s"], behaviour=Behaviour(hold_at=100))
    with Ear(server.port) as ear:
        gid = server.add(page(origin, "one", mpds=[f"{site}dash.mpd"]))
        status = server.until(gid, lambda status: len(status["files"]) == 2 and status["files"][1]["length"] != "0")
        names = [os.path.basename(file["path"]) for file in status["files"]]
        assert [name.rpartition(".f")[0] for name in names] == ["One [one]"] * 2
        assert int(status["completedLength"]) < int(status["totalLength"])
        origin.release("/s/1-4.m4s")
        server.completed(gid)
        ear.wait(lambda heard: any("onDownloadComplete" in text for text in heard))
        heard = [text for text in ear.heard if gid in text]
    assert [text.partition("aria2.on")[2].partition('"')[0] for text in heard] == ["DownloadStart", "DownloadComplete"]
    assert decoded(one_file(folder)) == source


def test_dash_video_and_audio_may_stay_two_files(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    url = page(origin, "one", mpds=[put(origin, files) + "dash.mpd"])
    done = server.completed(server.add(url, media_merge="off"))
    paths = sorted(folder.iterdir(), key=lambda path: path.suffix, reverse=True)
    assert [path.suffix for path in paths] == [".mp4", ".m4a"]
    assert [decoded(path) for path in paths] == [source[:1], [source[1].replace("1,a", "0,a")]]
    assert {(file["path"], file["length"]) for file in done["files"]} == {
        (str(path), str(path.stat().st_size)) for path in paths
    }
    server.completed(server.add(url, media_merge="off"))
    assert sum(path.stem.endswith(".1") for path in folder.iterdir()) == 2


def test_hls_with_its_sound_apart_is_merged(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    """Here the renditions of DASH; and one of the two may be a plain file."""
    site = put(origin, files)
    for number, kind in ((0, "video"), (1, "audio")):
        names = [f"{number}-{n}.m4s" for n in range(1, 5)]
        origin.serve(f"/s/{kind}.m3u8", data=playlist(f'#EXT-X-MAP:URI="{number}-init.mp4"', *names))
    formats = apart(f"{site}video.m3u8", f"{site}audio.m3u8")
    server.completed(server.add(page(origin, "one", *({**one, "protocol": "m3u8_native"} for one in formats))))
    assert decoded(one_file(folder)) == source
    video, audio = apart(f"{site}video.m3u8", f"{site}source.mp4")
    url = page(origin, "two", {**video, "protocol": "m3u8_native"}, audio)
    server.completed(server.add(url, out="two.mp4"))
    assert decoded(folder / "two.mp4") == source


def test_a_plain_file_is_preferred_to_fragments_that_are_no_better(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    site = put(origin, files)
    plain = whole(f"{site}source.mp4", height=144)
    server.completed(server.add(page(origin, "one", plain, listed(f"{site}ts.m3u8", height=144, format_id="hls"))))
    assert one_file(folder).read_bytes() == files["source.mp4"]
    assert origin.requests("/s/ts.m3u8") == []
    server.completed(server.add(page(origin, "two", plain, listed(f"{site}ts.m3u8", height=240, format_id="hls"))))
    assert len(origin.requests("/s/ts.m3u8")) == 1


KEYS = [bytes(range(16)), bytes(range(16, 32))]


def test_aes_128_is_decrypted(server: Server, origin: Origin, files: Files, folder: Path, source: list[str]) -> None:
    """With a vector, with that of the sequence number, and with keys that change; each key is fetched once."""
    for how in ("given", "counted", "rotated"):
        lines, cipher = ["#EXT-X-MEDIA-SEQUENCE:7"], {}
        for n, name in enumerate(TS):
            key, iv = (n // 2 if how == "rotated" else 0), (0xABC if how == "given" else 7 + n)
            if how == "rotated" or not n:
                vector = ",IV=0xabc" if how == "given" else ""
                lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{how}{key}"{vector}')
            lines.append(name)
            cipher[name] = encrypted(files[name], KEYS[key], iv)
        site = put(origin, {**cipher, f"{how}0": KEYS[0], f"{how}1": KEYS[1], "x.m3u8": playlist(*lines)})
        server.completed(server.add(page(origin, how, listed(f"{site}x.m3u8"))))
        assert decoded(folder / f"{how.capitalize()} [{how}].mp4") == source
        assert len(origin.requests(f"/s/{how}0")) == 1


def test_what_a_playlist_names_is_where_redirects_led(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    site = put(origin, files)
    master = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{origin.url('/there/list')}\n"
    origin.serve("/there/list", behaviour=Behaviour(redirect=f"{site}ts.m3u8?sig=1"))
    origin.serve("/there/master", behaviour=Behaviour(redirect=origin.serve("/elsewhere/master", data=master.encode())))
    for name in ("list", "master"):
        server.completed(server.add(page(origin, name, listed(origin.url(f"/there/{name}")))))
        assert decoded(folder / f"{name.title()} [{name}].mp4") == source


def test_a_key_gets_the_pages_headers_and_cookies(
    server: Server, origin: Origin, files: Files, folder: Path, source: list[str]
) -> None:
    """Those of the page, and what the playlist's own answer sets; without them there would be no key."""
    cipher = {name: encrypted(files[name], KEYS[0], n) for n, name in enumerate(TS)}
    site = put(origin, cipher)
    origin.serve("/s/key", data=KEYS[0], behaviour=Behaviour(need_cookie="visitor=v1", gzip=True))
    text = playlist('#EXT-X-KEY:METHOD=AES-128,URI="key"', *TS)
    origin.serve("/s/x.m3u8", data=text, behaviour=Behaviour(set_cookies=("list=l1; Path=/",), gzip=True))
    found = listed(f"{site}x.m3u8", http_headers={"X-Tok": "t", "Referer": "http://page.test/"})
    server.completed(server.add(page(origin, "one", found, behaviour=Behaviour(set_cookies=("visitor=v1; Path=/",)))))
    assert decoded(one_file(folder)) == source
    for path in ("/s/key", "/s/t0.ts"):
        (seen,) = origin.requests(path)
        assert (seen.header("x-tok"), seen.header("referer")) == ("t", "http://page.test/")
        assert set(str(seen.header("cookie")).strip(";").split(";")) == {"visitor=v1", "list=l1"}


def test_cookies_and_headers_of_the_page_stay_with_its_server(options: list[str], origin: Origin, files: Files) -> None:
    """Fragments may lie elsewhere, and be redirected elsewhere."""
    with Origin(host="127.0.0.2") as other:
        there = put(other, files)
        origin.serve("/s/x.m3u8", data=playlist("t0.ts", f"{there}t1.ts", f"{there}t2.ts", "t3.ts"))
        origin.serve("/s/t0.ts", behaviour=Behaviour(redirect=f"{there}t0.ts"))
        origin.serve("/s/t3.ts", data=files["t3.ts"])
        secret = {"X-Tok": "t", "Authorization": "Bearer b", "Origin": "http://page.test"}
        found = listed(origin.url("/s/x.m3u8"), http_headers=secret)
        url = page(origin, "one", found, behaviour=Behaviour(set_cookies=("visitor=v1; Path=/",)))
        code, said = run(*options, url)
        assert code == 0, said
        for n in range(3):
            (seen,) = other.requests(f"/s/t{n}.ts")
            assert [seen.header(name) for name in ("cookie", "x-tok", "authorization")] == [None] * 3
            assert seen.header("origin") == (None if n == 0 else "http://page.test")
        (seen,) = origin.requests("/s/t3.ts")
        assert (seen.header("cookie"), seen.header("authorization")) == ("visitor=v1;", "Bearer b")


def test_fragments_come_over_tls_if_the_certificate_is_good(
    options: list[str], origin: Origin, secure_origin: Origin, certificates: Certificates, files: Files, folder: Path
) -> None:
    url = page(origin, "one", listed(put(secure_origin, files) + "ts.m3u8"))
    code, said = run(*options, url)
    assert code == 1
    assert "certificate" in said
    code, said = run(*options, f"--ca-certificate={certificates.authority}", url)
    assert code == 0, said
    assert len(secure_origin.requests("/s/t3.ts")) == 1


def test_a_discontinuity_goes_on_where_the_part_before_ended(
    server: Server, origin: Origin, files: Files, folder: Path
) -> None:
    """Times begin anew after it; a gap is not asked for."""
    site = put(origin, {**files, "x.m3u8": playlist(*TS, "#EXT-X-DISCONTINUITY", *TS, "#EXT-X-GAP", "none.ts")})
    server.completed(server.add(page(origin, "one", listed(f"{site}x.m3u8"))))
    assert [round(seconds) for seconds in durations(one_file(folder))] == [8, 8]
    assert origin.requests("/s/none.ts") == []
    # The same in fragmented MP4, where no demuxer does it; what opens the fragments counts until there is another.
    names, opening = [f"f{n}.m4s" for n in range(4)], '#EXT-X-MAP:URI="init.mp4"'
    lines = (opening, *names, "#EXT-X-DISCONTINUITY", *names, "#EXT-X-DISCONTINUITY", opening, *names)
    origin.serve("/s/y.m3u8", data=playlist(*lines))
    server.completed(server.add(page(origin, "two", listed(f"{site}y.m3u8"))))
    assert [round(seconds) for seconds in durations(folder / "Two [two].mp4")] == [12, 12]
    assert sorted(os.listdir(folder)) == ["One [one].mp4", "Two [two].mp4"]


def test_without_ffmpeg_fragments_are_put_together(
    options: list[str], origin: Origin, files: Files, folder: Path, source: list[str], tmp_path: Path
) -> None:
    """Each under the name of what it is: TS is no MP4. Encrypted ones too; what comes in two parts cannot be had."""
    cipher = {f"x{n}": encrypted(files[name], KEYS[0], n) for n, name in enumerate(TS)}
    text = playlist('#EXT-X-KEY:METHOD=AES-128,URI="key"', *cipher)
    site = put(origin, {**files, **cipher, "key": KEYS[0], "x.m3u8": text})
    bare = {"PATH": str(tmp_path)}
    urls = [page(origin, name, listed(f"{site}{name}.m3u8")) for name in ("ts", "fmp4", "x")]
    code, said = run(*options, "--force-sequential", *urls, environment=bare)
    assert code == 0, said
    assert sorted(os.listdir(folder)) == ["Fmp4 [fmp4].mp4", "Ts [ts].ts", "X [x].ts"]
    assert (
        (folder / "Ts [ts].ts").read_bytes()
        == (folder / "X [x].ts").read_bytes()
        == b"".join(files[name] for name in TS)
    )
    assert decoded(folder / "Fmp4 [fmp4].mp4") == source
    code, said = run(*options, page(origin, "two", mpds=[f"{site}dash.mpd"]), environment=bare)
    assert code == 1
    assert "ffmpeg is needed to merge" in said
