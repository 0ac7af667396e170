"""Connections that wait, idle, for the next request to the same place.

Owns: idle Channels until they are taken, grow old or go stale. Never: a Channel in use, or one with a body half read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable

from slasshy_rpc._engine import Channel


class Pool:
    """Idle Channels by key: (origin, TLS settings) and whatever else two requests must share to share a connection.

    ``limit`` bounds all idle channels, ``key_limit`` those of one key; ``idle`` is the number of seconds that one is
    kept (aria2 keeps them for 15). For one event loop.
    """

    def __init__(self, *, limit: int = 128, key_limit: int = 64, idle: float = 15.0) -> None:
        self._limit = limit
        self._key_limit = key_limit
        self._idle = idle
        self._kept: OrderedDict[Channel, tuple[Hashable, float]] = OrderedDict()  # oldest first
        self._by_key: dict[Hashable, list[Channel]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: Hashable) -> Channel | None:
        """The channel of ``key`` that was used last, if one is still good; the caller owns it."""
        while channels := self._by_key.get(key):
            channel = channels[-1]
            self._forget(channel)
            if not channel.stale():
                return channel
            channel.close()
        return None

    def give(self, key: Hashable, channel: Channel) -> None:
        """Keep ``channel`` for later; one that is stale, or too many, is closed. The caller lets go of it."""
        if channel.closed:
            return
        if self._closed or channel.body_left != 0 or channel.stale():
            channel.close()
            return
        if len(self._by_key.get(key, ())) >= self._key_limit:
            self._drop(self._by_key[key][0])
        elif len(self._kept) >= self._limit:
            self._drop(next(iter(self._kept)))
        loop = asyncio.get_running_loop()
        self._kept[channel] = (key, loop.time() + self._idle)
        self._by_key.setdefault(key, []).append(channel)
        if self._timer is None:
            self._timer = loop.call_later(self._idle, self._sweep, loop)

    def close(self) -> None:
        """Close all idle channels; later ones are closed as they are given."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._kept:
            self._drop(next(iter(self._kept)))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what is too old; come again when the next one will be."""
        self._timer = None
        now = loop.time()
        while self._kept:
            channel, (_, expiry) = next(iter(self._kept.items()))
            if expiry > now:
                self._timer = loop.call_later(expiry - now, self._sweep, loop)
                return
            self._drop(channel)

    def _drop(self, channel: Channel) -> None:
        self._forget(channel)
        channel.close()

    def _forget(self, channel: Channel) -> None:
        key, _ = self._kept.pop(channel)
        channels = self._by_key[key]
        channels.remove(channel)
        if not channels:
            del self._by_key[key]
