"""The ffmpeg that the user names, and what is there when it fails, is stopped or takes its time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.support.media import apart, clip, page
from tests.support.origin import Origin
from tests.support.process import Refused, Server

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


@pytest.fixture
def url(origin: Origin, tmp_path: Path) -> str:
    """A page with video and audio apart."""
    parts = zip(("/v.mp4", "/a.m4a"), clip(tmp_path), strict=True)
    return page(origin, "one", *apart(*(origin.serve(path, data=data) for path, data in parts)))


def program(folder: Path, text: str) -> str:
    """An ffmpeg that does this before it becomes the real one."""
    path = folder / "my ffmpeg"
    path.write_text(f'#!/bin/sh\n{text}\nexec ffmpeg "$@"\n')
    path.chmod(0o755)
    return f"--media-ffmpeg={path}"


def test_what_came_is_not_fetched_again_after_a_merge_that_failed(
    options: list[str], origin: Origin, url: str, folder: Path, tmp_path: Path
) -> None:
    once = program(tmp_path, f"test -e {tmp_path}/again || {{ echo no way >&2; touch {tmp_path}/again; exit 3; }}")
    with Server(*options, once) as server:
        gid = server.add(url)
        failed = server.finished(gid)
        assert failed["errorMessage"] == "ffmpeg could not merge video and audio: no way"
        assert server.call("slasshy.getMedia", gid)["stage"] == "merging"
        assert {name.removesuffix(".aria2") for name in os.listdir(folder)} == {
            "One [one].f137.mp4",
            "One [one].f140.m4a",
        }
        sent = origin.sent("/v.mp4") + origin.sent("/a.m4a")
        server.completed(server.add(url))
    assert origin.sent("/v.mp4") + origin.sent("/a.m4a") - sent < sent / 2
    assert os.listdir(folder) == ["One [one].mp4"]


def test_while_it_is_merged_it_is_active_and_a_pause_ends_ffmpeg(
    options: list[str], url: str, folder: Path, tmp_path: Path
) -> None:
    with Server(*options, program(tmp_path, f"while ! test -e {tmp_path}/go; do sleep 0.02; done")) as server:
        gid = server.add(url)
        server.until(gid, lambda _: server.call("slasshy.getMedia", gid)["stage"] == "merging")
        status = server.status(gid)
        assert (status["status"], status["downloadSpeed"]) == ("active", "0")
        assert status["completedLength"] == status["totalLength"]
        server.call("aria2.pause", gid)
        server.until(gid, lambda status: status["status"] == "paused")
        assert [one for one in psutil.Process(server.pid).children() if "my ffmpeg" in " ".join(one.cmdline())] == []
        assert not [name for name in os.listdir(folder) if name.endswith(".unready")]
        (tmp_path / "go").touch()
        server.call("aria2.unpause", gid)
        server.completed(gid)
    assert os.listdir(folder) == ["One [one].mp4"]


def test_no_caller_names_a_program(server: Server, origin: Origin, url: str, folder: Path, tmp_path: Path) -> None:
    """Neither for one download nor for all: what is not a caller's to say is passed over, as in aria2."""
    bad = program(tmp_path, f"touch {tmp_path}/ran").partition("=")[2]
    named = {"media-ffmpeg": bad, "media-js-runtime": f"node:{bad}", "media-plugin-dir": str(tmp_path)}
    assert server.call("aria2.changeGlobalOption", named) == "OK"
    gid = server.call("aria2.addUri", [url], {**named, "media-cookies": "/etc/passwd", "media-extractor-args": "a:b=c"})
    server.completed(gid)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(Refused, match="media-merge"):
        server.add(url, media_merge="exe")
