"""An api without a session, for tests of the wire: a few methods with plain results, and events on demand.

Owns: what those tests may call. Never: downloads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from slasshy_rpc.errors import OptionError, RpcError, UsageError
from slasshy_rpc.rpc.server import RpcServer, RpcSettings
from slasshy_rpc.values import Event

GID = "2089b05ecca3d829"


class FakeEvents:
    def __init__(self) -> None:
        self.callbacks: list[Callable[[Event, str], None]] = []

    def subscribe(self, callback: Callable[[Event, str], None]) -> None:
        self.callbacks.append(callback)

    def unsubscribe(self, callback: Callable[[Event, str], None]) -> None:
        self.callbacks.remove(callback)

    def emit(self, event: Event, gid: str = GID) -> None:
        for callback in list(self.callbacks):
            callback(event, gid)


class FakeApi:
    """Remembers what was called; test.wait sets ``waiting`` and goes on when ``gate`` is set."""

    METHODS: Sequence[str] = ("aria2.addUri", "aria2.tellStatus", "aria2.getVersion", "test.echo")
    NOTIFICATIONS: Sequence[str] = tuple(event.value for event in Event)

    def __init__(self) -> None:
        self.called: list[tuple[str, list[object]]] = []
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self._events = FakeEvents()

    def events(self) -> FakeEvents:
        return self._events

    async def settled(self) -> None:
        pass

    async def call(self, name: str, params: list[object]) -> object:
        self.called.append((name, params))
        match name:
            case "test.echo":
                return params
            case "aria2.getVersion":
                return {"version": "1.37.0", "enabledFeatures": ["HTTPS"]}
            case "aria2.addUri":
                self._events.emit(Event.START)
                return GID
            case "aria2.tellStatus":
                raise RpcError(f"GID {params[0]} is not found")
            case "test.wait":
                self.waiting.set()
                await self.gate.wait()
                return "waited"
            case "test.option":
                raise OptionError("split", "must be between 1 and 16.")
            case "test.usage":
                raise UsageError("That cannot work.")
            case "test.broken":
                raise ZeroDivisionError("secret detail")
            case "test.long":
                count, text = params
                return [text] * count if isinstance(count, int) else None
            case "test.surrogate":
                return {"path": "a\udcffb"}
        raise RpcError(f"No such method: {name}")


class Served:
    """A running server, its api, and where it listens."""

    def __init__(self, api: FakeApi, server: RpcServer, addresses: list[tuple[str, int]]) -> None:
        self.api = api
        self.server = server
        self.addresses = addresses
        self.host, self.port = addresses[0]
        self.url = f"http://{self.host}:{self.port}/jsonrpc"


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Served]:
    """A real server on a free port over a FakeApi, with a short hold unless told otherwise."""
    api = FakeApi()
    server = RpcServer(api, RpcSettings(**{"port": 0, "hold": 0.05, **settings}))
    addresses = await server.start()
    try:
        yield Served(api, server, addresses)
    finally:
        await server.stop()
