"""A body of unknown length: one stream from the first byte to the end, which cannot be continued.

Owns: its tries, and what it looks like while it runs. Never: the file's name and records (segmented).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from slasshy_rpc import _engine, clock
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.plan.speed import Speed
from slasshy_rpc.protocols.connection import transfer_error
from slasshy_rpc.protocols.crew import Limits, too_slow
from slasshy_rpc.protocols.inspection import Inspection
from slasshy_rpc.protocols.localfile import LocalFile
from slasshy_rpc.protocols.opener import Arrival, Facts


class Stream:
    """The one Connection of a download whose length no one knows."""

    def __init__(
        self,
        inspection: Inspection,
        receiver: Receiver,
        sources: list[Source],
        limits: Limits,
        pace: _engine.Pace,
        speed: Speed,
    ) -> None:
        self._inspection = inspection
        self._receiver = receiver
        self._sources = sources
        self._limits = limits
        self._pace = pace
        self._speed = speed
        self._slow: DownloadError | None = None
        self._transfer: _engine.Transfer | None = None
        self._came = 0  # until it was stopped

    @property
    def running(self) -> bool:
        """Whether bytes are being received."""
        return self._transfer is not None

    @property
    def received(self) -> int:
        """Bytes that have come."""
        return self._transfer.position if self._transfer is not None else self._came

    def withdraw(self, source: Source) -> None:
        """Leave ``source``, if it is the one that sends."""
        if self._transfer is not None and source.connections:
            self._transfer.cancel()

    async def bring(
        self, arrival: Arrival, source: Source, file: LocalFile, empty: Callable[[], Awaitable[None]]
    ) -> tuple[Facts, int]:
        """Write the body to ``file``; returns what its head said and its length in bytes. Raises DownloadError.

        ``empty`` throws away what a try that broke off has written.
        """
        tries = 0
        while True:
            if source.withdrawn:  # while the file was made ready
                arrival.channel.close()
                arrival, source = await self._inspection.first(0, None)
                continue
            transfer, ended = self._receiver.start(
                arrival.channel, file.fd, 0, _engine.UNBOUNDED, pace=self._pace, timeout=self._limits.timeout
            )
            self._transfer = transfer
            source.join()
            began = clock.monotonic()
            watching = asyncio.create_task(self._watch(transfer))
            try:
                await self._receiver.settle(transfer, ended)
            except asyncio.CancelledError:
                self._came = transfer.position
                raise
            finally:
                watching.cancel()
                arrival.channel.close()
                self._transfer = None
                source.leave(transfer.position, clock.monotonic() - began)
            if transfer.reason == _engine.COMPLETE:
                return arrival.facts, transfer.position
            error = self._slow or transfer_error(transfer, file.path)
            source.report(error)
            tries, self._slow = tries + 1, None
            wait = self._inspection.patience(error, tries) if source in self._sources else None
            if wait is None:
                source.fail(error)
                tries = 0
            await asyncio.sleep(wait or 0)
            arrival, source = await self._inspection.first(0, None)
            await empty()

    async def _watch(self, transfer: _engine.Transfer) -> None:
        """Take the speed, and stop what is below lowest-speed-limit."""
        began = clock.monotonic()
        while True:
            now, speed = clock.monotonic(), self._speed
            speed.note(now, transfer.position)
            self._slow = too_slow(self._limits, now - began, speed.rate())
            if self._slow is not None:
                transfer.cancel()
                return
            await asyncio.sleep(0.25)
