"""Small pieces of real sound, and what they are; and an ffmpeg that can be told to wait.

Owns: the bytes that ffmpeg makes. Never: imports slasshy_rpc.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: How each file of ``songs`` is made.
_SONGS = {
    "a.m4a": ("-map", "1:a", "-c:a", "aac"),
    "o.webm": ("-map", "1:a", "-c:a", "libopus", "-f", "webm"),
    "b.mp4": ("-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "aac"),
    "cover.jpg": ("-map", "0:v", "-frames:v", "1", "-update", "1"),
}


def songs(folder: Path) -> dict[str, bytes]:
    """A second of sound as m4a, as webm, in a video; and a picture."""
    sources = ("-f", "lavfi", "-i", "testsrc=d=1:s=96x96:r=5", "-f", "lavfi", "-i", "sine=d=1")
    outputs = [word for name, how in _SONGS.items() for word in (*how, str(folder / name))]
    _say("ffmpeg", "-nostdin", "-y", "-loglevel", "error", *sources, *outputs)
    return {name: (folder / name).read_bytes() for name in _SONGS}


def streams(path: Path) -> list[str]:
    """The codec of each stream."""
    return [stream["codec_name"] for stream in probed(path)["streams"]]


def probed(path: Path) -> Any:
    """What ffprobe says of a file."""
    return json.loads(_say("ffprobe", "-loglevel", "error", "-show_streams", "-show_format", "-of", "json", str(path)))


def patient(folder: Path) -> tuple[Mapping[str, str], Path]:
    """An environment whose ffmpeg waits for ever while the file, which is there, is there."""
    held = folder / "held"
    held.touch()
    program = folder / "ffmpeg"
    program.write_text(f'#!/bin/sh\n[ -e {held} ] && exec sleep 60\nexec {shutil.which("ffmpeg")} "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}, held


def _say(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
