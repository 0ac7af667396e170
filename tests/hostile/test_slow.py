"""Peers that take their time: heads, bodies, frames and handshakes byte by byte or never, readers that never read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.conftest import SECRET, Watch, settings, sound
from tests.support.certs import Certificates
from tests.support.fake_api import serving
from tests.support.process import Server
from tests.support.rpc_wire import Wire, handshake, head

#: More than there are places.
PEERS = 600
#: Seconds for which they go on.
SECONDS = 0.8
BATCH = json.dumps([{"id": 1, "method": "system.listMethods"}] * 600).encode()

HANDSHAKE = handshake("Origin: https://evil.example")

#: What is said at once, and what follows it byte by byte.
PEERS_KINDS = [
    ("heads", b"", head("POST", "/jsonrpc", "Content-Length: 2") * 9),
    ("bodies", head("POST", "/jsonrpc", "Content-Length: 2000000"), b" " * 1000),
    ("bodies in chunks", head("POST", "/jsonrpc", "Transfer-Encoding: chunked"), b"1\r\n \r\n" * 200),
    ("bodies that stall", head("POST", "/jsonrpc", "Content-Length: 2000000") + b" " * 100_000, b""),
    ("bodies of XML", head("POST", "/rpc", "Content-Length: 2000000") + b"<methodCall>", b"<a>" * 300),
    ("frames", HANDSHAKE + b"\x81\xfe\xff\xff\0\0\0\0", b" " * 1000),
    ("silence", b"", b""),
    ("lines without a head", b"GET /", b"a" * 1000),
    ("readers that never read", head("POST", "/jsonrpc", f"Content-Length: {len(BATCH)}") + BATCH, b""),
]


class Peers:
    """Many connections, made as fast as they are taken; what ends one of them ends no other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sockets: list[socket.socket] = []

    async def come(self, count: int, first: bytes = b"") -> None:
        """Connect ``count`` of them, each of which says ``first``."""
        loop = asyncio.get_running_loop()
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.sockets.append(one)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await loop.sock_connect(one, ("127.0.0.1", self._port))
                    await loop.sock_sendall(one, first)

    async def drip(self, rest: bytes, seconds: float = SECONDS) -> None:
        """Send ``rest`` byte by byte, all of them in turn, for so long; those that were cut off come again."""
        end = time.monotonic() + seconds
        for at in range(len(rest) or 1):
            for one in self.sockets:
                with contextlib.suppress(OSError):
                    one.send(rest[at : at + 1])
            await asyncio.sleep(0.01 if rest else seconds)
            if time.monotonic() > end:
                return

    def leave(self) -> None:
        """Close them all."""
        for one in self.sockets:
            one.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all, with a secret."""
    with Server(*settings(tmp_path_factory.mktemp("slow"), f"--rpc-secret={SECRET}")) as one:
        yield one
        sound(one)


@pytest.mark.parametrize(("name", "first", "rest"), PEERS_KINDS, ids=[name for name, _, _ in PEERS_KINDS])
async def test_slow(name: str, first: bytes, rest: bytes, server: Server, watched: Watch) -> None:
    peers = Peers(server.port)
    try:
        with watched(server):
            await peers.come(PEERS, first)
            await peers.drip(rest)
    finally:
        peers.leave()


async def test_half_a_handshake(tmp_path: Path, certificates: Certificates, watched: Watch) -> None:
    pair = certificates.issue(*Certificates.NAMES)
    options = ("--rpc-secure", f"--rpc-certificate={pair.certificate}", f"--rpc-private-key={pair.key}")
    with Server(*settings(tmp_path, f"--rpc-secret={SECRET}", *options)) as server:
        for first, rest in (
            (b"", b""),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", bytes(500)),
            (b"GET / ", b""),
        ):
            peers = Peers(server.port)
            try:
                with watched(server, authority=str(certificates.authority)):
                    await peers.come(PEERS, first)
                    await peers.drip(rest, 0.3)
            finally:
                peers.leave()
        sound(server)


@pytest.mark.parametrize(
    "first", [b"", b"GET / HT", head("POST", "/jsonrpc", "Content-Length: 9") + b"[", HANDSHAKE, HANDSHAKE + b"\x81"]
)
async def test_silence_ends_in_time(first: bytes) -> None:
    """None keeps its place for longer than the idle time-out, however far it has come."""
    async with serving(secret="s", idle_timeout=0.3) as server, contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(server.host, server.port)) for _ in range(100)]
        for wire in wires:
            await wire.send(first)
        async with asyncio.timeout(5):
            for wire in wires:
                with contextlib.suppress(ConnectionError):
                    await wire.reader.read()  # an answer perhaps, and the end
