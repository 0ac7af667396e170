"""State events on their way to WebSocket listeners: one text for all, a bounded queue for each.

Owns: the order and the bounds of what waits for a socket. Never: reading from sockets, or who may listen.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import orjson

from slasshy_rpc.rpc.call import Api
from slasshy_rpc.values import Event

#: Bytes of answers that may wait for a socket before its next message is read.
_ROOM_FOR_ANSWERS = 1 << 20


class Outbox:
    """What waits to be sent over one WebSocket, in order; ``limit`` notifications at most.

    ``listening`` says whether the socket's owner is to hear of events. One that is too slow for them is reported once
    by calling ``overrun``, which should end the connection: a listener that misses events silently would show a wrong
    state for ever.
    """

    def __init__(self, limit: int, overrun: Callable[[], None]) -> None:
        self.listening = False
        self._limit = limit
        self._overrun = overrun
        self._waiting: deque[tuple[bytes | bytearray, bool]] = deque()  # text, whether it is a notification
        self._deferred: list[bytes] | None = None
        self._answer_bytes = 0
        self._events = 0
        self._closed = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def notify(self, text: bytes) -> None:
        """Queue a notification, behind the answer to the message being answered, if there is one."""
        if not self.listening and self._deferred is None:
            return
        if self._events >= self._limit:
            self.close()
            self._overrun()
            return
        self._events += 1
        if self._deferred is not None:
            self._deferred.append(text)
        else:
            self._put(text, True)

    def answer(self, text: bytes | bytearray) -> None:
        """Queue an answer."""
        self._answer_bytes += len(text)
        self._put(text, False)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While a message is answered its notifications wait: aria2 sends addUri's answer before onDownloadStart.

        They are also kept for a socket that only that message may turn into a listener.
        """
        self._deferred = []
        try:
            yield
        finally:
            deferred, self._deferred = self._deferred, None
            if self.listening:
                for text in deferred:
                    self._put(text, True)
            else:
                self._events -= len(deferred)

    async def room(self) -> None:
        """Wait, when many bytes of answers are queued, until the receiver has taken them."""
        if self._answer_bytes > _ROOM_FOR_ANSWERS:
            await self._emptied.wait()

    async def emptied(self) -> None:
        """Wait until everything is sent, or nothing will be any more."""
        await self._emptied.wait()

    async def drain(self, send: Callable[[bytes | bytearray], Awaitable[None]]) -> None:
        """Send what comes, until ``close`` or an error of ``send``, which is raised."""
        try:
            while not self._closed:
                while self._waiting:
                    text, is_event = self._waiting.popleft()
                    await send(text)
                    if is_event:
                        self._events -= 1
                    else:
                        self._answer_bytes -= len(text)
                self._filled.clear()
                self._emptied.set()
                if not self._closed:
                    await self._filled.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        self.listening = False
        self._waiting.clear()
        self._filled.set()
        self._emptied.set()

    def _put(self, text: bytes | bytearray, is_event: bool) -> None:
        if not self._closed:
            self._waiting.append((text, is_event))
            self._emptied.clear()
            self._filled.set()


class Listeners:
    """All outboxes of a server, fed from the events of ``api`` between ``open`` and ``close``."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._outboxes: set[Outbox] = set()

    def open(self) -> None:
        """Start to hear events."""
        self._api.events().subscribe(self._heard)

    def close(self) -> None:
        """Stop hearing events."""
        self._api.events().unsubscribe(self._heard)

    def add(self, outbox: Outbox) -> None:
        """Send events to ``outbox`` whenever it is listening."""
        self._outboxes.add(outbox)

    def discard(self, outbox: Outbox) -> None:
        """Send nothing to ``outbox`` any more."""
        self._outboxes.discard(outbox)

    async def emptied(self, seconds: float) -> None:
        """Wait until every listener has heard everything, but no longer than ``seconds``."""
        waits = [asyncio.ensure_future(outbox.emptied()) for outbox in self._outboxes]
        if waits:
            _, late = await asyncio.wait(waits, timeout=seconds)
            for wait in late:
                wait.cancel()

    def _heard(self, event: Event, gid: str) -> None:
        if self._outboxes:
            text = notification(event, gid)
            for outbox in tuple(self._outboxes):
                outbox.notify(text)


def notification(event: Event, gid: str) -> bytes:
    """aria2's JSON text for an event: no id, the gid in a dict in a list."""
    return orjson.dumps({"jsonrpc": "2.0", "method": event.value, "params": [{"gid": gid}]})
