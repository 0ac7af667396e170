"""What comes over a connection is handed to aiohttp in small parts, so that others have their turn between them."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import uvloop

from slasshy_rpc.rpc.connection import Connection, Sips
from tests.support.fake_protocol import until

SIP = 16 << 10


class Inside:
    """In aiohttp's place: notes each part and in which turn of the loop it came, and is full after ``most`` of them."""

    def __init__(self, most: int) -> None:
        self.parts: list[bytes] = []
        self.turns: list[int] = []
        self.full = self.lost = self.ended = False
        self._most = most
        self.turn = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._tick()

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.turns.append(self.turn)
        if len(self.parts) == self._most:
            self.full = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True

    def _tick(self) -> None:
        self.turn += 1
        if not self.lost:
            asyncio.get_running_loop().call_soon(self._tick)


async def served(inside: Inside, data: bytes) -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(data))
    theirs.sendall(data)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: Sips(cast(Connection, inside)), ours)
    return theirs


def test_one_small_part_a_turn() -> None:
    async def talk() -> None:
        inside, data = Inside(most=0), b"".join(number.to_bytes(4, "big") for number in range(SIP))
        with await served(inside, data) as peer:
            await until(lambda: sum(map(len, inside.parts)) == len(data))
            peer.shutdown(socket.SHUT_WR)
            await until(lambda: inside.ended and inside.lost)
        assert b"".join(inside.parts) == data
        assert max(map(len, inside.parts)) == SIP
        assert len(set(inside.turns)) == len(inside.parts) == len(data) // SIP

    uvloop.run(talk())


def test_nothing_more_while_it_is_full() -> None:
    async def talk() -> None:
        inside, data = Inside(most=1), bytes(4 * SIP)
        with await served(inside, data):
            await until(lambda: inside.full)
            turn = inside.turn
            await until(lambda: inside.turn > turn + 50)
            assert len(inside.parts) == 1
            inside.full = False
            inside.transport.resume_reading()
            await until(lambda: len(inside.parts) == 4)
            inside.transport.abort()
            await until(lambda: inside.lost)

    uvloop.run(talk())
