"""One WebSocket: its messages are answered in order, its notifications follow, and slowness is its own problem.

Owns: the life of the socket and who may hear events over it. Never: what a message means, or the handshake's rules.
Imported only when a server starts, because aiohttp is heavy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import cast

from aiohttp import web
from aiohttp.web import WSMsgType

from slasshy_rpc.errors import RpcError
from slasshy_rpc.rpc.answer import Text
from slasshy_rpc.rpc.call import Visit
from slasshy_rpc.rpc.connection import Connection, of
from slasshy_rpc.rpc.guard import Guard
from slasshy_rpc.rpc.json_dialect import JsonDialect, refusal
from slasshy_rpc.rpc.notify import Listeners, Outbox
from slasshy_rpc.rpc.places import Standing
from slasshy_rpc.rpc.settings import RpcSettings

log = logging.getLogger("slasshy_rpc.rpc")

#: Bytes of one message, if rpc-max-request-size is not more; aria2 has no limit.
_LONGEST_MESSAGE = 16 << 20
#: Bytes of one message before the first good token, where one is asked for, and of all that we have not looked at yet.
_LONGEST_OF_STRANGERS = 64 << 10
_MOST_OF_STRANGERS = 256 << 10
#: Bytes around a control frame's message: as it should be, and without the mask, which a stranger may leave out to send
#: fewer than it is taken for.
_FRAME = 6
_SHORTEST_FRAME = 2
#: Answers to wrong tokens that may be held back while the socket goes on.
_MOST_HELD = 32
_CLOSE_TIMEOUT = 1.0


class Conversation:
    """A socket from its handshake to its end."""

    def __init__(self, dialect: JsonDialect, guard: Guard, listeners: Listeners, settings: RpcSettings) -> None:
        self._dialect = dialect
        self._guard = guard
        self._listeners = listeners
        self._settings = settings
        self._held: set[asyncio.Task[None]] = set()
        self._known = settings.secret is None
        self._transport: asyncio.Transport | None = None

    async def run(self, request: web.BaseRequest, headers: Mapping[str, str]) -> web.WebSocketResponse:
        """Shake hands, with ``headers`` in the response, and serve the socket until either side closes it.

        Events are heard at once when no secret is set, and by programs of this machine; else after the first call
        with the right token. Whoever does not make one for idle_timeout is hung up on: places are few.
        """
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT,
            protocols=[name.strip() for name in offered if name.strip()],
            compress=False,
            autoping=False,  # it would not look up from a flood of them
            max_msg_size=max(_LONGEST_MESSAGE, self._settings.max_request_size),
            decode_text=False,
        )
        socket.headers.update(headers)
        connection = of(request)
        if not self._known:
            connection.count(_MOST_OF_STRANGERS)
        await socket.prepare(request)
        peer = request.remote or ""
        transport = self._transport = request.transport

        def end_overrun() -> None:
            log.warning("WebSocket of %s closed: it did not take %d events", peer, self._settings.max_waiting_events)
            if transport is not None:
                transport.abort()

        async def send(text: Text) -> None:
            await socket.send_frame(cast("bytes", text), WSMsgType.TEXT)  # handed on to the transport as it is

        outbox = Outbox(self._settings.max_waiting_events, end_overrun)
        outbox.listening = self._settings.secret is None or self._guard.is_program_here(peer, request.headers)
        self._listeners.add(outbox)
        patience = None
        if self._known:
            connection.place.stands(Standing.KNOWN)
        elif outbox.listening:
            connection.place.stands(Standing.LISTENER)
        else:
            patience = asyncio.get_running_loop().call_later(self._settings.idle_timeout, self._end_stranger, peer)
        sender = asyncio.create_task(outbox.drain(send))
        try:
            async for message in socket:
                if connection.place.gone.is_set():
                    break  # thousands of messages may be left of one who has left
                if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                    connection.looked_at(_MOST_OF_STRANGERS)  # whatever went before it
                    await self._answer(message.data, outbox, peer, connection)
                elif message.type is WSMsgType.PING or message.type is WSMsgType.PONG:
                    # One may come between the parts of a message, which still wait for its end.
                    connection.looked_at(len(message.data) + (_FRAME if outbox.listening else _SHORTEST_FRAME))
                    if message.type is WSMsgType.PING:
                        await socket.pong(message.data)
                await asyncio.sleep(0)  # a flood of them would have us for itself: they come without a wait
        except ConnectionError:
            pass  # a pong to one that has left meanwhile
        finally:
            if patience is not None:
                patience.cancel()
            self._listeners.discard(outbox)
            outbox.close()
            tasks = [sender, *self._held]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return socket

    def close(self) -> None:
        """Hang up, after what is on its way, as aria2 does: a listener like aria2p takes a closing frame for an event.

        A browser reports code 1006 to its page, which is told to connect again by any code but 1000.
        """
        if self._transport is not None:
            self._transport.close()

    def _end_stranger(self, peer: str) -> None:
        if not self._known:
            log.info("WebSocket of %s closed: no call with the right token came over it", peer)
            if self._transport is not None:
                self._transport.abort()  # it may not take what is on its way

    async def _answer(self, message: bytes, outbox: Outbox, peer: str, connection: Connection) -> None:
        if not self._known and len(message) > _LONGEST_OF_STRANGERS:
            text = (
                f"Before a call with the right token a message may have {_LONGEST_OF_STRANGERS} bytes; send one first."
            )
            outbox.answer(refusal(RpcError(text, -32600)).text)
            await outbox.room()
            return
        visit = Visit()
        with outbox.answering():
            answer = await self._dialect.answer(message, visit)
            if visit.authorised:
                self._known = outbox.listening = True
                connection.count_no_more()
                connection.place.stands(Standing.KNOWN)
            if not visit.wrong_tokens:
                outbox.answer(answer.text)
                if visit.authorised:
                    self._guard.forgive(peer)
        if visit.wrong_tokens:
            connection.place.stands(Standing.SUSPECT)
            hold = self._guard.hold(peer, len(visit.wrong_tokens))
            if len(self._held) < _MOST_HELD:
                task = asyncio.create_task(self._answer_later(answer.text, outbox, hold))
                self._held.add(task)
                task.add_done_callback(self._held.discard)
            else:
                await self._answer_later(answer.text, outbox, hold)
        await outbox.room()

    @staticmethod
    async def _answer_later(text: Text, outbox: Outbox, seconds: float) -> None:
        await asyncio.sleep(seconds)
        outbox.answer(text)
