"""A body of unknown length: one stream from the first byte to the end, which cannot be continued.

Owns: its tries, what it looks like while it runs, and that a compressed body is unfolded. Never: the file's name and
records (segmented).
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
from slasshy_rpc.protocols.decoding import Decoding
from slasshy_rpc.protocols.inspection import Inspection
from slasshy_rpc.protocols.localfile import LocalFile
from slasshy_rpc.protocols.offloop import outlast, threaded
from slasshy_rpc.protocols.opener import Arrival, Facts

#: How often speeds are taken, and what has come is unfolded (seconds).
TICK = 0.25


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
        self._fault: DownloadError | None = None  # for which a Transfer was stopped
        self._transfer: _engine.Transfer | None = None
        self._decoding: Decoding | None = None
        self._came = 0  # until it was stopped
        self._brought = 0  # by one try
        self.digest = ""  # of the body as it came, where that is not what the file has

    @property
    def running(self) -> bool:
        """Whether bytes are being received."""
        return self._transfer is not None

    @property
    def received(self) -> int:
        """Bytes of the file that have come."""
        if self._transfer is None:
            return self._came
        return self._transfer.position if self._decoding is None else self._decoding.written

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
            source.join()
            began = clock.monotonic()
            try:
                transfer = await self._receive(arrival, file)
            finally:
                arrival.channel.close()
                source.leave(self._brought, clock.monotonic() - began)
            if transfer.reason == _engine.COMPLETE and self._fault is None:
                return arrival.facts, self._brought
            error = self._fault or transfer_error(transfer, file.path)
            source.report(error)
            tries, self._fault = tries + 1, None
            wait = self._inspection.patience(error, tries) if source in self._sources else None
            if wait is None:
                source.fail(error)
                tries = 0
            await self._inspection.rest.pause(wait or 0)
            arrival, source = await self._inspection.first(0, None)
            await empty()

    async def _receive(self, arrival: Arrival, file: LocalFile) -> _engine.Transfer:
        """Have the engine write the body to the file, or to where it is unfolded.

        How much of the file that was is in ``_brought``, and what went wrong beside the Transfer in ``_fault``. Raises
        DiskError before anything has come.
        """
        decoding, self.digest, self._brought = None, "", 0
        if arrival.coding:
            algorithm = arrival.facts.digest[0] if arrival.facts.digest else ""
            decoding = Decoding(arrival.coding, file.fd, file.path, algorithm)
        try:
            if decoding is not None:
                beginning = threaded(decoding.begin)
                await outlast(beginning)
                beginning.result()
            transfer, ended = self._receiver.start(
                arrival.channel,
                decoding.spool if decoding else file.fd,
                0,
                _engine.UNBOUNDED,
                pace=self._pace,
                timeout=self._limits.timeout,
            )
            self._transfer, self._decoding = transfer, decoding
            watching = asyncio.create_task(self._watch(transfer))
            unfolding = asyncio.create_task(self._unfold(transfer, ended, decoding)) if decoding else None
            try:
                await self._receiver.settle(transfer, ended)
                if unfolding is not None:
                    await asyncio.shield(unfolding)
            except asyncio.CancelledError:
                self._came = self.received
                raise
            finally:
                watching.cancel()
                if decoding is not None and unfolding is not None:
                    if not unfolding.done():
                        decoding.stop()
                    await outlast(unfolding)
                    self.digest = decoding.digest
                self._brought = self.received
                self._transfer = self._decoding = None
            return transfer
        finally:
            if decoding is not None:
                decoding.close()

    async def _unfold(
        self, transfer: _engine.Transfer, ended: asyncio.Future[_engine.Transfer], decoding: Decoding
    ) -> None:
        """Undo the coding of what has come until all has. Never cancelled: it writes to the file."""
        try:
            over = False
            while not over:
                over = ended.done()
                while not await threaded(decoding.advance, transfer.flushed):
                    pass
                if not over:
                    await asyncio.wait([ended], timeout=TICK)
            if transfer.reason == _engine.COMPLETE:
                decoding.finish()
        except DownloadError as error:
            self._fault = error
            transfer.cancel()

    async def _watch(self, transfer: _engine.Transfer) -> None:
        """Take the speed, and stop what is below lowest-speed-limit."""
        began = clock.monotonic()
        while True:
            now, speed = clock.monotonic(), self._speed
            speed.note(now, transfer.position)
            slow = too_slow(self._limits, now - began, speed.rate())
            if slow is not None:
                self._fault = slow
                transfer.cancel()
                return
            await asyncio.sleep(TICK)
