"""Proves that a file begins as what a server has: windows of it are compared with answers to range requests.

Owns: the requests and the comparison. Never: which windows (plan.proof), or anything that changes the file.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from slasshy_rpc import _engine
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.plan import proof
from slasshy_rpc.plan.ranges import Range
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.connection import transfer_error
from slasshy_rpc.protocols.crew import same_version
from slasshy_rpc.protocols.opener import Facts, Opener, RangeRefused, SourceChanged

#: How often a window is asked for, and the pause between (seconds).
TRIES = 3
PAUSE = 1.0


class Differs(DownloadError):
    """The file is not the beginning of what the server has: they differ at byte ``at``."""

    def __init__(self, at: int) -> None:
        super().__init__(f"it differs from what the server has at byte {at}", ErrorCode.CANNOT_RESUME)
        self.at = at


@dataclass(slots=True)
class Proof:
    """Compares windows of the open file ``fd`` with what ``opener`` brings from ``source``."""

    opener: Opener
    source: Source
    receiver: Receiver
    fd: int
    timeout: float
    facts: Facts | None = None
    agreed: set[int] = field(default_factory=set)

    async def prove(self, size: int, zeros: Sequence[Range], random: Random) -> int:
        """How many of the file's ``size`` bytes, in whole windows, are the first of what the server has.

        ``zeros`` are its runs of zeros in whole windows. Raises Differs, SourceError, and DownloadError (8) when the
        server has no ranges or not as many bytes.
        """
        whole = size // proof.WINDOW * proof.WINDOW
        end = await self._reach(proof.doubtful(zeros), whole, size)
        if end < whole:
            runs, end = proof.suspects(zeros, end)
            end = await self._reach(runs, end, size)
        for start in proof.windows(end, zeros, random):
            at = await self._difference(start, size)
            if at is not None:
                raise Differs(at)
        return end

    async def _reach(self, runs: Sequence[Range], end: int, size: int) -> int:
        """How far the file counts, of ``end`` bytes, by the first of the ``runs`` of zeros that is not the server's."""
        for run in runs:
            if run[0] >= end:
                break
            for start in proof.edges(run):
                if await self._difference(start, size) is not None:
                    return proof.before(run)
        return end

    async def _difference(self, start: int, size: int) -> int | None:
        """Where the window at ``start`` differs first, None if it does not."""
        if start in self.agreed:
            return None
        theirs = await self._fetched(start, size)
        ours = os.pread(self.fd, proof.WINDOW, start)
        if theirs == ours:
            self.agreed.add(start)
            return None
        return start + next(
            (at for at, (one, other) in enumerate(zip(theirs, ours, strict=False)) if one != other), len(ours)
        )

    async def _fetched(self, start: int, size: int) -> bytes:
        for left in reversed(range(TRIES)):
            try:
                return await self._asked(start, size)
            except SourceError as error:
                if not left or error.retry is not Retry.SAME_SOURCE:
                    raise
                await asyncio.sleep(max(PAUSE, error.retry_after or 0.0))
        raise AssertionError("the loop returns or raises")

    async def _asked(self, start: int, size: int) -> bytes:
        """The server's window at ``start``."""
        end = start + proof.WINDOW
        try:
            arrival = await self.opener.open(self.source, start, end)
        except RangeRefused as error:
            raise _refused(error.length, size) from error
        try:
            facts = arrival.facts
            if facts.length is None or facts.length < size or arrival.start != start or arrival.end != end:
                raise _refused(facts.length, size)
            if self.facts is None:
                self.facts = facts
            elif not same_version(self.facts, facts):
                raise SourceChanged("what the server has changed meanwhile")
            with tempfile.TemporaryFile() as scratch:
                transfer = await self.receiver.receive(
                    arrival.channel, scratch.fileno(), 0, proof.WINDOW, timeout=self.timeout
                )
                if transfer.reason not in (_engine.COMPLETE, _engine.BOUND):
                    raise transfer_error(transfer, "a temporary file")
                data = os.pread(scratch.fileno(), proof.WINDOW, 0)
        except BaseException:
            arrival.channel.close()
            raise
        await self.opener.put_back(arrival)
        return data


def _refused(length: int | None, size: int) -> DownloadError:
    """Why a window of a file of ``size`` bytes did not come, when the server has ``length`` (None: who knows)."""
    text = "the server has no ranges, so nothing of it can be compared or continued"
    if length is not None and length < size:
        text = f"it has {size} bytes, and what the server has only {length}"
    return DownloadError(text, ErrorCode.CANNOT_RESUME)
