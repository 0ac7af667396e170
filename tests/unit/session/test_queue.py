"""The queue against a plain list."""

from __future__ import annotations

import gc
import weakref
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session import queue as queue_module
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.queue import Queue
from slasshy_rpc.values import Status

REQUEST = cast(Request, None)  # the queue never looks at it


def entry(number: int, status: Status = Status.WAITING) -> Download:
    return Download(f"{number:016x}", REQUEST, status)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "BLOCK_LIMIT", 4)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "insert", "remove", "pause", "unpause", "start"]), st.integers(0, 40), st.booleans()
    ),
    max_size=80,
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_behaves_as_a_list(steps: list[tuple[str, int, bool]]) -> None:
    ranks: dict[str, float] = {}

    def renumbered(_: Download) -> None:
        ranks.update({each.gid: float(number) for number, each in enumerate(queue, 1)})

    queue, model = Queue(renumbered), list[Download]()
    for number, (action, at, paused) in enumerate(steps):
        new = entry(number, Status.PAUSED if paused else Status.WAITING)
        if action == "append":
            ranks[new.gid] = queue.append(new)
            model.append(new)
        elif action == "insert":
            ranks[new.gid] = queue.insert(at, new)
            model.insert(at, new)
        elif model and action == "remove":
            queue.remove(model[at % len(model)])
            del model[at % len(model)]
        elif model and action in ("pause", "unpause"):
            queue.restate(model[at % len(model)], Status.PAUSED if action == "pause" else Status.WAITING)
        elif action == "start" and (first := queue.first_startable()) is not None:
            queue.remove(first)
            model.remove(first)
        waiting = [each for each in model if each.status is Status.WAITING]
        assert queue.copy() == list(queue) == model
        assert len(queue) == len(model)
        assert queue.startable == len(waiting)
        assert queue.first_startable() is (waiting[0] if waiting else None)
        assert queue.slice(at, at + 7) == model[at : at + 7]
        order = [ranks[each.gid] for each in model]
        assert order == sorted(set(order))
    assert [queue.index(each) for each in model] == list(range(len(model)))


def test_an_entry_that_is_not_queued_is_refused() -> None:
    with pytest.raises(ValueError, match="is not queued"):
        Queue(lambda _: None).remove(entry(1))


def test_starting_skips_paused_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the block that has a startable entry is looked into."""
    monkeypatch.setattr(queue_module, "BLOCK_LIMIT", 100)
    looked: list[str] = []

    class Watched(Download):
        __slots__ = ()

        def __getattribute__(self, name: str) -> object:
            if name == "status":
                looked.append(object.__getattribute__(self, "gid"))
            return object.__getattribute__(self, name)

    queue = Queue(lambda _: None)
    for number in range(1000):
        queue.append(Watched(f"{number:016x}", REQUEST, Status.PAUSED))
    last = entry(1000)
    queue.append(last)
    looked.clear()
    assert queue.first_startable() is last
    assert len(looked) <= 100


def test_ranks_are_numbered_anew_when_there_is_none_left_between_two() -> None:
    told: list[int] = []
    queue = Queue(lambda _: told.append(len(queue)))
    for number in range(200):
        queue.insert(1, entry(number))
    assert told
    assert told[0] > 40


def test_garbage_does_not_last_because_it_was_taken_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "SETTLE", 2)

    class Knot:
        def __init__(self) -> None:
            self.itself = self

    knot = Knot()
    gc.collect()  # it is old now, as what a long download leaves behind
    left = weakref.ref(knot)
    del knot
    queue = Queue(lambda _: None)
    try:
        for number in range(2):
            queue.append(entry(number))
        assert left() is None
    finally:
        gc.unfreeze()
