"""Media pages on the hostile origin, read by the extractor in media_plugins; and what a server needs to take them.

Owns: the pages' text, and small real media made by ffmpeg. Never: imports slasshy_rpc or yt_dlp.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.behaviour import GOOD, Behaviour, Choose
from tests.support.origin import Origin

PLUGINS = Path(__file__).with_name("media_plugins")

#: Pages of 127.0.0.1 are media pages, and what they say is understood.
OPTIONS = ("--media-hosts=127.0.0.1", f"--media-plugin-dir={PLUGINS}")


def page(
    origin: Origin, name: str, *formats: dict[str, Any], behaviour: Behaviour | Choose = GOOD, **more: object
) -> str:
    """Serve a page with these formats; its URL."""
    text = json.dumps({"title": name.capitalize(), "formats": formats, **more})
    return origin.serve(f"/watch/{name}", data=text.encode(), behaviour=behaviour)


def listing(origin: Origin, name: str, *entries: str | dict[str, Any]) -> str:
    """Serve a page that lists URLs, or media that have none of their own; its URL."""
    return origin.serve(f"/watch/{name}", data=json.dumps({"title": name, "entries": entries}).encode())


def whole(url: str, **more: object) -> dict[str, Any]:
    """A format with video and audio in one file."""
    return {"url": url, "format_id": "22", "ext": "mp4", "vcodec": "h264", "acodec": "aac", **more}


def apart(video: str, audio: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A video and an audio format, better than ``whole``."""
    return (
        {"url": video, "format_id": "137", "ext": "mp4", "vcodec": "h264", "acodec": "none", "height": 1080},
        {"url": audio, "format_id": "140", "ext": "m4a", "vcodec": "none", "acodec": "aac"},
    )


def clip(folder: Path) -> tuple[bytes, bytes]:
    """Two seconds of video, and of audio, each a file of its own."""
    sources = ("-f", "lavfi", "-i", "testsrc=d=2:s=160x120:r=10", "-f", "lavfi", "-i", "sine=d=2")
    video, audio = folder / "video.mp4", folder / "audio.m4a"
    _ffmpeg(*sources, "-map", "0:v", "-c:v", "mpeg4", str(video), "-map", "1:a", "-c:a", "aac", str(audio))
    return video.read_bytes(), audio.read_bytes()


def digests(*inputs: str) -> list[str]:
    """What the packets of each stream are, wherever they lie: one line a stream."""
    maps = [word for index in range(len(inputs)) for word in ("-map", str(index))]
    files = [word for path in inputs for word in ("-i", path)]
    said = _ffmpeg(*files, *maps, "-c", "copy", "-f", "streamhash", "-hash", "md5", "-")
    return said.splitlines()


def _ffmpeg(*arguments: str) -> str:
    command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
