"""The conductor: which Downloads exist, which of them run, and what becomes of each.

Owns: every change of a Download's status, the slots, and one event for each change that users hear of.
Never: how bytes are moved (a Job does that), or what things are called on the wire.

A command is a plain call that returns at once. Jobs are started in the loop's next turn, so an answer is out
before the event it causes. A Job is stopped by cancelling its task, and keeps its status until it has flushed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from slasshy_rpc.clock import monotonic
from slasshy_rpc.disk.claims import Claims, lies_in
from slasshy_rpc.errors import DownloadError, ErrorCode, RpcError
from slasshy_rpc.options.values import Layer, Normal, OptionSet, needs_restart
from slasshy_rpc.protocols.base import Outcome, Protocol, Protocols, Request, Workplace
from slasshy_rpc.session import gid, halt
from slasshy_rpc.session.download import Download, Ending, Family, Intent, Run, place
from slasshy_rpc.session.events import Events
from slasshy_rpc.session.export import Kept
from slasshy_rpc.session.history import Store
from slasshy_rpc.session.queue import Queue, Whence
from slasshy_rpc.session.request import is_served, made, protocol_for
from slasshy_rpc.session.results import Results, verdict
from slasshy_rpc.session.slots import Slots
from slasshy_rpc.session.textfile import Contents, TextFile
from slasshy_rpc.values import Event, Status

if TYPE_CHECKING:
    from slasshy_rpc._engine import Pace

log = logging.getLogger(__name__)

#: Seconds that a loop over the whole queue may hold the event loop.
SLICE = 0.005


class Session:
    """All Downloads of one process. With ``waiting`` none of them begins before ``start``.

    ``options`` is the global set (without what belongs to single downloads). ``pace`` is the global rate limit, handed
    on to every Job. ``live_dir`` is where Jobs keep live maps. ``reserved`` are absolute paths that no Job may write
    to, whatever name a server gives its file. ``pausing``: whether ``pause`` is honoured for new Downloads (aria2
    ignores it where nobody could unpause). ``store`` hears what a restart must not undo,
    ``options_changed(options, names)`` of changed global options before they count.
    """

    def __init__(
        self,
        options: OptionSet,
        protocols: Protocols,
        *,
        pace: Pace | None = None,
        live_dir: Path | None = None,
        reserved: Iterable[str] = (),
        pausing: bool = True,
        waiting: bool = False,
        store: Store | None = None,
        options_changed: Callable[[OptionSet, Container[str]], None] | None = None,
    ) -> None:
        self.options = options
        self.events = Events()
        self.store = store or Store()
        self.queue = Queue(self.store.renumbered)
        self.results = Results()
        self.claims = Claims(reserved)
        self.halting = halt.Halting()
        self._protocols = protocols
        self._pace = pace
        self._live_dir = live_dir
        self._pausing = pausing
        self._options_changed = options_changed
        self._downloads: dict[str, Download] = {}
        self._active: dict[str, Download] = {}
        self._interrupted: dict[str, Download] = {}
        self._fill_planned = False
        self._waiting = waiting
        self._held = 0
        self._slots = Slots(self._active)
        self._closing = False
        self._kept = Kept()
        self._idle: list[asyncio.Future[None]] = []
        self._file = TextFile(lambda: self.options, self._to_save)
        self._apply_pace()

    # -- looking ---------------------------------------------------------------------------------------------------

    @property
    def active(self) -> list[Download]:
        """The running ones, in the order in which they were started."""
        return list(self._active.values())

    @property
    def interrupted(self) -> list[Download]:
        """Those that ``close`` stopped."""
        return list(self._interrupted.values())

    def find(self, text: str) -> Download:
        """The Download whose GID is, or alone begins with, ``text``. Raises RpcError."""
        return gid.find(text, self._downloads)

    def exit_code(self) -> int:
        """What the process should exit with: the last failure's code, else 7 if something was stopped midway."""
        failed = self.results.exit_code()
        return failed or (ErrorCode.UNFINISHED if self._interrupted or self._active else ErrorCode.OK)

    async def wait_idle(self) -> None:
        """Returns when nothing runs and nothing but paused Downloads waits."""
        if not self._is_idle():
            self._idle.append(waiter := asyncio.get_running_loop().create_future())
            await waiter

    # -- commands --------------------------------------------------------------------------------------------------

    def add(
        self, given: Sequence[str], own: Mapping[str, Normal], position: int | None = None, *, trusted: bool = False
    ) -> Download:
        """Queue the mirrors of one file; ``own`` are its normalised options, ``gid`` and ``pause`` among them.

        ``trusted`` as in Request.

        Raises RpcError if nothing among ``given`` can be downloaded, the GID is malformed or in use (GidRefused), or
        the session is closing.
        """
        if self._closing:
            raise RpcError("The server is about to end and takes no more downloads.")
        wanted = own.get("gid")
        paused = own.get("pause") == "true" and self._pausing
        request = self.request(given, own, trusted=trusted)
        if not is_served(self._protocols, request):
            log.info("None of these can be downloaded: %d URI(s) without a supported scheme and a host.", len(given))
            raise RpcError("No URI to download.")
        new = gid.fresh(self._downloads) if wanted is None else gid.chosen(wanted, self._in_use)
        download = Download(new, request, Status.PAUSED if paused else Status.WAITING)
        self._downloads[download.gid] = download
        self._enqueue(download, position)
        self._plan_fill()
        return download

    def request(self, given: Sequence[str], own: Mapping[str, Normal], *, trusted: bool = False) -> Request:
        """What ``add`` makes of the same arguments; raises as ``made`` does."""
        return made(given, own, self.options, self._protocols, trusted=trusted)

    def keep(self, given: Sequence[str], own: Mapping[str, Normal]) -> None:
        """Leave an entry of an input file, which ``add`` refused, in the session file as it was read."""
        self._kept.add(given, own)

    def remove(self, download: Download) -> None:
        """Stop an active one for good; forget a queued one without a trace. Raises RpcError for a stopped one."""
        if download.run is not None:
            self.halting.stop(download.run, Intent.REMOVE)
        elif download.block is not None:
            self.queue.remove(download)
            del self._downloads[download.gid]
            self.claims.release(download.gid)
            self.store.removed(download)
            self._plan_fill()
        else:
            raise RpcError(f"Active Download not found for GID#{download.gid}")

    def pause(self, download: Download, *, force: bool = False) -> None:
        """Pause it; an active one stays active until its Job has flushed, and then goes to the front.

        ``force`` is only different where a pause is under way: no error. Raises RpcError.
        """
        run = download.run
        if run is not None and (run.intent in (Intent.NONE, Intent.RESTART) or (force and run.intent is Intent.PAUSE)):
            self.halting.stop(run, Intent.PAUSE)
        elif download.block is not None and download.status is Status.WAITING:
            self._restate(download, Status.PAUSED)
            self._plan_fill()
        else:
            raise RpcError(f"GID#{download.gid} cannot be paused now")

    async def halted(self, *downloads: Download) -> None:
        """Wait until those of ``downloads`` that were told to pause or to end have done so; a while at most.

        aria2 has halted a download before it hears the next request. Clients rely on that: aria2p removes a download
        and its result in one breath.
        """
        runs = [download.run for download in downloads if download.run is not None]
        await halt.halted([run.task for run in runs if run.intent in (Intent.PAUSE, Intent.REMOVE)])

    def unpause(self, download: Download) -> None:
        """Let it start when its turn comes; it keeps its place. Raises RpcError unless it is paused."""
        if download.status is not Status.PAUSED:
            raise RpcError(f"GID#{download.gid} cannot be unpaused now")
        self._restate(download, Status.WAITING)
        self._plan_fill()

    async def pause_all(self) -> None:
        """Pause everything that can be paused; nothing is started meanwhile."""
        for download in self.active:
            if download.run is not None and download.run.intent in (Intent.NONE, Intent.RESTART):
                self.halting.stop(download.run, Intent.PAUSE)
        await self._restate_all(Status.WAITING, Status.PAUSED)

    async def unpause_all(self) -> None:
        """Let everything that is paused start when its turn comes."""
        await self._restate_all(Status.PAUSED, Status.WAITING)

    def move(self, download: Download, offset: int, whence: Whence) -> int:
        """Put a queued one elsewhere, within bounds; returns its new position. Raises RpcError for others."""
        if download.block is None:
            raise RpcError(f"GID#{download.gid} not found in the waiting queue.")
        last = len(self.queue) - 1
        before = self.queue.index(download)
        base = {Whence.START: 0, Whence.CURRENT: before, Whence.END: last}[whence]
        position = max(0, min(last, base + offset))
        if position != before:
            self.queue.remove(download)
            self._enqueue(download, position)
        return position

    def change_options(self, download: Download, changed: Mapping[str, Normal]) -> None:
        """Change a live one's options; its Job takes them as it runs or is restarted. Raises RpcError if stopped."""
        if download.stopped:
            raise RpcError(f"Cannot change option for GID#{download.gid}")
        if not changed:
            return
        request = replace(download.request, options=download.options.derive(changed, Layer.OWN))
        moved = place(request.options) != place(download.options)
        if moved:
            request = replace(request, trusted=False)  # the place is a caller's choice now
        download.replace_request(request)
        run = download.run
        if run is None and moved:
            self.claims.release(download.gid)
        self._note(download)
        if run is not None and run.intent is Intent.NONE and (needs_restart(changed) or not self._retuned(download)):
            run.stop(Intent.RESTART)

    def restore(self, unfinished: Iterable[tuple[Download, float]], results: Iterable[Download]) -> None:
        """Take over, before anything is added, what the store has kept: in order, with the ranks that it knows."""
        for download, rank in unfinished:
            if self._downloads.setdefault(download.gid, download) is download:
                self.queue.restore(download, rank)
        for download in results:
            if self._downloads.setdefault(download.gid, download) is download:  # else the file is damaged
                self.results.restore(download)

    def recall(self, paths: Mapping[str, str]) -> None:
        """Keep the paths that GIDs had in an earlier process for those of them that are here and still belong there."""
        for known, path in paths.items():
            download = self._downloads.get(known)
            if download is not None and lies_in(path, download.options.folder(), links=download.request.trusted):
                self.claims.take(path, known)

    def change_uris(
        self, download: Download, withdrawn: Sequence[str], added: Sequence[str], position: int | None = None
    ) -> tuple[int, int]:
        """Withdraw and add mirrors, also as it runs: see ``Download.change_uris``. Raises RpcError if it has ended."""
        if download.stopped:
            raise RpcError(f"Cannot remove URIs from GID#{download.gid}")
        before = download.request

        def served(uri: str) -> bool:
            return self._protocol_for(Request((uri,), before.options)) is not None

        changed = download.change_uris(withdrawn, added, position, served)
        if download.request is not before:
            self._note(download)
            if download.run is not None and download.run.intent is Intent.NONE:
                download.run.job.change_uris(download.request.uris)
        return changed

    def change_global(self, changed: Mapping[str, Normal]) -> None:
        """Change what applies to Downloads added from now on, and to the session itself at once."""
        if not changed:
            return
        options = self.options.derive(changed, Layer.GLOBAL)
        if self._options_changed is not None:
            self._options_changed(options, changed.keys())
        self.options = options
        self._apply_pace()
        self._plan_fill()

    def forget(self, download: Download) -> None:
        """Drop the result of a stopped one. Raises RpcError for others."""
        if not self.results.remove(download):
            raise RpcError(f"Could not remove download result of GID#{download.gid}")
        del self._downloads[download.gid]
        self.store.forgot(download)

    def forget_all(self) -> None:
        """Drop all results."""
        for download in self.results.clear():
            del self._downloads[download.gid]
        self.store.forgot_all()

    # -- from start to end -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Let Downloads begin, and save the session every save-session-interval seconds if asked to. Needs a loop."""
        self._waiting = False
        self._plan_fill()
        self._file.start()

    async def save(self) -> None:
        """Write the file of save-session. Raises RpcError with aria2's texts."""
        await self._file.save()

    async def close(self, grace: float = 30.0, hurry: asyncio.Event | None = None) -> None:
        """Stop all Jobs so that they can go on another day, save the session, close the protocols.

        A Job that has not stopped after ``grace`` seconds, or soon after ``hurry`` was set, is left behind with a line
        in the log. The session is saved before that wait, which others may cut short by a SIGKILL, and after it.
        """
        self._closing = True
        for download in self.active:
            if download.run is not None and download.run.intent in (Intent.NONE, Intent.RESTART):
                download.run.stop(Intent.CLOSE)
        tasks = [download.run.task for download in self.active if download.run is not None]
        await self._file.save_quietly(only_if_changed=False)
        await halt.halted_unless(hurry or asyncio.Event(), tasks, grace)
        await asyncio.sleep(0)  # the ends of the tasks are noted in the loop's next turn
        for download in self.active:
            log.error("GID#%s did not stop in time; its last bytes may be missing.", download.gid)
        await self._file.close()
        for protocol in self._protocols:
            await protocol.close()

    # -- inside ----------------------------------------------------------------------------------------------------

    def _protocol_for(self, request: Request) -> Protocol | None:
        return protocol_for(self._protocols, request)

    def _to_save(self) -> Contents:
        waiting = [*self._interrupted.values(), *self.queue.copy()]
        downloads = [*self.results.pushed_out, *self.results.lasting, *self._active.values(), *waiting]
        live = {each.gid: each.snapshot() for each in self._active.values()}
        return Contents(downloads, live, self._kept.text())

    def _in_use(self, wanted: str) -> bool:
        """Whether something has this GID, were it only in the session file."""
        return wanted in self._downloads or self.results.remembers(wanted) or wanted in self._kept

    async def _restate_all(self, before: Status, after: Status) -> None:
        self._held += 1
        try:
            turn = monotonic() + SLICE
            for download in self.queue.copy():
                if download.status is before and download.block is not None:
                    self._restate(download, after)
                if monotonic() > turn:
                    await asyncio.sleep(0)
                    await self.store.room()
                    turn = monotonic() + SLICE
        finally:
            self._held -= 1
            self._plan_fill()

    def _enqueue(self, download: Download, position: int | None = None) -> None:
        rank = self.queue.append(download) if position is None else self.queue.insert(position, download)
        self.store.queued(download, rank, self.claims.path_of(download.gid))

    def _restate(self, download: Download, status: Status) -> None:
        self.queue.restate(download, status)
        self.store.restated(download)

    def _note(self, download: Download) -> None:
        self.store.changed(download, self.claims.path_of(download.gid))

    def _retuned(self, download: Download) -> bool:
        try:
            return download.run is not None and download.run.job.retune(download.options)
        except Exception:
            log.exception("GID#%s could not take changed options as it runs; it is restarted.", download.gid)
            return False

    def _apply_pace(self) -> None:
        if self._pace is not None:
            self._pace.rate = self.options.integer("max-overall-download-limit")

    def _is_idle(self) -> bool:
        return not self._active and (self._closing or not self.queue.startable)

    def _plan_fill(self) -> None:
        if not self._fill_planned:
            self._fill_planned = True
            asyncio.get_running_loop().call_soon(self._fill)

    def _fill(self) -> None:
        """Start Downloads while there are slots, and tell who waits for the end if nothing is left."""
        self._fill_planned = False
        if not self._waiting and not self._held and not self._closing:
            room = self._slots.most(self.options) - len(self._active)
            while room > 0 and (download := self.queue.first_startable()) is not None:
                self._begin(download)
                room -= 1
            if self._active and self.queue.startable:
                self._slots.look_again(self.options, self._plan_fill)
        if self._is_idle():
            waiters, self._idle = self._idle, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _begin(self, download: Download) -> None:
        self.queue.remove(download)
        download.status = Status.ACTIVE
        self._active[download.gid] = download
        self.store.restated(download)
        fault: Exception | None = None
        try:
            protocol = self._protocol_for(download.request)
            if protocol is None:
                raise DownloadError("No URI available.")
            learn = partial(download.learn, self._note)
            workplace = Workplace(download.gid, self._pace, self._live_dir, self.claims, download.line_up(), learn)
            job = protocol.job(download.request, workplace)
            task = asyncio.get_running_loop().create_task(job.run(), name=f"download {download.gid}")
            download.run = Run(download.request, job, task, monotonic())
            task.add_done_callback(partial(self._ended, download))
        except Exception as error:
            fault = error
        self.events.emit(Event.START, download.gid)
        if fault is not None:
            del self._active[download.gid]
            self._fail(download, fault)
            self._plan_fill()

    def _ended(self, download: Download, task: asyncio.Task[Outcome]) -> None:
        run = download.run
        assert run is not None
        intent = run.intent
        download.settle()
        download.run = None
        if run.request is not download.request and place(run.request.options) != place(download.options):
            self.claims.release(download.gid)  # dir or out was changed: the file that was begun stays where it is
        del self._active[download.gid]
        if task.cancelled():
            self._halt(download, intent)
        elif (error := task.exception()) is None:
            self._complete(download, task.result())
        elif intent is Intent.REMOVE and isinstance(error, DownloadError):
            self._halt(download, intent)
        else:
            self._fail(download, error)
        self._plan_fill()

    def _halt(self, download: Download, intent: Intent) -> None:
        """A Job has flushed and ended because it was told to."""
        match intent:
            case Intent.PAUSE | Intent.RESTART:
                paused = intent is Intent.PAUSE
                download.status = Status.PAUSED if paused else Status.WAITING
                self._enqueue(download, 0)
                if paused:
                    self.events.emit(Event.PAUSE, download.gid)
            case Intent.REMOVE:
                self._finish(download, Status.REMOVED, Event.STOP, Ending(ErrorCode.REMOVED))
            case Intent.CLOSE:
                self._note(download)
                download.status = Status.WAITING
                self._interrupted[download.gid] = download
                self.events.emit(Event.STOP, download.gid)
            case Intent.NONE:
                self._fail(download, DownloadError("The download was cancelled from inside the server; add it again."))

    def _complete(self, download: Download, outcome: Outcome) -> None:
        """Done; what it begot goes to the front of the queue, in order."""
        status = Status.PAUSED if download.options.flag("pause-metadata") else Status.WAITING
        children = [self._child(download, request, status) for request in outcome.followers]
        if children:
            download.family = replace(download.family, followed_by=tuple(child.gid for child in children))
        for child in reversed(children):
            self._enqueue(child, 0)
        self._finish(download, Status.COMPLETE, Event.COMPLETE, Ending())

    def _child(self, parent: Download, request: Request, status: Status) -> Download:
        child = Download(gid.fresh(self._downloads), request, status)
        child.family = Family(following=parent.gid)
        self._downloads[child.gid] = child
        return child

    def _fail(self, download: Download, error: BaseException) -> None:
        self._finish(download, Status.ERROR, Event.ERROR, verdict(download.gid, error))

    def _finish(self, download: Download, status: Status, event: Event, ending: Ending) -> None:
        self.claims.release(download.gid)
        download.lines = None
        download.status = status
        download.ending = ending
        if download.last is not None and (download.last.download_speed or download.last.upload_speed):
            download.last = replace(download.last, download_speed=0, upload_speed=0)
        self.store.ended(download)
        room = self.options.integer("max-download-result")
        for old in self.results.add(download, room, self.options.flag("keep-unfinished-download-result")):
            del self._downloads[old.gid]
        self.events.emit(event, download.gid)
