"""Bytes to an RPC server and back, with nothing in between that could be kinder than a socket.

Owns: HTTP/1.1 requests and WebSocket frames by hand. Never: an opinion about the answer.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

TIMEOUT = 10.0
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass(frozen=True)
class Reply:
    """A response: header names in lower case; ``closed`` when the server ended the connection after it."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool = False

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection to a server, kept for as many requests as it takes."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self, *, no_body: bool = False) -> Reply:
        """The next response, with its body as Content-Length says."""
        async with asyncio.timeout(TIMEOUT):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            start, *lines = head.rstrip("\r\n").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = 0 if no_body else int(headers.get("content-length", "0"))
            body = await self.reader.readexactly(length)
        return Reply(int(start.split()[1]), headers, body)

    async def ended(self, within: float = TIMEOUT) -> bool:
        """Whether the server closes the connection, without another byte, in time."""
        try:
            async with asyncio.timeout(within):
                return await self.reader.read(1) == b""
        except (TimeoutError, ConnectionError) as error:
            return isinstance(error, ConnectionError)

    async def post(self, body: bytes | object, *extra: str, path: str = "/jsonrpc") -> Reply:
        """POST ``body`` (anything but bytes as JSON) with ``extra`` header lines."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.send(head("POST", path, f"Content-Length: {len(data)}", *extra) + data)
        return await self.reply()


def head(method: str, path: str, *lines: str, host: str = "127.0.0.1") -> bytes:
    """A request head; a Host line among ``lines`` replaces ``host``."""
    if not any(line.lower().startswith("host:") for line in lines):
        lines = (f"Host: {host}", *lines)
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode()


def handshake(*extra: str, path: str = "/jsonrpc") -> bytes:
    """The request that asks for a WebSocket, with ``extra`` header lines."""
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {_KEY}")
    return head("GET", path, *lines, *extra)


async def post(host: str, port: int, body: bytes | object, *extra: str, path: str = "/jsonrpc") -> Reply:
    """One POST on a connection of its own; ``closed`` tells whether the server hung up after it at once."""
    async with Wire(host, port) as wire:
        reply = await wire.post(body, *extra, path=path)
        closing = reply.headers.get("connection", "").lower() == "close"
        return Reply(reply.status, reply.headers, reply.body, closing and await wire.ended())


class Socket(Wire):
    """A WebSocket client that masks with zeros and answers nothing by itself."""

    async def open(self, *extra: str, path: str = "/jsonrpc") -> Reply:
        """Shake hands with ``extra`` header lines; the server's response, 101 when it agreed."""
        await self.send(handshake(*extra, path=path))
        return await self.reply()

    async def frame(self, payload: bytes, opcode: int = 1) -> None:
        """Send one frame: 1 is text, 2 binary, 8 close, 9 ping."""
        size = len(payload)
        length = (
            bytes([0x80 | size])
            if size < 126
            else (b"\xfe" + struct.pack(">H", size) if size < 65536 else b"\xff" + struct.pack(">Q", size))
        )
        await self.send(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    async def call(self, request_id: object, method: str, *params: object) -> None:
        """Send a request without waiting for its answer."""
        await self.frame(json.dumps({"id": request_id, "method": method, "params": params}).encode())

    async def heard(self, within: float = TIMEOUT) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises TimeoutError when none comes."""
        async with asyncio.timeout(within):
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def message(self, within: float = TIMEOUT) -> Any:
        """The next text frame, as JSON."""
        opcode, payload = await self.heard(within)
        assert opcode == 1, (opcode, payload)
        return json.loads(payload)
