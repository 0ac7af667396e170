"""From a worker's answer about a list of media to the Requests of its entries, each looked into in its turn.

Owns: which entries count, and which options they take over from the list. Never: asks about an entry.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slasshy_rpc.errors import DownloadError, ErrorCode, SourceError
from slasshy_rpc.media.detect import is_file, is_page
from slasshy_rpc.net.address import is_web, parse, redact
from slasshy_rpc.options.values import Layer, Normal, OptionSet
from slasshy_rpc.protocols.base import Outcome, Request
from slasshy_rpc.protocols.http import public
from slasshy_rpc.values import NOTICE

log = logging.getLogger(__name__)

#: Lists within lists are looked into so many times: a channel has one of its playlists, and these have media.
DEEPEST = 2

#: What a list was given for one file.
_OF_ONE = ("out", "checksum", "media-playlist-items")

#: Credentials that are for the list's own server.
_CREDENTIALS = ("http-user", "http-passwd")

#: The longest URI of an entry that is taken (characters).
_LONGEST = 8192

#: What no URI may have.
_BLANK = re.compile(r"[\x00-\x20\x7f]")


def begotten(request: Request, answer: Mapping[str, Any], hosts: frozenset[str]) -> Outcome:
    """The Downloads that a list is made into; ``hosts`` as in ``is_page``. Raises DownloadError if there are none."""
    page = redact(request.uris[0])
    if request.options.text("media-playlist") == "single":
        raise DownloadError("The page is a list of media, and --media-playlist=single takes none.")
    if request.depth >= DEEPEST:
        raise DownloadError("The page is a list in a list of lists. Add it by itself.")
    below = replace(request, options=request.options.without(*_OF_ONE), depth=request.depth + 1)
    found, lost = [], 0
    for entry in answer["entries"]:
        item, uri = entry.get("item"), entry.get("url")
        if item is not None:  # without a page of its own
            found.append(_with(below, {"media-playlist-items": str(int(item))}))
        elif _is_link(uri):
            # What the list calls a page is one, even where the letters of its URL do not say so.
            sure = is_page(uri, "auto", hosts) or is_file(uri)
            home = _of_one_origin(uri, request.uris[0])
            asked = below if home else replace(below, options=abroad(below.options))
            found.append(replace(asked if sure else _with(asked, {"media": "only"}), uris=(uri,)))
        else:
            lost += 1
    if lost:
        log.warning("%s: %d of its entries have no address and are left out.", page, lost)
    if not found:
        raise DownloadError("The page is a list of media with nothing in it.", ErrorCode.NOT_FOUND)
    if more := answer.get("next"):
        text = "%s: %d of its media are taken; add it again with media-playlist-items=%d: for more."
        log.log(NOTICE, text, page, len(found), int(more))
    return Outcome(tuple(found))


def _is_link(uri: object) -> bool:
    if not isinstance(uri, str) or len(uri) > _LONGEST or _BLANK.search(uri):
        return False
    return is_web(uri)


def _of_one_origin(uri: str, page: str) -> bool:
    try:
        return parse(uri).origin == parse(page).origin
    except SourceError:  # its own Download will say so
        return False


def abroad(options: OptionSet) -> OptionSet:
    """Them without what the user gave for one server, for what lies on another: as with a redirect that leads there."""
    own: dict[str, Normal] = {name: "" for name in _CREDENTIALS if options.text(name)}
    lines = options.lines("header")
    if lines != (kept := tuple(line for line in lines if public(line))):
        own["header"] = kept
    return options.derive(own, Layer.OWN)


def _with(request: Request, own: Mapping[str, Normal]) -> Request:
    return replace(request, options=request.options.derive(own, Layer.OWN))
