"""A page with 1080p video and audio apart, from a server that limits each connection: ours beside yt-dlp alone.

Both read the page with the tests' plug-in and have ffmpeg merge what came; the streams of both files are compared.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.contenders import Contender
from tests.bench.machine import MIB
from tests.bench.measure import emptied, environment, timed
from tests.bench.scenarios import Course
from tests.support.media import OPTIONS, PLUGINS, apart, digests

#: Bytes that yt-dlp is made to wait for; a larger --size is for others.
MOST = 200 * MIB

#: A frame of noise in MPEG-4 at its best quality is about so large (bytes); frames a second.
FRAME = 2_860_000
RATE = 25


def made(folder: Path, size: int) -> tuple[Path, Path]:
    """Video and audio of ``size`` bytes together, about, made when first asked for."""
    video, audio = folder / f"{size // MIB}m.mp4", folder / f"{size // MIB}m.m4a"
    if not audio.exists():
        seconds = max(size // FRAME, 2) / RATE
        noise = f"testsrc2=s=1920x1080:r={RATE}:d={seconds},noise=alls=80:allf=t"
        sources = ["-f", "lavfi", "-i", noise, "-f", "lavfi", "-i", f"sine=d={seconds}"]
        picture = ["-map", "0:v", "-c:v", "mpeg4", "-q:v", "1", str(video)]
        command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *sources, *picture]
        subprocess.run([*command, "-map", "1:a", "-c:a", "aac", "-b:a", "256k", str(audio)], check=True)
    return video, audio


def measure(contender: Contender, course: Course, calls: int) -> dict[str, float]:
    """Seconds of either, start and merge included. Raises RuntimeError if one fails, or their streams differ."""
    if shutil.which("ffmpeg") is None:
        raise RuntimeError("ffmpeg is not installed, so nothing can be merged")
    parts = made(course.field.root, min(course.field.size, MOST))
    page = course.field.root / "watch" / "clip"
    page.parent.mkdir(exist_ok=True)
    urls = [course.nginx.url(f"/limited/{part.name}") for part in parts]
    page.write_text(json.dumps({"title": "Clip", "formats": apart(urls[0], urls[1])}))
    url, out = course.nginx.url("/watch/clip"), course.field.out
    commands = {
        "slasshy-rpc": [contender.binary, "-m", "slasshy_rpc", "--no-conf", "-q", *OPTIONS, f"-d{out}", url],
        "yt-dlp": [
            sys.executable,
            "-m",
            "yt_dlp",
            "-q",
            "--no-config",
            "--plugin-dirs",
            str(PLUGINS),
            "-P",
            str(out),
            url,
        ],
    }
    figures: dict[str, float] = {}
    streams: dict[str, list[str]] = {}
    for who, command in commands.items():
        env = environment(emptied(course.scratch / "home"))
        emptied(out)
        run, said = timed(
            course.stopwatch, command, cwd=Path.cwd(), env=env, seconds=300, log=course.scratch / "log.txt"
        )
        if not run.ok:
            raise RuntimeError(f"{who}: {run.note or said}")
        (file,) = out.iterdir()
        figures[f"{who}, s"], figures[f"{who}, CPU s"] = run.wall, run.cpu
        figures["MiB"] = file.stat().st_size / MIB
        streams[who] = digests(str(file))
    if len({tuple(one) for one in streams.values()}) != 1:
        raise RuntimeError(f"the streams differ: {streams}")
    return {**figures, "yt-dlp / slasshy-rpc": figures["yt-dlp, s"] / figures["slasshy-rpc, s"]}
