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


def listed(url: str, **more: object) -> dict[str, Any]:
    """A format whose URL is that of an HLS playlist."""
    return whole(url, protocol="m3u8_native", **more)


def playlist(*lines: str) -> bytes:
    """An HLS playlist of these lines, in which every line that is no tag is one second long."""
    body = [text for line in lines for text in ([line] if line.startswith("#") else ["#EXTINF:1.0,", line])]
    return "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:1", *body, "#EXT-X-ENDLIST", ""]).encode()


def encrypted(data: bytes, key: bytes, iv: int) -> bytes:
    """AES-128 as HLS has it."""
    from Cryptodome.Cipher import AES
    from Cryptodome.Util.Padding import pad

    return AES.new(key, AES.MODE_CBC, iv.to_bytes(16, "big")).encrypt(pad(data, 16))


def streams(folder: Path) -> dict[str, bytes]:
    """Four seconds of video with sound in the fragments of HLS and DASH, by file name; ``source.mp4`` is all of it.

    ``ts.m3u8`` names t0.ts …, ``fmp4.m3u8`` init.mp4 and f0.m4s …, ``one.m3u8`` ranges of one.ts; ``dash.mpd`` is of
    0-init.mp4 0-1.m4s … (the video) and 1-init.mp4 1-1.m4s …
    """
    sources = ("-f", "lavfi", "-i", "testsrc=d=4:s=160x120:r=10", "-f", "lavfi", "-i", "sine=d=4")
    made, hls = str(folder / "source.mp4"), ("-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod")
    _ffmpeg(*sources, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", made)
    _ffmpeg("-i", made, *hls, "-hls_segment_filename", str(folder / "t%d.ts"), str(folder / "ts.m3u8"))
    _ffmpeg("-i", made, *hls, "-hls_flags", "single_file", str(folder / "one.m3u8"))
    fmp4 = ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4")
    _ffmpeg("-i", made, *hls, *fmp4, "-hls_segment_filename", str(folder / "f%d.m4s"), str(folder / "fmp4.m3u8"))
    names = ("-init_seg_name", "$RepresentationID$-init.mp4", "-media_seg_name", "$RepresentationID$-$Number$.m4s")
    _ffmpeg("-i", made, "-c", "copy", "-f", "dash", "-seg_duration", "1", *names, str(folder / "dash.mpd"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put(origin: Origin, files: dict[str, bytes], *, behaviour: Behaviour | Choose = GOOD) -> str:
    """Serve these files; the URL of their folder, with a slash at its end."""
    for name, data in files.items():
        origin.serve(f"/s/{name}", data=data, behaviour=behaviour)
    return origin.url("/s/")


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


def durations(path: Path) -> list[float]:
    """How long each stream is (seconds)."""
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=duration", "-of", "csv=p=0", str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    return [float(line) for line in said.split()]


def decoded(path: Path) -> list[str]:
    """The pictures, and the packets of the sound, whatever they lie in: one line a stream."""
    maps = ("-map", "0:v?", "-map", "0:a?", "-c:a", "copy")
    return _ffmpeg("-i", str(path), *maps, "-f", "streamhash", "-hash", "md5", "-").splitlines()


def _ffmpeg(*arguments: str) -> str:
    command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
