"""What a Job that brings one file shows of itself, as a Snapshot that stays the same until something moves.

Owns: the piece map and the progress in finished pieces. Never: asking anything; it is told.
"""

from __future__ import annotations

from typing import NamedTuple

from slasshy_rpc.disk import control
from slasshy_rpc.plan.ranges import Range
from slasshy_rpc.values import FileView, Snapshot, UriView

#: More pieces have no map: of 1 MiB each they are 16 TiB, and a server may say that a file has any length.
MOST_PIECES = 1 << 24


class Look(NamedTuple):
    """All that a Snapshot is made of, beside the map: bytes, bytes/s, counts."""

    length: int
    completed: int
    speed: int
    connections: int
    piece: int
    path: str
    uris: tuple[UriView, ...]
    verified: int | None
    pending: bool
    had: int = 0


class Portrait:
    """Polls come far more often than pieces end: what was made for the last one is shown again if it still holds."""

    def __init__(self) -> None:
        self._look: Look | None = None
        self._solid: list[Range] | None = None
        self._cut = (0, 0)  # length and piece length
        self._pieces: tuple[bytes | None, int] = (None, 0)
        self._shown = Snapshot()

    def of(self, look: Look, solid: list[Range] | None) -> Snapshot:
        """``solid`` are the ranges that are there for good, or None as long as the file is not known."""
        cut = (look.length, look.piece)
        if (solid, cut) != (self._solid, self._cut):
            self._solid, self._cut, self._pieces = solid, cut, _pieces(solid, *cut)
            self._look = None
        if look != self._look:
            self._look, self._shown = look, _snapshot(look, *self._pieces)
        return self._shown


def _snapshot(look: Look, bits: bytes | None, whole: int) -> Snapshot:
    return Snapshot(
        total_length=look.length,
        completed_length=look.completed,
        download_speed=look.speed,
        connections=look.connections,
        piece_length=look.piece,
        num_pieces=-(-look.length // look.piece),
        bitfield=bits,
        files=(FileView(look.path, look.length, whole, uris=look.uris),),
        verified_length=look.verified,
        verify_pending=look.pending,
        had=look.had,
    )


def _pieces(solid: list[Range] | None, length: int, piece: int) -> tuple[bytes | None, int]:
    """One bit a piece, and the bytes in finished pieces, as aria2 counts the progress of a single file."""
    if solid is None or length > MOST_PIECES * piece:
        return None, sum(end - start for start, end in solid or ())
    bits = control.bitfield(tuple(solid), length, piece)
    count = int.from_bytes(bits, "big").bit_count()
    last = -(-length // piece) - 1
    short = length - last * piece
    has_last = bool(bits) and bool(bits[last >> 3] & (0x80 >> (last & 7)))
    return bits, count * piece - (piece - short if has_last else 0)
