"""A server of one test: it does what the test's function says, and hands over what it was sent.

Owns: the listening socket and its connections. Never: HTTP; the tests write the bytes themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

from slasshy_rpc._engine import Channel

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve ``talk`` on a free port of ``host``; closes every connection at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk(reader, writer)
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accepted, host, 0, ssl=tls, limit=1 << 20)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await eventually(lambda: not tasks)


async def eventually(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that nothing announces; fails after ``seconds``."""
    for _ in range(int(seconds * 1000)):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"not so within {seconds:g} seconds")


def pair() -> tuple[Channel, socket.socket]:
    """A plain Channel and the other end of its connection, non-blocking both."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return Channel(ours.detach()), theirs
