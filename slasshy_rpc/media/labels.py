"""What is said of a piece of media: title, artist and the like, and where there is a picture of it.

Owns: what may become a tag or a cover, whoever said it. Never: files, or asking for a picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from slasshy_rpc.net.address import is_web

#: What is known, and how long it may be (characters).
_TAGS = {"title": 300, "artist": 300, "album": 300, "track": 4, "date": 10, "comment": 1000}

#: What some of them have to look like.
_FORMS = {
    "track": re.compile(r"[1-9][0-9]{0,3}"),
    "date": re.compile(r"[12][0-9]{3}(-[01][0-9](-[0-3][0-9])?)?"),
    "comment": re.compile(r"https?://[^\s/@?#]+([/?#]\S*)?"),  # the page; no password
}

#: Pictures that are asked for at most, until there is one.
_PICTURES = 3

#: The largest picture (bytes).
LARGEST = 5 << 20

#: Types of files that take tags.
TAGGED = frozenset(("m4a", "mp4", "m4v", "mov", "f4a", "mp3", "opus", "ogg", "oga", "flac"))

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Labels:
    """``tags`` by name: title, artist, album, track (a number), date (YYYY[-MM[-DD]]) and comment (the page's URL).

    ``covers`` are URLs of pictures, the best first.
    """

    tags: tuple[tuple[str, str], ...] = ()
    covers: tuple[str, ...] = ()


NO_LABELS = Labels()


def labels(tags: object, covers: object) -> Labels:
    """Labels of what a page or a worker said; what is none is left out."""
    said = tags if isinstance(tags, Mapping) else {}
    found = []
    for name, most in _TAGS.items():
        text = _CONTROL.sub(" ", str(said.get(name) or "")).strip()[:most].strip()
        form = _FORMS.get(name)
        if text and (form is None or form.fullmatch(text)):
            found.append((name, text))
    urls = covers if isinstance(covers, Iterable) and not isinstance(covers, str) else ()
    sound = (url for url in urls if isinstance(url, str) and is_web(url))
    return Labels(tuple(found), tuple(url for url, _ in zip(sound, range(_PICTURES), strict=False)))


def is_picture(data: bytes) -> bool:
    """Whether it is a JPEG or a PNG, which are what all players show."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) and len(data) <= LARGEST
