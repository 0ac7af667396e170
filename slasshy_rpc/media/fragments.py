"""The Job behind one part of a page's media that comes in fragments, as HLS and DASH have it.

Owns: which fragment is fetched when and how often, their keys, and what all of them look like as one file. Never: the
playlist's text (hls), where fragments lie (disk.fragments), or what is made of them in the end (merge).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slasshy_rpc import _engine, clock
from slasshy_rpc.disk.fragments import Folder
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.media import hls
from slasshy_rpc.media.contents import finish
from slasshy_rpc.media.hls import Fragment, Key
from slasshy_rpc.media.merge import Track
from slasshy_rpc.media.pieces import kind_of
from slasshy_rpc.media.plan import Part
from slasshy_rpc.media.tally import Tally, weight
from slasshy_rpc.net.address import parse, redact
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.retry import pause
from slasshy_rpc.plan.selector import Selector
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.plan.speed import Speed
from slasshy_rpc.protocols.base import Outcome, Workplace
from slasshy_rpc.protocols.connection import transfer_error
from slasshy_rpc.protocols.crew import Limits, too_slow
from slasshy_rpc.protocols.http import HttpOpener
from slasshy_rpc.protocols.offloop import outlast, threaded
from slasshy_rpc.protocols.opener import Arrival
from slasshy_rpc.protocols.small import small
from slasshy_rpc.protocols.web import Means
from slasshy_rpc.values import FileView, ServerView, Snapshot

log = logging.getLogger(__name__)

#: The longest playlist that is read, and what is read of what should be a key of KEY_SIZE, perhaps compressed (bytes).
LONGEST_TEXT = 16 << 20
LONGEST_KEY = 1024
KEY_SIZE = 16

#: How often the speed is taken, and how often is written down what would survive a power cut (seconds).
TICK = 0.25
SAVE = 5.0

#: Once a fragment cannot be had, those that are under way have so long to come (seconds): new links may bring the rest.
GRACE = 3.0

#: The estimated length is corrected downwards only by more than this: it should not tremble.
SHRINK = 0.85

#: A fragment whose host has no room lets so many others pass it at most.
_AHEAD = 64


@dataclass(slots=True, eq=False)
class _Fetch:
    """One fragment under way; ``length`` is None until it is known."""

    number: int
    source: Source
    length: int | None = None
    transfer: _engine.Transfer | None = None
    began: float = 0.0
    fault: DownloadError | None = None  # for which the Transfer was stopped
    speed: Speed = field(default_factory=Speed)

    @property
    def received(self) -> int:
        return self.transfer.position if self.transfer is not None else 0

    def begin(self, transfer: _engine.Transfer, length: int | None) -> None:
        """Bytes come from now on."""
        self.transfer, self.length, self.fault, self.began = transfer, length, None, clock.monotonic()
        self.speed.clear()

    def note(self, now: float, limits: Limits) -> None:
        """Take the speed, and stop what is below lowest-speed-limit."""
        self.speed.note(now, self.received)
        slow = too_slow(limits, now - self.began, self.speed.rate())
        if slow is not None and self.fault is None and self.transfer is not None:
            self.fault = SourceError(str(slow), slow.code, Retry.SAME_SOURCE)  # another connection may do better
            self.transfer.cancel()


class FragmentJob:
    """Brings the fragments of ``part`` into a folder beside ``target``, the path of what is made of them.

    ``page`` is whose media they are, with the place if that is a list of several. ``skip``: go on without fragments
    that are not there. ``dry``: fetch none.
    """

    def __init__(
        self, part: Part, page: str, target: str, means: Means, place: Workplace, *, skip: bool, dry: bool
    ) -> None:
        self._part = part
        self._page = page
        self._target = target
        self._means = means
        self._place = place
        self._skip = skip
        self._dry = dry
        self._selector = Selector()
        self._fragments: tuple[Fragment, ...] = part.fragments
        self._folder: Folder | None = None
        self._queue: deque[int] = deque()
        self._busy: Counter[str] = Counter()  # fetches by host
        self._fetches: set[_Fetch] = set()
        self._skipped: set[int] = set()
        self._freed = asyncio.Event()
        self._keys: dict[str, asyncio.Task[bytes]] = {}
        self._speed = Speed()
        self._tally = Tally()
        self._had = 0
        self._became: FileView | None = None
        self._estimate = part.size
        self._seen: tuple[object, ...] = ()
        self._shown = Snapshot(files=(FileView(target, part.size),), total_length=part.size)

    def track(self) -> Track:
        """What has come, once ``run`` has returned; reads its beginning. Raises DownloadError if it is no media."""
        if self._folder is None:
            return Track([], self._part.ext)
        runs: list[list[str]] = [[]]
        opening: list[str] = []
        fresh = anew = False  # the run lacks what opens it; and it ends before the next fragment
        for number, one in enumerate(self._fragments):
            anew = anew or one.anew
            if number not in self._folder.sizes:
                continue
            path = self._folder.path_of(number)
            if one.opening:
                opening, fresh = [path], True
                continue
            if anew and runs[-1]:
                runs.append([])
                fresh = True
            runs[-1] += [*opening, path] if fresh else [path]
            fresh = anew = False
        return Track(runs, kind_of(runs[0]), self._folder.path)

    def became(self, path: str, size: int) -> None:
        """The fragments were made into the file ``path``."""
        self._became = FileView(path, size, size)

    # ---- the Job

    async def run(self) -> Outcome:
        """See ``Job.run``; afterwards ``track`` has all fragments."""
        if self._part.playlist:
            self._fragments = await self._read_playlist()
        if self._dry:
            return Outcome()
        claims, gid, count = self._place.claims, self._place.gid, len(self._fragments)

        def take(path: str) -> bool:
            return claims.take(path, gid)

        def opened() -> Folder:
            return Folder.open(self._target, self._identity(), count, take, sync=self._means.sync)

        opening = threaded(opened)
        try:
            await outlast(opening)
            folder = self._folder = opening.result()
            await self._bring(folder)
        finally:
            for task in self._keys.values():
                task.cancel()
            try:
                await outlast(asyncio.gather(*self._keys.values(), return_exceptions=True))
            finally:
                self._speed.clear()
                if not opening.exception():
                    await outlast(threaded(_suspend, opening.result(), whole=self._complete))
        return Outcome()

    def snapshot(self) -> Snapshot:
        """See ``Job.snapshot``: as many pieces as there are fragments, and a length that is a guess until the end."""
        if (file := self._became) is not None:
            if self._seen != (file,):
                self._seen = (file,)
                self._shown = Snapshot(total_length=file.length, completed_length=file.length, files=(file,))
            return self._shown
        received, rate = self._received(), int(self._speed.rate())
        seen = (received, rate, len(self._fetches), self._tally.count, self._complete)
        if seen != self._seen:
            self._seen = seen
            total, count = self._total(received), len(self._fragments)
            self._shown = Snapshot(
                total_length=total,
                completed_length=received,
                download_speed=rate,
                connections=len(self._fetches),
                piece_length=max(1, -(-total // max(1, count))),
                num_pieces=count,
                bitfield=bytes(self._tally.field) if count else None,
                files=(FileView(self._target, total, received),),
                had=self._had,
            )
        return self._shown

    def servers(self) -> tuple[ServerView, ...]:
        """See ``Job.servers``."""
        return tuple(
            ServerView(f.source.uri, f.source.current or f.source.uri, int(f.speed.rate())) for f in self._fetches
        )

    def retune(self, changed: OptionSet) -> bool:
        """See ``Job.retune``: only the speed limit means something while fragments come."""
        self._means.pace.rate = changed.integer("max-download-limit")
        return True

    def change_uris(self, uris: Sequence[str]) -> None:
        """See ``Job.change_uris``: fragments have no other URIs than those that the page led to."""

    # ---- its steps

    async def _read_playlist(self) -> tuple[Fragment, ...]:
        """The fragments that the playlist names, or those of the best playlist that it names. Raises DownloadError."""
        found = await self._playlist(self._part.url)
        if isinstance(found, str):
            found = await self._playlist(found)
        if isinstance(found, str):
            raise DownloadError("The HLS playlist leads to playlists without end.")
        return found

    async def _playlist(self, url: str) -> tuple[Fragment, ...] | str:
        """See ``hls.read``. What it names is relative to where redirects led (RFC 3986 section 5.1.3)."""
        source = _source(url, self._selector)
        text = await self._small(source, LONGEST_TEXT)
        return await asyncio.to_thread(hls.read, text, source.current or url)

    def _identity(self) -> str:
        """What tells these fragments from others, whatever signatures their URLs have today."""
        digest = hashlib.sha256(f"{self._page}\n{self._part.format}\n".encode("utf-8", "surrogatepass"))
        for one in self._fragments:
            name = one.url.partition("?")[0].rpartition("/")[2]
            iv = one.key.iv.hex() if one.key else ""
            digest.update(f"{name} {one.span} {iv} {one.seconds}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    async def _bring(self, folder: Folder) -> None:
        self._tally, self._queue, hosts = await asyncio.to_thread(_count, self._fragments, folder.sizes)
        self._had = self._tally.received
        limits = self._means.limits
        count = min(limits.connections, len(self._queue), limits.per_host * hosts)
        watching = asyncio.create_task(self._watch(folder))
        workers = [asyncio.create_task(self._work(folder)) for _ in range(count)]
        try:
            if workers:
                _, left = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
                self._queue.clear()
                if left:  # one has failed for good: the others may bring what they have begun
                    await asyncio.wait(left, timeout=GRACE)
        finally:
            for task in (*workers, watching):
                task.cancel()
            await outlast(asyncio.gather(*workers, watching, return_exceptions=True))
        for worker in workers:
            if not worker.cancelled() and (error := worker.exception()) is not None:
                raise error
        if not any(not self._fragments[number].opening for number in folder.sizes):
            raise SourceError("None of the media's fragments is there.", ErrorCode.NOT_FOUND)

    async def _watch(self, folder: Folder) -> None:
        """Take the speed, and write down now and then what is there."""
        saved = clock.monotonic()
        while True:
            await asyncio.sleep(TICK)
            now = clock.monotonic()
            self._speed.note(now, self._received())
            for fetch in self._fetches:
                if fetch.transfer is not None:
                    fetch.note(now, self._means.limits)
            if now - saved >= SAVE:
                await outlast(threaded(_save, folder))
                saved = clock.monotonic()

    async def _work(self, folder: Folder) -> None:
        """Fetch one fragment after the other until there are no more."""
        while self._queue:
            number = self._choose()
            if number is None:
                await self._freed.wait()
                continue
            source = _source(self._fragments[number].url, self._selector)
            self._busy[source.host] += 1
            fetch = _Fetch(number, source)
            self._fetches.add(fetch)
            try:
                await self._one(fetch, folder)
            finally:
                self._fetches.discard(fetch)
                self._busy[source.host] -= 1
                freed, self._freed = self._freed, asyncio.Event()
                freed.set()

    def _choose(self) -> int | None:
        """The next fragment whose host has room, which is in the queue no more."""
        for at, number in enumerate(self._queue):
            if at >= _AHEAD:
                return None
            if self._busy[_host(self._fragments[number].url)] < self._means.limits.per_host:
                del self._queue[at]
                return number
        return None

    async def _one(self, fetch: _Fetch, folder: Folder) -> None:
        """Fetch this one, again and again if that helps. Raises DownloadError."""
        fragment, tries = self._fragments[fetch.number], 0
        while True:
            try:
                key = await self._key(fragment.key) if fragment.key else None
                await self._fetch(fetch, fragment, key, folder)
                self._tally.add(fetch.number, fragment, folder.sizes[fetch.number])
                return
            except DownloadError as error:
                tries += 1
                gone = error.code == ErrorCode.NOT_FOUND and not fragment.opening
                if gone and self._skip:
                    log.warning("Fragment %d is not there: %s It is left out.", fetch.number, error)
                    self._skipped.add(fetch.number)
                    self._tally.leave_out(fragment)
                    return
                wait = pause(self._means.limits.retry, error, tries)
                if wait is None:
                    raise
                log.info("Fragment %d: %s", fetch.number, error)
            finally:
                fetch.transfer, fetch.length = None, None
            await asyncio.sleep(wait)

    async def _fetch(self, fetch: _Fetch, fragment: Fragment, key: bytes | None, folder: Folder) -> None:
        arrival = await self._opener(fetch.source).open(fetch.source, *(fragment.span or (0, None)))
        beginning = threaded(folder.begin, fetch.number)
        try:
            await outlast(beginning)
            fd = beginning.result()
            await self._receive(arrival, fd, fetch, fragment.span)
        except BaseException:
            arrival.channel.close()
            if not beginning.exception():
                await outlast(threaded(folder.drop, fetch.number, beginning.result()))
            raise
        iv = fragment.key.iv if fragment.key else b""
        unfolding = threaded(finish, folder, fetch.number, fd, arrival.coding, key, iv)
        await outlast(unfolding)
        unfolding.result()

    def _opener(self, source: Source) -> HttpOpener:
        means = self._means
        return means.own if parse(source.uri).origin == means.origin else means.other

    async def _receive(self, arrival: Arrival, fd: int, fetch: _Fetch, span: tuple[int, int] | None) -> None:
        """Let the engine write the body to the beginning of ``fd``. Raises SourceError, and closes the stream then."""
        means, wanted = self._means, span[1] - span[0] if span else None
        length = arrival.end - arrival.start if arrival.end is not None else None
        try:
            if wanted is not None:
                if length is not None and length < wanted:
                    text = "The server has less of a fragment than the playlist told of."
                    raise SourceError(text, ErrorCode.UNKNOWN, Retry.SAME_SOURCE)
                length = wanted
            if length == 0:
                return await means.own.put_back(arrival)
            end = _engine.UNBOUNDED if length is None else length
            transfer, ended = means.receiver.start(
                arrival.channel, fd, 0, end, pace=means.pace, timeout=means.limits.timeout
            )
            fetch.begin(transfer, length)
            await means.receiver.settle(transfer, ended)
            if transfer.reason not in (_engine.COMPLETE, _engine.BOUND):
                raise fetch.fault or transfer_error(transfer, self._target)
        except BaseException:
            arrival.channel.close()
            raise
        await means.own.put_back(arrival)

    async def _key(self, key: Key) -> bytes:
        """The bytes of a key; each is fetched once."""
        if key.url not in self._keys:
            self._keys[key.url] = asyncio.create_task(self._small(_source(key.url, self._selector), LONGEST_KEY))
        task = self._keys[key.url]
        try:
            found = await asyncio.shield(task)
        except DownloadError:
            if self._keys.get(key.url) is task:
                del self._keys[key.url]
            raise
        if len(found) != KEY_SIZE:
            raise DownloadError(f"The key at {redact(key.url)} is none: it has to have {KEY_SIZE} bytes.")
        return found

    async def _small(self, source: Source, most: int) -> bytes:
        """A body of at most ``most`` bytes, in memory. Raises DownloadError."""
        means, tries = self._means, 0
        while True:
            try:
                opener, silence = self._opener(source), means.limits.timeout
                return await small(opener, means.receiver, source, most, silence=silence, pace=means.pace)
            except DownloadError as error:
                tries += 1
                wait = pause(means.limits.retry, error, tries)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    # ---- what it looks like

    @property
    def _complete(self) -> bool:
        return bool(self._fragments) and self._tally.count + len(self._skipped) == len(self._fragments)

    def _received(self) -> int:
        return self._tally.received + sum(fetch.received for fetch in self._fetches)

    def _total(self, received: int) -> int:
        """The length of all fragments together: what is known of them, and the rest by its share of the time."""
        if self._complete:
            return received
        tally = self._tally
        size, seconds = tally.media, tally.seconds
        for fetch in self._fetches:
            fragment = self._fragments[fetch.number]
            if fetch.length and not fragment.opening:
                size, seconds = size + fetch.length, seconds + weight(fragment)
        if seconds:
            guess = tally.received - tally.media + int(size / seconds * tally.all_seconds)
            if guess > self._estimate or guess < self._estimate * SHRINK:
                self._estimate = guess
        return max(self._estimate, received + 1) if self._estimate or received else 0


def _count(fragments: Sequence[Fragment], sizes: Mapping[int, int]) -> tuple[Tally, deque[int], int]:
    """What is there, the numbers of those that are not, and on how many hosts these lie."""
    tally = Tally(fragments)
    for number, size in sizes.items():
        tally.add(number, fragments[number], size)
    queue = deque(number for number in range(len(fragments)) if number not in sizes)
    return tally, queue, len({_host(fragments[number].url) for number in queue})


def _host(url: str) -> str:
    """What --max-connection-per-server counts by, as ``Source.host``."""
    return "/".join(url.split("/", 3)[:3]).lower()


def _source(url: str, selector: Selector) -> Source:
    return Source(url, _host(url), Lines(), selector)


def _save(folder: Folder) -> None:
    """A disk that refuses the record takes no fragment away."""
    try:
        folder.save()
    except DownloadError as error:
        log.warning("%s", error)


def _suspend(folder: Folder, *, whole: bool) -> None:
    if not whole:
        _save(folder)
    folder.close()
