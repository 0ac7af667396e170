"""Who hears what happened to Downloads.

Owns: the list of listeners and the order they are told in. Never: deciding that something happened,
or carrying anything but the event's name and the GID (the rest is pulled by whoever wants it).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from slasshy_rpc.values import Event

log = logging.getLogger(__name__)

Listener = Callable[[Event, str], None]


class Events:
    """Calls every listener, at once and in order of subscription, for each event."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> None:
        """Have ``listener(event, gid)`` called; it must not block."""
        self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Stop calling it; one that is not subscribed is no error."""
        self._listeners = tuple(each for each in self._listeners if each != listener)

    def emit(self, event: Event, gid: str) -> None:
        """Tell everybody; a listener that fails is logged and keeps nobody else from hearing."""
        for listener in self._listeners:
            try:
                listener(event, gid)
            except Exception:
                log.exception("A listener failed on %s of GID#%s.", event.value, gid)
