"""Connections from the listening socket to the first byte that is said over them: a place, and a TLS handshake.

Owns: accepting, also when the system has no room for it. Never: who gives way to whom (places), who is served before
others (lane), or what is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial

from slasshy_rpc.rpc.lane import Lane
from slasshy_rpc.rpc.places import Place, Places

log = logging.getLogger("slasshy_rpc.rpc")

#: Seconds that a handshake may take.
_PATIENCE = 10.0
#: Seconds until connections are accepted again when the system has no room for one: after others were cut off for
#: it, and when there were none to cut off.
_ROOM_MADE = 0.005
_NO_ROOM = 0.5
#: Connections that are accepted, and strangers that are let in, in one turn of the loop: some milliseconds.
_AT_A_TIME = 64
_STRANGERS = 8


class Door:
    """Accepts on listening sockets and hands each connection that gets a place to the protocol of ``inside``.

    With a ``context`` hands are shaken first; a handshake that fails concerns nobody but its peer. The event loop's own
    servers stop listening for good when an accept fails for want of descriptors, and do not tell who comes.
    """

    def __init__(
        self,
        places: Places,
        lane: Lane,
        inside: Callable[[Place], asyncio.BaseProtocol],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._places = places
        self._lane = lane
        self._inside = inside
        self._context = context
        self._sockets: list[socket.socket] = []
        self._resting: dict[socket.socket, asyncio.TimerHandle] = {}
        self._entering: dict[asyncio.Task[None], Place] = {}

    def open(self, sock: socket.socket) -> None:
        """Serve a listening, non-blocking socket from now on."""
        self._sockets.append(sock)
        self._watch(sock)

    async def close(self) -> None:
        """Accept no more, and drop what has not shaken hands yet."""
        for sock in self._sockets:
            if (rest := self._resting.pop(sock, None)) is not None:
                rest.cancel()
            else:
                asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets.clear()
        self._lane.close()
        for place in self._entering.values():
            place.end()
        await asyncio.gather(*self._entering)

    def _watch(self, sock: socket.socket) -> None:
        self._resting.pop(sock, None)
        asyncio.get_running_loop().add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        """Some connections: the queue must not overflow in a flood of them, and nobody else wait for all of it."""
        for _ in range(_AT_A_TIME):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._rest(sock, error)
                return
            place = self._places.take(str(address[0]), connection.close)
            if place is None:
                connection.close()
                continue
            connection.setblocking(False)
            try:
                if self._lane.admit(connection, place):
                    self._let_in(connection, place)
                elif len(self._lane) == 1:
                    asyncio.get_running_loop().call_soon(self._serve)
            except ConnectionError:
                connection.close()
                place.leave()

    def _serve(self) -> None:
        """Some strangers; the others in the next turns, each time after those who have come with the token."""
        self._lane.serve(_STRANGERS, self._let_in)
        if len(self._lane):
            asyncio.get_running_loop().call_soon(self._serve)

    def _let_in(self, connection: socket.socket, place: Place) -> None:
        place.end = partial(_hang_up, connection)
        task = asyncio.create_task(self._enter(connection, place))
        self._entering[task] = place
        task.add_done_callback(self._entering.pop)

    def _rest(self, sock: socket.socket, error: OSError) -> None:
        """The system has no room for another connection, and the loop would only ask for it again and again."""
        log.debug("RPC cannot accept a connection: %s", error)
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock)
        seconds = _ROOM_MADE if self._places.make_much_room() else _NO_ROOM
        self._resting[sock] = loop.call_later(seconds, self._watch, sock)

    async def _enter(self, connection: socket.socket, place: Place) -> None:
        patience = _PATIENCE if self._context is not None else None
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._inside(place), connection, ssl=self._context, ssl_handshake_timeout=patience
            )
            place.end = transport.abort
            if place.gone.is_set():
                transport.abort()
        except OSError as error:  # TimeoutError is one
            log.debug("RPC: a TLS handshake failed: %s", error)
            connection.close()
            place.leave()


def _hang_up(connection: socket.socket) -> None:
    """End a connection that is on its way in, for both sides.

    The event loop sees that as any other end. Were its own task cancelled instead, it would close the socket and never
    tell the protocol, which would wait for ever.
    """
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
