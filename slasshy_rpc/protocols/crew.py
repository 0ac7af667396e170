"""The Connections of one file: how many there are, who brings what, and what happens when one fails.

Owns: the ledger of Segments while the file is brought, and the Sources. Never: names, control files or the order of
writing things down (segmented.py), bytes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from slasshy_rpc import _engine, clock
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.net.address import redact
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.plan import relief, split, version
from slasshy_rpc.plan.ranges import Range
from slasshy_rpc.plan.relief import Relief
from slasshy_rpc.plan.retry import RetryRules, pause
from slasshy_rpc.plan.segments import Segment, SegmentMap
from slasshy_rpc.plan.sources import Source, choose, connection_limit, vacancies
from slasshy_rpc.plan.speed import Speed
from slasshy_rpc.protocols.connection import Connection
from slasshy_rpc.protocols.opener import Arrival, Facts, Opener, RangeRefused, SourceChanged
from slasshy_rpc.protocols.rest import Rest

log = logging.getLogger(__name__)

#: How often speeds are taken and lagging streams looked for (seconds); while Connections are idle and look for
#: something to split, more often.
TICK = 0.1
IDLE_TICK = 0.04

#: A Segment whose open has not been answered for this long may be split (seconds).
SLOW_OPEN = 2.0

#: --lowest-speed-limit is not applied to the first seconds of a Connection (aria2 manual).
STARTUP_IDLE = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """``connections`` in all and ``per_host``; sizes in bytes, times in seconds, speeds in bytes a second.

    ``strict_split``: the user set ``min_split_size``, so it also rules every later cut. ``selector`` as in
    ``split.planned``. ``resume_failures``: so many URIs without ranges, before a byte has come, end what cannot be
    continued (0: all of them). ``longest_range``: bytes that one request may ask for (0: any number).
    """

    connections: int
    per_host: int
    min_split_size: int
    piece_length: int
    strict_split: bool
    timeout: float
    lowest_speed: int
    retry: RetryRules
    selector: str = "default"
    resume_failures: int = 0
    longest_range: int = 0


class Crew:
    """Brings the missing bytes of one file of known length over several Connections."""

    def __init__(
        self,
        opener: Opener,
        receiver: Receiver,
        sources: list[Source],
        limits: Limits,
        pace: _engine.Pace,
        shared_pace: _engine.Pace | None,
        rest: Rest,
    ) -> None:
        self.opener = opener
        self.rest = rest
        self.sources = sources
        self.limits = limits
        self.connections: set[Connection] = set()
        self.ledger = SegmentMap(0)
        self.path = ""
        self.speed = Speed()
        self._receiver = receiver
        self._pace = pace
        self._shared_pace = shared_pace
        self._relief = Relief(limits.connections)
        self._fd = -1
        self._live: _engine.LiveMap | None = None
        self._first = Facts(None, None)  # what the download began with
        self._facts: dict[str, Facts] = {}  # by URI: a mirror that was withdrawn may come back with another version
        self._promised = False  # a server said that it has ranges, until ...
        self._ranged: set[Source] = set()  # ... these have served one
        self._rangeless: set[Source] = set()  # these said or showed that they have none
        self._found = 0  # bytes that were there before this Crew began
        self._fatal: DownloadError | None = None
        self._leaving = False  # the last Connections end, and after them the file is closed
        self._last_error: DownloadError | None = None
        self._tasks: dict[asyncio.Task[DownloadError | None], Connection] = {}
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def received(self) -> int:
        """Bytes of the file that are here: in the file or in a buffer."""
        return self.progress()[1]

    def solid(self) -> list[Range]:
        """Ranges that are in the file, those of running Transfers included."""
        return self.progress()[2]

    def progress(self) -> tuple[int, int, list[Range]]:
        """How many Connections have a Source, ``received`` and ``solid``, in one look: polls ask for all of them."""
        connected, received, solid = 0, self.ledger.done.total, list(self.ledger.done)
        for connection in self.connections:
            if connection.source is not None:
                connected += 1
            transfer, segment = connection.transfer, connection.segment
            if transfer is not None and segment is not None:
                begun = segment.position
                received += transfer.position - begun
                solid.append((begun, transfer.flushed))
        return connected, received, solid

    async def work(
        self,
        ledger: SegmentMap,
        fd: int,
        path: str,
        live: _engine.LiveMap | None,
        arrival: Arrival | None,
        facts: Facts,
        source: Source,
    ) -> None:
        """Bring everything that ``ledger`` misses into ``fd``; the first stream is there already if it was of use.

        Raises DownloadError when no Connection can go on. Cancelled: all is flushed and committed first.
        """
        self.ledger, self._fd, self.path, self._live = ledger, fd, path, live
        self._first, self._facts = facts, {source.uri: facts}
        self._fatal = self._last_error = None
        self._leaving = False
        self._promised = facts.ranges is True
        self._found = ledger.done.total
        if arrival is not None and arrival.start > 0:
            self._ranged.add(source)
        elif facts.ranges is False:
            self._without_ranges(source)
        free, least, piece = list(ledger.free), self.limits.min_split_size, self.limits.piece_length
        if self._divisible():
            parts, pick = split.planned(self.limits.selector, free, self._room(), least, piece)
            ledger.plan(split.capped(parts, self.limits.longest_range), pick)
        if len(split.first_cut(free, self.limits.connections, least, piece)) > self._room():
            source.lines.run_short(self._room())
        try:
            if arrival is not None:
                self._spawn(Connection(self, arrival, source))
            while not ledger.complete:
                self._reinforce()
                if not self._tasks:
                    raise self._dead_end()
                tick = IDLE_TICK if self._waiting else TICK
                await asyncio.wait(self._tasks, timeout=tick, return_when=asyncio.FIRST_COMPLETED)
                self._tick()
        finally:
            await self._dismiss()

    # ---- what a Connection asks of its crew

    async def next_segment(self, connection: Connection) -> Segment | None:
        """The next bytes for this Connection, as soon as there are some; None when it is not needed any more."""
        while not self.ledger.complete and self._fatal is None:
            segment = self._claim(connection)
            if segment is not None:
                return segment
            if not self._divisible() and not self.ledger.owns_from(connection.position):
                return None
            if self._ranged and self._divisible():
                await connection.let_go()  # an idle stream only holds the server; a range is as good as it
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        return None

    def moved(self) -> None:
        """Something changed hands: idle Connections look again."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    def choose_source(self, avoid: Source | None = None) -> Source | None:
        """The Source to ask for a range next, ``avoid`` only if there is no other; None when none has room now.

        Raises why none is left, if so.
        """
        able = self._able()
        if not able:
            raise self._dead_end()
        return choose(able, self.limits.per_host, avoid, beside=self._connected())

    def receive(
        self, channel: _engine.Channel, segment: Segment
    ) -> tuple[_engine.Transfer, asyncio.Future[_engine.Transfer]]:
        """Give the stream and the Segment to the engine; the future is done when it has given both back."""
        return self._receiver.start(
            channel,
            self._fd,
            segment.position,
            segment.end,
            solid_from=self.ledger.solid_from(segment.position),
            live=self._live,
            pace=self._pace,
            timeout=self.limits.timeout,
        )

    async def settle(self, transfer: _engine.Transfer, ended: asyncio.Future[_engine.Transfer]) -> None:
        """Wait for the end of a Transfer; cancelled, it is stopped and flushed first."""
        await self._receiver.settle(transfer, ended)

    def check(self, arrival: Arrival, source: Source) -> None:
        """Bytes of two versions never meet in one file. Raises SourceChanged, or SourceError for a wrong mirror."""
        facts = arrival.facts
        known = self._facts.get(source.uri)
        text = ""
        if facts.length != self.ledger.length:
            text = f"it has {facts.length} bytes, not the {self.ledger.length} that were expected"
        elif known is not None and not same_version(known, facts):
            text = "it has another ETag or Last-Modified than before"
        elif known is None and source.named and not self._first.digest and not same_version(self._first, facts):
            # Only a server has said that it is the same file, and nothing will tell afterwards.
            text = f"The mirror {redact(facts.url)} has another ETag and Last-Modified than the server that named it."
            raise SourceError(text, ErrorCode.CANNOT_RESUME, Retry.NEXT_SOURCE)
        if text and known is not None:
            text = f"The file at {redact(facts.url)} changed while it was downloaded: {text}."
            if any(one.alive and one.uri in self._facts for one in self.sources if one is not source):
                # They have the version that was begun, and would go on with it after a fresh start.
                raise SourceError(text, ErrorCode.CANNOT_RESUME, Retry.NEXT_SOURCE)
            raise SourceChanged(text)
        if text:
            text = f"Size mismatch: {redact(facts.url)} is another file: {text}."
            raise SourceError(text, ErrorCode.CANNOT_RESUME, Retry.NEXT_SOURCE)
        if known is None or facts.etag or facts.last_modified:
            self._facts[source.uri] = facts
        if arrival.start > 0:
            self._ranged.add(source)

    def after_failure(self, connection: Connection, error: DownloadError) -> float | None:
        """Seconds until the Connection should try again; None: it should give up."""
        if self._last_error is None or not isinstance(error, RangeRefused):
            self._last_error = error  # that there are no ranges only says why it cannot go on
        log.info("%s: %s", self.path, error)
        if isinstance(error, SourceChanged) or error.retry is Retry.NEVER:
            self._fatal = error
            return None
        source = connection.last_source
        if isinstance(error, RangeRefused) and source is not None:
            if source not in self._ranged:
                self._without_ranges(source)
                return 0.0 if self._divisible() and self._fatal is None else None
            # It can do better: one wrong answer is no reason to give anything up.
            error = SourceError(str(error), error.code, Retry.SAME_SOURCE)
        if error.code == ErrorCode.TOO_SLOW and any(
            c.speed.rate() > self.limits.lowest_speed for c in self.connections
        ):
            return 0.0  # it is this stream that is slow, not the server
        wait = pause(self.limits.retry, error, connection.tries)
        if wait is not None:
            return wait
        # This Connection has had its chances. While others do better the Source may live, with one Connection less.
        if source is not None and (error.retry is Retry.NEXT_SOURCE or not self._others_do_better(connection)):
            source.fail(error)
            if self._able():
                connection.tries = 0
                return 0.0
        return None

    def withdraw(self, source: Source) -> None:
        """It is no Source of this file any more: what comes from it is to come from others."""
        source.withdrawn = True
        for connection in self.connections:
            if connection.source is source:
                connection.relieve()

    def move(self, source: Source) -> bool:
        """Let one stream of this Source go on over another one, if there are ranges; whether one does."""
        for connection in self.connections:
            if connection.source is source and self._ranged and connection.relieve():
                return True
        return False

    def welcome(self) -> None:
        """There are new Sources: let them have their share of what is under way, in parts of min_split_size."""
        if self._leaving or not self._tasks or not self._divisible():
            return
        left = [one.end - one.position for one in self.ledger.owned]
        parts = sum(max(0, size // self.limits.min_split_size - 1) for size in left)
        for _ in range(min(parts, self._room() - len(self.connections), self._vacancies())):
            self._spawn(Connection(self))

    def put_off(self) -> None:
        """Those that have no ranges come last when the file is begun anew."""
        self.sources.sort(key=lambda source: source in self._rangeless)

    # ---- its own affairs

    def _without_ranges(self, source: Source) -> None:
        """Note that it cannot continue a file; enough of them end it, if it is to be continued and nothing has come."""
        self._rangeless.add(source)
        most = self.limits.resume_failures
        if most and len(self._rangeless) >= most and self._found and self.received == self._found:
            text = f"{most} URIs could not continue the file (--max-resume-failure-tries)."
            self._fatal = RangeRefused(text, self.ledger.length)

    def _others_do_better(self, failed: Connection) -> bool:
        """Whether bytes came over another Connection while this one tried, or a moment before."""
        now = clock.monotonic()
        for connection in self.connections:
            connection.note(now)
        moment = min(1.0, self.limits.timeout / 2)
        return any(c.heard >= failed.since - moment for c in self.connections if c is not failed)

    def _room(self) -> int:
        return connection_limit(self.sources, self.limits.connections, self.limits.per_host)

    def _connected(self) -> set[Source]:
        """The Sources of all Connections, those included that were withdrawn, have failed or have no ranges."""
        return {one.source for one in self.connections if one.source is not None}

    def _vacancies(self) -> int:
        """How many new Connections would find a Source, beside those that are about to choose theirs."""
        choosing = sum(1 for one in self.connections if one.source is None) - len(self._waiting)
        return vacancies(self._able(), self.limits.per_host, self._connected()) - max(0, choosing)

    def _able(self) -> list[Source]:
        """The living Sources that may serve a range."""
        return [source for source in self.sources if source.alive and source not in self._rangeless]

    def _divisible(self) -> bool:
        """Whether any bytes can be had but by going on with a stream that is there."""
        return bool(self._able())

    def _spawn(self, connection: Connection) -> None:
        task = asyncio.create_task(connection.run())
        self._tasks[task] = connection
        self.connections.add(connection)

    def _reinforce(self) -> None:
        """Open a Connection for every planned range that has none, as far as the limits go."""
        if not self._divisible() or self._fatal is not None:
            return
        wanted = min(self._room(), len(self.connections) + len(self.ledger.free))
        if not self._ranged and not self._promised:
            wanted = min(wanted, 2)  # one range request shows whether the others are worth it
        idle = len(self._waiting)
        wanted = min(wanted - (len(self.connections) - idle), self._room() - len(self.connections), self._vacancies())
        for _ in range(wanted):
            self._spawn(Connection(self))

    def _tick(self) -> None:
        """Take speeds, take in Connections that ended, wake the idle; raises when nobody is left."""
        now = clock.monotonic()
        self.speed.note(now, self.received)
        for connection in self.connections:
            connection.note(now)
            self._too_slow(connection, now)
        self._relieve(now)
        for task in [t for t in self._tasks if t.done()]:
            self.connections.discard(self._tasks.pop(task))
            task.result()
        self.moved()
        if self._fatal is not None:
            raise self._fatal
        if not self._tasks and not self.ledger.complete and not self._able():
            raise self._dead_end()

    def _too_slow(self, connection: Connection, now: float) -> None:
        if connection.transfer is not None:
            fault = too_slow(self.limits, now - connection.since, connection.speed.rate())
            if fault is not None:
                connection.blame(fault)

    def _relieve(self, now: float) -> None:
        """Have fresh streams opened in place of those that lag; while we hold them back ourselves none does."""
        if not self._ranged or self._pace.rate or (self._shared_pace is not None and self._shared_pace.rate):
            return
        streams: list[relief.Stream] = []
        busy: list[Connection] = []
        for one in self.connections:
            if one.transfer is not None and one.segment is not None:
                left = one.segment.end - one.transfer.position
                streams.append(relief.Stream(left, one.rate(), now - one.born, now - one.heard, one.opening, one.fresh))
                busy.append(one)
        for index in self._relief.due(streams, now, last=bool(self._waiting) and not self.ledger.free):
            busy[index].relieve()

    def _dead_end(self) -> DownloadError:
        """Why it does not go on: if all that was left had no ranges, RangeRefused, so that it may start over."""
        if self._fatal is not None:
            return self._fatal
        faults = [source.fault for source in self.sources if source.fault is not None]
        telling = [fault for fault in faults if fault.code != ErrorCode.CANNOT_RESUME] or faults
        error = telling[-1] if telling else self._last_error or SourceError("No URI available.")
        if any(source.alive for source in self.sources) and not self._divisible():
            refused = RangeRefused(f"{error} The server has no ranges to go on with.", self.ledger.length)
            refused.code = error.code
            return refused
        return error.with_traceback(None)

    def _claim(self, connection: Connection) -> Segment | None:
        position = connection.position
        if not self._divisible() or (position >= 0 and not self._ranged and not self._promised):
            # A stream of everything is not given up before a range was had.
            return self.ledger.claim(position) if self.ledger.adjacent(position) else None
        return self.ledger.claim(position) or self._steal(connection)

    def _steal(self, thief: Connection) -> Segment | None:
        """Split the busy Segment that would end last; the engine has the last word."""
        now = clock.monotonic()
        own = thief.speed.rate()
        busy: list[Connection] = []
        states: list[split.Busy] = []
        for one in self.connections:
            segment, transfer = one.segment, one.transfer
            if segment is None or one is thief or segment not in self.ledger.owned:
                continue
            if transfer is not None:
                states.append(split.Busy(transfer.position, segment.end, one.rate()))
            elif now - one.since > SLOW_OPEN:
                states.append(split.Busy(segment.position, segment.end, own))
            else:
                continue
            busy.append(one)
        rates = [state.rate for state in states if state.rate > 0]
        own = own or (sum(rates) / len(rates) if rates else 0.0)
        floor = self.limits.min_split_size if self.limits.strict_split else 0
        found = split.steal(states, own, floor)
        if found is None:
            return None
        victim, cut = busy[found[0]], found[1]
        assert victim.segment is not None
        if victim.transfer is not None and not victim.transfer.shrink(cut):
            return None
        return self.ledger.part(victim.segment, cut)

    async def _dismiss(self) -> None:
        """Stop every Connection; what they had received is in the file afterwards, and no new one comes."""
        self._leaving = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        self.moved()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        self.connections.clear()


def too_slow(limits: Limits, age: float, rate: float) -> SourceError | None:
    """Why a stream that has come for ``age`` seconds at ``rate`` bytes a second is given up, if it is."""
    if not limits.lowest_speed or age <= STARTUP_IDLE or rate > limits.lowest_speed:
        return None
    text = f"Too slow Downloading speed: {int(rate)} <= {limits.lowest_speed}(B/s)"
    return SourceError(text, ErrorCode.TOO_SLOW, Retry.NEXT_SOURCE)


def same_version(first: Facts, now: Facts) -> bool:
    """Whether two answers for one URI speak of the same bytes."""
    tags = (first.etag.removeprefix("W/"), now.etag.removeprefix("W/"))
    weak = tags != (first.etag, now.etag)
    return version.same_version((tags[0], first.last_modified), (tags[1], now.last_modified), weak=weak)
