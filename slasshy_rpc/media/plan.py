"""From a worker's answer to what is fetched, under which name, and what goes to whom.

Owns: what a media file may be called, which headers go along, and what each kind of failure means for users. Never:
input or output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.media.extras import Extra, extras
from slasshy_rpc.media.headers import lines
from slasshy_rpc.media.hls import LIVE, MOST_FRAGMENTS, Fragment, joined
from slasshy_rpc.media.labels import NO_LABELS, Labels, labels
from slasshy_rpc.net.address import is_web, redact
from slasshy_rpc.plan import naming

#: What comes as an HLS playlist, and as the list of its fragments, in yt-dlp's words.
_PLAYLISTS = ("m3u8", "m3u8_native")
_LISTED = "http_dash_segments"

#: How media may come that are brought here: as one file, or in fragments.
FILES = ("http", "https")
PROTOCOLS = (*FILES, *_PLAYLISTS, _LISTED)

#: What a part may be, and as what ffmpeg is to read it, whatever the bytes say: no playlist, which names other files.
DEMUXERS = {
    **dict.fromkeys(("mp4", "m4a", "m4v", "mov", "3gp", "f4v", "f4a"), "mov"),
    **dict.fromkeys(("webm", "mkv", "weba", "mka"), "matroska"),
    **dict.fromkeys(("ogg", "oga", "ogv", "opus"), "ogg"),
    **{name: name for name in ("mp3", "aac", "flac", "wav", "flv", "avi")},
    "ts": "mpegts",
}

#: What separate parts may be merged into, and what ffmpeg calls it.
MERGED = {
    **{"mp4": "mp4", "m4v": "mp4", "m4a": "ipod", "mov": "mov"},
    **{"webm": "webm", "weba": "webm", "mkv": "matroska", "mka": "matroska"},
}

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
    "live": LIVE,
    "formats": "The page has no format that --media-format asks for and that comes over HTTP.",
}


class Unsupported(DownloadError):
    """yt-dlp does not know this page."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file that a server has. ``headers`` are lines; ``size`` is in bytes, 0 where it is not known beforehand.

    ``chunk``: how many bytes one request may ask for (0: any number). ``video`` and ``sound`` are codecs in the page's
    words, "none" where there is no such stream, '' where it is not known.

    With a ``playlist`` (HLS) the server has fragments, which ``url`` tells of; ``fragments`` are known already (DASH).
    ``cookies`` are for them, as Set-Cookie has them.
    """

    url: str
    format: str
    ext: str
    headers: tuple[str, ...]
    size: int
    chunk: int
    playlist: bool = False
    fragments: tuple[Fragment, ...] = ()
    cookies: tuple[str, ...] = ()
    video: str = ""
    sound: str = ""

    @property
    def fragmented(self) -> bool:
        """Whether it comes in fragments."""
        return self.playlist or bool(self.fragments)


@dataclass(frozen=True, slots=True)
class Media:
    """What is behind a page: a file called ``name``, as it is if there is one Part, else merged from them."""

    name: str
    parts: tuple[Part, ...]
    extras: tuple[Extra, ...] = ()
    title: str = ""
    labels: Labels = NO_LABELS

    @property
    def formats(self) -> str:
        """The formats as yt-dlp can be asked for them again; '' for names that it would take for something else."""
        names = [part.format for part in self.parts]
        return "+".join(names) if all(_NAME.fullmatch(name) for name in names) else ""

    @property
    def ext(self) -> str:
        """What the name ends in, which is a key of MERGED where there is more than one Part."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Sought:
    """A page that was looked for because of something else: what is on it is called ``name`` and has these ``labels``,
    whatever it says itself."""

    page: str
    name: str
    labels: Labels


def called(media: Media, sought: Sought) -> Media:
    """The media of a page that was looked for."""
    name = naming.sanitise(naming.fit(f"{sought.name}.{media.ext}", _ROOM))
    return replace(media, name=name, labels=sought.labels)


def reason(answer: Mapping[str, Any]) -> str:
    """Why a worker had nothing to tell, for people.

    Words of a server's may be in it, and it is shown on terminals; URLs, too: signed ones, and such with a password.
    """
    said = _URL.sub(lambda found: redact(found[0]), str(answer.get("text") or "yt-dlp found nothing."))
    return printable(said)[:_LONGEST_TEXT]


def understood(answer: Mapping[str, Any]) -> Media:
    """Raises DownloadError for an answer that is not of media that can be had, Unsupported for an unknown page."""
    kind = answer.get("kind")
    if kind != "video":
        text = _TEXTS.get(str(kind)) or reason(answer)
        raise (Unsupported if kind == "unsupported" else DownloadError)(text, _CODES.get(str(kind), ErrorCode.UNKNOWN))
    try:
        parts = tuple(_part(one) for one in answer["parts"])
        name, ext = str(answer["name"]), str(answer["ext"]).lower()
        beside, title = extras(answer), printable(str(answer.get("title") or ""))[:_LONGEST_TEXT]
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise DownloadError(f"yt-dlp's answer lacks something: {error}") from error
    if not parts or len(parts) > 2:
        raise DownloadError(f"The page has media in {len(parts)} parts, which cannot be put together.")
    known = MERGED if len(parts) > 1 else DEMUXERS
    for found in (ext, *(part.ext for part in parts)):
        if found not in DEMUXERS or ext not in known:
            raise DownloadError(f"What the page offers would be a file of type {found[:20]!r}, which is no media type.")
    stem = name.removesuffix(f".{answer['ext']}")
    *folders, last = [part for part in f"{stem}.{ext}".split("/") if part not in ("", ".", "..")]
    safe = [naming.sanitise(naming.fit(folder, _ROOM)) for folder in folders]
    about = labels(answer.get("tags"), answer.get("covers"))
    return Media("/".join([*safe, naming.sanitise(naming.fit(last, _ROOM))]), parts, beside, title, about)


#: Bytes of a name, so that there is room for what is put before the extension of a part.
_ROOM = naming.NAME_LIMIT - 24


def part_name(name: str, part: Part) -> str:
    """What a Part of ``name`` is called until it is merged: NAME.fFORMAT.EXT, of a long NAME its beginning."""
    letters = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in part.format)
    letters = letters if len(letters) <= 12 else letters[:4] + letters[-8:]  # two of one page differ at their ends
    stem, dot, _ = name.rpartition(".")
    ending = f".f{letters}.{part.ext}"
    return naming.fit(stem if dot else name, naming.NAME_LIMIT - len(ending)) + ending


def _part(one: Mapping[str, Any]) -> Part:
    url, protocol = str(one["url"]), one["protocol"]
    if protocol not in PROTOCOLS or not is_web(url):
        raise DownloadError(_TEXTS["formats"])
    fragments: tuple[Fragment, ...] = ()
    if protocol == _LISTED:
        fragments = tuple(_fragment(number, url, given) for number, given in enumerate(one["fragments"]))
        if len(fragments) == 1:
            fragments = (replace(fragments[0], opening=False),)
        if not 0 < len(fragments) <= MOST_FRAGMENTS:
            raise DownloadError(f"The media has {len(fragments)} fragments, of which 1 to {MOST_FRAGMENTS} are taken.")
    size, chunk = int(one["size"]), int(one["chunk"])
    size = size if 0 < size <= _LARGEST else 0
    chunk = max(chunk, LEAST_CHUNK) if chunk > 0 else 0
    # Fragments may lie on several servers: each gets those of the cookies that are for it.
    cookies = () if protocol in FILES else tuple(map(str, one["cookies"]))
    headers = lines(one if protocol in FILES else {**one, "cookie": ""})
    ext, playlist = str(one["ext"]).lower(), protocol in _PLAYLISTS
    video, sound = str(one.get("video") or ""), str(one.get("sound") or "")
    return Part(url, str(one["format"]), ext, headers, size, chunk, playlist, fragments, cookies, video, sound)


def _fragment(number: int, url: str, given: Sequence[Any]) -> Fragment:
    """Of DASH: (URL, seconds), the first of which opens all others if it has none."""
    seconds = float(given[1] or 0)
    seconds = seconds if 0 < seconds < 1e9 else 0.0
    return Fragment(joined(url, str(given[0])), seconds=seconds, opening=not number and not seconds)
