"""What things are called on the wire: Downloads and Snapshots as aria2's dictionaries of strings.

Owns: names, string forms, and the coarser piece map for big files. Never: changing anything.
"""

from __future__ import annotations

import typing
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from slasshy_rpc.session.download import Download
from slasshy_rpc.values import FileView, MediaView, ServerView, Snapshot, Status, UriView

if TYPE_CHECKING:
    from slasshy_rpc.protocols.base import Request

#: One value on the wire.
Wire = str | list[str] | list[dict[str, object]]
#: How one key of tellStatus is made; None leaves the key out.
Field = Callable[[Download, Snapshot], Wire | None]

#: Which keys an answer is to have; None for all.
Keys = frozenset[str] | None

#: Front ends draw every piece; AriaNg freezes on many more than this.
MOST_PIECES = 2000

#: Answers that a Shelf keeps, some 2 KiB each: a thousand waiting and a thousand stopped ones for two front ends.
MOST_KEPT = 4096
#: Lines of URIs, and digits of a piece map, of an answer that is kept.
_MOST_LINES_KEPT = 64
_LONGEST_MAP_KEPT = 1024

#: For a byte of 8 piece bits: 4 bits, each set if both of its pieces are.
_PAIRED = bytes(sum(1 << (3 - pair) for pair in range(4) if (byte >> (6 - 2 * pair)) & 3 == 3) for byte in range(256))


def wanted(names: Iterable[str]) -> Keys:
    """The keys that ``names`` ask for: no name at all means all of them, and unknown ones ask for nothing."""
    names = frozenset(names)
    return names & _KNOWN if names else None


def status(download: Download, keys: Keys, compat: bool) -> dict[str, object]:
    """aria2.tellStatus: the ``keys`` that were ``wanted``, and what is due in a hash check."""
    return _told(download, _snapshot(download, keys, compat), keys, compat)


def _snapshot(download: Download, keys: Keys, compat: bool) -> Snapshot:
    """What the answer to ``keys`` is made of."""
    _, needs_snapshot, needs_files = _fields(keys, compat)
    return download.snapshot(files=needs_files) if needs_snapshot or download.run is not None else _NOTHING


def _told(download: Download, snapshot: Snapshot, keys: Keys, compat: bool) -> dict[str, object]:
    fields, _, _ = _fields(keys, compat)
    answer: dict[str, object] = {
        key: value for key, field in fields if (value := field(download, snapshot)) is not None
    }
    if download.run is not None:
        if snapshot.verified_length is not None:
            answer["verifiedLength"] = str(snapshot.verified_length)
        if snapshot.verify_pending:
            answer["verifyIntegrityPending"] = "true"
    return answer


class Shelf:
    """What ``status`` told of Downloads, good for as long as nothing about them has changed.

    Front ends ask for the same thousands of entries every second. Nobody may change what comes out of it.
    """

    def __init__(self, compat: bool) -> None:
        self._compat = compat
        self._kept: OrderedDict[str, dict[Keys, _Kept]] = OrderedDict()  # by GID
        self._count = 0

    def status(self, download: Download, keys: Keys) -> dict[str, object]:
        """``status`` of ``download`` as it is now."""
        compat = self._compat
        seen = download.last if download.run is None else _snapshot(download, keys, compat)
        shelved = self._kept.get(download.gid)
        if shelved is not None:
            self._kept.move_to_end(download.gid)
            if (kept := shelved.get(keys)) is not None and kept.holds(download, seen):
                return kept.told
        snapshot = _snapshot(download, keys, compat) if seen is None else seen
        told = _told(download, snapshot, keys, compat)
        if _is_light(told):
            shelved = self._kept.setdefault(download.gid, {})
            self._count += keys not in shelved
            shelved[keys] = _Kept(download, download.request, download.status, seen, told)
            while self._count > MOST_KEPT:
                self._count -= len(self._kept.popitem(last=False)[1])
        return told

    def drop(self, gid: str) -> None:
        """Let go of a Download that there is no more."""
        self._count -= len(self._kept.pop(gid, ()))

    def clear(self) -> None:
        """Let go of everything; what is still asked for is made anew."""
        self._kept.clear()
        self._count = 0


class _Kept(NamedTuple):
    """What was told, and all that it was made of: none of these changes, but a Download gets others."""

    download: Download
    request: Request
    status: Status
    seen: Snapshot | None  # what a running Job showed, or an ended one has left
    told: dict[str, object]

    def holds(self, download: Download, seen: Snapshot | None) -> bool:
        """Whether ``download``, which looks as ``seen``, would still be told the same."""
        return (
            self.download is download
            and self.request is download.request
            and self.status is download.status
            and self.seen is seen
        )


def _is_light(told: Mapping[str, Any]) -> bool:
    """Whether thousands like it take some megabytes only."""
    lines = sum(len(file["uris"]) for file in told.get("files", ()))
    return lines <= _MOST_LINES_KEPT and len(told.get("bitfield", "")) <= _LONGEST_MAP_KEPT


class Told(Sequence[dict[str, object]]):
    """The ``status`` of each of ``downloads``, made when it is looked at.

    A hundred thousand of them at once would be half a gigabyte, and seconds in which nobody else is served.
    """

    def __init__(self, downloads: Sequence[Download], keys: Keys, shelf: Shelf) -> None:
        self._downloads = downloads
        self._keys = keys
        self._shelf = shelf

    def __len__(self) -> int:
        return len(self._downloads)

    def __iter__(self) -> Iterator[dict[str, object]]:
        told, keys = self._shelf.status, self._keys
        return (told(download, keys) for download in self._downloads)

    @typing.overload
    def __getitem__(self, at: int) -> dict[str, object]: ...

    @typing.overload
    def __getitem__(self, at: slice) -> Told: ...

    def __getitem__(self, at: int | slice) -> dict[str, object] | Told:
        found = self._downloads[at]
        if isinstance(found, Download):
            return self._shelf.status(found, self._keys)
        return Told(found, self._keys, self._shelf)


def files(snapshot: Snapshot) -> list[dict[str, object]]:
    """aria2.getFiles."""
    return [_file(index, view) for index, view in enumerate(snapshot.files, 1)]


def uris(views: tuple[UriView, ...]) -> list[dict[str, object]]:
    """aria2.getUris: those that were, or are being, asked first. A URI that is listed many times is one dict."""
    used: list[dict[str, object]] = []
    waiting: list[dict[str, object]] = []
    made: dict[int, dict[str, object]] = {}  # by identity, which costs far less than looking at the URIs
    for view in views:
        told = made.get(id(view))
        if told is None:
            told = made[id(view)] = {"status": "used" if view.used else "waiting", "uri": view.uri}
        (used if view.used else waiting).append(told)
    return used + waiting


def servers(views: tuple[ServerView, ...], files: int) -> list[dict[str, object]]:
    """aria2.getServers: the open connections of each file (all are of the first while files come one by one)."""
    connected = [{"uri": view.uri, "currentUri": view.current_uri, "downloadSpeed": str(view.speed)} for view in views]
    answer: list[dict[str, object]] = []
    for index in range(1, files + 1):
        answer.append({"index": str(index), "servers": connected if index == 1 else []})
    return answer


def media(gid: str, view: MediaView) -> dict[str, object]:
    """slasshy.getMedia."""
    return {
        "gid": gid,
        "page": view.page,
        "stage": view.stage,
        "title": view.title,
        "format": view.formats,
        "extras": list(view.extras),
    }


def coarse(bitfield: bytes, pieces: int) -> tuple[bytes, int]:
    """The piece map with pieces joined two by two until there are at most ``MOST_PIECES``, and how many there are.

    A joined piece counts as there when all its parts are.
    """
    while pieces > MOST_PIECES:
        size = (pieces + 7) // 8
        padded = bytearray(bitfield[:size])
        if pieces % 8:
            padded[-1] |= 0xFF >> (pieces % 8)  # what is not there must not spoil the last piece
        if size % 2:
            padded.append(0)
        # Each byte becomes one hex digit; the digits in a row are the new map.
        bitfield = bytes.fromhex(padded.translate(_PAIRED).hex()[1::2])
        pieces = (pieces + 1) // 2
    if pieces % 8:
        bitfield = bitfield[: (pieces + 7) // 8]
        bitfield = bitfield[:-1] + bytes([bitfield[-1] & ~(0xFF >> (pieces % 8)) & 0xFF])
    return bitfield, pieces


def _joins(pieces: int) -> int:
    """How many times pieces are doubled by ``coarse``."""
    joins = 0
    while pieces > MOST_PIECES:
        pieces = (pieces + 1) // 2
        joins += 1
    return joins


def _file(index: int, view: FileView) -> dict[str, object]:
    return {
        "index": str(index),
        "path": view.path,
        "length": str(view.length),
        "completedLength": str(view.completed),
        "selected": "true" if view.selected else "false",
        "uris": uris(view.uris),
    }


def _bitfield(download: Download, snapshot: Snapshot) -> str | None:
    return snapshot.bitfield.hex() if snapshot.bitfield else None


def _coarse_bitfield(download: Download, snapshot: Snapshot) -> str | None:
    bitfield, pieces = snapshot.bitfield, snapshot.num_pieces
    if not bitfield:
        return None
    return bitfield.hex() if pieces <= MOST_PIECES else coarse(bitfield, pieces)[0].hex()


def _error_code(download: Download, snapshot: Snapshot) -> str | None:
    return str(download.ending.code) if download.stopped else None


def _error_message(download: Download, snapshot: Snapshot) -> str | None:
    return download.ending.message if download.stopped else None


def _terse_message(download: Download, snapshot: Snapshot) -> str | None:
    message = _error_message(download, snapshot)
    return message if download.ending.terse is None else download.ending.terse


_NOTHING = Snapshot()

#: Keys that the Download alone answers.
_OF_DOWNLOAD: Mapping[str, Field] = {
    "gid": lambda d, s: d.gid,
    "status": lambda d, s: d.status.value,
    "dir": lambda d, s: d.options.text("dir") or "",
    "errorCode": _error_code,
    "errorMessage": _error_message,
    "followedBy": lambda d, s: list(d.family.followed_by) or None,
    "following": lambda d, s: d.family.following or None,
    "belongsTo": lambda d, s: d.family.belongs_to or None,
}

_OF_SNAPSHOT: Mapping[str, Field] = {
    "totalLength": lambda d, s: str(s.total_length),
    "completedLength": lambda d, s: str(s.completed_length),
    "uploadLength": lambda d, s: str(s.upload_length),
    "bitfield": _bitfield,
    "downloadSpeed": lambda d, s: str(s.download_speed),
    "uploadSpeed": lambda d, s: str(s.upload_speed),
    "pieceLength": lambda d, s: str(s.piece_length),
    "numPieces": lambda d, s: str(s.num_pieces),
    "connections": lambda d, s: str(s.connections),
    "files": lambda d, s: files(s),
}

#: Instead of the above in compat.
_COMPAT: Mapping[str, Field] = {"errorMessage": _terse_message}

#: Instead of the above outside compat.
_COARSE: Mapping[str, Field] = {
    "bitfield": _coarse_bitfield,
    "pieceLength": lambda d, s: str(s.piece_length << _joins(s.num_pieces)),
    "numPieces": lambda d, s: str(-(-s.num_pieces >> _joins(s.num_pieces))),
}


_KNOWN = frozenset(_OF_DOWNLOAD) | frozenset(_OF_SNAPSHOT)


@lru_cache(maxsize=256)
def _fields(keys: Keys, compat: bool) -> tuple[tuple[tuple[str, Field], ...], bool, bool]:
    """How the asked keys are made, and whether that takes a Snapshot, and its files."""
    table = {**_OF_DOWNLOAD, **_OF_SNAPSHOT, **(_COMPAT if compat else _COARSE)}
    chosen = tuple((key, field) for key, field in table.items() if keys is None or key in keys)
    return chosen, any(key in _OF_SNAPSHOT for key, _ in chosen), keys is None or "files" in keys


def rate(download: Download) -> tuple[int, int]:
    """Bytes a second down and up, 0 unless it is active."""
    if download.status is not Status.ACTIVE:
        return 0, 0
    snapshot = download.snapshot()
    return snapshot.download_speed, snapshot.upload_speed
