"""The protocol that claims media pages, before the one that would store them as they are.

Owns: what is shared by all its downloads: the workers. Never: bytes, or an import that
only a page needs.
"""

from __future__ import annotations

import typing

from slasshy_rpc.media.detect import are_pages
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.protocols.base import Request, Workplace
from slasshy_rpc.protocols.web import Web

if typing.TYPE_CHECKING:
    from slasshy_rpc.media.job import MediaJob
    from slasshy_rpc.media.pool import Workers


class MediaPages:
    """Media pages; one for the whole process. ``options`` is the global set, ``web`` brings what they lead to."""

    name = "media"

    def __init__(self, options: OptionSet, web: Web) -> None:
        self._web = web
        self._hosts = frozenset(host.lower() for host in options.lines("media-hosts"))
        self._ffmpeg = options.text("media-ffmpeg") or ""
        self._plugins = options.text("media-plugin-dir") or ""
        self._workers: Workers | None = None

    def claims(self, request: Request) -> bool:
        """See ``Protocol.claims``."""
        return are_pages(request.uris, request.options.text("media") or "off", self._hosts)

    def job(self, request: Request, place: Workplace) -> MediaJob:
        """See ``Protocol.job``."""
        from slasshy_rpc.media.job import MediaJob
        from slasshy_rpc.media.pool import Workers

        if self._workers is None:
            self._workers = Workers(self._plugins)
            if self._ffmpeg:
                from slasshy_rpc.media.merge import use

                use(self._ffmpeg)
        return MediaJob(request, place, self._web, self._workers, self._hosts)

    async def close(self) -> None:
        """See ``Protocol.close``."""
        if self._workers is not None:
            await self._workers.close()
