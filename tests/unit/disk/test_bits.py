"""Bits against the plainest possible reading of them."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.disk import bits


@given(st.lists(st.booleans(), max_size=200))
def test_runs_are_the_set_bits(flags: list[bool]) -> None:
    field = bytearray(bits.size(len(flags)))
    for index, flag in enumerate(flags):
        field[index // 8] |= flag << (7 - index % 8)
    found = list(bits.runs(field, len(flags)))
    assert [index for first, last in found for index in range(first, last)] == [i for i, f in enumerate(flags) if f]
    assert all(left[1] < right[0] for left, right in itertools.pairwise(found))


@given(st.binary(max_size=40), st.integers(0, 320))
def test_bits_beyond_the_last_do_not_count(field: bytes, limit: int) -> None:
    limit = min(limit, len(field) * 8)
    every = [index for first, last in bits.runs(field, len(field) * 8) for index in range(first, last)]
    some = [index for first, last in bits.runs(field, limit) for index in range(first, last)]
    assert some == [index for index in every if index < limit]


@given(st.integers(0, 100), st.integers(0, 100))
def test_setting_a_run_sets_it_and_nothing_else(first: int, last: int) -> None:
    field = bytearray(13)
    bits.set_run(field, first, last)
    assert list(bits.runs(field, 104)) == ([(first, last)] if first < last else [])


@given(st.integers(1, 1000), st.integers(1, 50), st.integers(0, 1000), st.integers(0, 1000))
def test_whole_units_are_wholly_inside(length: int, unit: int, start: int, end: int) -> None:
    start, end = min(start, length), min(end, length)
    first, last = bits.whole_units(start, end, length, unit)
    inside = [n for n in range(bits.count(length, unit)) if start <= n * unit and min((n + 1) * unit, length) <= end]
    assert list(range(first, last)) == inside
