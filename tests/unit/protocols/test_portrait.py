"""What a Job shows: the same object until something moves, and never a map that is out of date."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.plan.ranges import Range
from slasshy_rpc.protocols.portrait import Look, Portrait
from slasshy_rpc.values import Snapshot, UriView

PIECE = 1 << 20
LENGTH = 5 * PIECE + 1
LOOK = Look(LENGTH, 0, 0, 1, PIECE, "/d/f", (UriView("http://h/f", used=True),), None, pending=False)


def test_the_same_is_shown_until_something_moves() -> None:
    portrait = Portrait()
    solid: list[Range] = [(0, PIECE)]
    first = portrait.of(LOOK, solid)
    assert portrait.of(Look(*LOOK), list(solid)) is first
    moved = portrait.of(LOOK._replace(speed=5), solid)
    assert (moved is first, moved.download_speed) == (False, 5)
    more = portrait.of(LOOK._replace(speed=5), [(0, 2 * PIECE)])
    assert (more is moved, more.bitfield) == (False, b"\xc0")


def test_finished_pieces_are_counted_and_a_short_last_one_with_its_own_length() -> None:
    shown = Portrait().of(LOOK, [(PIECE, 2 * PIECE), (4 * PIECE, LENGTH)])
    assert (shown.num_pieces, shown.bitfield) == (6, b"\x4c")
    assert shown.files[0].completed == 2 * PIECE + 1


def test_nothing_is_known_before_there_is_a_file() -> None:
    portrait = Portrait()
    portrait.of(LOOK, [(0, PIECE)])
    shown = portrait.of(LOOK._replace(length=0), None)
    assert (shown.bitfield, shown.num_pieces, shown.files[0].completed) == (None, 0, 0)


def test_a_length_that_cannot_be_takes_no_memory() -> None:
    """A server's word is enough for one, in a dry run or before the disk is asked: its map would be a terabyte."""
    length = (1 << 63) - 1
    shown = Portrait().of(LOOK._replace(length=length), [(0, length)])
    assert (shown.total_length, shown.bitfield, shown.files[0].completed) == (length, None, length)


looks = st.builds(
    Look,
    length=st.sampled_from([LENGTH, PIECE]),
    completed=st.integers(0, 3),
    speed=st.integers(0, 1),
    connections=st.integers(0, 1),
    piece=st.sampled_from([PIECE, PIECE // 2]),
    path=st.sampled_from(["", "/d/f"]),
    uris=st.sampled_from([(), LOOK.uris]),
    verified=st.sampled_from([None, 1]),
    pending=st.booleans(),
)
maps = st.none() | st.sampled_from([[], [(0, PIECE)], [(0, PIECE // 2)], [(PIECE // 2, PIECE)]])


@given(st.lists(st.tuples(looks, maps), max_size=8))
def test_a_series_shows_what_each_alone_would(series: list[tuple[Look, list[Range] | None]]) -> None:
    portrait = Portrait()
    shown: list[Snapshot] = [portrait.of(look, solid) for look, solid in series]
    assert shown == [Portrait().of(look, solid) for look, solid in series]
