"""Which windows have to agree before a partial file is believed."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.plan.proof import AT_LEAST, MOST_RUNS, WINDOW, before, doubtful, edges, suspects, windows


@given(st.integers(0, 5000), st.lists(st.integers(0, 5000), max_size=6), st.integers())
def test_windows_are_spread_and_have_both_ends(count: int, zeros: list[int], seed: int) -> None:
    runs = sorted((at * WINDOW, (at + 1) * WINDOW) for at in zeros)
    found = windows(count * WINDOW, runs, Random(seed))
    assert found == sorted(set(found))
    assert len(found) == min(count, AT_LEAST)
    assert all(start % WINDOW == 0 and 0 <= start < count * WINDOW for start in found)
    if count:
        assert (found[0], found[-1]) == (0, (count - 1) * WINDOW)
    if count > 100:
        assert max(b - a for a, b in pairwise(found)) <= count * WINDOW // 3 + 2 * WINDOW


def test_they_avoid_zeros() -> None:
    zeros = [(200 * WINDOW, 300 * WINDOW)]  # most of one of the six parts
    found = [at for seed in range(30) for at in windows(1000 * WINDOW, zeros, Random(seed))]
    inside = [at for at in found if zeros[0][0] <= at < zeros[0][1]]
    assert len(inside) <= 3


def test_runs_of_zeros() -> None:
    assert edges((WINDOW, 2 * WINDOW)) == (WINDOW,)
    assert edges((WINDOW, 5 * WINDOW)) == (WINDOW, 4 * WINDOW)
    assert before((5 * WINDOW, 9 * WINDOW)) == 4 * WINDOW
    assert before((0, WINDOW)) == 0
    many = [(number * 10 * WINDOW, (number * 10 + 1 + number % 2) * WINDOW) for number in range(2 * MOST_RUNS)]
    assert doubtful(many) == [run for run in many if run[1] - run[0] == 2 * WINDOW]


def test_after_zeros_that_are_not_the_servers_none_is_believed_unseen() -> None:
    runs = [(number * 10 * WINDOW, (number * 10 + 1) * WINDOW) for number in range(1, 2 * MOST_RUNS)]
    end = runs[MOST_RUNS - 1][1]
    assert suspects(runs, end) == (runs[:MOST_RUNS], end)
    assert suspects(runs, runs[-1][0]) == (runs[:MOST_RUNS], before(runs[MOST_RUNS]))
    assert suspects(runs, WINDOW) == ([], WINDOW)
