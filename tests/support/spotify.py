"""Pages as Spotify gives them to others to embed, on the hostile origin, and what a search finds there.

Owns: their shape, and the options of a server that takes them for the real ones. Never: Spotify itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.origin import Origin


def in_its_place(origin: Origin) -> list[str]:
    """A server with these looks for songs on the origin."""
    return ["--media-spotify", f"--media-spotify-base={origin.url('')}", "--media-search=loopsearch"]


def environment(origin: Origin) -> Mapping[str, str]:
    """What such a server needs beside them."""
    return {"LOOP_ORIGIN": origin.url("")}


def identifier(number: int) -> str:
    """One as Spotify's are."""
    return f"{number:022d}"


def embedded(entity: Mapping[str, Any]) -> bytes:
    """The page for embedding of this."""
    data = {"props": {"pageProps": {"state": {"data": {"entity": entity}}}}}
    text = json.dumps(data).replace("<", "\\u003c")
    head = '<!DOCTYPE html><html><head><title>x</title></head><body><div id="__next"></div>'
    return f'{head}<script id="__NEXT_DATA__" type="application/json">{text}</script></body></html>'.encode()


def song(number: int, title: str, *artists: str, seconds: float = 1.0, **more: object) -> dict[str, Any]:
    """What such a page says of a song."""
    return {
        "type": "track",
        "name": title,
        "title": title,
        "uri": f"spotify:track:{identifier(number)}",
        "id": identifier(number),
        "artists": [{"name": name, "uri": f"spotify:artist:{identifier(9)}"} for name in artists],
        "duration": int(seconds * 1000),
        "releaseDate": {"isoString": "2020-03-04T00:00:00Z"},
        "isExplicit": False,
        **more,
    }


def listed(kind: str, number: int, name: str, *uris: str) -> dict[str, Any]:
    """What such a page says of an album or a playlist."""
    tracks = [{"uri": uri, "title": "T", "subtitle": "A,\u00a0B", "duration": 1, "entityType": "track"} for uri in uris]
    return {"type": kind, "name": name, "uri": f"spotify:{kind}:{identifier(number)}", "trackList": tracks}


def serve(origin: Origin, entity: Mapping[str, Any]) -> str:
    """Serve its page; the link to it."""
    _, kind, name = entity["uri"].split(":")
    origin.serve(f"/embed/{kind}/{name}", data=embedded(entity))
    return f"https://open.spotify.com/{kind}/{name}?si=0123456789abcdef"


def found(origin: Origin, *entries: Mapping[str, Any]) -> None:
    """What a search finds, whatever is looked for: each has url, title, channel and duration."""
    origin.serve("/found", data=json.dumps(entries).encode())
