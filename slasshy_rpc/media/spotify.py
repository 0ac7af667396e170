"""What the page says that Spotify gives to others to embed: of a song its title and artists, of a list its songs.

Owns: how much of such a page is understood, and that a page which has changed is no song. Never: asks for it. There is
no sound on it, and none of Spotify's is fetched: it is protected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.media.labels import Labels, labels
from slasshy_rpc.media.match import Song

#: The largest page that is read (bytes), and the most songs of a list.
LARGEST_PAGE = 4 << 20
MOST_SONGS = 100

# No "<" before the text: else it would be read again for every tag before it.
_DATA = re.compile(rb"<script[^<>]{0,200}\bid=\"__NEXT_DATA__\"[^<>]{0,200}>([^<]*+)</script>")
_URI = re.compile(r"spotify:(track|episode):([0-9A-Za-z]{22})")

_MOST_ARTISTS = 20
_LONGEST_SONG = 24 * 3600.0
_LONGEST_NAME = 300

_Kind = TypeVar("_Kind", str, int, list[Any], dict[str, Any])


@dataclass(frozen=True, slots=True)
class Track:
    """A song as it is to be looked for, and what is written into its file."""

    song: Song
    labels: Labels


@dataclass(frozen=True, slots=True)
class Listing:
    """The songs of an album or a playlist, by identifier; ``skipped`` entries are none: episodes, and people's own."""

    name: str
    tracks: tuple[str, ...]
    skipped: int


def track(page: bytes, identifier: str) -> Track:
    """The song of an embed page. Raises DownloadError for a page that is not as it was."""
    entity = _entity(page, f"spotify:track:{identifier}")
    title = _text(entity, "name")
    artists = [_text(_is(one, dict), "name") for one in _field(entity, "artists", list)[:_MOST_ARTISTS]]
    seconds = _field(entity, "duration", int) / 1000
    if not artists or not 0 < seconds <= _LONGEST_SONG:
        raise _changed("a song without artists, or without a length")
    date = entity.get("releaseDate")
    said = {
        "title": title,
        "artist": ", ".join(artists),
        "date": str(date.get("isoString") or "")[:10] if isinstance(date, dict) else "",
        "comment": f"https://open.spotify.com/track/{identifier}",
    }
    return Track(Song(title, tuple(artists), seconds), labels(said, _pictures(entity)))


def listing(page: bytes, kind: str, identifier: str) -> Listing:
    """The list of an embed page; ``kind`` is album or playlist. Raises DownloadError."""
    entity = _entity(page, f"spotify:{kind}:{identifier}")
    entries = _field(entity, "trackList", list)
    found, skipped = [], 0
    for entry in entries[:MOST_SONGS]:
        uri = _URI.fullmatch(_text(_is(entry, dict), "uri"))
        if uri is None or uri[1] != "track":
            skipped += 1
        else:
            found.append(uri[2])
    return Listing(_text(entity, "name"), tuple(found), skipped)


def places(items: str, count: int) -> list[int]:
    """Which of ``count`` songs ``items`` (media-playlist-items) means, from 0 on, each once; '' means all of them."""
    found: dict[int, None] = {}
    for word in items.split(",") if items else [":"]:
        start, *more = (int(number or 0) for number in re.sub(r"(?<=\d)-", ":", word).split(":"))
        end, step = more[0] if more else start, more[1] if len(more) > 1 else 1
        forward = step >= 0
        first = _counted(start or (1 if forward else -1), count)
        last = _counted(end or (-1 if forward else 1), count)
        found |= dict.fromkeys(at for at in range(first, last + (1 if forward else -1), step or 1) if 0 <= at < count)
    return list(found)


def _counted(place: int, count: int) -> int:
    """From 0 on; a negative one is counted from the end. Far off it is just outside."""
    return max(-1, min(count, place - 1 if place > 0 else count + place))


def _entity(page: bytes, uri: str) -> dict[str, Any]:
    """What the page is about, which has to be ``uri``."""
    data = _DATA.search(page[:LARGEST_PAGE])
    if data is None:
        raise _changed("no data")
    try:
        root = _is(orjson.loads(data[1]), dict)
    except ValueError as error:
        raise _changed("data that is no JSON") from error
    props = _field(_field(root, "props", dict), "pageProps", dict)
    if props.get("status") == 404:
        raise DownloadError("Spotify does not have this, or not for everybody.", ErrorCode.NOT_FOUND)
    entity = _field(_field(_field(props, "state", dict), "data", dict), "entity", dict)
    if _text(entity, "uri") != uri:
        raise _changed("something else than was asked for")
    return entity


def _pictures(entity: Mapping[str, Any]) -> list[str]:
    """The pictures, the largest first; a song without any is as good."""
    identity = entity.get("visualIdentity")
    found = identity.get("image") if isinstance(identity, dict) else None
    if not isinstance(found, list):
        return []
    sizes = [(one.get("maxWidth"), one.get("url")) for one in found[:10] if isinstance(one, dict)]
    known = [(width, url) for width, url in sizes if isinstance(width, int) and isinstance(url, str)]
    return [url for _, url in sorted(known, key=lambda one: -one[0])]


def _field(of: Mapping[str, Any], name: str, kind: type[_Kind]) -> _Kind:
    return _is(of.get(name), kind, name)


def _is(value: object, kind: type[_Kind], name: str = "an entry") -> _Kind:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _changed(f"{name} is missing, or something else")
    return value


def _text(of: Mapping[str, Any], name: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in _field(of, name, str)).split())
    if not text:
        raise _changed(f"{name} is empty")
    return text[:_LONGEST_NAME]


def _changed(what: str) -> DownloadError:
    return DownloadError(
        f"Spotify's page for embedding is not as it was ({what}): songs can no longer be learnt from there. A newer "
        "slasshy-rpc may know how."
    )
