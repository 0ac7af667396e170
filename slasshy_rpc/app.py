"""Puts the parts together, runs them, and takes them apart again: the only file that knows every floor.

Owns: start-up, signals and the way out. Never: a decision about any download.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import resource
import secrets
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from slasshy_rpc._engine import Engine, Pace
from slasshy_rpc.api.methods import Api
from slasshy_rpc.api.paths import server_files
from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli import logs
from slasshy_rpc.cli.arguments import Invocation, Mode
from slasshy_rpc.cli.background import detach, until_gone
from slasshy_rpc.cli.readout import Readout
from slasshy_rpc.disk import livemap, profile
from slasshy_rpc.errors import DiskError, OptionError, UsageError
from slasshy_rpc.intake import Deferred, Intake
from slasshy_rpc.media.protocol import MediaPages
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.options.files import Entry, check_input
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.plan.origin import Origins
from slasshy_rpc.protocols.web import Web, outlet, servers
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.history import History
from slasshy_rpc.session.session import Session
from slasshy_rpc.values import NOTICE

log = logging.getLogger(__name__)

#: What aria2.getVersion lists, in aria2's words: only what works.
FEATURES = ("Async DNS", "HTTPS", "Message Digest", "XML-RPC")

#: Steps on disks that may run at once: some long digests must not keep a pause waiting. Started as they are needed.
DISK_THREADS = 32

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class View(Protocol):
    """What the console shows of a one-shot's downloads, as Readout does."""

    async def run(self) -> None:
        """Show the progress until cancelled."""

    def results(self, rows: Sequence[Row], form: str) -> None:
        """Say how all have ended; see Readout."""


def run(start: Invocation, view: Callable[[Api], View] | None = None) -> int:
    """Do what the command line asked for; returns the exit code. Raises UsageError and OptionError.

    ``view`` makes what the console shows instead of aria2's readout.

    The input file is read to its end before anything opens, unless --deferred-input puts it off. A bad value in it
    costs nothing but the start then, and while a pipe is read that nobody closes, signals still do what they do to any
    program: Python would note one that comes just before it begins to wait, and wait.
    """
    logs.configure(start.options)
    sys.setswitchinterval(0.001)
    warnings = list(start.warnings)
    listed: list[Entry] = []
    if start.deferred:
        check_input(start.input_file or "")
    else:
        if start.input_file and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        listed = list(start.listed_entries(warnings.append))
    for warning in warnings:
        log.warning("%s", warning)
    _allow_open_files(start.options.integer("rlimit-nofile"))
    started = detach() if start.options.flag("daemon") else None
    return _run_on_uvloop(App(start, listed, started, view).run())


def _allow_open_files(wanted: int) -> None:
    """Raise the soft limit of open files, if that is more and the system allows it (aria2 manual, --rlimit-nofile)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return
    try:
        if hard != resource.RLIM_INFINITY and wanted > hard:
            raise ValueError(f"{hard} is the most")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # macOS has a bound of its own below an unlimited one
        log.warning("--rlimit-nofile=%d is not possible here: %s", wanted, error)


def _run_on_uvloop(main: Coroutine[Any, Any, int]) -> int:
    import uvloop

    return uvloop.run(main)


class App:
    """One process from its start to its exit code. ``started`` is called when nothing can keep it from starting."""

    def __init__(
        self,
        start: Invocation,
        listed: list[Entry],
        started: Callable[[], None] | None = None,
        view: Callable[[Api], View] | None = None,
    ) -> None:
        self._start = start
        self._view = view
        self._listed = listed
        self._options = start.options
        self._started = started
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._signals = 0
        self._lock = -1
        self._settled: set[str] = set()
        self._deferred: Deferred | None = None
        self._bad_value = 0  # the exit code for one in an entry that was put off

    async def run(self) -> int:
        """Start everything, wait for the end of the work or a signal, stop everything."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(DISK_THREADS, "disk"))
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled)
        server = self._start.mode is Mode.SERVER
        state = self._state_dir(server=server)
        history = self._history(state)
        receiver = Receiver(Engine())
        try:
            pace = Pace(self._options.integer("max-overall-download-limit"))
            cookies = Cookies()
            self._load_cookies(cookies)
            origins = _load_origins(self._options)
            way = outlet(self._options)
            await way.prepare()
            web = Web(receiver, cookies, origins, way, servers(self._options))
            session = Session(
                self._options,
                [MediaPages(self._options, web), web],
                pace=pace,
                live_dir=state / "live" if state is not None and self._options.flag("live-map") else None,
                reserved=server_files(self._options),
                pausing=self._start.rpc,
                waiting=True,
                store=history,
                options_changed=logs.reconfigure,
            )
            api = Api(session, features=FEATURES, halt=self._halt)
            owners: dict[str, str] = {}
            if history is not None:
                remembered = history.load(session.restore)
                self._settled, owners = remembered.settled, remembered.paths
                history.start(lambda: _unfinished(session))
            if state is not None and (server or self._listed or self._start.deferred):
                await asyncio.to_thread(livemap.prune, state / "live")
                owners |= await asyncio.to_thread(livemap.owners, state / "live")
            readout = self._view(api) if self._view else Readout(self._options, api.rows)
            failed = await self._serve(session, api, readout, owners)
            _save_cookies(cookies, session.options.text("save-cookies"))
            _save_origins(origins, session.options.text("server-stat-of"))
            rows = api.result_rows()
            one_shot = self._start.mode is Mode.ONE_SHOT
            if (one_shot and rows) or (self._start.compat and not one_shot):
                readout.results(rows, session.options.text("download-result") or "default")
            return api.exit_code() or failed
        finally:
            receiver.close()
            if history is not None:
                await asyncio.to_thread(history.close)
            if self._lock >= 0:
                os.close(self._lock)
            # All is saved. What is left takes a moment, in which a signal would only spoil the exit code.
            for number in SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)

    async def _serve(self, session: Session, api: Api, readout: View, owners: dict[str, str]) -> int:
        """From the first entry to the saved session; returns the exit code that refused entries call for.

        ``owners`` are the paths that GIDs had before (``livemap.owners``).

        The session is saved only if the start succeeded: it would not be whole.
        """
        from slasshy_rpc.cli.announce import Announcer
        from slasshy_rpc.cli.hooks import Hooks

        async with contextlib.AsyncExitStack() as stack:
            hooks = Hooks(self._options, api.row)
            stack.push_async_callback(asyncio.to_thread, hooks.close)
            session.events.subscribe(hooks)  # before RPC: commands come before notifications, as in aria2
            # Before RPC opens: an early saveSession must not write a file without them.
            failed = await self._add_entries(session, owners)
            if not (self._start.rpc or self._start.deferred or session.queue):
                if not self._options.flag("quiet"):
                    print("No files to download.")
                return failed
            if session.queue and (self._start.compat or self._start.mode is Mode.ONE_SHOT):
                log.log(NOTICE, "Downloading %d item(s)", len(session.queue))
            session.recall(owners)
            if self._start.rpc:
                await self._open_rpc(api, stack)
            session.events.subscribe(Announcer(api.row, compat=self._start.compat))
            session.start()
            if self._started is not None:
                self._started()
            feeding = asyncio.create_task(self._deferred.run()) if self._deferred else None
            showing = asyncio.create_task(readout.run())
            watching = asyncio.create_task(self._watch(self._options.text("stop-with-process")))
            try:
                if seconds := self._options.integer("stop"):
                    asyncio.get_running_loop().call_later(seconds, self._stop.set)
                if self._start.rpc:
                    gc.collect()
                gc.freeze()  # what start-up made lives as long as the process
                if self._start.rpc:
                    await self._stop.wait()
                else:
                    await self._first(self._all_done(api, feeding), self._stop.wait())
            finally:
                if feeding is not None:
                    feeding.cancel()
                await session.close(hurry=self._force)
                showing.cancel()
                watching.cancel()
        return failed or (self._deferred.failed if self._deferred else 0) or self._bad_value

    @staticmethod
    async def _all_done(api: Api, feeding: asyncio.Task[None] | None) -> None:
        if feeding is not None:
            await feeding
        await api.wait_idle()

    async def _open_rpc(self, api: Api, stack: contextlib.AsyncExitStack) -> None:
        from slasshy_rpc.rpc.server import RpcServer
        from slasshy_rpc.rpc.settings import RpcSettings

        settings = RpcSettings.from_options(self._options, compat=self._start.compat)
        server = RpcServer(api, settings)
        addresses = await server.start()
        stack.push_async_callback(server.stop)
        places = " and ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses)
        log.log(NOTICE, "RPC: listening on %s", places)
        if not self._start.compat:
            for text in way_in(self._options):
                log.log(NOTICE, text)  # with line breaks of its own

    async def _add_entries(self, session: Session, owners: dict[str, str]) -> int:
        """Queue what the command line and the input file name; returns the exit code that refusals call for.

        What is deferred waits until the session has started.
        """
        intake = Intake(session, self._settled, rpc=self._start.rpc)
        failed = await intake.add_own(self._start.own_entries())
        if self._start.deferred:
            entries = self._start.listed_entries(log.warning, self._refuse)
            self._deferred = Deferred(session, intake, entries, owners, trusted=True)
            return failed
        listed, self._listed = self._listed, []
        return await intake.add_listed(listed, trusted=not self._own_session) or failed

    def _refuse(self, error: OptionError) -> None:
        log.error("An entry of the input file is left out: %s: %s", error.name, error)
        self._bad_value = error.code

    async def _watch(self, pid: str | None) -> None:
        """End in good order when the process that stop-with-process names has ended."""
        if pid is not None:
            await until_gone(int(pid))
            log.log(NOTICE, "Process %s has ended, and so does this one.", pid)
            self._halt(False)

    @property
    def _own_session(self) -> bool:
        """Whether the input file is what the server saved: then callers over RPC may have named what is in it."""
        given, saved = self._start.input_file, self._options.text("save-session")
        return bool(given and saved) and os.path.realpath(given or "") == os.path.realpath(saved or "")

    def _history(self, state: Path | None) -> History | None:
        """What keeps the queue and the results; None where that is not wanted or cannot be had."""
        if state is None or self._lock < 0 or self._start.compat or not self._options.flag("history"):
            return None
        history = History(state, self._options)
        try:
            history.open()
        except (OSError, sqlite3.Error) as error:
            log.error(
                "There is no history as long as this process runs: %s cannot be used (%s). Queue and results will be "
                "gone after it, but for what save-session keeps. See to the folder's space and permissions, or give "
                "another --state-dir, and start again; --history=false does without.",
                state,
                error,
            )
            return None
        return history

    def _load_cookies(self, cookies: Cookies) -> None:
        """What load-cookies names. A file that is no use ends the start, in compat only the cookies, as in aria2."""
        if path := self._options.text("load-cookies"):
            try:
                cookies.load(path)
            except OptionError as error:
                if not self._start.compat:
                    raise
                log.error("No cookies were loaded. %s", error)

    @staticmethod
    async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
        """Returns when one of them is done; the others are given up."""
        tasks = [asyncio.ensure_future(one) for one in waits]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in done:
            task.result()

    def _signalled(self) -> None:
        """The first signal ends in good order, the second does not wait for slow disks, further ones do nothing."""
        self._signals += 1
        self._halt(self._signals > 1)

    def _halt(self, force: bool) -> None:
        self._stop.set()
        if force:
            self._force.set()

    def _state_dir(self, *, server: bool) -> Path | None:
        """The folder for what outlives the process, made private and locked by one server; None without one.

        A server that cannot have it does not start. A one-shot goes on without live maps, or without the history that
        one with RPC would keep.
        """
        folder = self._options.text("state-dir")
        history = self._start.rpc and self._options.flag("history")
        if not folder or self._start.compat or not (self._options.flag("live-map") or history):
            return None
        path = Path(folder)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if server or history:
                self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if server:
                raise UsageError(
                    f"Another slasshy-rpc server uses {path}. Stop it, or give this one a --state-dir of its own."
                ) from error
            os.close(self._lock)
            self._lock = -1
            log.warning("No history is kept: another slasshy-rpc server uses %s.", path)
        except OSError as error:
            if server:
                raise UsageError(
                    f"Cannot use the state folder {path}: {error.strerror}. Give another --state-dir."
                ) from error
            log.info("No live maps: %s", error)
            return None
        return path


def _unfinished(session: Session) -> list[tuple[Download, str]]:
    """What a history that was lost gets anew: those that run or ran first, each with the path that it has."""
    downloads = [*session.interrupted, *session.active, *session.queue]
    return [(download, session.claims.path_of(download.gid)) for download in downloads]


def _save_cookies(cookies: Cookies, path: str | None) -> None:
    if path:
        try:
            cookies.save(path)
        except DiskError as error:
            log.error("%s", error)


def _load_origins(options: OptionSet) -> Origins:
    """What server-stat-if tells of servers, as far as it is not out of date; a file that cannot be read is logged."""
    origins = Origins()
    if path := options.text("server-stat-if"):
        try:
            origins.load(profile.load(path))
        except DiskError as error:
            log.error("%s", error)
        origins.drop_stale(options.integer("server-stat-timeout"))
    return origins


def _save_origins(origins: Origins, path: str | None) -> None:
    if path:
        try:
            profile.save(path, origins.text())
        except DiskError as error:
            log.error("%s", error)


def way_in(options: OptionSet) -> list[str]:
    """What a person who wants to use AriaNg has to know, ready to paste."""
    if not options.text("rpc-secret"):
        secret = secrets.token_urlsafe(18)
        return [
            "Programs and browser add-ons here may use it now. For a web page such as AriaNg, start it with\n"
            f"    slasshy-rpc --rpc-secret={secret} --rpc-allow-origin-all\n"
            "and enter that secret in the page's RPC settings."
        ]
    if not options.flag("rpc-allow-origin-all") and not options.text("rpc-allow-origin"):
        return ["For a web page such as AriaNg, add --rpc-allow-origin-all; the page then needs the secret."]
    return []
