"""A server that looks into media pages of the loop-back, and where it stores files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.media import OPTIONS
from tests.support.process import Server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Its --dir."""
    return tmp_path / "files"


@pytest.fixture
def options(folder: Path, tmp_path: Path) -> list[str]:
    """How it is started."""
    return [f"--dir={folder}", f"--state-dir={tmp_path / 'state'}", *OPTIONS]


@pytest.fixture
def server(options: list[str]) -> Iterator[Server]:
    """One of those."""
    with Server(*options) as started:
        yield started
