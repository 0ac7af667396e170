"""Every test of the session ends its sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.fake_protocol import close_all


@pytest_asyncio.fixture(autouse=True)
async def no_session_outlives_its_test() -> AsyncIterator[None]:
    yield
    await close_all()
