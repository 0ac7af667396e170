"""What an HLS playlist says (RFC 8216): which fragments make the media, how each is encrypted, or which playlist does.

Owns: reading the text, and refusing what cannot be had: live streams, DRM, URLs that are not of the web. Never: input
or output, or a name on disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.net.address import redact
from slasshy_rpc.plan.ranges import Range

#: No media has more fragments: a day of two seconds each has half as many.
MOST_FRAGMENTS = 100_000

#: Characters of a URL: servers take no longer ones. And of a line, which is taken apart in one go.
LONGEST_URL = 16_384
LONGEST_LINE = 1 << 18

LIVE = "Live streams are not supported."
DRM = "The media is protected by DRM, which cannot be had."

_WEB = re.compile(r"https?://[^\s/\\?#]+([/?#][^\x00-\x1f\x7f]*)?", re.IGNORECASE)
# Possessive, and only where a name can begin: no line may cost more than its length.
_ATTRIBUTE = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]++)[ \t]*+=[ \t]*+(?:"([^"]*)"|([^",]*))')
_RANGE = re.compile(r"(\d{1,18})(?:@(\d{1,18}))?", re.ASCII)
_IV = re.compile(r"0[xX]([0-9A-Fa-f]{1,32})")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_SEQUENCE = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """AES-128 in CBC mode: where the sixteen bytes of the key are, and those of the initialisation vector."""

    url: str
    iv: bytes


@dataclass(frozen=True, slots=True)
class Fragment:
    """One body that a server has: all of ``url`` or the ``span`` of it, in bytes; ``seconds`` long, 0 if not known.

    ``opening``: what decoders need first, without media of its own. ``anew``: times begin anew with it.
    """

    url: str
    span: Range | None = None
    key: Key | None = None
    seconds: float = 0.0
    opening: bool = False
    anew: bool = False


def read(body: bytes, url: str) -> tuple[Fragment, ...] | str:
    """The fragments that the playlist at ``url`` names, or the URL of the best playlist that it does; takes a while.

    Raises DownloadError.
    """
    text = body.decode("utf-8", "replace")
    return best(text, url) if is_master(text) else fragments(text, url)


def is_master(text: str) -> bool:
    """Whether the playlist names others instead of media."""
    return "\n#EXT-X-STREAM-INF" in text


def best(text: str, url: str) -> str:
    """The URL of the playlist with the most bits a second of those that the master playlist at ``url`` names.

    One whose sound is apart does not count: yt-dlp tells of the two as of two formats. Raises DownloadError.
    """
    found: list[tuple[int, str]] = []
    attributes: dict[str, str] | None = None
    apart = set()
    for line in _lines(text):
        if line.startswith("#EXT-X-MEDIA:"):
            told = _attributes(line)
            if told.get("TYPE") == "AUDIO" and told.get("URI"):
                apart.add(told.get("GROUP-ID"))
        elif line.startswith("#EXT-X-STREAM-INF:"):
            attributes = _attributes(line)
        elif not line.startswith("#") and attributes is not None:
            bits = attributes.get("BANDWIDTH", "")
            rate = int(bits) if _SEQUENCE.fullmatch(bits) else 0
            if attributes.get("AUDIO", "") not in apart:
                found.append((rate, line))
            attributes = None
    if not found:
        raise DownloadError("The HLS playlist names no media that has its sound with it.")
    return joined(url, max(found, key=lambda one: one[0])[1])


def fragments(text: str, url: str) -> tuple[Fragment, ...]:
    """The fragments of the media playlist ``text``, which came from ``url``, in their order; gaps are left out.

    Raises DownloadError.
    """
    return tuple(_Reading(url).read(text))


def joined(base: str, reference: str) -> str:
    """Where ``reference`` in a playlist at ``base`` leads. Raises DownloadError if that is not on the web."""
    try:
        url = urljoin(base, reference) if len(reference) <= LONGEST_URL else ""
    except ValueError:
        url = ""
    if not _WEB.fullmatch(url):
        shown = redact(url or reference[:LONGEST_URL])[:100]
        raise DownloadError(f"The media is refused: it has a part at {shown}, and only http and https are followed.")
    return url


class _Reading:
    """The state of a media playlist, line by line."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: list[dict[str, str]] = []
        self._fresh = False  # keys that follow each other are one key in several systems; after a fragment others begin
        self._map = ""
        self._map_keys = self._keys
        self._ends: dict[str, int] = {}
        self._span: tuple[int, int | None] | None = None
        self._seconds = 0.0
        self._gap = self._anew = False

    def read(self, text: str) -> Iterator[Fragment]:
        lines = _lines(text)
        if next(lines, "") != "#EXTM3U":
            raise DownloadError("The server has sent something else than the HLS playlist.")
        if not re.search(r"^#EXT-X-(ENDLIST|PLAYLIST-TYPE:\s*VOD)\s*$", text, re.MULTILINE):
            raise DownloadError(LIVE)
        told = re.search(r"^#EXT-X-MEDIA-SEQUENCE:\s*(\d{1,18})", text, re.MULTILINE | re.ASCII)
        sequence, count = int(told[1]) if told else 0, 0
        for line in lines:
            tag, _, value = line.partition(":")
            if not line.startswith("#"):
                yield from self._one(line, sequence)
                sequence += 1
                count += 1
                if count > MOST_FRAGMENTS:
                    raise DownloadError(f"The media has more than {MOST_FRAGMENTS} fragments.")
            elif tag == "#EXTINF":
                seconds = _SECONDS.match(value.strip())
                self._seconds = float(seconds[0]) if seconds else 0.0
            elif tag == "#EXT-X-BYTERANGE":
                self._span = _range(value)
            elif tag == "#EXT-X-KEY":
                self._take_key(_attributes(line))
            elif tag == "#EXT-X-MAP":
                self._map, self._map_keys = line, self._keys  # those below it are not for it (section 4.3.2.4)
            elif tag == "#EXT-X-GAP":
                self._gap = True
            elif tag == "#EXT-X-DISCONTINUITY":
                self._anew = True
        if not count:
            raise DownloadError("The HLS playlist names no media.")

    def _one(self, reference: str, sequence: int) -> Iterator[Fragment]:
        url, span = joined(self._url, reference), None
        if self._span is not None:
            length, start = self._span
            if start is None:
                start = self._ends.get(url, 0)  # RFC 8216 section 4.3.2.2: behind the one before
            self._ends[url] = start + length
            span = start, start + length
        if not self._gap:
            if self._map:
                yield self._opening(_attributes(self._map), self._key(self._map_keys, sequence))
                self._map = ""
            yield Fragment(url, span, self._key(self._keys, sequence), self._seconds, anew=self._anew)
            self._anew = False
        self._span, self._seconds, self._gap, self._fresh = None, 0.0, False, False

    def _opening(self, told: dict[str, str], key: Key | None) -> Fragment:
        length, start = _range(told["BYTERANGE"]) if told.get("BYTERANGE") else (0, None)
        span = ((start or 0), (start or 0) + length) if length else None
        return Fragment(joined(self._url, told.get("URI", "")), span, key, opening=True)

    def _take_key(self, told: dict[str, str]) -> None:
        others = [one for one in self._keys if _system(one) != _system(told)] if self._fresh else []
        self._keys = [] if told.get("METHOD") == "NONE" else [*others, told]
        self._fresh = True

    def _key(self, keys: Sequence[dict[str, str]], sequence: int) -> Key | None:
        """The one of ``keys`` for the fragment of that number. Raises DownloadError if there is none for us."""
        if not keys:
            return None
        for told in keys:
            if told.get("METHOD") == "AES-128" and _system(told) == "identity":
                given = _IV.fullmatch(told.get("IV", ""))
                iv = int(given[1], 16) if given else sequence  # RFC 8216 section 5.2
                return Key(joined(self._url, told.get("URI", "")), iv.to_bytes(16, "big"))
        raise DownloadError(DRM)


def _system(key: dict[str, str]) -> str:
    return key.get("KEYFORMAT", "identity")


def _lines(text: str) -> Iterator[str]:
    for found in re.finditer(r"[^\n]+", text.removeprefix("\ufeff")):  # one by one: there may be millions
        if found.end() - found.start() > LONGEST_LINE:
            raise DownloadError("The HLS playlist has a line that is longer than any that is one.")
        if line := found[0].strip():
            yield line


def _attributes(line: str) -> dict[str, str]:
    return {name: quoted or plain.strip() for name, quoted, plain in _ATTRIBUTE.findall(line.partition(":")[2])}


def _range(value: str) -> tuple[int, int | None]:
    """The length and the start of ``N[@O]`` in bytes. Raises DownloadError."""
    found = _RANGE.fullmatch(value.strip())
    if found is None or not int(found[1]):
        raise DownloadError("The HLS playlist has a byte range that is none.")
    return int(found[1]), int(found[2]) if found[2] else None
