"""Gives each test the marker of its folder: tests/engine/... is marked ``engine``.

Owns: that rule. Never: fixtures, which live in tests/conftest.py.
"""

from __future__ import annotations

import pytest

FOLDERS = frozenset({"unit", "engine", "contract", "differential", "fault", "browser", "bench", "packaging", "hostile"})


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark by the folder right below tests/."""
    parts = item.path.relative_to(item.config.rootpath).parts
    if len(parts) > 2 and parts[0] == "tests" and parts[1] in FOLDERS:
        item.add_marker(parts[1])
