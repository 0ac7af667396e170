"""Pages of media sites: addUri of a page ends as a file, over the engine's own connections; all on the loop-back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.support.behaviour import Behaviour, Seen, after
from tests.support.media import page, whole
from tests.support.origin import Origin
from tests.support.process import GLANCE, PATIENCE, ROOT, Server, run

MIB = 1 << 20
#: Slow enough that all connections which are wanted get their part.
SLOW = Behaviour(rate=4 * MIB)


def children(pid: int) -> dict[int, str]:
    """The command lines of a process's children, by their numbers."""
    found = psutil.Process(pid).children()
    return {child.pid: " ".join(child.cmdline()) for child in found}


def test_a_page_becomes_a_file(server: Server, origin: Origin, folder: Path) -> None:
    """One GID from the beginning, whose file is [MEDIA]URL at first; all connections; headers, cookies and chunks."""
    video = origin.serve("/v.mp4", length=4 * MIB, behaviour=SLOW)
    more = {"http_headers": {"X-Tok": "t", "Referer": "http://page.test/"}}
    found = whole(video, downloader_options={"http_chunk_size": MIB}, **more)
    url = page(origin, "one", found, behaviour=Behaviour(set_cookies=("visitor=v1; Path=/",)))
    gid = server.add(url, split="4", header="X-Own: mine")
    begun = server.status(gid)
    if begun["files"][0]["path"] != f"{folder}/One [one].mp4":  # it may have been understood by now
        assert begun["files"][0]["path"] == f"[MEDIA]{url}"
        assert (begun["status"], begun["totalLength"]) == ("active", "0")
    done = server.completed(gid)
    assert [file["path"] for file in done["files"]] == [f"{folder}/One [one].mp4"]
    assert {uri["uri"] for uri in done["files"][0]["uris"]} == {url}
    assert origin.content("/v.mp4").difference(folder / "One [one].mp4") is None
    asked = origin.requests("/v.mp4")
    assert len({seen.connection for seen in asked}) >= 2
    for seen in asked:
        assert (seen.header("x-tok"), seen.header("cookie")) == ("t", "visitor=v1")
        assert seen.header("referer") == "http://page.test/"
        assert "Mozilla" in str(seen.header("user-agent"))
        assert seen.header("x-own") is None
        assert seen.range is not None
        assert seen.range[1] is not None
        assert seen.range[1] - seen.range[0] < MIB


def test_direct_links_never_start_the_worker(options: list[str], origin: Origin, folder: Path) -> None:
    """Neither does the start of the server import yt_dlp."""
    command = [sys.executable, "-X", "importtime", "-m", "slasshy_rpc", "--no-conf"]
    url = origin.serve("/watch/clip.mp4", length=MIB)
    done = subprocess.run([*command, *options, url], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "slasshy_rpc.media.protocol" in imported
    assert "slasshy_rpc.media.job" not in imported
    assert not [name for name in imported if name.startswith("yt_dlp")]
    elsewhere = [option for option in options if "media-hosts" not in option]
    plain = origin.serve("/watch/page", data=b"<html>")
    with Server(*elsewhere) as server:
        server.completed(server.add(plain))
        assert children(server.pid) == {}
    assert (folder / "page").read_bytes() == b"<html>"


def test_the_worker_is_a_child_that_ends_with_the_server(server: Server, origin: Origin) -> None:
    server.finished(server.add(origin.url("/watch/drm")))
    ((child, command),) = children(server.pid).items()
    assert "media/worker.py" in command
    server.kill()
    end = time.monotonic() + PATIENCE
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(GLANCE)


FAILURES = {
    "drm": ("1", "This video is DRM protected"),
    "geo": ("1", "This video is not available from your location due to geo restriction"),
    "login": ("24", "This video is only available for registered users"),
    "gone": ("3", "HTTP Error 404: Not Found"),
    "crash": ("1", "yt-dlp could not say what is behind the page: it ended without one."),
    "hang": ("2", "The page was not understood within 1 seconds (--media-timeout)."),
    "closed": ("22", "The response status is not successful. status=403"),
}


def test_what_goes_wrong(server: Server, origin: Origin, folder: Path) -> None:
    """Each with its code, and nothing of it is in the way of the next page."""
    page(origin, "closed", whole(origin.serve("/closed.mp4", behaviour=Behaviour(status=403))))
    added = {name: server.add(origin.url(f"/watch/{name}"), media_timeout="30") for name in FAILURES if name != "hang"}
    added["hang"] = server.add(origin.url("/watch/hang"), media_timeout="1")
    failed = {name: server.finished(gid) for name, gid in added.items()}
    assert {name: (one["errorCode"], one["errorMessage"]) for name, one in failed.items()} == FAILURES
    shown = {one["files"][0]["path"].partition("http")[0] for name, one in failed.items() if name != "closed"}
    assert shown == {"[MEDIA]"}
    assert len(origin.requests("/watch/closed")) == 2  # links that fail are asked for once more, and no more
    server.completed(server.add(page(origin, "next", whole(origin.serve("/v.mp4", length=5)))))
    assert os.listdir(folder) == ["Next [next].mp4"]


def test_off_and_compat_store_the_page(options: list[str], origin: Origin, folder: Path) -> None:
    url = page(origin, "one", whole(origin.url("/v.mp4")))
    for name, arguments in (("off", ["--media=off"]), ("compat", ["--compat"])):
        code, said = run(*options, *arguments, f"--out={name}", url)
        assert code == 0, said
        assert json.loads((folder / name).read_bytes())["title"] == "One"


def test_under_auto_a_page_that_nobody_knows_is_stored(options: list[str], origin: Origin, folder: Path) -> None:
    url = origin.serve("/about", data=b"about")
    code, said = run(*options, url)
    assert code == 0, said
    assert (folder / "about").read_bytes() == b"about"
    code, said = run(*options, "--media=only", origin.serve("/text", data=b"text", behaviour=Behaviour()))
    assert code == 1, said
    assert not (folder / "text").exists()


OG_VIDEO = '<meta property="og:video:type" content="video/mp4"><meta property="og:video" content="{}">'


@pytest.mark.parametrize("tag", ["<video src='{}'></video>", OG_VIDEO])
def test_only_takes_pages_of_any_host(options: list[str], origin: Origin, folder: Path, tag: str) -> None:
    video = origin.serve("/v.mp4", length=MIB)
    html = f"<html><head><title>T</title></head><body>{tag.format(video)}</body></html>"
    url = origin.serve("/blog", data=html.encode(), behaviour=Behaviour(content_type="text/html"))
    code, said = run(*options, "--media=only", url)
    assert code == 0, said
    (path,) = folder.iterdir()
    assert path.suffix == ".mp4"
    assert origin.content("/v.mp4").difference(path) is None


def test_lists_and_the_command_line(options: list[str], origin: Origin, folder: Path, tmp_path: Path) -> None:
    video = origin.serve("/v.mp4", length=5)
    listed = tmp_path / "list"
    listed.write_text(
        f"{page(origin, 'one', whole(video))}\n  out=sub/first.mp4\n{page(origin, 'two', whole(video))}\n"
    )
    code, said = run(*options, f"--input-file={listed}")
    assert code == 0, said
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.mp4")) == ["Two [two].mp4", "sub/first.mp4"]


def test_names_stay_inside(server: Server, origin: Origin, folder: Path) -> None:
    video = origin.serve("/v.mp4", length=5)
    for title in ("../../x", "/etc/x", "-rf", "a\nb", ".hidden", "é" * 300):
        server.completed(server.add(page(origin, "n", whole(video), title=title)))
    assert all(path.parent == folder and path.suffix == ".mp4" for path in folder.rglob("*.mp4"))
    assert len(list(folder.iterdir())) == 6
    refused = server.finished(server.add(page(origin, "d", whole(video, ext="desktop"))))
    assert "no media type" in refused["errorMessage"]


def test_an_expired_link_is_asked_for_again(server: Server, origin: Origin, folder: Path) -> None:
    """The bytes that came stay, and nothing of the signed URL is told."""

    def expiring(seen: Seen) -> Behaviour:
        if "sig=2" in seen.target:
            return Behaviour()
        return Behaviour(rate=MIB, fail_after=256 << 10) if seen.nth <= 2 else Behaviour(status=403)

    video = origin.serve("/v.mp4", length=2 * MIB, behaviour=expiring)
    page(origin, "second", whole(f"{video}?sig=2"), title="E", id="e")
    url = page(origin, "e", whole(f"{video}?sig=1"), behaviour=after(1, Behaviour(redirect="/watch/second")))
    gid = server.add(url, split="2")
    done = server.completed(gid)
    assert len(origin.requests("/watch/e")) == 2
    assert origin.content("/v.mp4").difference(folder / "E [e].mp4") is None
    again = [seen for seen in origin.requests("/v.mp4") if "sig=2" in seen.target]
    assert sum(seen.sent for seen in again) < 2 * MIB
    assert "sig=" not in json.dumps(done)
    assert "sig=" not in server.said


def test_a_cookie_stays_with_its_origin(options: list[str], origin: Origin) -> None:
    with Origin(host="127.0.0.2") as other:
        target = other.serve("/v.mp4", length=5)
        origin.serve("/v.mp4", behaviour=Behaviour(redirect=target))
        found = whole(origin.url("/v.mp4"), http_headers={"X-Tok": "t", "Referer": "http://page.test/"})
        url = page(origin, "one", found, behaviour=Behaviour(set_cookies=("visitor=v1; Path=/",)))
        code, said = run(*options, url)
        assert code == 0, said
        (seen,) = other.requests("/v.mp4")
        assert (seen.header("cookie"), seen.header("x-tok")) == (None, None)
        assert seen.header("referer") == "http://page.test/"


def test_what_is_secret_in_a_pages_url_is_not_told(options: list[str], origin: Origin, tmp_path: Path) -> None:
    url = origin.url("/watch/hang?key=se-cret")
    with Server(*options, f"--log={tmp_path / 'log'}", "--log-level=debug") as server:
        gid = server.add(url)
        server.until(gid, lambda status: status["files"][0]["path"] == f"[MEDIA]{url}")
        server.call("aria2.remove", gid)
        server.until(gid, lambda status: status["status"] == "removed")
        server.stop()
        said = server.said + (tmp_path / "log").read_text()
    assert "not complete: [MEDIA]http://127.0.0.1" in said
    said += "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "state").glob("history.db*"))
    assert "[MEDIA]" in said
    assert "se-cret" not in said


def test_pause_and_remove_at_every_stage(server: Server, origin: Origin, folder: Path) -> None:
    gid = server.add(origin.url("/watch/hang"))
    server.until(gid, lambda _: len(children(server.pid)) == 1)
    server.call("aria2.pause", gid)
    server.until(gid, lambda status: status["status"] == "paused")
    assert children(server.pid) == {}
    server.call("aria2.remove", gid)
    video = origin.serve("/v.mp4", length=4 * MIB, behaviour=Behaviour(rate=2 * MIB))
    gid = server.add(page(origin, "one", whole(video)), split="2")
    server.until(gid, lambda status: int(status["completedLength"]) > 0)
    server.call("aria2.pause", gid)
    server.until(gid, lambda status: status["status"] == "paused")
    origin.serve("/v.mp4", length=4 * MIB)
    server.call("aria2.unpause", gid)
    server.completed(gid)
    assert origin.sent("/v.mp4") < 6 * MIB
    assert os.listdir(folder) == ["One [one].mp4"]


def test_the_doctor(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "slasshy_rpc", "doctor"]
    environment = {**os.environ, "PATH": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    rows = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert set(rows) == {"slasshy-rpc", "TLS", "yt-dlp", "JavaScript", "ffmpeg", "mutagen"}
    assert "days old" in rows["yt-dlp"]
    assert "none" in rows["JavaScript"]
    assert rows["ffmpeg"].strip().startswith("missing")
    assert rows["mutagen"].strip()[0].isdigit()
    folder = tmp_path / "slasshy-rpc"
    folder.mkdir()
    for name, says in (("ff", "ffmpeg version 9.9 Copyright"), ("node", "v99.0.0")):
        (folder / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (folder / name).chmod(0o755)
    (folder / "slasshy-rpc.conf").write_text(f"media-ffmpeg={folder}/ff\nmedia-js-runtime=node:{folder}/node\n")
    environment["XDG_CONFIG_HOME"] = str(tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    rows = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert rows["ffmpeg"].strip() == f"9.9 ({folder}/ff)"
    assert rows["JavaScript"].strip().startswith("node 99.0.0")
