"""The user's commands that run when something happens to a download (aria2 manual, --on-download-*).

Owns: which command an event calls, its three arguments, and starting it. Never: a shell, or waiting for a command.
"""

from __future__ import annotations

import logging
import queue
import subprocess
import threading
from collections.abc import Callable

from slasshy_rpc.api.rows import Row
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.values import Event

log = logging.getLogger(__name__)

#: For each event the options that may name its command; the first that does counts.
_OPTIONS = {
    Event.START: ("on-download-start",),
    Event.PAUSE: ("on-download-pause",),
    Event.STOP: ("on-download-stop",),
    Event.COMPLETE: ("on-download-complete", "on-download-stop"),
    Event.ERROR: ("on-download-error", "on-download-stop"),
}
#: Seconds after which commands that have ended are looked for.
LOOK = 1.0
#: Seconds that ``close`` waits for commands to be started.
PATIENCE = 5.0

#: A command and its arguments: GID, number of files, path of the first one.
Call = tuple[str, str, str, str]


class Hooks:
    """Listens to events; ``row(gid)`` tells what the arguments are made of.

    Commands are started one after the other in the order of events, by a thread of their own: to start a process can
    take a while. They run beside each other and beyond the end of this process.
    """

    def __init__(self, options: OptionSet, row: Callable[[str], Row]) -> None:
        named = {event: [options.text(name) for name in names] for event, names in _OPTIONS.items()}
        self._commands = {event: next(filter(None, names), None) for event, names in named.items()}
        self._row = row
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event, gid: str) -> None:
        """Have the event's command started, if there is one."""
        command = self._commands.get(event)
        if command is None:
            return
        try:
            files = self._row(gid).snapshot.files
        except RpcError:  # max-download-result=0: forgotten before it was heard of
            files = ()
        self._calls.put((command, gid, str(len(files) or 1), files[0].path if files else ""))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait until all that were called are started; a while at most."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        running: list[subprocess.Popen[bytes]] = []
        while True:
            try:
                call = self._calls.get(timeout=LOOK if running else None)
            except queue.Empty:
                running = [one for one in running if one.poll() is None]
                continue
            if call is None:
                break
            try:
                running.append(subprocess.Popen(call))
            except (OSError, ValueError) as error:
                log.error("GID#%s: the command %s cannot be started: %s", call[1], call[0], error)
        for one in running:
            one.returncode = 0  # it goes on without us; nobody is to be warned about that
