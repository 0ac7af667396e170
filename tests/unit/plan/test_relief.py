"""Relief: who is judged to lag, when nobody is, and how often."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.plan.relief import GAIN, LAG, LONG_SILENCE, PATIENCE, SILENCE, Relief, Stream

MIB = 1 << 20
FAST = Stream(left=16 * MIB, rate=8 * MIB, age=1.0, silence=0.0, opening=0.01)
SLOW = dataclasses.replace(FAST, rate=8 * MIB / 20)


def due(*streams: Stream, last: bool = False) -> list[int]:
    return Relief(16).due(streams, 0.0, last=last)


def test_the_slow_among_fast_ones_are_due_slowest_first() -> None:
    slower = dataclasses.replace(SLOW, rate=1.0)
    assert due(FAST, SLOW, FAST, slower, FAST) == [3, 1]


def test_nobody_is_due_where_all_are_alike_or_one_is_alone() -> None:
    assert due(FAST, FAST, FAST, dataclasses.replace(FAST, rate=FAST.rate / LAG)) == []
    assert due(SLOW, SLOW, SLOW) == []
    assert due(SLOW) == []


def test_a_young_stream_is_not_judged() -> None:
    assert due(FAST, FAST, dataclasses.replace(SLOW, age=PATIENCE - 0.01)) == []
    far = [dataclasses.replace(one, opening=0.3) for one in (FAST, FAST, SLOW)]
    assert due(*far) == []
    assert due(*(dataclasses.replace(one, age=1.3) for one in far)) == [2]


def test_what_will_end_soon_is_left_alone() -> None:
    soon = dataclasses.replace(SLOW, left=int(SLOW.rate * GAIN))
    assert due(FAST, FAST, soon) == []


def test_when_all_wait_for_it_a_silent_stream_is_due() -> None:
    silent = dataclasses.replace(FAST, left=1000, silence=SILENCE)
    assert due(FAST, FAST, silent) == []
    assert due(FAST, FAST, silent, last=True) == [2]
    assert due(FAST, FAST, dataclasses.replace(silent, opening=SILENCE), last=True) == []
    assert due(silent, last=True) == []  # nothing is known yet that it could be compared with
    assert due(dataclasses.replace(silent, silence=LONG_SILENCE), last=True) == [0]


def test_a_fresh_stream_that_has_said_nothing_is_left_to_the_time_out() -> None:
    dumb = dataclasses.replace(FAST, rate=0.0, age=2.0, silence=2.0)
    assert due(dumb, last=True) == [0]
    assert due(dataclasses.replace(dumb, fresh=True), last=True) == []


def test_what_is_usual_is_remembered_when_only_slow_ones_are_left() -> None:
    relief = Relief(16)
    assert relief.due([FAST] * 6 + [dataclasses.replace(SLOW, age=0.1)] * 2, 0.0, last=False) == []
    assert relief.due([SLOW] * 2, 0.1, last=False) == [0, 1]


def test_fresh_ones_that_lag_again_make_it_dear() -> None:
    relief = Relief(16)
    again = dataclasses.replace(SLOW, fresh=True)
    given = [len(relief.due([FAST, FAST, again], 0.1 * number, last=False)) for number in range(40)]
    assert sum(given) <= 5
    assert given[10:] == [0] * 30


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20), st.integers(1, 64))
def test_never_more_than_the_budget_and_one_a_second(rates: list[float], budget: int) -> None:
    relief = Relief(budget)
    streams = [dataclasses.replace(FAST, rate=rate, silence=1.0) for rate in rates]
    total = sum(len(relief.due(streams, number / 10, last=True)) for number in range(50))
    assert total <= budget + 5
