"""Who gives way to whom, what strangers may keep in memory, and that no count is ever wrong."""

from __future__ import annotations

import asyncio
import resource
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.rpc.places import Place, Places, Standing

HERE, AFAR = "127.0.0.1", "192.0.2.1"


class Ends:
    """Hands out places and notes whose connection was cut off."""

    def __init__(self, most: int, most_kept: int = 1 << 20) -> None:
        self.places = Places(most, most_kept)
        self.ended: list[str] = []

    def take(self, name: str, peer: str = HERE, standing: Standing = Standing.STRANGER) -> Place | None:
        place = self.places.take(peer, lambda: self.ended.append(name))
        if place is not None:
            place.stands(standing)
        return place


def test_the_wrong_go_first_then_strangers_then_listeners_and_the_known_never() -> None:
    ends = Ends(5)
    for name, standing in (
        ("known", Standing.KNOWN),
        ("listener", Standing.LISTENER),
        ("old", Standing.STRANGER),
        ("young", Standing.STRANGER),
        ("wrong", Standing.SUSPECT),
    ):
        assert ends.take(name, standing=standing)
    for _ in range(4):
        assert ends.take("new", standing=Standing.KNOWN)
    assert ends.ended == ["wrong", "old", "young", "listener"]
    assert ends.take("none") is None
    assert ends.places.taken == 5


def test_others_give_way_to_this_machine_but_not_the_other_way_round() -> None:
    ends = Ends(8)
    for number in range(3):
        ends.take(f"here {number}")
    for number in range(4):
        ends.take(f"afar {number}", AFAR)
    assert ends.take("afar 4", AFAR)
    assert ends.ended == ["afar 0"]
    assert ends.places.taken == 7
    for number in range(3, 8):
        assert ends.take(f"here {number}")
    assert ends.ended[1:] == [f"afar {number}" for number in range(1, 5)]
    assert ends.take("afar 5", AFAR) is None
    assert ends.take("here 8")
    assert ends.ended[-1] == "here 0"


def test_what_has_ended_stays_ended() -> None:
    ends = Ends(2)
    place = ends.take("a")
    assert place is not None
    place.leave()
    place.leave()
    place.stands(Standing.KNOWN)
    place.keep(1 << 30)
    assert (ends.places.taken, ends.places.kept, ends.ended) == (0, 0, [])


def test_whoever_keeps_most_is_cut_off() -> None:
    ends = Ends(10, most_kept=1000)
    small, large, known = ends.take("small"), ends.take("large"), ends.take("known", standing=Standing.KNOWN)
    assert small is not None
    assert large is not None
    assert known is not None
    known.keep(1 << 30)
    small.keep(300)
    large.keep(700)
    assert ends.ended == []
    small.keep(301)
    assert ends.ended == ["large"]
    assert ends.places.kept == 301
    small.stands(Standing.KNOWN)
    assert ends.places.kept == 0


def test_the_newer_half_stays_when_the_system_is_at_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    ends = Ends(100)
    for number in range(9):
        ends.take(str(number))
    assert ends.places.make_much_room()
    assert ends.ended == ["0", "1", "2", "3"]
    for _ in range(5):
        ends.places.make_much_room()
    assert ends.places.taken == 1
    assert not ends.places.make_much_room()
    assert caplog.text.count("make room") == 1


def test_no_more_places_than_half_of_what_may_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 4096))
    assert Places(512).most == 128
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert Places(512).most == 512


async def test_a_hold_ends_with_the_connection() -> None:
    ends = Ends(1)
    place = ends.take("a")
    assert place is not None
    started = time.monotonic()
    await place.hold(0.05)
    assert time.monotonic() - started >= 0.05
    held = asyncio.create_task(place.hold(30.0))
    await asyncio.sleep(0)
    assert ends.take("b")
    await asyncio.wait_for(held, 5)
    assert ends.ended == ["a"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "leave", "keep", "stand"]),
        st.integers(0, 20),
        st.sampled_from(Standing),
        st.sampled_from([HERE, AFAR, "::1", "fe80::1%eth0", "no address"]),
        st.integers(0, 500),
    ),
    max_size=60,
)


@given(STEPS)
def test_counts_are_right_whatever_happens(steps: list[tuple[str, int, Standing, str, int]]) -> None:
    places = Places(6, 1000)
    alive: list[Place] = []
    for step, at, standing, peer, size in steps:
        if step == "take":
            taken = places.take(peer, lambda: None)
            if taken is not None:
                alive.append(taken)
        elif alive:
            place = alive[at % len(alive)]
            if step == "leave":
                place.leave()
            elif step == "keep":
                place.keep(size)
            else:
                place.stands(standing)
        alive = [place for place in alive if not place.gone.is_set()]
        assert places.taken == len(alive) <= 6
        strangers = [place for place in alive if place.standing is not Standing.KNOWN]
        assert places.kept == sum(place.kept for place in strangers) <= 1000
