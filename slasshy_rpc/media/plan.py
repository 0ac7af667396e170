"""From a worker's answer to what is fetched, under which name, and what goes to whom.

Owns: what a media file may be called, which headers go along, and what each kind of failure means for users. Never:
input or output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.media.extras import Extra, extras
from slasshy_rpc.media.headers import lines
from slasshy_rpc.net.address import redact
from slasshy_rpc.plan import naming

#: What a part may be, and as what ffmpeg is to read it, whatever the bytes say: no playlist, which names other files.
DEMUXERS = {
    **dict.fromkeys(("mp4", "m4a", "m4v", "mov", "3gp", "f4v", "f4a"), "mov"),
    **dict.fromkeys(("webm", "mkv", "weba", "mka"), "matroska"),
    **dict.fromkeys(("ogg", "oga", "ogv", "opus"), "ogg"),
    **{name: name for name in ("mp3", "aac", "flac", "wav", "flv", "avi")},
    "ts": "mpegts",
}

#: What separate parts may be merged into, and what ffmpeg calls it.
MUXERS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "webm": "webm", "mkv": "matroska"}

_NAME = re.compile(r"[\w-]+", re.ASCII)

#: No server is asked for less at once, whatever a page says (bytes).
LEAST_CHUNK = 64 << 10

#: No file is larger (bytes): what a page says of its size beyond that is shown to nobody.
_LARGEST = 1 << 53

#: A URL within yt-dlp's words.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")

#: How much of yt-dlp's words is shown (characters).
_LONGEST_TEXT = 500

_CODES = {"gone": ErrorCode.NOT_FOUND, "login": ErrorCode.AUTHORIZATION, "timeout": ErrorCode.TIMEOUT}
_TEXTS = {
    "playlist": "The page has become a list of media. Add it again.",
    "live": "Live streams are not supported.",
    "formats": "The page has no format that --media-format asks for and that comes as a plain file over HTTP. "
    "HLS and DASH are not supported yet.",
}


class Unsupported(DownloadError):
    """yt-dlp does not know this page."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file that a server has. ``headers`` are lines; ``size`` is in bytes, 0 where it is not known beforehand.

    ``chunk``: how many bytes one request may ask for (0: any number).
    """

    url: str
    format: str
    ext: str
    headers: tuple[str, ...]
    size: int
    chunk: int


@dataclass(frozen=True, slots=True)
class Media:
    """What is behind a page: a file called ``name``, as it is if there is one Part, else merged from them."""

    name: str
    parts: tuple[Part, ...]
    extras: tuple[Extra, ...] = ()
    title: str = ""

    @property
    def formats(self) -> str:
        """The formats as yt-dlp can be asked for them again; '' for names that it would take for something else."""
        names = [part.format for part in self.parts]
        return "+".join(names) if all(_NAME.fullmatch(name) for name in names) else ""

    @property
    def ext(self) -> str:
        """What the name ends in, which is a key of MUXERS where there is more than one Part."""
        return self.name.rpartition(".")[2]


def understood(answer: Mapping[str, Any]) -> Media:
    """Raises DownloadError for an answer that is not of media that can be had, Unsupported for an unknown page."""
    kind = answer.get("kind")
    if kind != "video":
        # Words of a server's may be in it, and it is shown on terminals.
        # URLs, too: signed ones, and the page's with a password.
        said = _URL.sub(lambda found: redact(found[0]), str(answer.get("text") or "yt-dlp found nothing."))
        text = _TEXTS.get(str(kind)) or printable(said)[:_LONGEST_TEXT]
        raise (Unsupported if kind == "unsupported" else DownloadError)(text, _CODES.get(str(kind), ErrorCode.UNKNOWN))
    try:
        parts = tuple(_part(one) for one in answer["parts"])
        name, ext = str(answer["name"]), str(answer["ext"]).lower()
        beside, title = extras(answer), printable(str(answer.get("title") or ""))[:_LONGEST_TEXT]
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise DownloadError(f"yt-dlp's answer lacks something: {error}") from error
    if not parts or len(parts) > 2:
        raise DownloadError(f"The page has media in {len(parts)} parts, which cannot be put together.")
    known = MUXERS if len(parts) > 1 else DEMUXERS
    for found in (ext, *(part.ext for part in parts)):
        if found not in DEMUXERS or ext not in known:
            raise DownloadError(f"What the page offers would be a file of type {found[:20]!r}, which is no media type.")
    stem = name.removesuffix(f".{answer['ext']}")
    *folders, last = [part for part in f"{stem}.{ext}".split("/") if part not in ("", ".", "..")]
    safe = [naming.sanitise(naming.fit(folder, _ROOM)) for folder in folders]
    return Media("/".join([*safe, naming.sanitise(naming.fit(last, _ROOM))]), parts, beside, title)


#: Bytes of a name, so that there is room for what is put before the extension of a part.
_ROOM = naming.NAME_LIMIT - 24


def part_name(name: str, part: Part) -> str:
    """What a Part of ``name`` is called until it is merged: NAME.fFORMAT.EXT."""
    letters = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in part.format)[:12]
    stem, dot, _ = name.rpartition(".")
    return f"{stem if dot else name}.f{letters}.{part.ext}"


def _part(one: Mapping[str, Any]) -> Part:
    url = str(one["url"])
    if one["protocol"] not in ("http", "https") or not url.lower().startswith(("http://", "https://")):
        raise DownloadError(_TEXTS["formats"])
    size, chunk = int(one["size"]), int(one["chunk"])
    size = size if 0 < size <= _LARGEST else 0
    chunk = max(chunk, LEAST_CHUNK) if chunk > 0 else 0
    return Part(url, str(one["format"]), str(one["ext"]).lower(), lines(one), size, chunk)
