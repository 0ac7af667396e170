"""The child process that asks yt-dlp what is behind a page, one page at a time; the only file that imports yt_dlp.

Owns: the pipes' protocol (a JSON object a line, one answer for each question), which of yt-dlp's settings a question
may touch, and what of its result is told. Never: downloads media, imports the server's own code, writes files.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import queue
import re
import sys
import threading
import typing
import urllib.parse
from collections.abc import Mapping

#: What a question may set, and as what yt-dlp knows it. Everything else is decided here.
ALLOWED = {
    "proxy": "proxy",
    "insecure": "nocheckcertificate",
    "certificate": "client_certificate",
    "private_key": "client_certificate_key",
    "items": "playlist_items",
    "merge": "merge_output_format",
    "runtimes": "js_runtimes",
    "arguments": "extractor_args",
}

#: Entries of a list that are told at most.
ENTRIES = 500

#: Names of a file: what yt-dlp makes of the title, and room for what the server adds.
TEMPLATE = "%(title).180B [%(id).40B].%(ext)s"
ENDING = ".%(ext)s"

#: How what a server has as one file comes, in yt-dlp's words.
FILES = ("http", "https")

#: What is taken of what there is.
FORMAT = "bv*+ba/b"

#: How many fragments of one format are told; the server takes one less.
MOST_FRAGMENTS = 100_000

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(r"\A(?:ERROR: )?(?:\[[^\]]+\] )?(?:(?=\S*\d)[\w-]{4,}: )?")

Info = dict[str, typing.Any]


class _Quiet:
    """What yt-dlp says goes to the standard error, which is a log at most."""

    def debug(self, text: str) -> None:
        """Also what others would call info."""

    def warning(self, text: str) -> None:
        """Shown for whoever looks for the reason of a missing format."""
        print(_COLOUR.sub("", text), file=sys.stderr)

    def error(self, text: str) -> None:
        """Comes as an exception too."""


_AUTHORITIES = os.environ.get("SSL_CERT_FILE")


def trust(path: str | None) -> None:
    """From now on take the authorities in this file in the place of the system's file; a system's folder counts too."""
    if found := path or _AUTHORITIES:
        os.environ["SSL_CERT_FILE"] = found  # OpenSSL looks there whenever a context is made
    else:
        os.environ.pop("SSL_CERT_FILE", None)


def settings(asked: Mapping[str, typing.Any]) -> Info:
    """yt-dlp's parameters for a question with these options; what is not ALLOWED is left out."""
    given = {ALLOWED[name]: value for name, value in asked.items() if name in ALLOWED and value is not None}
    headers = dict(asked.get("headers") or {})
    if asked.get("user_agent"):
        headers["User-Agent"] = asked["user_agent"]
    template = asked.get("template") or TEMPLATE
    return {
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": _Quiet(),
        "cachedir": False,
        "ignoreerrors": False,
        "noplaylist": asked.get("playlist") != "all",
        "extract_flat": "in_playlist",
        "playlist_items": f"1:{ENTRIES + 1}",
        "socket_timeout": 15,
        "outtmpl": {"default": template.removesuffix(ENDING) + ENDING},
        "allowed_extractors": ["default"] if asked.get("generic") else ["default", "-generic"],
        "js_runtimes": {"deno": {}, "node": {}, "quickjs": {}},
        "http_headers": headers,
        "writesubtitles": bool(asked.get("subtitles")),
        "subtitleslangs": asked.get("subtitles") or [],
        "subtitlesformat": "srt/vtt/ass/best",
        "compat_opts": {"no-certifi"} if asked.get("authority") else set(),  # which would know nothing of it
        **({"cookiefile": io.StringIO(asked["cookies"])} if asked.get("cookies") else {}),
        **given,
    }


def extract(url: str, asked: Mapping[str, typing.Any]) -> Info:
    """What is behind ``url``, as the answer: ``kind`` video, playlist, live, or what keeps it from being had."""
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    class Looker(YoutubeDL):  # type: ignore[misc]
        def process_video_result(self, info: Info, download: bool = True) -> Info:
            """What stands in a list as it is, so that one that cannot be had spoils no other."""
            if info.get("playlist_index"):
                return info
            # Half a character, as titles have that were cut, is no Unicode: no name could be made of it.
            info.update({name: unicode(text) for name, text in info.items() if isinstance(text, str)})
            found: Info = super().process_video_result(info, download=download)
            return found

    def select(found: Info) -> list[Info]:
        return chosen(ydl, asked, found["formats"])

    try:
        # A function, and no text, so that what cannot be brought here is not chosen.
        ydl: typing.Any = Looker({**settings(asked), "format": select})
        with ydl:
            found = ydl.extract_info(url, download=False)
            return told(found, ydl, asked) if found else {"kind": "failed"}
    except YoutubeDLError as error:
        return refused(error)
    except SyntaxError as error:
        return {"kind": "failed", "text": f"The media-format is none: {error.msg}"}


def chosen(ydl: typing.Any, asked: Mapping[str, typing.Any], formats: list[Info]) -> list[Info]:
    """The formats that a question asks for. With ``whole`` it is one file if there is any that is whole, rather one
    that a server has as it is than one that comes in fragments."""
    usable = [one for one in formats if one.get("protocol") in asked.get("protocols", FILES)]
    files = [one for one in usable if one["protocol"] in FILES]

    def of(text: str, formats: list[Info]) -> list[Info]:
        found = {
            "formats": formats,
            "has_merged_format": any("none" not in (one.get("acodec"), one.get("vcodec")) for one in formats),
            "incomplete_formats": all(one.get("vcodec") == "none" for one in formats)
            or all(one.get("acodec") == "none" for one in formats),
        }
        return list(ydl.build_format_selector(text)(found)) if formats else []

    best = of(asked.get("format") or FORMAT, usable)
    if asked.get("whole") and any(one.get("requested_formats") or one.get("protocol") not in FILES for one in best):
        best = of("b", files) or of("b", usable) or best
    return best


def search(key: str, query: str, count: int, asked: Mapping[str, typing.Any]) -> Info:
    """What a search finds, the best first, without a look at any of it; ``key`` as yt-dlp has it, like ytsearch."""
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    try:
        with YoutubeDL({**settings(asked), "extract_flat": True}) as ydl:
            info = ydl.extract_info(f"{key}{count}:{query}", download=False)
    except YoutubeDLError as error:
        return refused(error)
    found = [
        {
            "url": one.get("url") or one.get("webpage_url") or "",
            "title": one.get("title") or "",
            "channel": one.get("channel") or one.get("uploader") or "",
            "seconds": one.get("duration") or 0,
        }
        for one in itertools.islice((info or {}).get("entries") or (), count)
        if one
    ]
    return {"kind": "search", "found": found}


def told(info: Info, ydl: typing.Any, asked: Mapping[str, typing.Any]) -> Info:
    """What the server has to know of a result."""
    if info.get("_type") in ("playlist", "multi_video"):
        return listed(info, ydl, asked)
    if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
        return {"kind": "live"}
    parts = []
    for one in info.get("requested_formats") or [info]:
        parts.append(
            {
                **link(one, ydl),
                "protocol": one.get("protocol") or "",
                "format": str(one.get("format_id") or ""),
                "ext": one.get("ext") or "",
                "video": one.get("vcodec") or "",
                "sound": one.get("acodec") or "",
                "cookies": cookies(ydl.cookiejar.get_cookies_for_url(one["url"])),
                "fragments": fragments(one),
                "size": one.get("filesize") or one.get("filesize_approx") or 0,
                "chunk": (one.get("downloader_options") or {}).get("http_chunk_size") or 0,
            }
        )
    name = ydl.prepare_filename(info)
    found = {
        "kind": "video",
        "title": info.get("title") or "",
        "name": name,
        "ext": info.get("ext") or "",
        "parts": parts,
        "tags": tags(info),
        "covers": covers(info),
    }
    return {**found, "extras": extras(info, parts[0], ydl, picture=bool(asked.get("thumbnail")))}


def tags(info: Info) -> Info:
    """What may be written into a file about it."""
    date = str(info.get("release_date") or info.get("upload_date") or "")
    page = str(info.get("webpage_url") or "")
    artist = info.get("artist") or info.get("creator") or info.get("uploader") or info.get("channel") or ""
    if info.get("extractor_key") == "Generic":  # any page: in its query there may be a secret of the user's
        page = page.partition("?")[0]
    return {
        "title": info.get("track") or info.get("title"),
        "artist": str(artist).removesuffix(" - Topic"),  # as channels of music are called
        "album": info.get("album"),
        "track": info.get("track_number"),
        "date": f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 else info.get("release_year"),
        "comment": page,
    }


def covers(info: Info) -> list[str]:
    """URLs of its pictures, the best first; those that say that they are no JPEG or PNG are left out."""
    urls = [one["url"] for one in reversed(info.get("thumbnails") or []) if one.get("url")]
    return [url for url in urls if not re.search(r"\.(webp|avif|gif|svg)\b", url.partition("?")[0])][:5]


def link(one: Info, ydl: typing.Any) -> Info:
    """How a file is asked for."""
    url = one["url"]
    return {"url": url, "headers": one.get("http_headers") or {}, "cookie": ydl.cookiejar.get_cookie_header(url) or ""}


def extras(info: Info, part: Info, ydl: typing.Any, *, picture: bool) -> list[Info]:
    """The wanted subtitles and the best picture; what has no URL, or comes in pieces, is left out. Subtitles on the
    server of ``part`` get its headers."""
    from yt_dlp.utils import determine_ext

    headers, found = part["headers"], []
    plain = {name: headers[name] for name in ("User-Agent", "Referer") if name in headers}
    for language, one in (info.get("requested_subtitles") or {}).items():
        if one.get("url") and one.get("protocol") in (None, "http", "https"):
            with contextlib.suppress(ValueError):  # a URL that is none
                one.setdefault("http_headers", headers if origin(one["url"]) == origin(part["url"]) else plain)
                ext = one.get("ext") or determine_ext(one["url"])
                found.append({**link(one, ydl), "language": language, "ext": ext})
    pictures = [one for one in info.get("thumbnails") or () if one.get("url")]
    if picture and pictures:
        (best,) = pictures[-1:]
        best.setdefault("http_headers", plain)
        with contextlib.suppress(ValueError):
            ext = best.get("ext") or determine_ext(best["url"], "jpg")
            found.append({**link(best, ydl), "language": "", "ext": ext})
    return found


def origin(url: str) -> tuple[str, str]:
    """Whose a URL is: its scheme and its server."""
    return urllib.parse.urlsplit(url.lower())[:2]


def listed(info: Info, ydl: typing.Any, asked: Mapping[str, typing.Any]) -> Info:
    """Of a list the pages that it leads to, or where entries have none of their own, their places in it."""
    entries = list(info.get("entries") or ())
    places = info.get("requested_entries") or range(1, len(entries) + 1)
    listed = [(place, entry) for place, entry in zip(places, entries, strict=False) if entry]
    if len(listed) == 1 and listed[0][1].get("_type") not in ("url", "url_transparent"):
        ((_, only),) = listed
        only.pop("playlist_index", None)
        return told(ydl.process_ie_result(only, download=False), ydl, asked)
    found: list[Info] = []
    for place, entry in listed[:ENTRIES]:
        own = entry.get("_type") in ("url", "url_transparent")
        found.append({"url": entry.get("url")} if own else {"item": place})
    return {"kind": "playlist", "entries": found, "next": listed[ENTRIES][0] if len(listed) > ENTRIES else 0}


def fragments(one: Info) -> list[tuple[str, float]]:
    """URL and seconds of the fragments of a DASH format, no more than MOST_FRAGMENTS and one: they may have no end.

    Those of a live stream, which are made as they come, are none.
    """
    from yt_dlp.utils import urljoin

    if one.get("protocol") != "http_dash_segments":
        return []
    base = one.get("fragment_base_url") or one["url"]
    found = one.get("fragments") or ()
    listed = itertools.islice(() if callable(found) else found, MOST_FRAGMENTS + 1)
    return [(each.get("url") or urljoin(base, each["path"]), each.get("duration") or 0) for each in listed]


def cookies(jar: typing.Iterable[typing.Any]) -> list[str]:
    """Cookies as the answer would have them that set them: some count for other servers too."""
    lines = []
    for one in jar:
        below = f"; Domain={one.domain}" if one.domain_specified else ""
        lines.append(f"{one.name}={one.value or ''}; Path={one.path}{below}{'; Secure' if one.secure else ''}")
    return lines


def refused(error: Exception) -> Info:
    """The kind of a failure and yt-dlp's own words for it, in one line."""
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError

    cause = (getattr(error, "exc_info", None) or (None, None))[1] or error
    text = _PREFIX.sub("", _COLOUR.sub("", str(getattr(cause, "orig_msg", None) or cause))).split("\n")[0]
    text = re.split(r"; please report this issue|\. Use --", text)[0].strip()  # which are no options of ours
    low = text.lower()
    kind = "failed"
    if isinstance(cause, GeoRestrictedError):
        kind = "geo"
    elif isinstance(cause, UnsupportedError) or "no suitable extractor" in low:
        kind = "unsupported"
    elif "drm" in low:
        kind = "drm"
    elif "requested format is not available" in low:
        kind = "formats"
    elif re.search(r"registered users|log ?in|sign in|cookies", low):
        kind = "login"
    elif re.search(r"http error (404|410)|not available|unavailable|removed|does not exist|not found", low):
        kind = "gone"
    elif "timed out" in low:
        kind = "timeout"
    return {"kind": kind, "text": text or type(cause).__name__}


def versions(named: Mapping[str, Mapping[str, str]] | None) -> Info:
    """yt-dlp's version and the JavaScript runtimes that it can use, of those ``named`` if there are any; for people who
    look for what is missing."""
    import importlib.metadata

    import yt_dlp
    from yt_dlp.globals import supported_js_runtimes

    known = {name: kind for name, kind in supported_js_runtimes.value.items() if kind is not None}
    found = {
        name: kind((named or {}).get(name, {}).get("path")).info
        for name, kind in known.items()
        if name in (named or known)
    }
    try:
        solver = importlib.metadata.version("yt-dlp-ejs")
    except importlib.metadata.PackageNotFoundError:
        solver = ""
    return {
        "yt_dlp": yt_dlp.version.__version__,
        "solver": solver,
        "runtimes": {name: [one.version, bool(one.supported)] for name, one in found.items() if one is not None},
    }


def unicode(text: str) -> str:
    """The text with a question mark for each code point that is no character."""
    return text.encode("utf-8", "replace").decode()


def plug(folder: str) -> None:
    """Use the plug-ins in this folder and no others; none at all without one."""
    if not folder:
        os.environ["YTDLP_NO_PLUGINS"] = "1"
        return
    os.environ.pop("YTDLP_NO_PLUGINS", None)
    from yt_dlp.globals import plugin_dirs
    from yt_dlp.plugins import load_all_plugins

    plugin_dirs.value = [folder]
    load_all_plugins()


def answer(line: bytes) -> Info:
    """The answer to one question; what goes wrong unforeseen is an answer too."""
    try:
        question = json.loads(line)
        trust((question.get("options") or {}).get("authority"))
        if question["ask"] == "versions":
            return versions(question.get("runtimes"))
        if question["ask"] == "search":
            return search(question["key"], question["query"], question["count"], question["options"])
        return extract(question["url"], question["options"])
    except Exception as error:
        return {"kind": "failed", "text": f"{type(error).__name__}: {error}".split("\n")[0]}


def main() -> None:
    """Answer until standard input ends; then, or when the server has died, go at once, whatever is under way."""
    # Extractors, scripts and their children print: what they take for the standard output is the standard error.
    pipe = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    questions = os.fdopen(os.dup(0), "rb")
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in questions:
            asked.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    plug(sys.argv[1] if len(sys.argv) > 1 else "")
    while True:
        text = unicode(json.dumps(answer(asked.get()), default=str, ensure_ascii=False)).encode() + b"\n"
        while text:
            text = text[pipe.write(text) or 0 :]


if __name__ == "__main__":
    main()
