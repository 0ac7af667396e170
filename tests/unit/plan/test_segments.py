"""The ledger: ownership never overlaps and never loses a byte, whatever is claimed, cut, committed and given back."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from slasshy_rpc.plan.segments import Segment, SegmentMap
from slasshy_rpc.plan.split import planned

LENGTH = 1000


class History(RuleBasedStateMachine):
    """Random work on one ledger."""

    ledger: SegmentMap
    done: set[int]

    @initialize(
        done=st.lists(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH)).map(sorted), max_size=4),
        parts=st.integers(1, 8),
        selector=st.sampled_from(["default", "inorder", "random", "geom"]),
    )
    def begin(self, done: list[list[int]], parts: int, selector: str) -> None:
        self.done = {n for a, b in done for n in range(a, b)}
        self.ledger = SegmentMap(LENGTH, [(a, b) for a, b in done])
        self.ledger.plan(*planned(selector, self.ledger.free, parts, 10, 10))

    def pick(self, number: int) -> Segment:
        owned = sorted(self.ledger.owned, key=lambda s: s.position)
        return owned[number % len(owned)]

    @rule(near=st.none() | st.integers(0, LENGTH))
    def claim(self, near: int | None) -> None:
        free = self.ledger.free
        segment = self.ledger.claim(near)
        assert (segment is None) == (not free)
        if segment is not None and near in [start for start, _ in free]:
            assert segment.start == near

    @precondition(lambda self: self.ledger.owned)
    @rule(number=st.integers(0, 50), share=st.floats(0, 1))
    def commit(self, number: int, share: float) -> None:
        segment = self.pick(number)
        upto = segment.position + int(segment.left * share)
        self.done |= set(range(segment.position, upto))
        self.ledger.commit(segment, upto)

    @precondition(lambda self: self.ledger.owned)
    @rule(number=st.integers(0, 50))
    def release(self, number: int) -> None:
        segment = self.pick(number)
        self.ledger.release(segment)
        self.ledger.release(segment)  # a second time does nothing

    @precondition(lambda self: any(s.left > 1 for s in self.ledger.owned))
    @rule(number=st.integers(0, 50), share=st.floats(0, 1))
    def part(self, number: int, share: float) -> None:
        segment = self.pick(number)
        cut = segment.position + int(segment.left * share)
        if segment.position < cut < segment.end:
            end = segment.end
            fresh = self.ledger.part(segment, cut)
            assert (segment.end, fresh.position, fresh.end) == (cut, cut, end)
        else:
            with pytest.raises(ValueError, match="cannot be cut"):
                self.ledger.part(segment, cut)

    @invariant()
    def every_byte_once(self) -> None:
        if not hasattr(self, "ledger"):
            return
        ledger = self.ledger
        held = [*ledger.done, *((s.position, s.end) for s in ledger.owned), *ledger.free]
        numbers = sorted(n for a, b in held for n in range(a, b))
        assert numbers == list(range(LENGTH))
        assert {n for a, b in ledger.done for n in range(a, b)} == self.done
        assert ledger.complete == (len(self.done) == LENGTH)


TestLedger = History.TestCase


def test_a_plan_must_be_the_free_bytes() -> None:
    ledger = SegmentMap(100, [(0, 10)])
    ledger.plan([(10, 50), (50, 100)])
    assert ledger.free == ((10, 50), (50, 100))
    for wrong in ([(10, 50)], [(10, 60), (50, 100)], [(0, 100)], []):
        with pytest.raises(ValueError, match="plan"):
            ledger.plan(wrong)


def test_the_next_one_is_that_of_the_plan_where_none_begins_near() -> None:
    ledger = SegmentMap(100)
    ledger.plan([(0, 30), (30, 60), (60, 90), (90, 100)], lambda count: count - 1)
    starts = [segment.start for near in (None, 10, 30, 10) if (segment := ledger.claim(near)) is not None]
    assert starts == [90, 60, 30, 0]


def test_commit_stays_inside_the_segment() -> None:
    ledger = SegmentMap(100)
    segment = ledger.claim()
    assert segment is not None
    with pytest.raises(ValueError, match="not in"):
        ledger.commit(segment, 101)


def test_solid_from_reaches_back_over_done_bytes() -> None:
    ledger = SegmentMap(100, [(0, 10), (20, 30)])
    assert ledger.solid_from(30) == 20
    assert ledger.solid_from(10) == 0
    assert ledger.solid_from(50) == 50
