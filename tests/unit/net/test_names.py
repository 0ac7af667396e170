"""Names: asked once by many, forgotten in time; and of the user's own name servers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.dial import dial
from slasshy_rpc.net.names import AddrInfo, Names, NameServers, Unresolved, name_servers
from tests.support.nameserver import AAAA, A, NameServer
from tests.unit.net.peer import listening

TABLE = {"both.test": ["127.0.0.1", "::1"], "four.test": ["127.0.0.9"]}


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer(TABLE) as found:
        yield found


async def test_names_are_asked_once() -> None:
    names = Names(ttl=0.1)
    loop = asyncio.get_running_loop()
    started = await asyncio.gather(*(names.lookup("localhost", 80, socket.AF_INET) for _ in range(20)))
    assert all(found is started[0] for found in started)
    assert await names.lookup("localhost", 80, socket.AF_INET) is started[0]
    names.forget("localhost")
    again = await names.lookup("localhost", 80, socket.AF_INET)
    assert again is not started[0]
    await asyncio.sleep(0.12)
    assert await names.lookup("localhost", 80, socket.AF_INET) is not again
    task = loop.create_task(names.lookup("nowhere.invalid", 80, 0))
    other = loop.create_task(names.lookup("nowhere.invalid", 80, 0))
    await asyncio.sleep(0)
    task.cancel()  # one that gives up does not take the answer from the other
    with pytest.raises(socket.gaierror):
        await other


async def test_no_more_answers_are_kept_than_allowed() -> None:
    asked = []

    async def lookup(host: str, port: int, family: int) -> list[AddrInfo]:
        asked.append(host)
        return []

    names = Names(lookup, limit=2)
    for host in "abcca":
        await names.lookup(host, 80, 0)
    assert asked == ["a", "b", "c", "a"]


async def test_a_lookup_that_nobody_waits_for_any_more_is_quiet() -> None:
    names, said = Names(), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context))
    task = asyncio.create_task(names.lookup("nowhere.invalid", 80, 0))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(socket.gaierror):
        await names.lookup("nowhere.invalid", 80, 0)
    await asyncio.sleep(0)
    assert not said


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        (" , ", ()),
        ("192.0.2.1", ("192.0.2.1:53",)),
        ("192.0.2.1:5353, 2001:db8::1,[2001:db8::2]:54", ("192.0.2.1:5353", "[2001:db8::1]:53", "[2001:db8::2]:54")),
        ("[2001:db8::2]", ("[2001:db8::2]:53",)),
    ],
)
def test_lists_of_name_servers(text: str, found: tuple[str, ...]) -> None:
    assert name_servers(text) == found


@pytest.mark.parametrize(
    "text", ["dns.test", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x", "1.2.3", "[::1", "::1,y"]
)
def test_what_is_no_name_server(text: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a name server"):
        name_servers(text)


async def test_the_servers_that_were_given_are_asked(server: NameServer) -> None:
    servers = NameServers(name_servers(server.place))
    try:
        found = await servers.lookup("four.test", 80, socket.AF_INET)
        assert found == [(socket.AF_INET, socket.SOCK_STREAM, found[0][2], "", ("127.0.0.9", 80))]
        assert server.asked == [("four.test", A)]
        both = await servers.lookup("both.test", 81, socket.AF_UNSPEC)
        assert sorted(address[4][:2] for address in both) == [("127.0.0.1", 81), ("::1", 81)]
        assert set(server.asked[1:]) == {("both.test", A), ("both.test", AAAA)}
    finally:
        servers.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%lo"])
async def test_addresses_are_not_asked_for(server: NameServer, address: str) -> None:
    servers = NameServers(name_servers(server.place))
    (found,) = await servers.lookup(address, 80, socket.AF_UNSPEC)
    assert found[4][0] == address.partition("%")[0]
    assert not server.asked
    servers.close()


def listed() -> tuple[str, str]:
    """(name, address) of this machine's hosts file; c-ares knows localhost without it, so that comes last."""
    for line in Path("/etc/hosts").read_text().splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        others = [name for name in names if not name.startswith(("localhost", "ip6-"))]
        if others and ":" not in address:
            return others[0], address
    return "localhost", "127.0.0.1"


async def test_the_hosts_file_comes_first() -> None:
    name, address = listed()
    with NameServer({name: ["192.0.2.1"]}) as server:
        servers = NameServers(name_servers(server.place))
        try:
            assert [one[4] for one in await servers.lookup(name, 80, socket.AF_INET)] == [(address, 80)]
            assert not server.asked
        finally:
            servers.close()


@pytest.mark.parametrize("host", ["none.test", "four.test"])
async def test_a_name_without_an_address(server: NameServer, host: str) -> None:
    servers = NameServers(name_servers(server.place))
    with pytest.raises(Unresolved) as caught:
        await servers.lookup(host, 80, socket.AF_INET6)
    assert caught.value.errno == socket.EAI_NONAME
    servers.close()


async def test_no_name_server_answers() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    servers = NameServers((f"127.0.0.1:{port}",))
    with pytest.raises(Unresolved) as caught:
        await servers.lookup("four.test", 80, socket.AF_INET)
    assert (caught.value.errno, caught.value.strerror) == (socket.EAI_AGAIN, "Could not contact DNS servers")
    servers.close()


async def test_what_a_dial_says_of_it(server: NameServer) -> None:
    servers = NameServers(name_servers(server.place))
    names = Names(servers.lookup)
    with pytest.raises(SourceError, match=r"Name resolution for none\.test failed") as caught:
        await dial(Target("http", "none.test", 80), connect_timeout=5, names=names)
    assert (caught.value.code, caught.value.retry) == (ErrorCode.NAME_RESOLUTION, Retry.NEXT_SOURCE)
    assert caught.value.terse == "Name resolution for none.test failed:Domain name not found"
    servers.close()


async def test_a_silent_server_takes_no_longer_than_a_dial_may() -> None:
    with NameServer(TABLE, silent=True) as server:
        servers = NameServers(name_servers(server.place))
        with pytest.raises(SourceError, match="its name was not resolved within"):
            await dial(Target("http", "four.test", 80), connect_timeout=0.3, names=Names(servers.lookup))
        servers.close()


async def test_a_connection_to_a_name_of_theirs(server: NameServer) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    servers = NameServers(name_servers(server.place))
    async with listening(talk) as port:
        target = Target("http", "both.test", port)
        (await dial(target, connect_timeout=5, names=Names(servers.lookup))).close()
    servers.close()
