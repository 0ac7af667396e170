"""Proxies on loop-back ports: HTTP with GET and CONNECT, SOCKS 4 and 5; each records what it was asked.

Owns: the ways through and what was seen of them. Never: names of the network; ``hosts`` says where a name leads.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypedDict, Unpack

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to a proxy: ``target`` is what stood on the request line, or ``host:port`` of a SOCKS request.

    ``connection`` counts from 1. ``headers`` have their names as sent, in order. ``login`` is SOCKS's user:password.
    """

    method: str
    target: str
    connection: int
    headers: tuple[tuple[str, str], ...] = ()
    login: str = ""

    def header(self, name: str) -> str | None:
        """The first field of that name, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(slots=True)
class _Line:
    """One accepted connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int


class _Common(TypedDict, total=False):
    """What all proxies take; see _Proxy."""

    host: str
    hosts: Mapping[str, Place]
    login: tuple[str, str] | None
    silent: bool


class _Proxy:
    """A server on a free loop-back port, alive inside ``with``.

    ``hosts`` maps names that no resolver knows to places; ``silent`` proxies accept and never answer.
    """

    scheme = ""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        hosts: Mapping[str, Place] | None = None,
        login: tuple[str, str] | None = None,
        silent: bool = False,
    ) -> None:
        self.host = host
        self.port = 0
        self.asked: list[Asked] = []
        self.connections = 0
        self._hosts = dict(hosts or {})
        self._login = login
        self._silent = silent
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: list[socket.socket] = []
        self._writers: list[asyncio.StreamWriter] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(
            (self.host, 0), family=socket.AF_INET6 if ":" in self.host else socket.AF_INET
        )
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._thread.start()
        self._loop.call_soon_threadsafe(self._loop.add_reader, self._listener, self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        async def stop() -> None:
            self._loop.remove_reader(self._listener)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0)  # the transports let go of their sockets
            for sock in (*self._sockets, self._listener):
                sock.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def place(self) -> str:
        """host:port as a URL has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, userinfo: str = "", scheme: str = "") -> str:
        """What to give as a proxy."""
        return f"{scheme or self.scheme}://{userinfo + '@' if userinfo else ''}{self.place}"

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        self._sockets.append(sock)
        self.connections += 1
        task = self._loop.create_task(self._accepted(sock, self.connections))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accepted(self, sock: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, EOFError):  # somebody left
            reader, writer = await asyncio.open_connection(sock=sock)
            self._writers.append(writer)
            try:
                if self._silent:
                    await reader.read()
                else:
                    await self._serve(_Line(reader, writer, number))
            finally:
                writer.close()
                await writer.wait_closed()

    async def _serve(self, line: _Line) -> None:
        raise NotImplementedError

    async def _reach(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self._hosts.get(host, (host, port)))
        self._writers.append(writer)
        return reader, writer

    async def _pass(self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until both sides have ended."""
        try:
            await asyncio.gather(_copy(line.reader, writer), _copy(reader, line.writer))
        finally:
            writer.close()


class HttpProxy(_Proxy):
    """Answers GET of an absolute URL, and CONNECT; with a ``login`` only for who shows it.

    ``status``: answer this to everything. ``raw``: these bytes instead of an answer to CONNECT, then the end.
    ``glued``: bytes that come in one piece with the answer to CONNECT, as if the server had been quick.
    """

    scheme = "http"

    def __init__(
        self,
        *,
        status: int = 0,
        raw: bytes | None = None,
        glued: bytes = b"",
        **common: Unpack[_Common],
    ) -> None:
        super().__init__(**common)
        self._status = status
        self._raw = raw
        self._glued = glued

    async def _serve(self, line: _Line) -> None:
        while True:
            head = (await line.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *rest = head.rstrip("\r\n").split("\r\n")
            method, target, _ = first.split(" ")
            fields = tuple((name, value.strip()) for name, _, value in (text.partition(":") for text in rest))
            asked = Asked(method, target, line.number, fields)
            self.asked.append(asked)
            if self._status or not self._admitted(asked):
                await self._refuse(line, self._status or 407)
            elif method == "CONNECT":
                await self._connect(line, target)
                return
            else:
                await self._get(line, asked)

    def _admitted(self, asked: Asked) -> bool:
        if self._login is None:
            return True
        return asked.header("Proxy-Authorization") == basic(*self._login)

    async def _refuse(self, line: _Line, status: int) -> None:
        challenge = 'Proxy-Authenticate: Basic realm="p"\r\n' if status == 407 else ""
        await _send(line.writer, f"HTTP/1.1 {status} No\r\n{challenge}Content-Length: 3\r\n\r\nno\n".encode())

    async def _connect(self, line: _Line, target: str) -> None:
        if self._raw is not None:
            await _send(line.writer, self._raw)
            return
        host, _, port = target.rpartition(":")
        try:
            reader, writer = await self._reach(host.strip("[]"), int(port))
        except OSError:
            await self._refuse(line, 502)
            return
        await _send(line.writer, b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n" + self._glued)
        await self._pass(line, reader, writer)

    async def _get(self, line: _Line, asked: Asked) -> None:
        """Ask the origin over a connection of its own; the client's is kept as long as lengths are known."""
        place, slash, path = asked.target.partition("://")[2].partition("/")
        host, _, port = place.rpartition("@")[2].partition(":")
        try:
            reader, writer = await self._reach(host, int(port or 80))
        except OSError:
            await self._refuse(line, 502)
            return
        kept = [f"{n}: {v}" for n, v in asked.headers if not n.lower().startswith(("proxy-", "connection"))]
        head = [f"{asked.method} {slash or '/'}{path} HTTP/1.1", *kept, "Connection: close"]
        try:
            await _send(writer, "\r\n".join([*head, "", ""]).encode("latin-1"))
            answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = [text for text in answer.split("\r\n")[:-2] if not text.lower().startswith("connection:")]
            await _send(line.writer, "\r\n".join([*fields, "", ""]).encode("latin-1"))
            length = [text.partition(":")[2] for text in fields if text.lower().startswith("content-length:")]
            left = int(length[0]) if length else -1
            while left and (data := await reader.read(65536 if left < 0 else min(left, 65536))):
                await _send(line.writer, data)
                left -= len(data) if left > 0 else 0
        finally:
            writer.close()
        if left:
            raise EOFError


class SocksProxy(_Proxy):
    """SOCKS 5 (RFC 1928, 1929) with CONNECT, and SOCKS 4 and 4a; ``reply`` other than 0 refuses every request."""

    scheme = "socks5"

    def __init__(self, *, reply: int = 0, **common: Unpack[_Common]) -> None:
        super().__init__(**common)
        self._reply = reply

    async def _serve(self, line: _Line) -> None:
        version = (await line.reader.readexactly(1))[0]
        await (self._five if version == 5 else self._four)(line)

    async def _five(self, line: _Line) -> None:
        read = line.reader.readexactly
        methods = await read((await read(1))[0])
        login = ""
        wanted = 2 if self._login else 0
        if wanted not in methods:
            await _send(line.writer, b"\5\xff")
            return
        await _send(line.writer, bytes([5, wanted]))
        if wanted:
            await read(1)
            user = (await read((await read(1))[0])).decode()
            password = (await read((await read(1))[0])).decode()
            login = f"{user}:{password}"
            await _send(line.writer, bytes([1, (user, password) != self._login]))
        _, _, _, kind = await read(4)
        if kind == 3:
            host = (await read((await read(1))[0])).decode()
        else:
            raw = await read(4 if kind == 1 else 16)
            host = ".".join(map(str, raw)) if kind == 1 else raw.hex(":", 2)
        port = int.from_bytes(await read(2))
        self.asked.append(Asked("SOCKS5", f"{host}:{port}", line.number, login=login))
        await self._answer(line, host, port, lambda reply: bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))

    async def _four(self, line: _Line) -> None:
        read = line.reader.readexactly
        raw = await read(7)
        port, host = int.from_bytes(raw[1:3]), ".".join(map(str, raw[3:]))
        user = (await line.reader.readuntil(b"\0"))[:-1].decode()
        if host.startswith("0.0.0."):
            host = (await line.reader.readuntil(b"\0"))[:-1].decode()
        self.asked.append(Asked("SOCKS4", f"{host}:{port}", line.number, login=user))
        await self._answer(line, host, port, lambda reply: bytes([0, 0x5A + (reply > 0), 0, 0, 0, 0, 0, 0]))

    async def _answer(self, line: _Line, host: str, port: int, words: Callable[[int], bytes]) -> None:
        if self._reply:
            await _send(line.writer, words(self._reply))
            return
        try:
            reader, writer = await self._reach(host, port)
        except OSError:
            await _send(line.writer, words(5))
            return
        await _send(line.writer, words(0))
        await self._pass(line, reader, writer)


def basic(user: str, password: str) -> str:
    """The value of a Proxy-Authorization."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        await _send(writer, data)
    with contextlib.suppress(OSError):
        writer.write_eof()
