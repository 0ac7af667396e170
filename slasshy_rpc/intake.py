"""What the command line and the input file name, made into Downloads at the start, or as their turn comes.

Owns: which entries a history knows already, what becomes of those that nobody can serve, and when the next entry of a
file is wanted. Never: the rules of a file, or an entry that comes over RPC.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property

from slasshy_rpc.cli.arguments import awaited_protocol
from slasshy_rpc.errors import ErrorCode, RpcError, UsageError
from slasshy_rpc.net.address import redact
from slasshy_rpc.options.files import Entry
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session.download import Download, place
from slasshy_rpc.session.expand import expand_all
from slasshy_rpc.session.gid import GidRefused, normalised
from slasshy_rpc.session.session import Session
from slasshy_rpc.session.uris import usable
from slasshy_rpc.values import Event, Status

log = logging.getLogger(__name__)

#: How often to look for a free slot where no event tells of one, as when more of them are allowed (seconds).
GLANCE = 1.0

#: The URIs of a Download, its ``dir`` and its ``out``.
_Key = tuple[tuple[str, ...], tuple[str | None, str | None]]


class Intake:
    """Adds entries to a ``session`` that holds what a history has restored, and nothing else yet.

    ``settled`` are GIDs of earlier processes that are done with. ``rpc``: somebody may unpause what is paused.
    """

    def __init__(self, session: Session, settled: Set[str], *, rpc: bool) -> None:
        self._session = session
        self._settled = settled
        self._rpc = rpc
        self._restored = session.queue.copy()

    async def add_own(self, entries: Iterable[Entry]) -> int:
        """Queue what the command line names; returns the exit code that refusals call for.

        What the history has unfinished goes on, were it paused: the user asks for it once more. What it has finished,
        with the same GID, is begun anew. Raises UsageError in compat, where a refusal ends the start.
        """
        failed = 0
        for entry in self._apart(entries):
            if (known := self._unfinished(entry)) is not None:
                if known.status is Status.PAUSED and entry.options.get("pause") != "true":
                    self._session.unpause(known)
                continue
            self._begin_anew(entry)
            try:
                self._session.add(entry.uris, entry.options, trusted=True)
            except RpcError as error:
                if self._session.options.flag("compat"):
                    raise UsageError(_refusal(entry, error)) from error
                log.error("%s %s", error, _named(entry))
                failed = ErrorCode.UNKNOWN
        return failed

    async def add_listed(
        self, entries: Iterable[Entry], *, trusted: bool, paths: Mapping[str, str] | None = None
    ) -> int:
        """Queue what an input file lists, which the history wins over; returns the exit code for refusals.

        What had failed is begun anew, as by aria2. ``trusted`` as in Request. ``paths``, by GID, are for a session that
        runs already: see ``Session.recall``.
        """
        failed = 0
        for entry in self._apart(entries):
            if _gid(entry) in self._settled or self._unfinished(entry) is not None:
                continue
            self._begin_anew(entry)
            try:
                download = self._session.add(entry.uris, entry.options, trusted=trusted)
                if paths is not None and download.gid in paths:
                    self._session.recall({download.gid: paths[download.gid]})
            except RpcError as error:
                failed = self._pass_over(entry, error) or failed
            await self._session.store.room()
        return failed

    def _apart(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries themselves; with force-sequential one for each of their URIs (aria2 manual)."""
        options = self._session.options
        if not options.flag("force-sequential"):
            yield from entries
            return
        for entry in entries:
            for uri in expanded(entry.uris) if options.flag("parameterized-uri") else entry.uris:
                yield Entry((uri,), dict(entry.options))

    def _unfinished(self, entry: Entry) -> Download | None:
        """The restored Download that ``entry`` means: by its GID, or without one by URIs and place, one for each."""
        if not self._restored:
            return None
        if (gid := _gid(entry)) is not None:
            with contextlib.suppress(RpcError):
                download = self._session.find(gid)
                return None if download.stopped else download
            return None
        found = self._by_key.get(_key(self._session.request(entry.uris, entry.options)))
        return found.pop(0) if found else None

    @cached_property
    def _by_key(self) -> dict[_Key, list[Download]]:
        """The restored ones. Half a million take a while and some memory, and few starts need it."""
        found: dict[_Key, list[Download]] = {}
        for download in self._restored:
            found.setdefault(_key(download.request), []).append(download)
        return found

    def _begin_anew(self, entry: Entry) -> None:
        """Forget the result that an earlier process has left under the GID of ``entry``."""
        if (gid := _gid(entry)) is not None:
            with contextlib.suppress(RpcError):
                self._session.forget(self._session.find(gid))

    def _pass_over(self, entry: Entry, error: RpcError) -> int:
        """Go on without an entry of the input file; returns the exit code for that.

        It stays in the session file, so that aria2 or a later version can download it; only one whose GID another has
        is dropped, as by aria2. What is no URI, what has a bad GID, and what is paused, do not make the exit code.
        """
        if isinstance(error, GidRefused):  # the log says it already
            if not error.in_use:
                self._session.keep(entry.uris, entry.options)
            return ErrorCode.OK
        self._session.keep(entry.uris, entry.options)
        awaited = next((name for name in map(awaited_protocol, entry.uris) if name), "")
        reason = f"{awaited} is not there yet" if awaited else str(error)
        stays = "; it stays in the session file" if self._session.options.text("save-session") else ""
        log.error("Cannot be downloaded: %s (%s)%s", _named(entry), reason, stays)
        paused = self._rpc and entry.options.get("pause") == "true"
        return ErrorCode.UNKNOWN if not paused and (awaited or usable(entry.uris)) else ErrorCode.OK


class Deferred:
    """The ``entries`` of an input file, added one by one as slots get free (aria2 manual, --deferred-input).

    ``paths`` are those that GIDs had in an earlier process. ``trusted`` as in Request. ``failed`` is the exit code that
    refused entries call for, as far as it is known.
    """

    def __init__(
        self, session: Session, intake: Intake, entries: Iterator[Entry], paths: Mapping[str, str], *, trusted: bool
    ) -> None:
        self.failed = 0
        self._session = session
        self._intake = intake
        self._entries = entries
        self._paths = paths
        self._trusted = trusted
        self._stir = asyncio.Event()

    async def run(self) -> None:
        """Returns when the last entry was added."""
        reader = _Reader(self._entries)
        self._session.events.subscribe(self._heard)
        try:
            while True:
                await self._room()
                if (entry := await reader.read()) is None:
                    return
                failed = await self._intake.add_listed((entry,), trusted=self._trusted, paths=self._paths)
                self.failed = failed or self.failed
        except UsageError as error:
            log.error("%s", error)
            self.failed = error.code
        finally:
            self._session.events.unsubscribe(self._heard)
            reader.close()

    async def _room(self) -> None:
        """Returns when a slot is free that nothing waits for."""
        session = self._session
        while len(session.active) + session.queue.startable >= session.options.integer("max-concurrent-downloads"):
            self._stir.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GLANCE):
                    await self._stir.wait()

    def _heard(self, event: Event, gid: str) -> None:
        self._stir.set()


class _Reader:
    """Takes from ``entries`` on a thread of its own; nobody waits for it at the end, for nobody may close its pipe."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._wanted: queue.SimpleQueue[asyncio.Future[Entry | None] | None] = queue.SimpleQueue()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._work, args=(entries, loop), name="input file", daemon=True).start()

    async def read(self) -> Entry | None:
        """The next entry, None after the last. Raises what reading raises."""
        wish: asyncio.Future[Entry | None] = asyncio.get_running_loop().create_future()
        self._wanted.put(wish)
        return await wish

    def close(self) -> None:
        """Take nothing more."""
        self._wanted.put(None)

    def _work(self, entries: Iterator[Entry], loop: asyncio.AbstractEventLoop) -> None:
        while (wish := self._wanted.get()) is not None:
            entry, fault = None, None
            try:
                entry = next(entries, None)
            except Exception as error:
                fault = error
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(_grant, wish, entry, fault)


def _grant(wish: asyncio.Future[Entry | None], entry: Entry | None, fault: Exception | None) -> None:
    if wish.done():
        return
    if fault is not None:
        wish.set_exception(fault)
    else:
        wish.set_result(entry)


def _gid(entry: Entry) -> str | None:
    given = entry.options.get("gid")
    return normalised(str(given)) if given else None


def _key(request: Request) -> _Key:
    return request.uris, place(request.options)


def expanded(uris: Sequence[str]) -> Sequence[str]:
    """What parameterized URIs stand for; they stay as they are if they are none, to be refused one by one."""
    try:
        return expand_all(uris)
    except RpcError:
        return uris


def _refusal(entry: Entry, error: RpcError) -> str:
    """What is said of an entry of the command line that cannot be added, in aria2's words where scripts know them."""
    bad = next((uri for uri in entry.uris if not usable((uri,))), None)
    if bad is None or _gid(entry):
        return str(error)
    return f"Unrecognized URI or unsupported protocol: {bad if bad.isprintable() else ascii(bad)[1:-1]}"


def _named(entry: Entry) -> str:
    """Its URIs as a log may have them."""
    return " ".join(map(redact, entry.uris))[:200]
