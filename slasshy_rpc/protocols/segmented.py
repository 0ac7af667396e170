"""The Job behind HTTP, FTP and SFTP: inspect by opening, prepare the file, let a crew bring it, check and finish.

Owns: the order of these steps, starting over, and what the Job looks like. Never: protocol details (openers), cut
points (plan), how bytes move (crew, engine).
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from slasshy_rpc import _engine, clock
from slasshy_rpc.disk import layout
from slasshy_rpc.disk.existing import Action, settle
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode, SourceError
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.plan.segments import SegmentMap
from slasshy_rpc.plan.selector import Selector
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.atonce import AtOnce
from slasshy_rpc.protocols.base import Outcome, Workplace
from slasshy_rpc.protocols.crew import Crew, Limits, same_version
from slasshy_rpc.protocols.destination import Destination
from slasshy_rpc.protocols.inspection import NO_URI, Inspection
from slasshy_rpc.protocols.integrity import Integrity
from slasshy_rpc.protocols.localfile import FileRules, LocalFile, foresee, whole_since
from slasshy_rpc.protocols.offloop import finished, outdone, outlast, threaded
from slasshy_rpc.protocols.opener import (
    Arrival,
    Facts,
    Inquiry,
    Opener,
    Openings,
    RangeRefused,
    SourceChanged,
    Unchanged,
)
from slasshy_rpc.protocols.portrait import Look, Portrait
from slasshy_rpc.protocols.records import kept
from slasshy_rpc.protocols.rest import Rest
from slasshy_rpc.protocols.stream import Stream
from slasshy_rpc.values import ServerView, Snapshot

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

_NO_PLACE = (ErrorCode.FILE_EXISTS, ErrorCode.RENAMING_FAILED)

#: How often a download may begin again from nothing because the file changed or cannot be continued.
FRESH_STARTS = 3
#: No date is as far from the epoch (seconds): a day of a month may have any number of digits.
_LAST_STAMP = 1 << 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What a segmented download needs from its options, in plain values; ``checksum`` is (algorithm, hex digest).

    ``out`` names the file, else the server does. ``trusted`` as in ``disk.layout.resolve``.
    """

    directory: str
    out: str
    trusted: bool
    compat: bool
    limits: Limits
    file: FileRules
    rate: int
    always_resume: bool
    not_found_limit: int
    dry_run: bool
    use_head: bool
    conditional: bool
    checksum: tuple[str, str] | None


class SegmentedJob:
    """Brings one file over as many Connections as its Plan allows; ``turn`` as in Integrity."""

    def __init__(
        self,
        sources: list[Source],
        selector: Selector,
        plan: Plan,
        place: Workplace,
        opener: Opener,
        receiver: Receiver,
        turn: asyncio.Lock,
    ) -> None:
        self._plan = plan
        self.place = place
        self._opener = Openings(opener)
        self._receiver = receiver
        self._sources = sources
        self._selector = selector  # that of all of them, and of those that come later
        self._pace = _engine.Pace(plan.rate, place.pace)
        self._rest = Rest()
        self._integrity = Integrity(turn)
        self._crew = Crew(self._opener, receiver, sources, plan.limits, self._pace, place.pace, self._rest)
        self._inspection = Inspection(self._opener, sources, plan.limits, plan.not_found_limit, self._rest)
        self._stream = Stream(self._inspection, receiver, sources, plan.limits, self._pace, self._crew.speed)
        self._at_once = AtOnce()
        self._file: LocalFile | None = None
        self._destination = Destination(plan.directory, plan.out, plan.trusted, plan.compat)
        self._begun = place.claims.path_of(place.gid)  # what an earlier Job of this Download was writing
        self._path = self._begun or (self._destination.path(plan.out) if plan.out else "")
        self._length: int | None = None
        self._opening = False  # the file is made ready for the first time
        self._cancelled = False
        self._had = 0  # bytes that an earlier Job, or another program, had left
        self._portrait = Portrait()
        self._inquiry = Inquiry(plan.use_head or plan.dry_run, self._since if plan.conditional else None)

    # ---- the Job

    async def run(self) -> Outcome:
        """See ``Job.run``."""
        try:
            for fresh_starts in range(FRESH_STARTS + 1):
                try:
                    await self._bring()
                    return Outcome()
                except Unchanged as unchanged:
                    self._leave_alone(unchanged)
                    return Outcome()
                except (SourceChanged, RangeRefused) as error:
                    spent = fresh_starts >= self._starts(error)
                    if self._file is None or spent or not self._expendable(self._file, error):
                        self._exhaust(error)
                        raise
                    log.warning("%s Starting over.", error)
                    await self._start_over(self._file)
            raise AssertionError("the loop returns or raises")
        finally:
            self._selector.learn()
            file = self._file
            if file is not None and not file.finished:
                solid = self._crew.solid() if self._crew.ledger.length else file.done
                await self._off_loop(file.suspend, solid)
            claims, gid = self.place.claims, self.place.gid
            if claims.path_of(gid) != self._begun or (file is not None and file.intact):
                claims.release(gid)  # nothing there is this Download's: the next Job must not take it for its own

    def snapshot(self) -> Snapshot:
        """See ``Job.snapshot``."""
        length = self._length or 0
        connected, received, solid = self._crew.progress()
        piece = self._file.piece_length if self._file else self._plan.file.piece_length
        look = Look(
            length,
            received or self._stream.received or self._at_once.received,
            int(self._crew.speed.rate()),
            connected or sum(source.connections for source in self._sources),
            piece,
            self._destination.shown(self._path),
            self.place.lines.views(),
            self._integrity.verified,
            self._integrity.pending,
            self._had,
        )
        return self._portrait.of(look, solid if self._crew.ledger.length or self._opening else None)

    def servers(self) -> tuple[ServerView, ...]:
        """See ``Job.servers``; a body of unknown length, or one that comes at once, has no crew."""
        if self._stream.running or self._at_once.running:
            speed = int(self._crew.speed.rate())
            return tuple(ServerView(s.uri, s.current or s.uri, speed) for s in self._sources if s.connections)
        return tuple(
            ServerView(c.source.uri, c.source.current or c.source.uri, int(c.speed.rate()), *c.span)
            for c in self._crew.connections
            if c.source
        )

    def retune(self, changed: OptionSet) -> bool:
        """See ``Job.retune``: of what may change while running, only the speed limit means something here."""
        self._pace.rate = changed.integer("max-download-limit")
        return True

    def change_uris(self, uris: Sequence[str]) -> None:
        """See ``Job.change_uris``: a stream whose line stays is not touched."""
        lines = self.place.lines
        known, kept = {source.uri: source for source in self._sources if not source.named}, frozenset(uris)
        self._sources[:] = [source for source in self._sources if source.uri in kept or source.named]
        for uri, source in known.items():
            if uri not in kept:
                self._opener.withdraw(source)
                self._crew.withdraw(source)
                self._stream.withdraw(source)
            elif not lines.has_failed(uri):
                source.fault = None
        new = [Source.of(uri, lines, self._selector) for uri in uris if uri not in known]
        self._sources += new
        for uri in lines.orphans():
            # One that is no Source any more had failed, and was added anew: whoever was with it leaves anyway.
            if uri in kept and uri in known and (lines.next_up() not in kept or not self._crew.move(known[uri])):
                lines.take(uri)
        self._crew.welcome()
        if new:
            self._rest.wake()

    # ---- its steps

    async def _bring(self) -> None:
        """Everything, once: raises when it has to be started over."""
        arrival, source = await self._inspect()
        facts = arrival.facts
        self._length = facts.length
        self._sources += [source.mirror(uri) for uri in facts.mirrors if all(uri != s.uri for s in self._sources)]
        if self._plan.dry_run:
            await self._opener.put_back(arrival)
            await self._foretell(facts)
            return
        spare: Arrival | None = arrival
        try:
            self._path = self._begun or self._destination.path(self._plan.out or facts.name)
            body = await self._take(arrival, source)
            if len(body) == facts.length:
                await self._opener.put_back(arrival)
                spare = None
            file = await self._prepare(facts, body)
        except BaseException as error:
            if spare is not None:
                spare.channel.close()
            # aria2 shows a map once it has a place for the file
            placed = isinstance(error, DiskError) and error.code not in _NO_PLACE
            self._crew.ledger = SegmentMap((facts.length or 0) if placed else 0)
            self._at_once.let_go()
            raise
        if facts.length is None:
            facts, self._length = await self._stream.bring(arrival, source, file, lambda: self._off_loop(file.empty))
            await self._verify(file, facts)
            await self._finish(file, facts, self._length)
            return
        ledger = SegmentMap(facts.length, [(0, len(body))] if body and file.blank else file.done)
        self._crew.ledger = ledger  # from now on: however this ends, the record says what is there
        self._at_once.let_go()
        del body
        if file.finished:
            return
        if self._at_once.stopped:
            raise asyncio.CancelledError
        self._had = ledger.done.total if file.done else 0
        if file.fd < 0:
            await self._opener.put_back(arrival)
            raise DownloadError(f"There is no whole {file.path} that could be checked (--hash-check-only).", terse="")
        checked = self._plan.checksum is not None and file.whole and facts.length > 0
        if checked and not await self._matches(file, facts):
            self._crew.ledger = ledger = SegmentMap(facts.length)  # first: a stop must not record what goes now
            checked = False
            await self._off_loop(file.empty)
        if arrival.bodyless and not ledger.complete:
            spare, source = await self._go_on(ledger, arrival, facts)
        await self._fetch(ledger, file, spare, facts, source)
        if not checked:
            await self._verify(file, facts)
        await self._finish(file, facts, facts.length)

    async def _verify(self, file: LocalFile, facts: Facts) -> None:
        """Raises DownloadError 32 if the file does not have the digest that was given, or else that a server told."""
        if not await self._matches(file, facts):
            self._crew.ledger = SegmentMap(facts.length or 0)
            algorithm, _ = self._plan.checksum or facts.digest or ("", "")
            told = "was given" if self._plan.checksum else "the server told"
            text = f"{file.path} does not have the {algorithm} digest that {told}."
            raise DownloadError(text, ErrorCode.CHECKSUM, terse="")

    async def _go_on(self, ledger: SegmentMap, told: Arrival, facts: Facts) -> tuple[Arrival, Source]:
        """After a HEAD: the body, from the first byte that is missing, as it is. Raises SourceError."""
        await self._opener.put_back(told)
        start, end = ledger.free[0]
        arrival, source = await self._inspection.first(start, end)
        if arrival.facts.length != facts.length or not same_version(facts, arrival.facts):
            arrival.channel.close()
            text = "The server's answer to GET is not of the file that it told of after HEAD."
            error = SourceError(text, ErrorCode.CANNOT_RESUME, terse=NO_URI)
            source.fail(error)
            raise error
        return arrival, source

    async def _foretell(self, facts: Facts) -> None:
        """--dry-run: where the file would be, and whether it might; nothing is touched. Raises DiskError."""
        self._path = self._begun or self._destination.path(self._plan.out or facts.name)
        if facts.length:
            given, rules = self._plan.checksum is not None, self._plan.file.existing
            found = await self._off_loop(settle, self._path, facts.length, self._claim, rules, checksum=given)
            self._path = found.path
        self._crew.ledger = SegmentMap(facts.length or 0, [(0, facts.length or 0)])

    def _leave_alone(self, unchanged: Unchanged) -> None:
        """--conditional-get: there is nothing newer than the file, which is complete as it is."""
        self._path = self._path or self._destination.named(unchanged.url)
        log.info("%s: %s", self._path, unchanged)
        self._length = unchanged.length
        self._crew.ledger = SegmentMap(unchanged.length, [(0, unchanged.length)])

    async def _inspect(self) -> tuple[Arrival, Source]:
        """Open the file for the first time: the answer's head is the inspection, its body is kept.

        If a file that can be continued lies where the name points, the first missing bytes are asked for at once.
        """
        if self._inquiry.head:
            arrival, source = await self._inspection.first(0, None, self._inquiry)
            if arrival.facts.length or self._plan.dry_run:
                return arrival, source
            # What has no length is not known any better than before, but for its name.
            await self._opener.put_back(arrival)
            name = arrival.facts.name
            arrival, source = await self._inspection.first(0, None)
            arrival.facts = replace(arrival.facts, name=name)
            return arrival, source
        most = self._plan.limits.longest_range
        guess = self._path or self._destination.named(self._sources[0].uri)
        there = guess and layout.taken(guess)  # a quick look, and most need no more
        gap = await self._off_loop(foresee, guess, self._plan.file) if there else None
        if gap is not None:
            start, end = gap
            part = max(self._plan.limits.min_split_size, (end - start) // self._plan.limits.connections)
            part = min(part, most) if most else part
            with contextlib.suppress(RangeRefused):
                return await self._inspection.first(start, min(start + part, end) if end else None, self._inquiry)
        return await self._inspection.first(0, most or None, self._inquiry)

    async def _take(self, arrival: Arrival, source: Source) -> memoryview:
        """A body that is small and not to be slowed down, or its beginning."""
        slowed = self._pace.rate or (self.place.pace is not None and self.place.pace.rate)
        if slowed or self._plan.file.check_only or not AtOnce.fits(arrival):
            return memoryview(b"")
        source.join()
        self._crew.ledger = SegmentMap(arrival.facts.length or 0)
        began = clock.monotonic()
        try:
            return await self._at_once.take(arrival, self._plan.limits.timeout)
        finally:
            source.leave(self._at_once.received, clock.monotonic() - began)

    async def _prepare(self, facts: Facts, body: memoryview) -> LocalFile:
        """Take the path, open the file there and write ``body``, what has come of it; all of it may end it.

        A Job that is cancelled meanwhile has it to suspend.
        """
        place, path = self.place, self._path
        checked = bool(self._plan.checksum or facts.digest)
        all_there = len(body) == facts.length
        whole = all_there and not checked

        def prepare() -> LocalFile:
            file = self._file = LocalFile.prepare(
                path,
                facts.length,
                self._plan.file,
                self._claim,
                checksum=checked,
                begun=path == self._begun,
                validators=(facts.etag, facts.last_modified),
                gid=place.gid,
                cancelled=lambda: self._cancelled,
                at_once=all_there,
            )
            if file.blank and body:
                file.write(body)
            if file.blank and whole:
                file.finish(len(body), _stamp(facts.last_modified))
            return file

        self._opening = not self._begun and bool(facts.length)  # aria2 shows a map of zeros by now
        try:
            file = await self._put(path, body, facts) if whole and not self._begun else None
            if file is None:
                file = await outdone(threaded(prepare), self._cancel, lambda file: file.finished)
        finally:
            self._opening = False
        self._file = file
        self._path = self._begun = file.path
        return file

    async def _put(self, path: str, body: memoryview, facts: Facts) -> LocalFile | None:
        """All of a small file where nothing lies, by the engine; None, and nothing done, if that is not so simple."""
        rules = self._plan.file
        if rules.sync == "always" or rules.keep_control or rules.check_only or not self._claim(path):
            return None
        modified = _stamp(facts.last_modified) if rules.remote_time else None
        when = None if modified is None else int(modified)
        put = self._receiver.put(os.fsencode(path), os.fsencode(layout.control_path(path)), body, when)
        return LocalFile.put(path, len(body), rules) if await outdone(put, self._cancel, bool) else None

    async def _fetch(
        self, ledger: SegmentMap, file: LocalFile, first: Arrival | None, facts: Facts, source: Source
    ) -> None:
        """Let the crew bring what is missing, and keep the control file young."""
        # It may have been withdrawn while the file was made ready.
        needed = not source.withdrawn and not ledger.complete and first is not None and ledger.adjacent(first.position)
        if not needed and first is not None:
            await self._opener.put_back(first)
            first = None
        if ledger.complete:
            return
        others = any(one.alive for one in self._sources if one is not source)
        if first is None and not source.withdrawn and facts.ranges is False and not others:
            error = RangeRefused("The server has no ranges: what is there cannot be continued.", ledger.length)
            error.terse = NO_URI
            raise error
        over = asyncio.Event()
        saving = asyncio.create_task(kept(self._crew, file, over))
        try:
            await self._crew.work(ledger, file.fd, file.path, file.live, first, facts, source)
        except SourceError as error:
            error.terse = NO_URI  # aria2 gives the code of the last one, but once there is a file no text
            raise
        finally:
            over.set()
            await outlast(saving)
            saving.result()

    async def _matches(self, file: LocalFile, facts: Facts) -> bool:
        """Whether the file has the digest that was given, or else that a server told; so has one without any."""
        wanted = self._plan.checksum or facts.digest
        if wanted is None or (not self._plan.checksum and self._stream.digest == wanted[1]):
            return True
        return await self._integrity.holds(file.fd, wanted)

    async def _finish(self, file: LocalFile, facts: Facts, length: int) -> None:
        task = threaded(file.finish, length, _stamp(facts.last_modified))
        await outdone(task, self._cancel, lambda _: file.finished)
        self._crew.ledger = SegmentMap(length, [(0, length)])

    def _starts(self, error: DownloadError) -> int:
        """How many fresh starts there may be; one after a stream that broke off is a try as any other."""
        tries = self._plan.limits.retry.max_tries
        if isinstance(error, RangeRefused) and not self._had and tries:
            return min(FRESH_STARTS, tries - 1)
        return FRESH_STARTS

    def _exhaust(self, error: DownloadError) -> None:
        """No Source can go on with what is there: none of them waits."""
        for source in self._sources:
            if source.alive:
                source.fail(error)

    def _expendable(self, file: LocalFile, error: DownloadError) -> bool:
        """Whether the bytes on disk may go for a fresh start.

        Those that another program left there may only where the user has said so, with --always-resume=false.
        """
        if not any(source.alive for source in self._sources):
            return False
        if isinstance(error, RangeRefused) and self._had:
            return not self._plan.always_resume
        return file.action in (Action.FRESH, Action.TRUNCATE, Action.RESUME_CONTROL)

    async def _start_over(self, file: LocalFile) -> None:
        """The bytes that came belong to another content: away with them."""
        self._crew.ledger = SegmentMap(0)
        self._crew.put_off()
        self._file = None
        await self._off_loop(file.discard)

    # ---- small things

    def _claim(self, path: str) -> bool:
        return self.place.claims.take(path, self.place.gid)

    async def _since(self, url: str) -> float | None:
        """--conditional-get: the time of the file that ``url`` would be written to; None where that is begun anew."""
        path = self._path or self._destination.named(url)
        return await self._off_loop(whole_since, path) if path and not self._begun else None

    async def _off_loop(self, step: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run a blocking step in a thread, to its end even when the Job is cancelled meanwhile."""
        task = threaded(step, *args, **kwargs)
        await finished(task, self._cancel)
        return task.result()

    def _cancel(self) -> None:
        self._cancelled = True


def _stamp(date: str) -> float | None:
    """Seconds since the epoch of an HTTP date (RFC 9110 section 5.6.7); None for one that cannot be."""
    parts = email.utils.parsedate_tz(date)
    try:
        stamp = email.utils.mktime_tz(parts) if parts else None
    except (ValueError, OverflowError):
        return None
    return stamp if stamp is not None and abs(stamp) < _LAST_STAMP else None
