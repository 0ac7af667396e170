"""Runs the asynchronous tests of this folder on both event loops, and counts descriptors around each.

Owns: the loops and the count. Never: servers, which are in peer.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import stat
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from tests.unit.net.peer import eventually


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test runs twice."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def _sockets() -> int:
    """Open sockets of this process; the loops' own pipes and spare files do not count."""
    count = 0
    for name in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):  # the listing's own descriptor is gone
            count += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return count


@pytest_asyncio.fixture
async def no_descriptor_left() -> AsyncIterator[None]:
    """The test closes what it opens, by the time its tasks have ended."""
    before = _sockets()
    yield
    if _sockets() > before:
        gc.collect()
    await eventually(lambda: _sockets() <= before, 2)  # uvloop closes a handle some turns later


@pytest.fixture(params=["engine", "python"])
def tls_mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """TLS by libssl in the engine, or by Python's ssl through the relay."""
    monkeypatch.setenv("SLASSHY_TLS", request.param)
    return str(request.param)


@pytest_asyncio.fixture
async def no_relay_left() -> AsyncIterator[None]:
    """The tasks behind Python's TLS end with their channels."""
    yield
    from slasshy_rpc.net import relay

    await eventually(lambda: not relay._running)
