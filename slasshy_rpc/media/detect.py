"""Which URIs are media pages, by their letters alone.

Owns: the hosts whose pages are looked into under ``media=auto``, and what is a file on any host. Never: imports yt_dlp,
or asks anybody.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

_HOSTS = """
    9gag.com abc.net.au archive.org ardmediathek.de arte.tv audiomack.com bandcamp.com bbc.co.uk bbc.com bilibili.com
    bilibili.tv bitchute.com bsky.app cbc.ca ccc.de cnn.com coub.com dailymotion.com dai.ly douyin.com dumpert.nl
    facebook.com fb.watch imgur.com instagram.com kick.com loom.com mixcloud.com nebula.tv nicovideo.jp niconico.jp
    nrk.no odysee.com ok.ru peertube.tv pinterest.com reddit.com redd.it rumble.com rutube.ru soundcloud.com
    streamable.com svtplay.se ted.com threads.net tiktok.com twitch.tv twitter.com vimeo.com vk.com vk.ru vkvideo.ru
    weibo.com x.com youku.com youtu.be youtube-nocookie.com youtube.com zdf.de
"""


_FILES = """
    3gp 7z aac aiff apk appimage avi bin bmp bz2 cab css csv deb dmg doc docx epub exe f4v flac flv gif gz ico img iso
    jar jpeg jpg js json m3u8 m4a m4v mkv mov mp3 mp4 mpd mpeg mpg msi oga ogg ogv opus pdf pkg png ppt pptx rar rpm srt
    svg tar tbz2 tgz torrent ts tsv txt vtt wav weba webm webp whl wma wmv xls xlsx xml xz zip zst metalink meta4
"""

#: Hosts, and all below them, whose pages yt-dlp knows well enough to be asked without being told to.
HOSTS = frozenset(_HOSTS.split())

#: Links to Spotify, as browsers and its programs have them: what they lead to, and its identifier.
_SPOTIFY = re.compile(
    r"(?:(?i:https?://open\.spotify\.com(?::\d{1,5})?/(?:intl-[a-z-]{2,8}/)?)(?:embed/)?|spotify:)"
    r"(album|artist|episode|playlist|show|track)[/:]([0-9A-Za-z]{22})/?(?:[?#].*)?"
)

#: What a path ends in that is a file and no page, on any host.
FILES = frozenset(_FILES.split())


def is_page(uri: str, mode: str, hosts: Container[str] = ()) -> bool:
    """Whether yt-dlp is to be asked about the URI. ``mode`` is --media; ``hosts``, in lower case, are more HOSTS."""
    if mode == "off":
        return False
    scheme, _, rest = uri.partition("://")
    if scheme.lower() not in ("http", "https"):
        return False
    if mode == "only":
        return True
    before, _, _ = rest.replace("#", "?").partition("?")  # an "@" or a "/" in a query says nothing about the host
    authority, _, path = before.partition("/")
    host = authority.rpartition("@")[2].partition(":")[0].lower().rstrip(".")
    while host not in HOSTS and host not in hosts:
        _, dot, host = host.partition(".")
        if not dot:
            return False
    return not _is_file(path)


def is_file(uri: str) -> bool:
    """Whether the path says that it is a file and no page."""
    before, _, _ = uri.partition("://")[2].replace("#", "?").partition("?")
    return _is_file(before.partition("/")[2])


def _is_file(path: str) -> bool:
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    # archive.org/download/… and the like are plain files whatever they are called.
    return bool(dot and ending.lower() in FILES) or path.lstrip("/").startswith("download/")


def spotify(uri: str) -> tuple[str, str] | None:
    """What a link to Spotify leads to (track, album, playlist ...) and its identifier; None for any other URI."""
    found = _SPOTIFY.fullmatch(uri)
    return (found[1], found[2]) if found else None


def are_pages(uris: Sequence[str], mode: str, hosts: Container[str] = ()) -> bool:
    """Whether all of them are; of mirrors among which there is a file, none is."""
    return bool(uris) and mode != "off" and all(is_page(uri, mode, hosts) for uri in uris)
