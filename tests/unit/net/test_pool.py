"""Idle channels: the last first, none that is stale, none too old, none too many."""

from __future__ import annotations

import asyncio
import socket

import pytest

from slasshy_rpc._engine import LENGTH, Channel
from slasshy_rpc.net.pool import Pool
from tests.unit.net.peer import pair

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


async def test_taken_in_reverse_and_by_key() -> None:
    pool = Pool()
    channels = [pair() for _ in range(3)]
    for key, (channel, _) in zip("aab", channels, strict=True):
        pool.give(key, channel)
    assert len(pool) == 3
    assert pool.take("a") is channels[1][0]
    assert pool.take("a") is channels[0][0]
    assert pool.take("a") is None
    assert pool.take("c") is None
    pool.give("a", channels[0][0])
    pool.close()
    assert [channel.closed for channel, _ in channels] == [True, False, True]
    pool.give("a", channels[1][0])
    assert [channel.closed for channel, _ in channels] == [True, True, True]
    for _, theirs in channels:
        theirs.close()


@pytest.mark.parametrize("what", ["closed", "spoke"])
async def test_stale_ones_are_not_given_out(what: str) -> None:
    pool = Pool()
    good, bad = pair(), pair()
    pool.give("a", good[0])
    pool.give("a", bad[0])
    if what == "closed":
        bad[1].shutdown(socket.SHUT_WR)
    else:
        bad[1].send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert pool.take("a") is good[0]
    assert bad[0].closed
    assert len(pool) == 0
    pool.close()
    for channel, theirs in (good, bad):
        channel.close()
        theirs.close()


async def test_half_read_ones_are_not_kept() -> None:
    pool = Pool()
    channel, theirs = pair()
    channel.begin_body(LENGTH, 3, b"a")
    pool.give("a", channel)
    assert channel.closed
    pool.give("a", channel)
    assert len(pool) == 0
    theirs.close()


async def test_limits_close_the_oldest() -> None:
    pool = Pool(limit=3, key_limit=2)
    made: list[tuple[Channel, socket.socket]] = [pair() for _ in range(5)]
    for key, (channel, _) in zip("aaabb", made, strict=True):
        pool.give(key, channel)
    assert [channel.closed for channel, _ in made] == [True, True, False, False, False]
    pool.close()
    for _, theirs in made:
        theirs.close()


async def test_old_ones_are_closed_without_being_asked_for() -> None:
    pool = Pool(idle=0.05)
    made = [pair() for _ in range(2)]
    pool.give("a", made[0][0])
    await asyncio.sleep(0.03)
    pool.give("a", made[1][0])
    await asyncio.sleep(0.035)
    assert [channel.closed for channel, _ in made] == [True, False]
    await asyncio.sleep(0.04)
    assert made[1][0].closed
    assert len(pool) == 0
    pool.close()
    for _, theirs in made:
        theirs.close()
