"""More connections, guesses, pings and requests than any client makes, one kind at a time and all at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.hostile.conftest import SECRET, Watch, settings, sound
from tests.hostile.test_slow import HANDSHAKE, PEERS_KINDS, Peers
from tests.support.process import Server
from tests.support.rpc_wire import Socket, Wire, head

IDLE = 10_000
SECONDS = 0.8
PLACES = 512

GOOD = {"id": 1, "method": "aria2.getVersion", "params": [f"token:{SECRET}"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all, with a secret."""
    with Server(*settings(tmp_path_factory.mktemp("floods"), f"--rpc-secret={SECRET}")) as one:
        yield one
        sound(one)


@pytest.fixture
def room() -> Iterator[int]:
    """How many sockets this process may open, as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield 1 << 30 if hard == resource.RLIM_INFINITY else hard - 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def descriptors(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


async def test_ten_thousand_idle_sockets(server: Server, watched: Watch, room: int) -> None:
    """Those of whom nothing is heard make room for others; the server keeps no more of them than it has places."""
    before = descriptors(server)
    peers = Peers(server.port)
    try:
        with watched(server):
            await peers.come(min(IDLE, room))
            await asyncio.sleep(0.5)
            assert descriptors(server) <= before + PLACES + 50  # some are on their way out
    finally:
        peers.leave()
    assert server.said.count("make room") <= 3


async def guesses(port: int, seconds: float = SECONDS, at_once: int = 1000) -> None:
    """Wrong tokens, each over a connection of its own, none of which waits for its answer to make the next."""
    body = json.dumps({"id": 1, "method": "aria2.getVersion", "params": ["token:guess"]}).encode()
    data = head("POST", "/jsonrpc", f"Content-Length: {len(body)}") + body
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        peers = Peers(port)
        await peers.come(at_once, data)
        peers.leave()


async def held(port: int, seconds: float = SECONDS) -> None:
    """Wrong tokens whose answers are awaited, over more connections than there are."""
    body = json.dumps({"id": 1, "method": "aria2.getVersion", "params": ["token:guess"]}).encode()
    peers = Peers(port)
    await peers.come(PLACES + 100, head("POST", "/jsonrpc", f"Content-Length: {len(body)}") + body)
    await asyncio.sleep(seconds)
    peers.leave()


async def socket_guesses(port: int, seconds: float = SECONDS) -> None:
    """The same over WebSockets, as many as each of them takes."""

    async def one() -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with Socket("127.0.0.1", port) as socket:
                await socket.open("Origin: https://evil.example")
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    await socket.call(1, "aria2.getVersion", "token:guess")
                    await asyncio.sleep(0.001)

    await asyncio.gather(*(one() for _ in range(20)))


async def flooded(port: int, start: bytes, piece: bytes, seconds: float = SECONDS, at_once: int = 4) -> None:
    """``start``, and then ``piece`` as often as it is taken, over some connections whose answers are read."""

    async def one() -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with Wire("127.0.0.1", port) as wire:
                    reading = asyncio.create_task(_drained(wire.reader))
                    try:
                        async with asyncio.timeout(max(0.0, end - time.monotonic())):
                            await wire.send(start)
                            while not reading.done():
                                await wire.send(piece)
                    finally:
                        reading.cancel()

    await asyncio.gather(*(one() for _ in range(at_once)))


async def _drained(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 20):
            pass


def framed(message: bytes, opcode: int = 1) -> bytes:
    return bytes([0x80 | opcode, 0x80 | len(message)]) + b"\0\0\0\0" + message


async def pings(port: int) -> None:
    await flooded(port, HANDSHAKE, framed(b"", 9) * 40_000)


async def pings_before_a_pong(port: int) -> None:
    await flooded(port, HANDSHAKE.replace(b"Origin: https://evil.example\r\n", b""), framed(b"", 9) * 4000)


async def small_messages(port: int) -> None:
    await flooded(port, HANDSHAKE, framed(b"[]") * 20_000)


async def parts_of_nothing(port: int) -> None:
    await flooded(port, HANDSHAKE + b"\x01\x80\0\0\0\0", b"\0\x80\0\0\0\0" * 40_000)


async def pipelined(port: int) -> None:
    body = b'{"id":1,"method":"system.listMethods"}'
    await flooded(port, b"", (head("POST", "/jsonrpc", f"Content-Length: {len(body)}") + body) * 500)


async def pipelined_nonsense(port: int) -> None:
    await flooded(port, b"", head("GET", "/nowhere") * 2000)


async def resets(port: int, seconds: float = SECONDS) -> None:
    """Connections that end at once, with a reset."""
    end = time.monotonic() + seconds
    loop = asyncio.get_running_loop()
    while time.monotonic() < end:
        for _ in range(50):
            with contextlib.suppress(OSError), socket.socket() as one:
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await loop.sock_connect(one, ("127.0.0.1", port))
        await asyncio.sleep(0)


FLOODS = [
    guesses, held, socket_guesses, pings, pings_before_a_pong, small_messages, parts_of_nothing, pipelined,
    pipelined_nonsense, resets,
]  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS)
async def test_flood(flood: Callable[[int], Awaitable[None]], server: Server, watched: Watch) -> None:
    with watched(server):
        await flood(server.port)


async def test_all_at_once(server: Server, watched: Watch) -> None:
    """A little of each; what one attacker of a fast network could send."""
    slow = [Peers(server.port) for _ in PEERS_KINDS]

    async def dripped(peers: Peers, first: bytes, rest: bytes) -> None:
        await peers.come(60, first)
        await peers.drip(rest, 2 * SECONDS)

    try:
        with watched(server):
            await asyncio.gather(
                *(dripped(peers, first, rest) for peers, (_, first, rest) in zip(slow, PEERS_KINDS, strict=True)),
                guesses(server.port, at_once=100),
                socket_guesses(server.port),
                flooded(server.port, HANDSHAKE, framed(b"", 9) * 1000, at_once=1),
                flooded(server.port, b"", head("GET", "/nowhere") * 100, at_once=1),
                resets(server.port),
            )
    finally:
        for peers in slow:
            peers.leave()


async def test_no_descriptors_left(guarded: Server, watched: Watch) -> None:
    """Who has shown no token makes room for who comes; nothing spins, and the server goes on listening."""
    process = psutil.Process(guarded.pid)
    limits = resource.prlimit(guarded.pid, resource.RLIMIT_NOFILE)
    peers = Peers(guarded.port)
    try:
        with watched(guarded):
            highest = max(map(int, os.listdir(f"/proc/{guarded.pid}/fd")))
            resource.prlimit(guarded.pid, resource.RLIMIT_NOFILE, (highest + 30, limits[1]))
            await peers.come(200)
            await asyncio.sleep(0.5)
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(0.5)
        assert sum(process.cpu_times()[:2]) - before < 0.25
    finally:
        resource.prlimit(guarded.pid, resource.RLIMIT_NOFILE, limits)
        peers.leave()
    assert guarded.call("aria2.getVersion", f"token:{SECRET}")["version"] == "1.37.0"


async def test_no_descriptors_left_at_all(guarded: Server) -> None:
    """Nobody could make room: those who come wait, and are served once there is some."""
    process = psutil.Process(guarded.pid)
    limits = resource.prlimit(guarded.pid, resource.RLIMIT_NOFILE)
    async with contextlib.AsyncExitStack() as stack:
        known = [await stack.enter_async_context(Wire("127.0.0.1", guarded.port)) for _ in range(10)]
        for wire in known:
            assert (await wire.post(GOOD)).status == 200
        try:
            resource.prlimit(guarded.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
            late = await stack.enter_async_context(Wire("127.0.0.1", guarded.port))
            answer = asyncio.create_task(late.post(GOOD))
            before = sum(process.cpu_times()[:2])
            for wire in known:
                assert (await wire.post(GOOD)).status == 200
            await asyncio.sleep(0.7)
            assert sum(process.cpu_times()[:2]) - before < 0.3
            assert not answer.done()
        finally:
            resource.prlimit(guarded.pid, resource.RLIMIT_NOFILE, limits)
        assert (await answer).status == 200
