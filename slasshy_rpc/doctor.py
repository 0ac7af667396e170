"""The command ``doctor``: what is there for media pages and TLS, how old it is, and what to do about what is missing.

Owns: that report. Never: changes, installs or downloads anything.
"""

from __future__ import annotations

import asyncio
import datetime
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from slasshy_rpc import __version__
from slasshy_rpc.cli.arguments import parse
from slasshy_rpc.errors import DownloadError, UsageError
from slasshy_rpc.media.ffmpeg import ffmpeg, use
from slasshy_rpc.media.pool import Workers
from slasshy_rpc.media.question import runtimes
from slasshy_rpc.net import tls

#: Days after which yt-dlp no longer knows some sites as they are.
OLD = 60

#: Seconds for yt-dlp to be loaded and its runtimes to be asked.
_PATIENCE = 60.0

_INSTALL = f"{shlex.quote(sys.executable)} -m pip install --upgrade 'yt-dlp[default]'"


def doctor(arguments: Sequence[str]) -> int:
    """Print the report, with what the conf file names; returns 0. Raises UsageError and OptionError."""
    if arguments:
        raise UsageError("doctor takes no arguments: slasshy-rpc doctor")
    options = parse((), compat=False).options
    if named := options.text("media-ffmpeg"):
        use(named)
    try:
        known = asyncio.run(_versions(runtimes(options)))
    except DownloadError as error:
        known = {"text": str(error)}
    program = ffmpeg()
    version = _first_line(program, "-version") if program else ""
    rows = [
        ("slasshy-rpc", f"{__version__} on Python {platform.python_version()}"),
        ("TLS", tls.description()),
        *media(known, datetime.date.today()),
        ("ffmpeg", f"{version} ({program})" if program else NO_FFMPEG),
        ("mutagen", _mutagen()),
    ]
    for name, text in rows:
        sys.stdout.write(f"{name + ':':<14}{text}\n")
    return 0


NO_FFMPEG = (
    "missing. Media come in the best format that is one file; with it, video and audio that come apart are merged, and "
    "sound is converted. "
    "On Debian and Ubuntu: sudo apt install ffmpeg; on macOS: brew install ffmpeg; --media-ffmpeg names one elsewhere."
)


def media(known: Mapping[str, Any], today: datetime.date) -> list[tuple[str, str]]:
    """The rows about yt-dlp and its JavaScript runtime, from what the worker knows of them."""
    version = str(known.get("yt_dlp") or "")
    if not version:
        return [("yt-dlp", f"cannot be used ({known.get('text')}). Install it: {_INSTALL}")]
    text = version
    age = _age(version, today)
    if age is not None:
        text += f", {age} days old"
        if age > OLD:
            text += f". Sites change, and so does yt-dlp: {_INSTALL}"
    usable = [f"{name} {found}" for name, (found, good) in known["runtimes"].items() if good]
    dated = [f"{name} {found} is too old" for name, (found, good) in known["runtimes"].items() if not good]
    why = f" ({'; '.join(dated)})" if dated else ""
    runtime = ", ".join(usable)
    if not usable:
        runtime = (
            f"none{why}. YouTube has few formats without one, or none: install "
            "deno 2.3 or newer (https://deno.com), or node 22 or newer."
        )
    elif not known["solver"]:
        runtime += f", but its scripts (yt-dlp-ejs) are missing: {_INSTALL}"
    return [("yt-dlp", text), ("JavaScript", runtime)]


async def _versions(runtimes: Mapping[str, Mapping[str, str]] | None) -> dict[str, Any]:
    workers = Workers()
    try:
        return await workers.ask({"ask": "versions", "runtimes": runtimes}, _PATIENCE)
    finally:
        await workers.close()


def _mutagen() -> str:
    """Which one writes tags: it is asked of the installation, not imported."""
    import importlib.metadata

    try:
        return importlib.metadata.version("mutagen")
    except importlib.metadata.PackageNotFoundError:
        return f"missing. Files get no tags: {shlex.quote(sys.executable)} -m pip install mutagen"


def _age(version: str, today: datetime.date) -> int | None:
    """Days since the date that a version of yt-dlp is."""
    try:
        year, month, day = (int(part) for part in version.split(".")[:3])
        return (today - datetime.date(year, month, day)).days
    except ValueError:
        return None


def _first_line(*command: str) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"it cannot be run: {error}"
    return said.partition("\n")[0].partition(" Copyright")[0].removeprefix("ffmpeg version ")
