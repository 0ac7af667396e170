"""What is said, once each, when something happens to a download: aria2's lines on the console and in the log.

Owns: their words and levels. Never: progress (readout), or where lines go (logs).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli.logs import NOTICE
from slasshy_rpc.cli.readout import shown
from slasshy_rpc.errors import RpcError
from slasshy_rpc.values import Event

log = logging.getLogger(__name__)


class Announcer:
    """Listens to events; ``row(gid)`` tells the rest."""

    def __init__(self, row: Callable[[str], Row]) -> None:
        self._row = row

    def __call__(self, event: Event, gid: str) -> None:
        """Say what there is to say about ``event``."""
        try:
            row = self._row(gid)
        except RpcError:  # max-download-result=0: forgotten before it was heard of
            log.log(NOTICE, "GID#%s: %s", gid, event.value)
            return
        path = next((shown(file.path) for file in row.snapshot.files if file.path), row.uri)
        match event:
            case Event.START:
                log.info("GID#%s started: %s", gid, row.uri)
            case Event.COMPLETE:
                log.log(NOTICE, "Download complete: %s", path)
            case Event.STOP:
                log.log(NOTICE, "Download GID#%s not complete: %s", gid, path)
            case Event.PAUSE:
                log.log(NOTICE, "Download GID#%s paused", gid)
            case Event.ERROR:
                log.error("GID#%s failed. errorCode=%d URI=%s\n  -> %s", gid, row.code, row.uri, row.message or path)
