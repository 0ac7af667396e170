"""How a connection comes in, and that its protocol hears of its end whenever that comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest
import uvloop

from slasshy_rpc.rpc.door import Door
from slasshy_rpc.rpc.lane import Lane
from slasshy_rpc.rpc.places import Place, Places
from tests.support.certs import Certificates
from tests.support.fake_protocol import until

PLACES = 4


class Inside(asyncio.Protocol):
    """What is behind the door: ``now`` are in, ``ever`` have been."""

    now = ever = 0

    def __init__(self, place: Place) -> None:
        self._place = place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        Inside.now += 1
        Inside.ever += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        Inside.now -= 1
        self._place.leave()


def test_who_is_cut_off_on_his_way_in_is_not_kept() -> None:
    """Newcomers cut off those who came in the same turn of the server's own kind of loop; nothing of them stays."""
    Inside.now = Inside.ever = 0

    async def crowd() -> None:
        places = Places(PLACES)
        door = Door(places, Lane("secret"), Inside)
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=256))
            sock.setblocking(False)
            for _ in range(100):  # all of them wait in the backlog when the door opens
                peer = stack.enter_context(socket.create_connection(sock.getsockname()))
                peer.sendall(b"token:secret")
            door.open(sock)
            await until(lambda: Inside.ever == 100 and Inside.now <= PLACES)
            assert places.taken == Inside.now == PLACES
            await door.close()
        await until(lambda: not Inside.now and not places.taken)

    uvloop.run(crowd())


@pytest.fixture
def context(certificates: Certificates) -> ssl.SSLContext:
    pair = certificates.issue(*Certificates.NAMES)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    return made


def listening(stack: contextlib.ExitStack) -> socket.socket:
    sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", b""])
def test_a_handshake_that_fails_gives_its_place_back(context: ssl.SSLContext, said: bytes) -> None:
    async def come() -> None:
        places = Places(PLACES)
        door = Door(places, Lane(""), Inside, context)
        with contextlib.ExitStack() as stack:
            sock = listening(stack)
            door.open(sock)
            peer = stack.enter_context(socket.create_connection(sock.getsockname()))
            await until(lambda: places.taken == 1)
            peer.sendall(said)
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: places.taken == 0)
            await door.close()

    uvloop.run(come())


def test_nobody_waits_for_a_handshake_at_the_end(context: ssl.SSLContext) -> None:
    async def come() -> None:
        places = Places(PLACES)
        door = Door(places, Lane(""), Inside, context)
        with contextlib.ExitStack() as stack:
            sock = listening(stack)
            door.open(sock)
            stack.enter_context(socket.create_connection(sock.getsockname()))
            await until(lambda: places.taken == 1)
            async with asyncio.timeout(5):
                await door.close()
        await until(lambda: places.taken == 0)

    uvloop.run(come())


def test_a_peer_that_is_gone_before_it_is_let_in_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def reset(lane: Lane, connection: socket.socket, place: Place) -> bool:
        asked.append(place)
        raise ConnectionResetError

    monkeypatch.setattr(Lane, "admit", reset)

    async def come() -> None:
        places = Places(PLACES)
        door = Door(places, Lane(""), Inside)
        with contextlib.ExitStack() as stack:
            sock = listening(stack)
            door.open(sock)
            stack.enter_context(socket.create_connection(sock.getsockname()))
            await until(lambda: bool(asked))
            assert places.taken == 0
            await door.close()

    uvloop.run(come())
