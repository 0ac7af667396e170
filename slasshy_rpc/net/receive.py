"""The engine's finished transfers, and small files, as futures of the event loop.

Owns: the engine's wake-up descriptor on the loop. Never: looks at bytes, or decides what a transfer's end means.
"""

from __future__ import annotations

import asyncio
from typing import Any

from slasshy_rpc._engine import Channel, Engine, LiveMap, Pace, Put, Transfer


class Receiver:
    """Starts transfers on ``engine`` and awaits them; made and used on one event loop. Owns the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._pending: dict[Transfer | Put, asyncio.Future[Any]] = {}
        self._closed = False
        self._fd = engine.wakeup_fd
        self._loop.add_reader(self._fd, self._drain)

    @property
    def running(self) -> int:
        """How many transfers and small files the engine holds."""
        return len(self._pending)

    def start(
        self,
        channel: Channel,
        fd: int,
        offset: int,
        end: int,
        *,
        solid_from: int = -1,
        live: LiveMap | None = None,
        pace: Pace | None = None,
        timeout: float = 60.0,
    ) -> tuple[Transfer, asyncio.Future[Transfer]]:
        """Lend ``channel`` and return the Transfer with a future that is done when the engine has given both back.

        Arguments are those of ``Engine.receive`` (offsets in bytes, ``timeout`` in seconds). ``fd`` stays open until
        then. Cancelling the future does not stop the transfer: ``Transfer.cancel`` does; ``settle`` does and waits.
        Raises RuntimeError after ``close``.
        """
        transfer = self._engine.receive(
            channel, fd, offset, end, solid_from=solid_from, live=live, pace=pace, timeout=timeout
        )
        future: asyncio.Future[Transfer] = self._loop.create_future()
        self._pending[transfer] = future
        return transfer, future

    async def receive(
        self,
        channel: Channel,
        fd: int,
        offset: int,
        end: int,
        *,
        solid_from: int = -1,
        live: LiveMap | None = None,
        pace: Pace | None = None,
        timeout: float = 60.0,
    ) -> Transfer:
        """``start`` and wait for the end, whatever it is (``Transfer.reason``).

        When this is cancelled, the transfer is cancelled and given back before CancelledError goes on: afterwards the
        channel may be closed, and ``fd`` too.
        """
        transfer, future = self.start(
            channel, fd, offset, end, solid_from=solid_from, live=live, pace=pace, timeout=timeout
        )
        return await self.settle(transfer, future)

    async def settle(self, transfer: Transfer, future: asyncio.Future[Transfer]) -> Transfer:
        """Wait for a started transfer; when cancelled, cancel it and wait for it all the same.

        Await it where ``start`` was called: a task made for it and cancelled before its first step would do nothing.
        """
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            transfer.cancel()
            while not future.done():
                try:
                    await asyncio.shield(future)
                except asyncio.CancelledError:
                    continue  # asked again to go: the engine is writing to a file that must not be closed yet
            raise

    def put(self, path: bytes, record: bytes, body: bytes | memoryview, modified: int | None) -> asyncio.Future[bool]:
        """See ``Engine.put``; the future tells whether it is done. To cancel that does not stop it."""
        future: asyncio.Future[bool] = self._loop.create_future()
        try:
            self._pending[self._engine.put(path, record, body, modified)] = future
        except OSError:  # no thread is to be had: not done
            future.set_result(False)
        return future

    def close(self) -> None:
        """Cancel what runs, flush it, end the engine's threads; all futures are done afterwards.

        Blocks for as long as one write to the file takes.
        """
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        self._finish(self._engine.drain())
        self._finish(self._engine.close())

    def _drain(self) -> None:
        self._finish(self._engine.drain())

    def _finish(self, ended: list[Transfer | Put]) -> None:
        for one in ended:
            future = self._pending.pop(one)
            if not future.done():
                future.set_result(one.done if isinstance(one, Put) else one)
