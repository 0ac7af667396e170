"""The protocol that claims media pages, before the one that would store them as they are.

Owns: what is shared by all its downloads: the workers, and which formats were chosen. Never: bytes, or an import that
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

#: Downloads whose choice of formats is remembered, for as long as they may go on.
REMEMBERED = 1000


class MediaPages:
    """Media pages; one for the whole process. ``options`` is the global set, ``web`` brings what they lead to."""

    name = "media"

    def __init__(self, options: OptionSet, web: Web) -> None:
        self._web = web
        self._hosts = frozenset(host.lower() for host in options.lines("media-hosts"))
        self._plugins = options.text("media-plugin-dir") or ""
        self._workers: Workers | None = None
        self._formats: dict[str, str] = {}

    def claims(self, request: Request) -> bool:
        """See ``Protocol.claims``."""
        return are_pages(request.uris, request.options.text("media") or "off", self._hosts)

    def job(self, request: Request, place: Workplace) -> MediaJob:
        """See ``Protocol.job``."""
        from slasshy_rpc.media.job import MediaJob
        from slasshy_rpc.media.pool import Workers

        if self._workers is None:
            self._workers = Workers(self._plugins)
        gid = place.gid

        def chosen(formats: str) -> None:
            self._formats[gid] = formats
            if len(self._formats) > REMEMBERED:
                del self._formats[next(iter(self._formats))]

        known = self._formats.get(gid, "") if place.claims.path_of(gid) else ""
        return MediaJob(request, place, self._web, self._workers, known, chosen, self._hosts)

    async def close(self) -> None:
        """See ``Protocol.close``."""
        if self._workers is not None:
            await self._workers.close()
