"""What things are called on the wire: Downloads and Snapshots as aria2's dictionaries of strings.

Owns: names, string forms, and the coarser piece map for big files. Never: changing anything.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from slasshy_rpc.session.download import Download
from slasshy_rpc.values import FileView, Snapshot, Status, UriView

#: One value on the wire.
Wire = str | list[str] | list[dict[str, object]]
#: How one key of tellStatus is made; None leaves the key out.
Field = Callable[[Download, Snapshot], Wire | None]

#: Which keys an answer is to have; None for all.
Keys = frozenset[str] | None

#: Front ends draw every piece; AriaNg freezes on many more than this.
MOST_PIECES = 2000

#: For a byte of 8 piece bits: 4 bits, each set if both of its pieces are.
_PAIRED = bytes(sum(1 << (3 - pair) for pair in range(4) if (byte >> (6 - 2 * pair)) & 3 == 3) for byte in range(256))


def wanted(names: Iterable[str]) -> Keys:
    """The keys that ``names`` ask for: no name at all means all of them, and unknown ones ask for nothing."""
    names = frozenset(names)
    return names & _KNOWN if names else None


def status(download: Download, keys: Keys, compat: bool) -> dict[str, object]:
    """aria2.tellStatus: the ``keys`` that were ``wanted``, and what is due in a hash check."""
    fields, needs_snapshot = _fields(keys, compat)
    active = download.run is not None
    snapshot = download.snapshot() if needs_snapshot or active else _NOTHING
    answer: dict[str, object] = {}
    for key, field in fields:
        value = field(download, snapshot)
        if value is not None:
            answer[key] = value
    if active:
        if snapshot.verified_length is not None:
            answer["verifiedLength"] = str(snapshot.verified_length)
        if snapshot.verify_pending:
            answer["verifyIntegrityPending"] = "true"
    return answer


class Told(Sequence[dict[str, object]]):
    """The ``status`` of each of ``downloads``, made when it is looked at.

    A hundred thousand of them at once would be half a gigabyte, and seconds in which nobody else is served.
    """

    def __init__(self, downloads: Sequence[Download], keys: Keys, compat: bool) -> None:
        self._downloads = downloads
        self._keys = keys
        self._compat = compat

    def __len__(self) -> int:
        return len(self._downloads)

    @typing.overload
    def __getitem__(self, at: int) -> dict[str, object]: ...

    @typing.overload
    def __getitem__(self, at: slice) -> Told: ...

    def __getitem__(self, at: int | slice) -> dict[str, object] | Told:
        found = self._downloads[at]
        if isinstance(found, Download):
            return status(found, self._keys, self._compat)
        return Told(found, self._keys, self._compat)


def files(snapshot: Snapshot) -> list[dict[str, object]]:
    """aria2.getFiles."""
    return [_file(index, view) for index, view in enumerate(snapshot.files, 1)]


def uris(views: tuple[UriView, ...]) -> list[dict[str, object]]:
    """aria2.getUris: those that were, or are being, asked first."""
    used: list[dict[str, object]] = [{"status": "used", "uri": view.uri} for view in views if view.used]
    return used + [{"status": "waiting", "uri": view.uri} for view in views if not view.used]


def servers(snapshot: Snapshot) -> list[dict[str, object]]:
    """aria2.getServers: the open connections of each file (all are of the first while files come one by one)."""
    connected = [
        {"uri": view.uri, "currentUri": view.current_uri, "downloadSpeed": str(view.speed)} for view in snapshot.servers
    ]
    answer: list[dict[str, object]] = []
    for index in range(1, len(snapshot.files) + 1):
        answer.append({"index": str(index), "servers": connected if index == 1 else []})
    return answer


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
def _fields(keys: Keys, compat: bool) -> tuple[tuple[tuple[str, Field], ...], bool]:
    """How the asked keys are made, and whether that takes a Snapshot."""
    table = {**_OF_DOWNLOAD, **_OF_SNAPSHOT, **(_COMPAT if compat else _COARSE)}
    chosen = tuple((key, field) for key, field in table.items() if keys is None or key in keys)
    return chosen, any(key in _OF_SNAPSHOT for key, _ in chosen)


def rate(download: Download) -> tuple[int, int]:
    """Bytes a second down and up, 0 unless it is active."""
    if download.status is not Status.ACTIVE:
        return 0, 0
    snapshot = download.snapshot()
    return snapshot.download_speed, snapshot.upload_speed
