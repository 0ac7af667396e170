"""The protocol that claims media pages, before the one that would store them as they are.

Owns: what is shared by all its downloads: the workers. Never: bytes, or an import that
only a page needs.
"""

from __future__ import annotations

import typing

from slasshy_rpc.media.detect import are_pages, spotify
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.protocols.base import Job, Request, Workplace
from slasshy_rpc.protocols.web import Web

if typing.TYPE_CHECKING:
    from slasshy_rpc.media.job import MediaJob
    from slasshy_rpc.media.plan import Sought
    from slasshy_rpc.media.pool import Workers
    from slasshy_rpc.media.song import Songs

#: Songs of which is remembered what was found, for as long as they may go on.
REMEMBERED = 1000


class MediaPages:
    """Media pages; one for the whole process. ``options`` is the global set, ``web`` brings what they lead to."""

    name = "media"

    def __init__(self, options: OptionSet, web: Web) -> None:
        self._web = web
        self._hosts = frozenset(host.lower() for host in options.lines("media-hosts"))
        self._ffmpeg = options.text("media-ffmpeg") or ""
        self._plugins = options.text("media-plugin-dir") or ""
        self._workers: Workers | None = None
        self._songs: Songs | None = None

    def claims(self, request: Request) -> bool:
        """See ``Protocol.claims``."""
        mode = request.options.text("media") or "off"
        return are_pages(request.uris, mode, self._hosts) or (mode != "off" and _is_song(request))

    def job(self, request: Request, place: Workplace) -> Job:
        """See ``Protocol.job``."""
        from slasshy_rpc.media.pool import Workers

        if self._workers is None:
            self._workers = Workers(self._plugins)
            if self._ffmpeg:
                from slasshy_rpc.media.ffmpeg import use

                use(self._ffmpeg)
        if _is_song(request):
            return self._song(request, place, self._workers)
        return self._page(request, place, self._workers)

    def _song(self, request: Request, place: Workplace, workers: Workers) -> Job:
        from slasshy_rpc.media.song import SongJob, Songs

        if self._songs is None:
            self._songs = Songs(REMEMBERED)

        def bring(changed: Request, sought: Sought) -> Job:
            return self._page(changed, place, workers, sought)

        return SongJob(request, place, self._web, workers, self._songs, bring)

    def _page(self, request: Request, place: Workplace, workers: Workers, sought: Sought | None = None) -> MediaJob:
        from slasshy_rpc.media.job import MediaJob

        return MediaJob(request, place, self._web, workers, self._hosts, sought)

    async def close(self) -> None:
        """See ``Protocol.close``."""
        if self._workers is not None:
            await self._workers.close()


def _is_song(request: Request) -> bool:
    """Whether it is a link to Spotify; of several the first one counts, as of pages."""
    return bool(request.uris) and all(map(spotify, request.uris))
