"""A fetcher for each test of what can go wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.fetcher import Fetcher


@pytest_asyncio.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[Fetcher]:
    """Runs jobs that write below the test's own folder."""
    one = Fetcher(tmp_path / "downloads")
    yield one
    await one.close()
