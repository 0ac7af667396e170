"""How many downloads run at once when their number follows the speed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import OptionSet, parse_value
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session import slots as slots_module
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.slots import MEMORY, Slots
from slasshy_rpc.values import Snapshot, Status
from tests.support.fake_protocol import Stage, options, turns, until

MBIT = 125_000  # bytes/s


class Running(Download):
    """At a speed of its own, in bytes/s."""

    def __init__(self, speed: int) -> None:
        super().__init__("", Request((), options()), Status.ACTIVE)
        self.speed = speed

    def snapshot(self, *, files: bool = True) -> Snapshot:
        return Snapshot(download_speed=self.speed)


def given(rule: str, most: str = "100") -> OptionSet:
    text = parse_value(TABLE["optimize-concurrent-downloads"], rule, compat=True)
    assert isinstance(text, str)
    return options(optimize_concurrent_downloads=text, max_concurrent_downloads=most)


@pytest.mark.parametrize(
    ("rule", "speed", "most"),
    [
        ("false", 100 * MBIT, 100),
        ("true", 0, 100),  # nothing was seen yet
        ("true", MBIT, 5),
        ("true", 10 * MBIT, 30),
        ("true", 100 * MBIT, 55),
        ("true", MBIT // 100, 1),
        ("true", 10**9 * MBIT, 100),
        ("2:3", 10 * MBIT, 5),
        ("2.5:0", 10 * MBIT, 3),
        ("nan:1", MBIT, 100),
        ("1:inf", 2 * MBIT, 100),
        ("-inf:1", MBIT, 1),
    ],
)
def test_the_rule(rule: str, speed: int, most: int) -> None:
    assert Slots({"": Running(speed)}).most(given(rule)) == most


def test_the_highest_speed_counts_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(slots_module, "monotonic", lambda: now[0])
    running, rule = Running(10 * MBIT), given("true")
    slots = Slots({"": running})
    assert slots.most(rule) == 30
    running.speed = MBIT
    now[0] += MEMORY
    assert slots.most(rule) == 30
    now[0] += 0.1
    assert slots.most(rule) == 5


async def test_more_start_once_they_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "LOOK", 0.01)
    stage = Stage(given("1:10", most="3"))
    gids = [await stage.add() for _ in range(1)]
    stage.job(gids[0]).state = replace(stage.job(gids[0]).state, download_speed=MBIT)
    gids += [await stage.add() for _ in range(2)]
    assert len(stage.session.active) == 1
    stage.job(gids[0]).state = replace(stage.job(gids[0]).state, download_speed=100 * MBIT)
    await until(lambda: len(stage.session.active) == 3)
    assert not len(stage.session.queue)


async def test_global_options_show_the_rule_as_aria2_does() -> None:
    stage = Stage(options())
    await stage.call("changeGlobalOption", {"optimize-concurrent-downloads": "1.5:2"})
    assert (await stage.call("getGlobalOption"))["optimize-concurrent-downloads"] == "true"
    assert stage.session.options.text("optimize-concurrent-downloads") == "1.5:2"
    await stage.call("changeGlobalOption", {"optimize-concurrent-downloads": "false"})
    assert (await stage.call("getGlobalOption"))["optimize-concurrent-downloads"] == "false"
    await turns()
