"""Cut points: sizes, limits and fairness of the first cut and of later ones."""

from __future__ import annotations

import itertools

from hypothesis import assume, given
from hypothesis import strategies as st

from slasshy_rpc.plan.ranges import Ranges
from slasshy_rpc.plan.split import GRAIN, MOST_PARTS, RESPLIT_FLOOR, Busy, capped, eta, first_cut, planned, steal

MIB = 1 << 20

gaps = st.lists(st.integers(0, 1 << 34), min_size=2, max_size=8, unique=True).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


@given(gaps, st.integers(4, 1 << 14).map(lambda n: n * GRAIN))
def test_no_part_is_longer_than_one_request_may_ask_for(gaps: list[tuple[int, int]], longest: int) -> None:
    assume(sum(end - start for start, end in gaps) < 5000 * longest)
    cut = capped(gaps, longest)
    assert list(Ranges(cut)) == list(Ranges(gaps))
    assert sum(end - start for start, end in cut) == sum(end - start for start, end in gaps)
    assert all(0 < end - start <= longest for start, end in cut)
    assert capped(gaps, 0) == gaps


def test_a_part_that_is_as_long_as_may_be_is_left_whole_and_cuts_fall_on_the_grain() -> None:
    assert capped([(0, 8 * GRAIN)], 4 * GRAIN) == [(0, 4 * GRAIN), (4 * GRAIN, 8 * GRAIN)]
    assert capped([(5, 4 * GRAIN)], 2 * GRAIN) == [(5, 2 * GRAIN), (2 * GRAIN, 4 * GRAIN)]


@given(gaps, st.integers(1, 64), st.integers(1, 64).map(lambda n: n * MIB))
def test_a_cut_is_the_same_bytes_in_order(gaps: list[tuple[int, int]], parts: int, least: int) -> None:
    cut = first_cut(gaps, parts, least)
    assert sum(b - a for a, b in cut) == sum(b - a for a, b in gaps)
    assert all(a < b for a, b in cut)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(cut))
    assert len(cut) <= max(parts, len(gaps))
    for a, b in gaps:
        inside = [(x, y) for x, y in cut if a <= x < b]
        if len(inside) > 1:  # only what is twice as large as the least is cut at all
            assert b - a >= len(inside) * least
            assert all(x % GRAIN == 0 for x, _ in inside[1:])


def test_sixteen_equal_parts() -> None:
    cut = first_cut([(0, 1 << 30)], 16, MIB)
    assert [b - a for a, b in cut] == [64 * MIB] * 16


def test_min_split_size_as_aria2_has_it() -> None:
    # Observed on aria2: 4 MiB with 2M is split, 1 MiB with 1M is not.
    assert len(first_cut([(0, 4 * MIB)], 16, 2 * MIB)) == 2
    assert len(first_cut([(0, MIB)], 16, MIB)) == 1
    assert len(first_cut([(0, 2 * MIB - 1)], 16, MIB)) == 1


def test_the_last_piece_counts_whole() -> None:
    assert first_cut([(0, 2 * MIB - 1)], 16, MIB, MIB) == [(0, MIB), (MIB, 2 * MIB - 1)]
    assert len(first_cut([(0, MIB + 1)], 16, MIB, MIB)) == 2
    assert len(first_cut([(MIB - GRAIN, MIB)], 16, MIB, MIB)) == 1


selectors = st.sampled_from(["default", "inorder", "random", "geom"])


@given(selectors, gaps, st.integers(1, 64), st.integers(1, 64).map(lambda n: n * MIB), st.sampled_from([MIB, 9 * MIB]))
def test_every_order_is_the_same_bytes(
    selector: str, gaps: list[tuple[int, int]], parts: int, least: int, piece: int
) -> None:
    cut, pick = planned(selector, gaps, parts, least, piece)
    assert list(Ranges(cut)) == list(Ranges(gaps))
    assert sum(b - a for a, b in cut) == sum(b - a for a, b in gaps)
    assert cut == sorted(cut)
    assert all(a < b for a, b in cut)
    assert len(cut) <= MOST_PARTS + len(gaps)
    assert all(0 <= pick(n) < n for n in (1, 2, 100))


def starts(selector: str, *gaps: tuple[int, int], least: int = MIB) -> list[int]:
    """Where the first ten parts begin, in MiB."""
    return [a >> 20 for a, _ in planned(selector, gaps, 5, least, MIB)[0]][:10]


def test_the_orders_as_aria2_has_them() -> None:
    # Observed on aria2 1.37 with 40 MiB, split=5 and min-split-size=1M or 4M.
    whole = (0, 40 * MIB)
    assert starts("inorder", whole) == list(range(10))
    assert starts("inorder", whole, least=4 * MIB) == [0, 4, 8, 12, 16, 20, 24, 28, 32, 36]
    assert starts("geom", whole) == starts("geom", whole, least=4 * MIB) == [0, 1, 2, 3, 5, 7, 11, 17, 25, 38]
    assert starts("geom", (10 * MIB, 12 * MIB), (20 * MIB, 40 * MIB)) == [10, 11, 20, 21, 27, 35]
    assert starts("default", whole) == [0, 8, 16, 24, 32]


def test_at_random_there_are_more_parts_than_connections_and_all_come_first_some_time() -> None:
    cut, pick = planned("random", [(0, 1 << 30)], 5, MIB, MIB)
    assert len(cut) == 20
    assert {pick(3) for _ in range(200)} == {0, 1, 2}


def test_no_part_in_order_is_smaller_than_allowed() -> None:
    assert planned("inorder", [(0, 3 * MIB - 1)], 5, MIB, MIB)[0] == [(0, MIB), (MIB, 3 * MIB - 1)]


busy = st.builds(
    lambda position, left, rate: Busy(position, position + left, rate),
    st.integers(0, 1 << 40),
    st.integers(1, 1 << 36),
    st.just(0.0) | st.floats(1, 1e10),
)


@given(st.lists(busy, max_size=16), st.floats(0, 1e10), st.just(0) | st.integers(1, 64).map(lambda n: n * MIB))
def test_a_stolen_part_is_worth_it(busy: list[Busy], own: float, least: int) -> None:
    floor = max(RESPLIT_FLOOR, least)
    found = steal(busy, own, least)
    if found is None:
        assert all(one.end - one.position < (least or GRAIN) + floor + GRAIN or eta(one) < 1 for one in busy)
        return
    index, cut = found
    victim = busy[index]
    assert victim.position < cut < victim.end
    assert cut % GRAIN == 0
    assert victim.end - cut >= floor - GRAIN
    if least:
        assert cut - victim.position >= least
    splittable = [one for one in busy if one.end - one.position >= (least or GRAIN) + floor]
    assert eta(victim) == max(map(eta, splittable))


@given(st.floats(1e5, 1e9), st.floats(1e5, 1e9))
def test_both_end_together(victim_rate: float, own: float) -> None:
    one = Busy(0, 1 << 34, victim_rate)
    found = steal([one], own)
    assert found is not None
    kept, taken = found[1], one.end - found[1]
    assume(min(kept, taken) > 2 * RESPLIT_FLOOR)
    assert abs(kept / victim_rate - taken / own) < 2 * GRAIN / min(victim_rate, own)


def test_a_stalled_segment_gives_nearly_everything() -> None:
    found = steal([Busy(0, 100 * MIB, 0.0), Busy(100 * MIB, 200 * MIB, 1e6)], 1e6)
    assert found is not None
    assert found[0] == 0
    assert found[1] <= MIB


def test_what_ends_by_itself_soon_is_left_alone() -> None:
    assert steal([Busy(0, 4 * MIB, 1e9)], 1e9) is None
