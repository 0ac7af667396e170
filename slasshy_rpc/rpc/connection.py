"""aiohttp's side of one connection, and of all of them: its parser's limits, its log, and the place that it takes.

Owns: how aiohttp is set up. Never: what a request means.
Imported only when a server starts, because aiohttp is heavy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from slasshy_rpc.rpc.places import Place

log = logging.getLogger("slasshy_rpc.rpc")

#: Bytes of a request line: aria2's own limit for GET /jsonrpc?params=...
_LONGEST_LINE = 16 << 10
#: Seconds for which the rest of a body is read and thrown away, so that its sender hears why it was refused.
_LINGER = 2.0
#: Bytes of a body that aiohttp takes ahead of us. Chunks of one byte cost it some microseconds each, all of them in one
#: go; it stops at a sixteenth of this many.
_AHEAD = 16 << 10
#: What is taken from a socket at a time. Many small messages in one go would keep all others waiting for them.
_SIP = memoryview(bytearray(16 << 10))


class Connection(web.RequestHandler):
    """Reads and answers requests as aiohttp does; ``place`` ends with it.

    Between ``count`` and ``count_no_more`` whoever sends more bytes than we have looked at messages for is cut off:
    aiohttp gives a WebSocket's message away only when it is whole.
    """

    __slots__ = ("_body", "_most", "_unread", "place")

    def __init__(self, place: Place, server: web.Server, idle_timeout: float) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # its way of saying that there is none
            logger=_LOG,
            keepalive_timeout=idle_timeout,
            lingering_time=min(idle_timeout, _LINGER),
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            read_bufsize=_AHEAD,
        )
        self.place = place
        self._body: StreamReader | None = None  # of the latest request
        self._unread = 0
        self._most: int | None = None

    def count(self, most: int) -> None:
        """From now on not more than ``most`` bytes may come before ``looked_at`` takes some away."""
        self._most = most

    def looked_at(self, size: int) -> None:
        """``size`` bytes of what came are no more than a memory."""
        self._unread = max(0, self._unread - size)
        self.place.keep(self._unread)

    def count_no_more(self) -> None:
        """Any number of bytes may come."""
        self._most = None

    @property
    def full(self) -> bool:
        """Whether nothing more is wanted now; it asks for more itself later."""
        return self._reading_paused or self._buffer_paused

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._most is not None:
            self._unread += len(data)
            if self._unread > self._most:
                log.info("A WebSocket is closed: more than %d bytes came before a right token", self._most)
                self.place.end()
                return
            self.place.keep(self._unread)
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]

    def eof_received(self) -> bool:  # type: ignore[override]
        """See asyncio.Protocol: who only has nothing more to say still hears the answer, as from aria2.

        Not over TLS, where the event loop does not know of such a thing, and not over a WebSocket.
        """
        idle = self._waiter is not None and not self._messages
        whole = self._body is not None and self._body.is_eof()
        if idle or not whole or self._upgraded or self.ssl_context is not None:
            return False
        self.close()  # after the answer
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self.place.leave()


class Sips(asyncio.BufferedProtocol):
    """What comes for ``inside``, in parts of bounded size, not more than one in a turn of the event loop."""

    def __init__(self, inside: Connection) -> None:
        self._inside = inside

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BaseProtocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._inside.connection_made(transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol. One buffer for all: it is emptied before anybody else asks for it."""
        return _SIP

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._inside.data_received(bytes(_SIP[:nbytes]))
        if nbytes == len(_SIP) and not self._inside.full:
            with contextlib.suppress(RuntimeError):  # it has just been closed
                self._transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._go_on)

    def eof_received(self) -> bool:
        """See asyncio.BufferedProtocol."""
        return self._inside.eof_received()

    def pause_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.BaseProtocol."""
        self._inside.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.BaseProtocol."""
        self._inside.connection_lost(exc)

    def _go_on(self) -> None:
        if not self._inside.full:
            with contextlib.suppress(RuntimeError):
                self._transport.resume_reading()


class Connections:
    """All of one server; ``handle`` answers a request."""

    def __init__(self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], idle_timeout: float) -> None:
        self._server = web.Server(handle)
        self._idle_timeout = idle_timeout

    def begin(self, place: Place) -> Sips:
        """A new one."""
        return Sips(Connection(place, self._server, self._idle_timeout))

    async def close(self, seconds: float) -> None:
        """Let answers under way arrive for so long, and end all."""
        await self._server.shutdown(seconds)


def of(request: web.BaseRequest) -> Connection:
    """The one that ``request`` came over."""
    connection = request.protocol
    assert isinstance(connection, Connection)
    return connection


def _quiet_log() -> logging.Logger:
    """The logger for aiohttp: broken requests, and peers that leave, are one line for those who debug, no traceback."""
    logger = logging.getLogger("slasshy_rpc.rpc.http")

    def keep(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        cut_off = isinstance(error, RuntimeError) and "is closed" in str(error)  # what uvloop calls it
        if not cut_off and not isinstance(error, HttpProcessingError | ConnectionError):
            return True
        # Not its text, which quotes the request, secrets included.
        log.debug("broken HTTP, or a peer that is gone: %s", type(error).__name__)
        return False

    logger.addFilter(keep)
    return logger


_LOG = _quiet_log()
