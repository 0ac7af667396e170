"""Downloads as the plain JSON that the history keeps, and back again.

Owns: the keys of that JSON, and what a finished Download may no longer say (secrets, query values).
Never: reading or writing a file. Nothing here needs the event loop: the history's thread encodes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from slasshy_rpc.errors import OptionError
from slasshy_rpc.net.address import redact
from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import Layer, Normal, OptionSet, parse_value
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session.download import Download, Ending, Family
from slasshy_rpc.session.gid import normalised
from slasshy_rpc.values import MEDIA, FileView, Snapshot, Status, UriView

Plain = dict[str, Any]

_MOST_SHARED = 1000

#: Keys of the JSON for the fields of a Family.
_FAMILY = {"following": "following", "belongsTo": "belongs_to", "followedBy": "followed_by"}
#: Bytes of a piece map: for a file of 128 TiB in pieces of one.
_MOST_BITS = 16 << 20


class Facts(NamedTuple):
    """What is kept of one Download: references to what never changes, so that noting it costs next to nothing.

    ``path`` is what it has in Claims, empty for none.
    """

    request: Request
    path: str
    last: Snapshot | None
    family: Family


class End(NamedTuple):
    """How one ended; ``at`` is in seconds since 1970."""

    status: Status
    ending: Ending
    at: int


def facts(download: Download, path: str) -> Facts:
    """Those of ``download`` as it stands now."""
    return Facts(download.request, path, download.last, download.family)


def entry_text(kept: Facts) -> str:
    """An unfinished Download, with all that it needs to go on: secrets too."""
    request = kept.request
    plain: Plain = {"uris": request.uris, "options": request.options.lasting()}
    if request.trusted:
        plain["trusted"] = True
    if request.depth:
        plain["depth"] = request.depth
    if kept.path:
        plain["path"] = kept.path
    if kept.last is not None:
        plain["last"] = _snapshot(kept.last, _as_it_is)
    return _text(plain | _family(kept.family))


def result_text(kept: Facts, end: End, *, keep_urls: bool) -> str:
    """One that has ended: with all that a new attempt needs if it has failed, or is to stay in the session file.

    Others are written without secret options, and with URIs without userinfo and query values unless ``keep_urls``.
    """
    whole = end.status is Status.ERROR or kept.request.options.flag("force-save")
    shown = _as_it_is if keep_urls or whole else redact
    own = kept.request.options.lasting()
    if not whole:
        own = {name: value for name, value in own.items() if not TABLE[name].secret}
        if isinstance(referer := own.get("referer"), str):
            own["referer"] = shown(referer)
    plain: Plain = {
        "uris": [shown(uri) for uri in kept.request.uris],
        "options": own,
        "status": end.status.value,
        "code": int(end.ending.code),
        "message": end.ending.message,
    }
    if kept.last is not None:
        plain["last"] = _snapshot(kept.last, shown)
    return _text(plain | _family(kept.family))


class Reader:
    """Makes Downloads of rows, below the global ``options``. Equal values of many rows are one in memory.

    Whatever is wrong with a row raises ValueError.
    """

    def __init__(self, options: OptionSet) -> None:
        self._options = options
        self._folder = options.folder()
        self._shared: dict[tuple[str, Normal], Normal] = {}

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
            download.ending = Ending(int(plain["code"]), str(plain["message"]))
            return download

    def _download(self, gid: str, status: Status, plain: Plain) -> Download:
        if normalised(gid) != gid:
            raise ValueError(gid)
        own = {name: self._value(name, value) for name, value in plain["options"].items() if name in TABLE}
        if own.get("dir") == self._folder:
            del own["dir"]  # most have the server's; without options of its own each takes less memory
        options = self._options.derive(own, Layer.OWN)
        request = Request(_strings(plain["uris"]), options, bool(plain.get("trusted")), int(plain.get("depth", 0)))
        download = Download(gid, request, status)
        if "last" in plain:
            download.last = _snapshot_of(plain["last"])
        if family := {field: plain[name] for name, field in _FAMILY.items() if name in plain}:
            followed_by = _strings(family.pop("followed_by", []))
            download.family = Family(followed_by=followed_by, **{field: str(gid) for field, gid in family.items()})
        return download

    def _value(self, name: str, value: str | list[str]) -> Normal:
        normal = value if isinstance(value, str) else _strings(value)
        key = (name, normal)
        known = self._shared.get(key)
        if known is None:
            option, compat = TABLE[name], self._options.flag("compat")
            known = normal
            if not (isinstance(known, str) or option.cumulative):
                raise ValueError(name)
            for text in (known,) if isinstance(known, str) else known:
                parse_value(option, text, compat=compat)  # raises OptionError for what is no value any more
            if len(self._shared) < _MOST_SHARED:
                self._shared[key] = known
        return known


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Whatever may be wrong with a row that somebody else has written is a ValueError."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, OptionError, RecursionError, TypeError) as error:
        raise ValueError(f"no row of the history: {error}") from error


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts is something else")
    return tuple(value)


def _family(family: Family) -> Plain:
    return {name: value for name, field in _FAMILY.items() if (value := getattr(family, field))}


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
    page = view.path.removeprefix(MEDIA)
    return {
        "path": f"{MEDIA}{shown(page)}" if page != view.path else page,  # no path as yet, but a URI
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
