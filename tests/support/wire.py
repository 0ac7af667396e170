"""One accepted connection as bytes in and out, plain or TLS, with every way of ending it under the test's control.

TLS runs over ssl.MemoryBIO so that a connection can end with or without close_notify. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import asyncio.trsock
import contextlib
import socket
import ssl
import struct
from typing import cast

HEAD_LIMIT = 256 * 1024


class Gone(Exception):
    """The client went away, or broke TLS, while we wanted to read or write."""


class Wire:
    """A byte stream to one client. `write` returns when the kernel has taken all of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None) -> None:
        self._reader = reader
        self._writer = writer
        self._transport = cast(asyncio.Transport, writer.transport)
        self._transport.set_write_buffer_limits(high=0)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._in, self._out, server_side=True) if tls else None
        self._unread = b""
        self._socket: asyncio.trsock.TransportSocket = writer.get_extra_info("socket")

    async def handshake(self) -> None:
        """Run the TLS handshake, if this is a TLS wire; Gone when the client refuses us or breaks off."""
        if self._tls is None:
            return
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._push()
                await self._pull()
            except ssl.SSLError as error:
                await self._push()
                raise Gone(f"TLS handshake: {error}") from error
            else:
                await self._push()
                return

    async def _pull(self) -> None:
        try:
            data = await self._reader.read(65536)
        except OSError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone("the client closed the connection")
        self._in.write(data)

    async def _push(self, data: bytes = b"") -> None:
        try:
            self._writer.write(data or self._out.read())
            await self._writer.drain()
        except OSError as error:
            raise Gone(str(error)) from error

    async def read(self) -> bytes:
        """Some bytes, at least one; Gone at the end."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        if self._tls is None:
            try:
                data = await self._reader.read(65536)
            except OSError as error:
                raise Gone(str(error)) from error
            if not data:
                raise Gone("the client closed the connection")
            return data
        while True:
            try:
                data = self._tls.read(65536)
            except ssl.SSLWantReadError:
                await self._pull()
            except ssl.SSLError as error:
                raise Gone(f"TLS: {error}") from error
            else:
                if not data:
                    raise Gone("the client closed TLS")
                return data

    async def read_head(self) -> bytes:
        """Everything up to and with the empty line; what follows is kept for the next read."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > HEAD_LIMIT:
                raise Gone("the request head is too long")
            data += await self.read()
        self._unread = data[end + 4 :] + self._unread
        return data[: end + 4]

    async def read_exactly(self, count: int) -> bytes:
        """`count` bytes of a request body."""
        data = b""
        while len(data) < count:
            data += await self.read()
        self._unread = data[count:] + self._unread
        return data[:count]

    async def write(self, data: bytes) -> None:
        """Send all of `data`; Gone when the client is not there any more."""
        if not data:
            return
        if self._writer.is_closing():
            raise Gone("the connection is closed")
        if self._tls is None:
            await self._push(data)
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise Gone(f"TLS: {error}") from error
        await self._push()

    async def close(self) -> None:
        """End it cleanly: close_notify on TLS, then FIN."""
        if self._tls is not None and not self._writer.is_closing():
            with contextlib.suppress(ssl.SSLError):  # it wants the client's close_notify; a server need not wait
                self._tls.unwrap()
            with contextlib.suppress(Gone):
                await self._push()
        await self.truncate()

    async def truncate(self) -> None:
        """End it with a bare FIN: on TLS a truncation."""
        if not self._writer.is_closing():
            with contextlib.suppress(OSError):  # the client was faster
                self._socket.shutdown(socket.SHUT_WR)
            await self._linger()
        self._writer.close()

    async def _linger(self) -> None:
        """Read on for a moment: closing with unread bytes in the kernel would turn our FIN into an RST."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(1):
                while await self._reader.read(65536):
                    pass

    def reset(self) -> None:
        """End it with RST; a connection that has ended stays as it is."""
        if not self._writer.is_closing():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def until_gone(self) -> None:
        """Say nothing until the client leaves."""
        try:
            while True:
                await self.read()
        except Gone:
            return
