"""Connecting: what is set on the socket, what every failure is called, and that nothing stays open after one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator

import pytest

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net.address import Target, parse
from slasshy_rpc.net.dial import dial
from slasshy_rpc.net.http1 import build_head, request
from slasshy_rpc.net.names import AddrInfo, Names
from tests.unit.net.peer import listening

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One answer, then wait for the client to go."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await reader.read()


def http(port: int, host: str = "127.0.0.1") -> Target:
    return Target("http", host, port)


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    """A port on which nobody listens."""
    with socket.socket(family) as sock:
        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return int(sock.getsockname()[1])


def option(channel: Channel, level: int, name: int) -> int:
    with socket.socket(fileno=os.dup(channel.fd)) as sock:
        return sock.getsockopt(level, name)


class Scripted(Names):
    """A resolver that answers from a table, after a delay in seconds."""

    def __init__(self, *addresses: AddrInfo, delay: float = 0) -> None:
        super().__init__()
        self.addresses = list(addresses)
        self.delay = delay

    async def lookup(self, host: str, port: int, family: int) -> list[AddrInfo]:
        await asyncio.sleep(self.delay)
        return self.addresses


def ipv4(address: str, port: int) -> AddrInfo:
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


def ipv6(address: str, port: int) -> AddrInfo:
    return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))


@contextlib.contextmanager
def full() -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        for _ in range(8):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_connection(host: str) -> None:
    async with listening(serve) as port:
        channel = await dial(http(port, host), connect_timeout=5, receive_buffer=123456)
        try:
            assert option(channel, socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert option(channel, socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert option(channel, socket.SOL_SOCKET, socket.SO_RCVBUF) in (123456, 246912)
            assert not os.get_blocking(channel.fd)
            assert not os.get_inheritable(channel.fd)
            assert (await request(channel, build_head(http(port)), timeout=5)).status == 204
        finally:
            channel.close()


async def test_ipv6() -> None:
    async with listening(serve, host="::1") as port:
        (await dial(http(port, "::1"), connect_timeout=5)).close()
        with pytest.raises(SourceError, match="disable-ipv6"):
            await dial(http(port, "::1"), connect_timeout=5, disable_ipv6=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_refused(host: str) -> None:
    port = free_port(socket.AF_INET6 if host == "::1" else socket.AF_INET)
    with pytest.raises(SourceError) as caught:
        await dial(http(port, host), connect_timeout=5)
    start = "Failed to establish connection, cause: Connection refused"
    assert str(caught.value).startswith(start)
    assert http(port, host).place in str(caught.value)
    assert (caught.value.code, caught.value.retry) == (ErrorCode.UNKNOWN, Retry.SAME_SOURCE)


async def test_refused_here_and_unreachable_there() -> None:
    names = Scripted(ipv4("255.255.255.255", 9), ipv4("127.0.0.1", free_port()))
    with pytest.raises(SourceError, match="cause: Connection refused"):
        await dial(http(9, "two.example"), connect_timeout=5, names=names)


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".example"])
async def test_unknown_names(host: str) -> None:
    with pytest.raises(SourceError, match=f"^Name resolution for {host} failed:") as caught:
        await dial(http(80, host), connect_timeout=20)
    assert caught.value.code == ErrorCode.NAME_RESOLUTION


async def test_time_out_while_connecting() -> None:
    with full() as port:
        started = time.monotonic()
        with pytest.raises(SourceError, match=rf"^Timeout\. 127\.0\.0\.1:{port}: it did not accept.*0\.2") as caught:
            await dial(http(port), connect_timeout=0.2)
        assert caught.value.code == ErrorCode.TIMEOUT
        assert time.monotonic() - started < 2


async def test_time_out_while_resolving() -> None:
    with pytest.raises(SourceError, match=r"^Timeout\. slow\.example:80: its name was not resolved"):
        await dial(http(80, "slow.example"), connect_timeout=0.1, names=Scripted(delay=5))


async def test_time_out_in_the_handshake(tls_mode: str) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port:
        with pytest.raises(SourceError, match="TLS handshake was not finished"):
            await dial(Target("https", "127.0.0.1", port), connect_timeout=0.2)


@pytest.mark.parametrize("dead", ["refusing", "silent"])
async def test_a_dead_address_does_not_hide_a_live_one(dead: str) -> None:
    async with listening(serve) as port:
        with full() as silent:
            first = ipv4("127.0.0.1", silent) if dead == "silent" else ipv6("::1", free_port(socket.AF_INET6))
            started = time.monotonic()
            channel = await dial(
                http(port, "two.example"), connect_timeout=5, names=Scripted(first, ipv4("127.0.0.1", port))
            )
            channel.close()
            assert time.monotonic() - started < 2


async def test_cancelled_while_connecting() -> None:
    with full() as port:
        task = asyncio.create_task(dial(http(port), connect_timeout=5))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_plain_http_needs_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slasshy_rpc.net.tls.native", lambda: pytest.fail("TLS was looked for"))
    async with listening(serve) as port:
        (await dial(parse(f"http://127.0.0.1:{port}/"), connect_timeout=5)).close()
