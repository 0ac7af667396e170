"""Messages that are too long, too deep or too many, from those who have no token: refused, and cheap for all others."""

from __future__ import annotations

import asyncio
import gzip
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.hostile.conftest import SECRET, Watch, settings, sound
from tests.support.process import Server
from tests.support.rpc_wire import TIMEOUT, Reply, Socket, Wire, head

MIB = 1 << 20
#: How many at once send each of them, and for how long they go on beginning again (seconds).
AT_ONCE, MOMENT = 3, 0.2
#: MiB of memory that the server may come to, whatever is sent to it.
MOST_MEMORY = 400


T = TypeVar("T")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all of them, so that what each leaves behind would be seen."""
    with Server(*settings(tmp_path_factory.mktemp("sizes"), f"--rpc-secret={SECRET}")) as one:
        yield one
        sound(one)
        assert psutil.Process(one.pid).memory_info().rss < MOST_MEMORY * MIB


@pytest.fixture
def crowd(server: Server, watched: Watch) -> Iterator[Crowd]:
    """Attackers of it, while an ordinary client is answered."""
    with watched(server):
        yield Crowd(server.port)


class Crowd:
    """Some at once, against the server on ``port``."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def each(self, attack: Callable[[int], Awaitable[T]]) -> list[T]:
        """What each of them got each time."""

        async def one() -> list[T]:
            got = [await attack(self._port)]
            while time.monotonic() < end:
                got.append(await attack(self._port))
            return got

        end = time.monotonic() + MOMENT
        return [got for all_of_one in await asyncio.gather(*(one() for _ in range(AT_ONCE))) for got in all_of_one]


def posted(body: bytes, *lines: str, path: str = "/jsonrpc") -> bytes:
    return head("POST", path, f"Content-Length: {len(body)}", *lines) + body


def attributes() -> bytes:
    return (b'<?xml version="1.0"?><methodCall ' + b" ".join(b'a%d="x"' % number for number in range(200_000)))[
        : 2 * MIB
    ]


def bomb() -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE x [<!ENTITY e0 "{"x" * 1000}">{entities}]><methodCall>&e11;</methodCall>'.encode()


OUTSIDE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><methodCall><methodName>&e;</methodName></methodCall>'
CALL = b'{"id":1,"method":"system.listMethods"}'
INNER = b'{"methodName":"system.listMethods"}'
FULL = 2 * MIB - 100

#: Name, bytes, and the statuses that may answer them; 0 is a connection that ends without an answer.
MESSAGES: list[tuple[str, Callable[[], bytes], set[int]]] = [
    ("a body too long", lambda: posted(b" " * (2 * MIB + 1)), {413}),
    ("a body that says so only", lambda: head("POST", "/jsonrpc", f"Content-Length: {1 << 62}"), {413}),
    ("a length beyond all numbers", lambda: head("POST", "/jsonrpc", f"Content-Length: {1 << 70}"), {400}),
    ("chunks too many", lambda: head("POST", "/jsonrpc", "Transfer-Encoding: chunked") + b"10000\r\n%b\r\n"
        % (b" " * 0x10000) * 40, {413}),
    ("chunks of one byte", lambda: head("POST", "/jsonrpc", "Transfer-Encoding: chunked") + b"1\r\n \r\n" * 600_000
        + b"0\r\n\r\n", {500}),
    ("a chunk size beyond all numbers", lambda: head("POST", "/jsonrpc", "Transfer-Encoding: chunked") + b"f" * 1000,
        {400}),
    ("a head too long", lambda: head("POST", "/jsonrpc", "X: " + "a" * MIB), {400}),
    ("fields too many", lambda: head("POST", "/jsonrpc", *[f"X{number}: y" for number in range(5000)]), {400}),
    ("a line too long", lambda: head("GET", "/jsonrpc?params=" + "A" * 20_000), {400}),
    ("a head without end", lambda: b"GET / HTTP/1.1\r\n" + b"a" * MIB, {400}),
    ("a compressed body", lambda: posted(gzip.compress(bytes(200 * MIB), 1), "Content-Encoding: gzip"), {500}),
    ("lists in lists", lambda: posted(b"[" * FULL), {500}),
    ("dicts in dicts", lambda: posted(b'{"a":' * (FULL // 5)), {500}),
    ("what only the slow reader reads", lambda: posted(b"[" * 49 + b"1.5," * (FULL // 4)), {500}),
    ("escapes", lambda: posted(b'["' + b"\\x" * (FULL // 2) + b'"]'), {200}),
    ("half an escape", lambda: posted(b'["' + b"\\u00" * (FULL // 4) + b'"]'), {500}),
    ("a number without end", lambda: posted(b"[" + b"9" * FULL + b"]"), {500}),
    ("requests too many", lambda: posted(b"[" + b",".join([b"{}"] * (FULL // 3)) + b"]"), {400}),
    ("answers too many", lambda: posted(b"[" + b",".join([CALL] * 50_000) + b"]"), {400}),
    ("answers too many inside one", lambda: posted(
        b'{"id":1,"method":"system.multicall","params":[[' + b",".join([INNER] * 50_000) + b"]]}"), {400}),
    ("XML in XML", lambda: posted(b"<methodCall>" + b"<a>" * (FULL // 3), path="/rpc"), {400}),
    ("attributes too many", lambda: posted(attributes(), path="/rpc"), {400}),
    ("a name without end", lambda: posted(b"<" + b"a" * FULL, path="/rpc"), {400}),
    ("a comment without end", lambda: posted(b"<!--" + b"a" * FULL, path="/rpc"), {400}),
    ("entities in entities", lambda: posted(bomb(), path="/rpc"), {400}),
    ("a file of the server", lambda: posted(OUTSIDE, path="/rpc"), {400}),
    ("values too many", lambda: posted(b"<methodCall><params><param><value><array><data>" + b"<value/>" * 200_000
        + b"</data></array></value></param></params></methodCall>", path="/rpc"), {200}),
]  # fmt: skip


async def exchanged(port: int, data: bytes) -> Reply:
    """What the server says to ``data``, of which it need not take all."""
    async with Wire("127.0.0.1", port) as wire:
        sending = asyncio.create_task(wire.send(data))
        try:
            return await wire.reply()
        except (ConnectionError, asyncio.IncompleteReadError):
            return Reply(0, {}, b"")
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


@pytest.mark.parametrize(("name", "made", "statuses"), MESSAGES, ids=[name for name, _, _ in MESSAGES])
async def test_a_message(name: str, made: Callable[[], bytes], statuses: set[int], crowd: Crowd) -> None:
    data = made()
    replies = await crowd.each(lambda port: exchanged(port, data))
    # A server that has answered and hung up may be faster than the one who still sends.
    assert {reply.status for reply in replies} <= statuses | {0}
    assert any(reply.status for reply in replies)
    for reply in replies:
        assert len(reply.body) < 2 * MIB
        assert b"root:" not in reply.body


async def long_frame(port: int) -> bytes:
    """A message of a terabyte, which is announced only."""
    async with Socket("127.0.0.1", port) as socket:
        await socket.open()
        await socket.send(b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"\0\0\0\0")
        return (await socket.heard())[1][:2]


async def long_message(port: int) -> bytes:
    """One of 16 MiB that is really sent, in parts, as far as it is taken."""
    async with Socket("127.0.0.1", port) as socket:
        await socket.open()
        part = b"\xff" + struct.pack(">Q", MIB) + b"\0\0\0\0" + b" " * MIB
        try:
            async with asyncio.timeout(TIMEOUT):
                await socket.send(b"\x01" + part)
                for _ in range(15):
                    await socket.send(b"\x00" + part)
                return await socket.reader.read(2)
        except ConnectionError:
            return b""


async def deep_message(port: int) -> bytes:
    """As much as may be said without a token, and nothing but brackets."""
    async with Socket("127.0.0.1", port) as socket:
        await socket.open()
        await socket.frame(b"[" * 60_000)
        answer = await socket.message()
        return struct.pack(">h", answer["error"]["code"] + 32700)


@pytest.mark.parametrize(
    ("sent", "expected"), [(long_frame, struct.pack(">H", 1009)), (long_message, b""), (deep_message, b"\0\0")]
)
async def test_a_socket(sent: Callable[[int], Awaitable[bytes]], expected: bytes, crowd: Crowd) -> None:
    assert set(await crowd.each(sent)) == {expected}
