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
import secrets
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from slasshy_rpc._engine import Engine, Pace
from slasshy_rpc.api.methods import Api
from slasshy_rpc.api.paths import server_files
from slasshy_rpc.cli import logs
from slasshy_rpc.cli.arguments import Invocation, Mode
from slasshy_rpc.disk import livemap
from slasshy_rpc.errors import ErrorCode, RpcError, UsageError
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.protocols.web import Web
from slasshy_rpc.session.session import Session

log = logging.getLogger(__name__)

#: What aria2.getVersion lists, in aria2's words: only what works.
FEATURES = ("HTTPS", "Message Digest")


def run(start: Invocation) -> int:
    """Do what the command line asked for; returns the exit code. Raises UsageError and OptionError."""
    logs.configure(start.options)
    for warning in start.warnings:
        log.warning("%s", warning)
    return _run_on_uvloop(App(start).run())


def _run_on_uvloop(main: Coroutine[Any, Any, int]) -> int:
    import uvloop

    return uvloop.run(main)


class App:
    """One process from its start to its exit code."""

    def __init__(self, start: Invocation) -> None:
        self._start = start
        self._options = start.options
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._lock = -1

    async def run(self) -> int:
        """Start everything, wait for the end of the work or a signal, stop everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled)
        server = self._start.mode is Mode.SERVER
        state = self._state_dir(locked=server)
        receiver = Receiver(Engine())
        try:
            pace = Pace(self._options.integer("max-overall-download-limit"))
            cookies = Cookies()
            if jar := self._options.text("load-cookies"):
                cookies.load(jar)
            session = Session(
                self._options,
                [Web(receiver, cookies)],
                pace=pace,
                live_dir=state / "live" if state is not None else None,
                reserved=server_files(self._options),
                pausing=self._start.rpc,
                options_changed=logs.configure,
            )
            api = Api(session, features=FEATURES, halt=self._halt)
            if server and state is not None:
                await asyncio.to_thread(livemap.prune, state / "live")
            code = await self._serve(session, api)
            if jar := self._options.text("save-cookies"):
                cookies.save(jar)
            return code
        finally:
            receiver.close()
            if self._lock >= 0:
                os.close(self._lock)

    async def _serve(self, session: Session, api: Api) -> int:
        """From the first entry to the saved session."""
        from slasshy_rpc.cli.announce import Announcer
        from slasshy_rpc.cli.readout import Readout

        async with contextlib.AsyncExitStack() as stack:
            if self._start.rpc:
                await self._open_rpc(api, stack)
            session.start()
            session.events.subscribe(Announcer(api.row))
            readout = Readout(self._options, api.rows)
            showing = asyncio.create_task(readout.run())
            try:
                failed = self._add_entries(api)
                if seconds := self._options.integer("stop"):
                    asyncio.get_running_loop().call_later(seconds, self._stop.set)
                if self._start.rpc:
                    gc.collect()
                    gc.freeze()  # what start-up made lives as long as the process
                    await self._stop.wait()
                else:
                    await self._first(api.wait_idle(), self._stop.wait())
            finally:
                await self._first(session.close(), self._force.wait())
                showing.cancel()
        if self._start.mode is Mode.ONE_SHOT:
            readout.results(api.result_rows())
        return api.exit_code() or failed

    async def _open_rpc(self, api: Api, stack: contextlib.AsyncExitStack) -> None:
        from slasshy_rpc.rpc.server import RpcServer
        from slasshy_rpc.rpc.settings import RpcSettings

        settings = RpcSettings.from_options(self._options, compat=self._start.compat)
        server = RpcServer(api, settings)
        addresses = await server.start()
        stack.push_async_callback(server.stop)
        places = " and ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses)
        log.log(logs.NOTICE, "RPC: listening on %s", places)
        if not self._start.compat:
            for line in way_in(self._options):
                log.log(logs.NOTICE, "%s", line)

    def _add_entries(self, api: Api) -> int:
        """Queue what the command line and the input file name; returns the exit code that refusals call for."""
        warnings: list[str] = []
        failed = 0
        for entry in self._start.entries(warnings):
            try:
                api.add_request(entry.uris, entry.options, trusted=True)
            except RpcError as error:
                log.error("%s %s", error, " ".join(entry.uris)[:200])
                failed = ErrorCode.UNKNOWN
        for warning in warnings:
            log.warning("%s", warning)
        return failed

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
        """The first signal ends in good order, the second does not wait for it."""
        (self._force if self._stop.is_set() else self._stop).set()

    def _halt(self, force: bool) -> None:
        self._stop.set()

    def _state_dir(self, *, locked: bool) -> Path | None:
        """The folder for what outlives the process, made private and locked by one server; None without one.

        A server that cannot have it does not start. A one-shot goes on without live maps.
        """
        folder = self._options.text("state-dir")
        if not folder or self._start.compat or not self._options.flag("live-map"):
            return None
        path = Path(folder)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if locked:
                self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another slasshy-rpc server uses {path}. Stop it, or give this one a --state-dir of its own."
            ) from error
        except OSError as error:
            if locked:
                raise UsageError(
                    f"Cannot use the state folder {path}: {error.strerror}. Give another --state-dir."
                ) from error
            log.info("No live maps: %s", error)
            return None
        return path


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
