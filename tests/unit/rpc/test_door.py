"""How a connection comes in, and that its protocol hears of its end whenever that comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvloop

from slasshy_rpc.rpc.door import Door
from slasshy_rpc.rpc.lane import Lane
from slasshy_rpc.rpc.places import Place, Places
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
