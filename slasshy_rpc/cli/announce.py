"""What is said, once each, when something happens to a download: aria2's lines on the console and in the log.

Owns: their words and levels. Never: progress (readout), or where lines go (logs).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli.readout import shown
from slasshy_rpc.errors import RpcError
from slasshy_rpc.values import NOTICE, Event

log = logging.getLogger(__name__)


#: At which level each is said; a NOTICE where it is not here.
_LEVELS = {Event.START: logging.INFO, Event.ERROR: logging.ERROR}


class Announcer:
    """Listens to events; ``row(gid)`` tells the rest, and is asked only for what somebody will read.

    ``compat``: a failure is followed by aria2's line for all that has not been finished.
    """

    def __init__(self, row: Callable[[str], Row], *, compat: bool = False) -> None:
        self._row = row
        self._compat = compat

    def __call__(self, event: Event, gid: str) -> None:
        """Say what there is to say about ``event``."""
        level = _LEVELS.get(event, NOTICE)
        if log.isEnabledFor(level):
            log.log(level, *self._words(event, gid))
        if self._compat and event is Event.ERROR and log.isEnabledFor(NOTICE):
            log.log(NOTICE, *self._words(Event.STOP, gid))

    def _words(self, event: Event, gid: str) -> tuple[object, ...]:
        """The text with places, and what goes there."""
        if event is Event.PAUSE:
            return "Download GID#%s paused", gid
        try:
            row = self._row(gid)
        except RpcError:  # max-download-result=0: forgotten before it was heard of
            return "GID#%s: %s", gid, event.value
        path = next((shown(file.path) for file in row.snapshot.files if file.path), row.uri)
        match event:
            case Event.START:
                return "GID#%s started: %s", gid, row.uri
            case Event.ERROR:
                return "GID#%s failed. errorCode=%d URI=%s\n  -> %s", gid, row.code, row.uri, row.message or path
            case Event.STOP:
                return "Download GID#%s not complete: %s", gid, "" if self._compat and path == row.uri else path
        return "Download complete: %s", path
