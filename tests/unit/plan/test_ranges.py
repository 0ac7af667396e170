"""Ranges against a plain set of numbers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.plan.ranges import Ranges

SIZE = 40
spans = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted).map(lambda pair: (pair[0], pair[1]))
steps = st.lists(st.tuples(st.booleans(), spans), max_size=30)


@given(steps)
def test_like_a_set_of_numbers(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    ranges, numbers = Ranges(), set[int]()
    for adding, (start, end) in steps:
        (ranges.add if adding else ranges.remove)(start, end)
        (numbers.update if adding else numbers.difference_update)(range(start, end))
        assert [n for a, b in ranges for n in range(a, b)] == sorted(numbers)
        assert ranges.total == len(numbers)
        pairs = list(ranges)
        # Sorted, not empty, and never touching.
        assert all(a < b for a, b in pairs)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(pairs))


@given(st.lists(spans, max_size=10), st.integers(1, SIZE))
def test_gaps_are_the_rest(spans: list[tuple[int, int]], length: int) -> None:
    ranges = Ranges(spans)
    missing = {n for a, b in ranges.gaps(length) for n in range(a, b)}
    assert missing == set(range(length)) - {n for a, b in spans for n in range(a, b)}


@given(st.lists(spans, max_size=10), spans)
def test_covers(spans: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    numbers = {n for a, b in spans for n in range(a, b)}
    assert Ranges(spans).covers(*asked) == (set(range(*asked)) <= numbers)


@given(st.lists(spans, max_size=10), st.integers(0, SIZE))
def test_start_of(spans: list[tuple[int, int]], position: int) -> None:
    numbers = {n for a, b in spans for n in range(a, b)}
    start = Ranges(spans).start_of(position)
    if position - 1 in numbers:
        assert set(range(start, position)) <= numbers
        assert start - 1 not in numbers
    else:
        assert start == position
