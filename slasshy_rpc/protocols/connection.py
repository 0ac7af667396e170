"""One Connection: one stream to one Source, bringing one Segment after the other.

Owns: the stream and the Segment while it is under way. Never: which Segment comes next or how often to try (its crew
decides), bytes (the engine moves them).
"""

from __future__ import annotations

import math
import os
import typing

from slasshy_rpc import _engine, clock
from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.plan.segments import Segment
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.plan.speed import Speed
from slasshy_rpc.protocols.opener import Arrival

if typing.TYPE_CHECKING:
    from slasshy_rpc.protocols.crew import Crew

#: A Connection's speed is that of the last second: what it does now says when it will end.
RECENT = 1.0


class NoRoom(Exception):
    """Every Source that could be asked has all the Connections that it may have: this one is not needed."""


class Connection:
    """Runs until the crew has no Segment for it, or until it has failed too often."""

    def __init__(self, crew: Crew, arrival: Arrival | None = None, source: Source | None = None) -> None:
        self.crew = crew
        self.source = source
        self.last_source = source
        self.segment: Segment | None = None
        self.transfer: _engine.Transfer | None = None
        self.tries = 0
        self.since = self.born = clock.monotonic()  # of the Segment's Transfer, and of the stream's body
        self.opening = 0.0
        self.heard = -math.inf  # when bytes last came, as far as ``note`` has looked
        self.fresh = False  # nothing has come since a stream that lagged was closed
        self.speed = Speed(RECENT)
        self._brought = self._noted = 0
        self._arrival = arrival
        self._before_stream = 0
        self._blame: DownloadError | None = None
        self._relieved = False
        self._avoid: Source | None = None  # it wanted more patience than there was
        if source is not None:
            source.join()

    @property
    def position(self) -> int:
        """Where the stream at hand could go on without a new request; -1 without one."""
        return self._arrival.position if self._arrival else -1

    @property
    def span(self) -> tuple[int, int, int]:
        """Where its Segment begins, how far it was received, and where it ends; -1 each without one."""
        segment, transfer = self.segment, self.transfer
        if segment is None:
            return -1, -1, -1
        return segment.start, transfer.position if transfer else segment.position, segment.end

    @property
    def received(self) -> int:
        """Bytes received over this Connection."""
        transfer = self.transfer
        return self._brought + (transfer.position - transfer.offset if transfer else 0)

    def note(self, now: float) -> None:
        """Look at what has come until ``now``."""
        received = self.received
        if received != self._noted:
            self.heard, self._noted = now, received
        self.speed.note(now, received)

    def rate(self) -> float:
        """Bytes a second, also when it has only just begun."""
        return self.speed.rate() if self.speed.span() >= 0.5 else self._young_rate()

    def _young_rate(self) -> float:
        if self.transfer is None:
            return self.speed.rate()
        return (self.received - self._before_stream) / max(clock.monotonic() - self.born, 1e-3)

    def blame(self, error: DownloadError) -> None:
        """Stop the Transfer that is under way as failed."""
        if self.transfer is not None:
            self._blame = error
            self.transfer.cancel()

    def relieve(self) -> bool:
        """Close the stream at hand and go on over a fresh one; False if there is none, or it is told already."""
        if self.transfer is None or self._relieved:
            return False
        self._relieved = True
        self.transfer.cancel()
        return True

    async def run(self) -> DownloadError | None:
        """Bring Segments until there are none; returns why it gave up, or None."""
        try:
            while (segment := await self.crew.next_segment(self)) is not None:
                before = self.received
                try:
                    await self._bring(segment)
                except NoRoom:
                    return None
                except DownloadError as error:
                    await self.let_go()
                    self.tries = 1 if self.received > before else self.tries + 1
                    self.crew.ledger.release(segment)
                    wait = self.crew.after_failure(self, error)
                    if wait is None:
                        return error
                    self._avoid = self.last_source if await self.crew.rest.pause(wait) else None
                else:
                    if self.received > before:
                        self.tries = 0
                finally:
                    self.crew.ledger.release(segment)
                    self.segment = None
                    self.crew.moved()
            return None
        finally:
            await self.let_go()

    async def _bring(self, segment: Segment) -> None:
        """Open a stream at the Segment unless one is there, and let the engine receive it to its end."""
        self.segment = segment
        self.since = clock.monotonic()
        if self._arrival is None or self._arrival.position != segment.position:
            await self.let_go()
            self._before_stream = self.received
            self._arrival = await self._open(segment)
            self.born = clock.monotonic()
            self.opening = self.born - self.since
            self.speed.clear()  # another stream may be of another speed
        arrival = self._arrival
        arrival.fresh = False
        transfer, ended = self.crew.receive(arrival.channel, segment)
        self.transfer = transfer
        self.since = clock.monotonic()
        try:
            await self.crew.settle(transfer, ended)
        finally:
            self._brought += transfer.position - transfer.offset
            self.transfer = None
            self.crew.ledger.commit(segment, transfer.flushed)
            blame, self._blame = self._blame, None
            relieved, self._relieved = self._relieved, False
        self.fresh = self.fresh and transfer.position == transfer.offset
        if transfer.reason == _engine.COMPLETE:
            self._arrival = None
            await self._put_back(arrival)
        elif transfer.reason == _engine.CANCELLED and relieved and blame is None:
            self.fresh = True
            arrival.channel.close()
            await self.let_go()
        elif transfer.reason != _engine.BOUND:
            error = blame or transfer_error(transfer, self.crew.path)
            if self.source is not None:
                self.source.report(error)
            raise error

    async def _open(self, segment: Segment) -> Arrival:
        source, self._avoid = self.crew.choose_source(self._avoid), None
        if source is None:
            raise NoRoom
        source.join()
        self.source = self.last_source = source
        arrival = await self.crew.opener.open(source, segment.position, segment.end)
        try:
            self.crew.check(arrival, source)
        except DownloadError:
            arrival.channel.close()
            raise
        return arrival

    async def _put_back(self, arrival: Arrival) -> None:
        self._leave_source()
        await self.crew.opener.put_back(arrival)

    async def let_go(self) -> None:
        """Part with the stream at hand."""
        arrival, self._arrival = self._arrival, None
        self._leave_source()
        if arrival is not None:
            await self.crew.opener.put_back(arrival)

    def _leave_source(self) -> None:
        if self.source is not None:
            self.source.leave(self.received - self._before_stream, clock.monotonic() - self.born)
            self.source = None


def transfer_error(transfer: _engine.Transfer, path: str) -> DownloadError:
    """Why the engine stopped, as the download's error. The only place that knows the engine's reasons."""
    reason = transfer.reason
    if reason == _engine.WRITE_ERROR:
        return disk_error(OSError(transfer.os_error, os.strerror(transfer.os_error)), "write", path)
    if reason == _engine.STALLED:
        return SourceError("Timeout.", ErrorCode.TIMEOUT, Retry.SAME_SOURCE)
    if reason == _engine.EOF:
        text = f"Got EOF from the server: the body ended at byte {transfer.position}, before it was complete."
        return SourceError(text, ErrorCode.UNKNOWN, Retry.SAME_SOURCE, terse="Got EOF from the server.")
    if reason == _engine.SOCKET_ERROR:
        cause = os.strerror(transfer.os_error)
        text = f"Network problem has occurred. cause: {cause}"
        terse = f"Failed to receive data, cause: {cause}"
        return SourceError(text, ErrorCode.UNKNOWN, Retry.SAME_SOURCE, terse=terse)  # not 6, as on aria2
    if reason == _engine.TLS_ERROR:
        return SourceError(f"SSL/TLS failure: {transfer.message}", ErrorCode.UNKNOWN, Retry.SAME_SOURCE)
    if reason == _engine.BAD_CHUNK:
        text, terse = "The server's chunked encoding is broken.", "Bad chunk size: not hex string"
        return SourceError(text, ErrorCode.UNKNOWN, Retry.SAME_SOURCE, terse=terse)
    return SourceError("The transfer was cancelled.", ErrorCode.UNKNOWN, Retry.SAME_SOURCE)
