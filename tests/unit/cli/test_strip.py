"""The strip of a file: which cell shows what, at any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.cli.strip import NAMES, Kind, cells, done_ranges
from slasshy_rpc.values import ServerView, Snapshot


def server(start: int, position: int, end: int) -> ServerView:
    return ServerView("http://h/", "http://h/", 0, start, position, end)


def drawn(width: int, length: int, done: list[tuple[int, int]], *servers: ServerView, colour: bool = False) -> str:
    return "".join(cell.character(colour=colour, ascii=True) for cell in cells(width, length, done, servers))


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (10, "##...11--."),
        (20, "####......1111---..."),
        (5, "#.+1-"),
        (1, "1"),
        (0, ""),
    ],
)
def test_each_width(width: int, expected: str) -> None:
    """20 % are there; a connection is to bring the bytes from 50 to 85 and has come to 69."""
    assert drawn(width, 100, [(0, 20)], server(50, 69, 85)) == expected


def test_every_connection_has_its_name_or_its_colour() -> None:
    views = [server(0, 20, 50), server(50, 60, 100)]
    assert drawn(10, 100, [], *views) == "111--22---"
    found = cells(10, 100, [], views)
    assert [cell.connection for cell in found] == [0] * 5 + [1] * 5
    assert [cell.character(colour=True, ascii=False) for cell in found] == list("██▓░░█▓░░░")
    assert [cell.character(colour=False, ascii=False) for cell in found] == list("111░░22░░░")


def test_more_connections_than_names() -> None:
    count = len(NAMES) + 1
    views = [server(10 * number, 10 * number + 10, 10 * number + 10) for number in range(count)]
    assert drawn(count, 10 * count, [], *views) == NAMES + NAMES[0]


def test_parts_that_are_not_known_are_left_out() -> None:
    assert drawn(4, 100, [(0, 60)], ServerView("u", "u", 5)) == "##+."


def test_pieces_become_ranges() -> None:
    now = Snapshot(total_length=95, piece_length=10, num_pieces=10, bitfield=bytes([0b11010000, 0b01111111]))
    assert done_ranges(now) == ((0, 20), (30, 40), (90, 95))
    assert done_ranges(Snapshot()) == ()


RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)).map(sorted).map(tuple), max_size=5)


@given(st.integers(0, 80), st.integers(1, 300), RANGES, st.lists(st.tuples(*[st.integers(-1, 300)] * 3), max_size=4))
def test_a_cell_is_there_only_if_all_of_it_is(
    width: int, length: int, done: list[tuple[int, int]], parts: list[tuple[int, int, int]]
) -> None:
    views = [server(*part) for part in parts]
    there = {byte for start, end in done for byte in range(start, end)}
    for start, position, end in parts:
        if 0 <= start <= position <= end:
            there.update(range(start, position))
    found = cells(width, length, done, views)
    assert len(found) == width
    for at, cell in enumerate(found):
        start = length * at // width
        whole = set(range(start, max(length * (at + 1) // width, start + 1))) <= there
        assert (cell.kind in (Kind.DONE, Kind.COMING)) is whole
