"""Media pages, ours beside yt-dlp alone: 1080p video and audio apart from a server that limits each connection, and HLS
and DASH in hundreds of fragments from one that takes its time for each.

Both read the page with the tests' plug-in and have ffmpeg make one file; what both files show is compared.
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
from tests.support.behaviour import Behaviour
from tests.support.media import OPTIONS, PLUGINS, apart, decoded, listed, page
from tests.support.origin import Origin

#: Bytes that yt-dlp is made to wait for; a larger --size is for others.
MOST = 200 * MIB

#: A frame of noise in MPEG-4 at its best quality is about so large (bytes); frames a second.
FRAME = 2_860_000
RATE = 25


#: Fragments of a second each, and the seconds that the server takes for each request.
FRAGMENTS = 600
DELAY = 0.05


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


def in_fragments(folder: Path) -> Path:
    """The folder of FRAGMENTS seconds of video and sound as HLS (``v.m3u8``) and DASH (``v.mpd``)."""
    if not (folder / "v.mpd").exists():
        folder.mkdir(exist_ok=True)
        source = folder / "source.mp4"
        length = f"d={FRAGMENTS}"
        shown = ["-f", "lavfi", "-i", f"testsrc2=s=640x360:r=10:{length}", "-f", "lavfi", "-i", f"sine={length}"]
        coded = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-b:v", "800k", "-c:a", "aac"]
        hls = [
            "-f",
            "hls",
            "-hls_time",
            "1",
            "-hls_playlist_type",
            "vod",
            "-hls_segment_filename",
            str(folder / "h%d.ts"),
        ]
        names = ["-init_seg_name", "$RepresentationID$-init.mp4", "-media_seg_name", "$RepresentationID$-$Number$.m4s"]
        for arguments in (
            [*shown, *coded, str(source)],
            ["-i", str(source), "-c", "copy", *hls, str(folder / "v.m3u8")],
            ["-i", str(source), "-c", "copy", "-f", "dash", "-seg_duration", "1", *names, str(folder / "v.mpd")],
        ):
            subprocess.run(["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *arguments], check=True)
    return folder


def measure(contender: Contender, course: Course, calls: int) -> dict[str, float]:
    """Seconds of either, start and merge included. Raises RuntimeError if one fails, or their streams differ."""
    parts = made(course.field.root, min(course.field.size, MOST))
    clip = course.field.root / "watch" / "clip"
    clip.parent.mkdir(exist_ok=True)
    urls = [course.nginx.url(f"/limited/{part.name}") for part in parts]
    clip.write_text(json.dumps({"title": "Clip", "formats": apart(urls[0], urls[1])}))
    return side_by_side(contender, course, course.nginx.url("/watch/clip"), "")


def measure_fragments(contender: Contender, course: Course, calls: int) -> dict[str, float]:
    """As ``measure``, for HLS and for DASH."""
    figures: dict[str, float] = {}
    with Origin() as origin:
        folder = in_fragments(course.field.root / "fragments")
        for path in folder.iterdir():
            origin.serve(f"/s/{path.name}", data=path.read_bytes(), behaviour=Behaviour(latency=DELAY))
        for name, url in (
            ("HLS", page(origin, "hls", listed(origin.url("/s/v.m3u8")))),
            ("DASH", page(origin, "dash", mpds=[origin.url("/s/v.mpd")])),
        ):
            figures |= side_by_side(contender, course, url, f"{name}: ")
    return figures


def side_by_side(contender: Contender, course: Course, url: str, name: str) -> dict[str, float]:
    """Both fetch ``url``, one after the other; the figures' names begin with ``name``."""
    if shutil.which("ffmpeg") is None:
        raise RuntimeError("ffmpeg is not installed, so nothing can be merged")
    out = course.field.out
    alone = ["-q", "--no-config", "--plugin-dirs", str(PLUGINS), "-P", str(out), url]
    commands = {
        "slasshy-rpc": [contender.binary, "-m", "slasshy_rpc", "--no-conf", "-q", *OPTIONS, f"-d{out}", url],
        "yt-dlp": [sys.executable, "-m", "yt_dlp", *alone],
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
        figures[f"{name}{who}, s"], figures[f"{name}{who}, CPU s"] = run.wall, run.cpu
        figures[f"{name}MiB"] = file.stat().st_size / MIB
        streams[who] = decoded(file)
    if len({tuple(one) for one in streams.values()}) != 1:
        raise RuntimeError(f"the streams differ: {streams}")
    return {**figures, f"{name}yt-dlp / slasshy-rpc": figures[f"{name}yt-dlp, s"] / figures[f"{name}slasshy-rpc, s"]}
