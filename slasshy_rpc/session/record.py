"""Downloads as the plain JSON that the history keeps, and back again.

Owns: the keys of that JSON, and what a finished Download may no longer say (secrets, query values).
Never: reading or writing a file. Nothing here needs the event loop: the history's thread encodes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from slasshy_rpc.net.address import redact
from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import Layer, Normal, OptionSet
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session.download import Download
from slasshy_rpc.values import FileView, Snapshot, Status, UriView

Plain = dict[str, Any]

#: Bytes of a piece map: for a file of 128 TiB in pieces of one.
_MOST_BITS = 16 << 20


class Facts(NamedTuple):
    """What is kept of one Download: references to what never changes, so that noting it costs next to nothing.

    ``path`` is what it has in Claims, empty for none.
    """

    request: Request
    path: str
    last: Snapshot | None
    following: str
    belongs_to: str
    followed_by: tuple[str, ...]


class End(NamedTuple):
    """How one ended; ``at`` is in seconds since 1970."""

    status: str
    code: int
    message: str
    at: int


def facts(download: Download, path: str) -> Facts:
    """Those of ``download`` as it stands now."""
    return Facts(download.request, path, download.last, download.following, download.belongs_to, download.followed_by)


def entry_text(kept: Facts) -> str:
    """An unfinished Download, with all that it needs to go on: secrets too."""
    request = kept.request
    plain: Plain = {"uris": request.uris, "options": request.options.own() if _has_own(request.options) else {}}
    if request.trusted:
        plain["trusted"] = True
    if kept.path:
        plain["path"] = kept.path
    if kept.last is not None:
        plain["last"] = _snapshot(kept.last, _as_it_is)
    return _text(plain | _family(kept))


def result_text(kept: Facts, end: End, *, keep_urls: bool) -> str:
    """A finished one, without secret options; its URIs without userinfo and query values unless ``keep_urls``."""
    shown = _as_it_is if keep_urls else redact
    options = kept.request.options
    own = {name: value for name, value in options.own().items() if not TABLE[name].secret} if _has_own(options) else {}
    if not keep_urls and isinstance(referer := own.get("referer"), str):
        own["referer"] = redact(referer)
    plain: Plain = {
        "uris": [shown(uri) for uri in kept.request.uris],
        "options": own,
        "status": end.status,
        "code": end.code,
        "message": end.message,
    }
    if kept.last is not None:
        plain["last"] = _snapshot(kept.last, shown)
    return _text(plain | _family(kept))


class Reader:
    """Makes Downloads of rows, below the global ``options``. Equal texts of many rows are one in memory."""

    def __init__(self, options: OptionSet) -> None:
        self._options = options
        self._shared: dict[Normal, Normal] = {}

    def entry(self, gid: str, status: Status, text: str) -> tuple[Download, str]:
        """An unfinished one and the path it had. Raises ValueError for a row that is none."""
        with _readable():
            plain = _plain(text)
            return self._download(gid, status, plain), str(plain.get("path", ""))

    def result(self, gid: str, text: str) -> Download:
        """A finished one; raises as ``entry`` does."""
        with _readable():
            plain = _plain(text)
            download = self._download(gid, Status(plain["status"]), plain)
            if not download.stopped:
                raise ValueError(plain["status"])
            download.error_code, download.error_message = int(plain["code"]), str(plain["message"])
            return download

    def _download(self, gid: str, status: Status, plain: Plain) -> Download:
        own = {sys.intern(name): self._value(value) for name, value in plain["options"].items() if name in TABLE}
        options = self._options.derive(own, Layer.OWN)
        download = Download(gid, Request(_strings(plain["uris"]), options, bool(plain.get("trusted"))), status)
        if "last" in plain:
            download.last = _snapshot_of(plain["last"])
        download.following = str(plain.get("following", ""))
        download.belongs_to = str(plain.get("belongsTo", ""))
        download.followed_by = _strings(plain.get("followedBy", []))
        return download

    def _value(self, value: str | list[str]) -> Normal:
        normal = value if isinstance(value, str) else _strings(value)
        return self._shared.setdefault(normal, normal) if len(self._shared) < 1000 else normal


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Whatever may be wrong with a row that somebody else has written is a ValueError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"no row of the history: {error}") from error


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts is something else")
    return tuple(value)


def _has_own(options: OptionSet) -> bool:
    """Whether there is a layer of the Download's own; without one ``own`` would be the whole command line."""
    return options.layer is Layer.OWN


def _family(kept: Facts) -> Plain:
    family = {"following": kept.following, "belongsTo": kept.belongs_to, "followedBy": kept.followed_by}
    return {name: value for name, value in family.items() if value}


def _snapshot(snapshot: Snapshot, shown: Callable[[str], str]) -> Plain:
    plain: Plain = {
        "total": snapshot.total_length,
        "completed": snapshot.completed_length,
        "upload": snapshot.upload_length,
        "pieceLength": snapshot.piece_length,
        "pieces": snapshot.num_pieces,
        "files": [_file(view, shown) for view in snapshot.files],
    }
    if snapshot.bitfield is not None:  # mostly runs of equal bits, of which some bytes are left
        plain["bits"] = base64.b64encode(zlib.compress(snapshot.bitfield, 1)).decode("ascii")
    return plain


def _file(view: FileView, shown: Callable[[str], str]) -> Plain:
    """``lines`` has a number for each line of the list: twice the place in ``uris``, and one more if it was asked."""
    places: dict[str, int] = {}
    lines = [2 * places.setdefault(line.uri, len(places)) + line.used for line in view.uris]
    return {
        "path": view.path,
        "length": view.length,
        "completed": view.completed,
        "selected": view.selected,
        "uris": [shown(uri) for uri in places],
        "lines": lines,
    }


def _snapshot_of(plain: Mapping[str, Any]) -> Snapshot:
    bits = plain.get("bits")
    return Snapshot(
        total_length=int(plain["total"]),
        completed_length=int(plain["completed"]),
        upload_length=int(plain["upload"]),
        piece_length=int(plain["pieceLength"]),
        num_pieces=int(plain["pieces"]),
        bitfield=None if bits is None else _unpacked(bits),
        files=tuple(map(_file_of, plain["files"])),
    )


def _file_of(plain: Mapping[str, Any]) -> FileView:
    views = [(UriView(uri, False), UriView(uri, True)) for uri in plain["uris"]]
    lines = tuple(views[line >> 1][line & 1] for line in plain["lines"])
    return FileView(str(plain["path"]), int(plain["length"]), int(plain["completed"]), bool(plain["selected"]), lines)


def _unpacked(bits: str) -> bytes:
    packed = zlib.decompressobj()
    try:
        unpacked = packed.decompress(base64.b64decode(bits), _MOST_BITS)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if not packed.eof:
        raise ValueError("the bits are not whole, or more than there are pieces in any file")
    return unpacked


def _as_it_is(uri: str) -> str:
    return uri


def _text(plain: Plain) -> str:
    try:
        return orjson.dumps(plain).decode()
    except TypeError:  # half a character, as of a file name that is not UTF-8; the standard library escapes it
        return json.dumps(plain)


def _plain(text: str) -> Plain:
    try:
        plain = orjson.loads(text)
    except orjson.JSONDecodeError:
        plain = json.loads(text)
    if not isinstance(plain, dict):
        raise TypeError(text[:80])
    return plain
