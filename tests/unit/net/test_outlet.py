"""From where connections are made: interfaces in turn, what is done when one is gone, and the mark on packets."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import SourceError, UsageError
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.dial import dial
from slasshy_rpc.net.outlet import Outlet
from tests.unit.net.peer import listening

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def connected(port: int, outlet: Outlet, host: str = "127.0.0.1") -> Channel:
    return await dial(Target("http", host, port), connect_timeout=5, outlet=outlet)


async def source(port: int, outlet: Outlet, host: str = "127.0.0.1") -> str:
    """The address that a connection comes from."""
    channel = await connected(port, outlet, host)
    try:
        with socket.socket(fileno=os.dup(channel.fd)) as sock:
            return str(sock.getsockname()[0])
    finally:
        channel.close()


@pytest.mark.parametrize("interface", ["127.0.0.2", "lo", "localhost"])
async def test_interface(interface: str) -> None:
    expected = interface if interface == "127.0.0.2" else "127.0.0.1"
    async with listening(serve) as port:
        assert await source(port, Outlet([interface])) == expected


@pytest.mark.parametrize("interface", ["nowhere.invalid", "203.0.113.9", "2001:db8::9", "lo99"])
async def test_interfaces_that_are_none(interface: str) -> None:
    with pytest.raises(UsageError, match=f"Failed to find given interface {interface}, cause: not available"):
        await Outlet(["127.0.0.2", interface]).prepare()


async def test_another_family_than_that_of_the_server() -> None:
    with pytest.raises(SourceError, match=r"cause: Address family not supported .*the interface that was chosen"):
        await connected(9, Outlet(["::1"]))


async def test_several_take_turns() -> None:
    outlet = Outlet(["127.0.0.2", "127.0.0.3", "127.0.0.4"])
    async with listening(serve) as port:
        assert [await source(port, outlet) for _ in range(5)] == [f"127.0.0.{n}" for n in (2, 3, 4, 2, 3)]


async def test_one_of_them_cannot_be_used() -> None:
    outlet = Outlet(["127.0.0.2", "::1"])
    async with listening(serve) as port:
        assert [await source(port, outlet) for _ in range(3)] == ["127.0.0.2"] * 3
    async with listening(serve, host="::1") as port:
        assert [await source(port, outlet, "::1") for _ in range(2)] == ["::1"] * 2


@pytest.mark.parametrize(("host", "level", "name"), [
    ("127.0.0.1", socket.IPPROTO_IP, socket.IP_TOS),
    ("::1", socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
])  # fmt: skip
@pytest.mark.parametrize(("dscp", "traffic_class"), [(0, 0), (46, 184), (63, 252), (64, 0), (2**62, 0)])
async def test_packets_are_marked(host: str, level: int, name: int, dscp: int, traffic_class: int) -> None:
    async with listening(serve, host=host) as port:
        channel = await connected(port, Outlet(dscp=dscp), host)
        with socket.socket(fileno=os.dup(channel.fd)) as sock:
            assert sock.getsockopt(level, name) == traffic_class
        channel.close()
