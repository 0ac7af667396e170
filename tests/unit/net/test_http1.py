"""Exchanges on real sockets: what a server may do to one, and what is left registered afterwards (nothing)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest

from slasshy_rpc._engine import CHUNKED, LENGTH, READ, WRITE, Channel
from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net.address import parse
from slasshy_rpc.net.http1 import build_head, discard, framing, read_body, request
from slasshy_rpc.net.ready import ready
from tests.unit.net.peer import pair

pytestmark = pytest.mark.usefixtures("no_descriptor_left")

HEAD = build_head(parse("http://example.org:8080/"))


@contextlib.contextmanager
def connection() -> Iterator[tuple[Channel, socket.socket]]:
    """A Channel and its server's end."""
    channel, theirs = pair()
    with theirs:
        try:
            yield channel, theirs
        finally:
            channel.close()


def registered(fd: int) -> bool:
    """Whether the running loop still watches ``fd``."""
    loop = asyncio.get_running_loop()
    return loop.remove_reader(fd) or loop.remove_writer(fd)


async def test_an_exchange() -> None:
    with connection() as (channel, theirs):
        theirs.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        head = await request(channel, HEAD, timeout=5)
        assert theirs.recv(1 << 16) == HEAD
        assert (head.status, head.leftover) == (200, b"ab")
        assert framing(head) == (LENGTH, 4)
        theirs.send(b"cd")
        assert await read_body(channel, head, 4, timeout=5) == b"abcd"
        assert channel.body_left == 0
        assert not channel.stale()
        assert not registered(channel.fd)


async def test_a_head_that_comes_byte_by_byte() -> None:
    with connection() as (channel, theirs):
        task = asyncio.create_task(request(channel, HEAD, timeout=5))
        for byte in b"HTTP/1.1 206 Partial Content\r\nA: b\r\n\r\n":
            await asyncio.sleep(0)
            theirs.send(bytes((byte,)))
        head = await task
        assert (head.status, head.leftover) == (206, b"")


async def test_a_long_head_of_ours_goes_out_in_parts() -> None:
    with connection() as (channel, theirs):
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        long = build_head(parse("http://h/"), extra=["X: " + "a" * (4 << 20)])
        task = asyncio.create_task(request(channel, long, timeout=20))
        received = bytearray()
        loop = asyncio.get_running_loop()
        while len(received) < len(long):
            received += await loop.sock_recv(theirs, 1 << 20)
        theirs.send(b"HTTP/1.1 200 OK\n\n")
        assert (await task).status == 200
        assert received == long


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_an_end_before_the_head(sent: bytes) -> None:
    with connection() as (channel, theirs):
        theirs.send(sent)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(SourceError, match=r"^Got EOF from the server\..*example\.org:8080") as caught:
            await request(channel, HEAD, timeout=5)
        assert (caught.value.code, caught.value.retry) == (ErrorCode.UNKNOWN, Retry.SAME_SOURCE)


async def test_a_server_that_hangs_up_while_we_send() -> None:
    with connection() as (channel, theirs):
        theirs.close()
        with pytest.raises(SourceError, match=r"^Failed to send data, cause: Broken pipe.*example") as caught:
            await request(channel, HEAD, timeout=5)
        assert caught.value.retry == Retry.SAME_SOURCE


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n"])
async def test_silence(sent: bytes) -> None:
    with connection() as (channel, theirs):
        theirs.send(sent)
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"^Timeout\. example\.org:8080.* 0\.1 seconds") as caught:
            await request(channel, HEAD, timeout=0.1)
        assert caught.value.code == ErrorCode.TIMEOUT
        assert 0.09 < time.monotonic() - started < 2
        assert not registered(channel.fd)


async def test_a_drip_does_not_stretch_the_time() -> None:
    with connection() as (channel, theirs):
        task = asyncio.create_task(request(channel, HEAD, timeout=0.2))
        theirs.send(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):
            if task.done():
                break
            theirs.send(b"a")
            await asyncio.sleep(0.01)
        with pytest.raises(SourceError, match="Timeout"):
            await task


async def test_rubbish_is_refused_at_once() -> None:
    with connection() as (channel, theirs):
        theirs.send(b"220 ftp ready\r\n")
        with pytest.raises(SourceError, match="is this the right port") as caught:
            await request(channel, HEAD, timeout=5)
        assert caught.value.code == ErrorCode.UNKNOWN


@pytest.mark.parametrize("writing", [False, True])
async def test_a_cancelled_wait_leaves_nothing_behind(writing: bool) -> None:
    with connection() as (channel, _):
        if writing:
            while channel.send(b"a" * 65536) != -1:
                pass
        else:
            assert channel.recv(1) is None
        assert channel.wants == (WRITE if writing else READ)
        task = asyncio.create_task(ready(channel, 5))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not registered(channel.fd)
        fd = channel.fd
        channel.close()  # the next descriptor has the number of the last: a stale registration would show
        again, theirs = pair()
        try:
            assert fd in (again.fd, theirs.fileno())
            waiting = asyncio.create_task(ready(again, 5))
            await asyncio.sleep(0)
            theirs.send(b"x")
            await waiting
        finally:
            again.close()
            theirs.close()


async def test_ready_for_no_time() -> None:
    with connection() as (channel, theirs):
        theirs.send(b"x")
        with pytest.raises(TimeoutError):
            await ready(channel, 0)


async def test_a_rest_is_discarded() -> None:
    with connection() as (channel, theirs):
        channel.begin_body(LENGTH, 10, b"abc")
        theirs.send(b"d")
        asyncio.get_running_loop().call_later(0.01, theirs.send, b"efghij")
        assert await discard(channel, 10, timeout=5)
        assert channel.body_left == 0
        theirs.send(b"HTTP/1.1 200 OK\r\n\r\n")
        assert (await request(channel, HEAD, timeout=5)).status == 200


async def test_rests_that_are_not_worth_it() -> None:
    with connection() as (channel, theirs):
        channel.begin_body(LENGTH, 10, b"abc")
        assert not await discard(channel, 9)
        channel.begin_body(LENGTH, 0) if channel.recv(10) else None
        channel.begin_body(CHUNKED, 0)
        assert not await discard(channel)
        channel.begin_body(LENGTH, 10)
        assert not await discard(channel, timeout=0.05)
        theirs.shutdown(socket.SHUT_WR)
        assert not await discard(channel)


@pytest.mark.parametrize("length", [0, 3])
async def test_more_than_was_promised_makes_a_channel_stale(length: int) -> None:
    with connection() as (channel, theirs):
        theirs.send(b"HTTP/1.1 200 OK\r\n\r\nabcdef")
        head = await request(channel, HEAD, timeout=5)
        assert await read_body(channel, head, length, timeout=5) == b"abcdef"[:length]
        assert channel.stale()


async def test_a_body_that_ends_early() -> None:
    with connection() as (channel, theirs):
        theirs.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc")
        head = await request(channel, HEAD, timeout=5)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(SourceError, match=r"^Got EOF from the server\. It closed the connection 2 bytes before"):
            await read_body(channel, head, 5, timeout=5)


async def test_cancel_between_bytes() -> None:
    with connection() as (channel, theirs):
        task = asyncio.create_task(request(channel, HEAD, timeout=5))
        await asyncio.sleep(0.01)
        theirs.send(b"HTTP/1.1")
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not registered(channel.fd)
        assert os.fstat(channel.fd)
