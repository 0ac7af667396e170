"""The Job behind a media page: have it understood, bring its files over the engine, merge them if there are two.

Owns: the order of these steps, the one new look at a page whose links have expired, and one picture for all of it.
Never: how bytes come (segmented), what yt-dlp says (worker), signed URLs outside of its own memory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import typing
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from slasshy_rpc import clock
from slasshy_rpc.disk import layout
from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DownloadError, ErrorCode, OtherLength
from slasshy_rpc.media import extras, plan
from slasshy_rpc.media.ffmpeg import ffmpeg, needed
from slasshy_rpc.media.finish import finish, writable
from slasshy_rpc.media.fragments import FragmentJob
from slasshy_rpc.media.labels import LARGEST, Labels
from slasshy_rpc.media.merge import Track
from slasshy_rpc.media.picture import as_one
from slasshy_rpc.media.places import beside, reserve, take
from slasshy_rpc.media.plan import Media, Part, Sought, Unsupported
from slasshy_rpc.media.playlist import begotten
from slasshy_rpc.media.question import asked, sound, wanted
from slasshy_rpc.media.recipe import Recipe, cook, together
from slasshy_rpc.net import address
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.protocols.base import Job, Outcome, Request, Workplace
from slasshy_rpc.protocols.offloop import lastly, through
from slasshy_rpc.protocols.web import Errand, Web
from slasshy_rpc.values import MEDIA, FileView, MediaView, ServerView, Snapshot, UriView

if typing.TYPE_CHECKING:
    from slasshy_rpc.media.pool import Workers

log = logging.getLogger(__name__)

#: What a server may answer once a link has expired.
_EXPIRED = (ErrorCode.BAD_RESPONSE, ErrorCode.AUTHORIZATION, ErrorCode.NOT_FOUND)

#: A page whose links have expired is not looked at anew more often than this (seconds).
RENEWAL = 300.0

#: Seconds that a picture may take to come.
LOOK = 30.0

#: Whose places those of video and sound are. The last is also that of sound which comes alone.
_PLACES = (0, 1)

#: A choice of formats that has become longer gets no others put in front of it (characters).
_LONGEST_CHOICE = 500


class MediaJob:
    """Brings what is behind one page as one file.

    ``hosts`` as in ``is_page``. ``sought``: the page is not the one that was asked for, but one that has what that is
    about.
    """

    def __init__(
        self,
        request: Request,
        place: Workplace,
        web: Web,
        workers: Workers,
        hosts: frozenset[str] = frozenset(),
        sought: Sought | None = None,
    ) -> None:
        self._request = request
        self._place = place
        self._web = web
        self._workers = workers
        self._formats = ""  # once they are chosen
        self._hosts = hosts
        self._uri = request.uris[0]
        self._sought = sought
        self._page = sought.page if sought is not None else self._uri
        self._media: Media | None = None
        self._jobs: list[Job] = []  # one for each Part that has been begun
        self._plain: Job | None = None  # the page turned out to be none
        self._renewed = -RENEWAL
        self._final = ""
        self._size = 0
        self._stage = "extracting"
        self._extras: tuple[str, ...] = ()
        self._shown = Snapshot()
        self._seen: tuple[object, ...] = ()

    # ---- the Job

    async def run(self) -> Outcome:
        """See ``Job.run``."""
        self._place.lines.take(self._uri)
        try:
            answer = await self._ask()
            if answer.get("kind") == "playlist" and self._sought is None:  # which of a list was sought, nobody knows
                self._stage = "list"
                return begotten(self._request, answer, self._hosts)
            media = await self._understood(answer)
            while (fresh := await self._brought(media)) is not None:
                media = fresh
            self._stage = "done"
            return Outcome()
        except Unsupported:
            if self._sought is not None or self._request.options.text("media") != "auto":
                raise
        finally:
            self._place.lines.leave(self._uri)
        log.info("yt-dlp does not know %s: it is stored as it is.", address.redact(self._page))
        self._plain = self._web.job(self._request, self._place)
        return await self._plain.run()

    def snapshot(self) -> Snapshot:
        """See ``Job.snapshot``: while the page is looked at, aria2's shape of a magnet link without its metadata."""
        if self._plain is not None:
            return self._plain.snapshot()
        uris = self._place.lines.views()
        parts = [job.snapshot() for job in self._jobs]
        seen = (uris, self._size, self._media, self._stage, self._extras, *parts)
        if len(seen) != len(self._seen) or any(a is not b for a, b in zip(seen, self._seen, strict=True)):
            self._seen, self._shown = seen, replace(self._picture(parts, uris), media=self._view())
        return self._shown

    def servers(self) -> tuple[ServerView, ...]:
        """See ``Job.servers``."""
        if self._plain is not None:
            return self._plain.servers()
        views = [view for job in self._jobs for view in job.servers()]
        return tuple(replace(view, uri=self._uri, current_uri=self._uri) for view in views)

    def retune(self, changed: OptionSet) -> bool:
        """See ``Job.retune``; what begins later has them too."""
        self._request = replace(self._request, options=changed)
        return all(job.retune(changed) for job in [*self._jobs, *([self._plain] if self._plain else [])])

    def change_uris(self, uris: Sequence[str]) -> None:
        """See ``Job.change_uris``: another page counts when this Download begins anew."""
        if self._plain is not None:
            self._plain.change_uris(uris)

    # ---- its steps

    async def _ask(self) -> dict[str, Any]:
        """Ask about the page, and for the formats that were chosen before if there are any. Raises DownloadError."""
        self._stage = "extracting"
        options = self._request.options
        question = await asked(self._page, options, self._formats, self._web.cookies)
        return await self._workers.ask(question, float(options.integer("media-timeout")))

    async def _understood(self, answer: dict[str, Any]) -> Media:
        """What is to be brought. Raises DownloadError."""
        media = await asyncio.to_thread(plan.understood, answer)  # there may be a hundred thousand fragments
        if self._sought is not None:
            media = plan.called(media, self._sought)
        self._formats = media.formats
        return media

    async def _brought(self, media: Media) -> Media | None:
        """Bring it; None when that is done, and fresh links where these have expired. Raises DownloadError."""
        self._media = media
        try:
            await self._bring(media)
            return None
        except DownloadError as error:
            if error.code not in _EXPIRED or clock.monotonic() - self._renewed < RENEWAL:
                raise
            log.info("%s The page is asked again.", error)
        self._renewed = clock.monotonic()
        return await self._understood(await self._ask())

    async def _bring(self, media: Media) -> None:
        """Everything, with these links."""
        options = self._request.options
        tagged, checked = options.flag("media-metadata"), bool(options.text("checksum"))
        # Tags want a type of file that takes them; without ffmpeg it comes as it is all the same.
        media, recipe = cook(media, sound(options), tagged=tagged and not checked and ffmpeg() is not None)
        labels = writable(media, checked=checked) if tagged else None
        self._media, self._stage = media, "downloading"
        out = options.text("out") or media.name
        if len(media.parts) == 1 and recipe is None and labels is None:
            await self._bring_whole(media, out)
            return
        apart = len(media.parts) > 1 and options.text("media-merge") == "off"
        if recipe is not None:
            self._check(recipe, apart=apart)
        if options.flag("hash-check-only"):
            raise DownloadError("A file that is made here has no digest that could be checked (--hash-check-only).")
        path = await through(reserve, self._request, self._place, out)
        self._keep_to(media.formats)
        await self._bring_extras(media, path)
        places = [self._place.beside(number) for number in _PLACES[-len(media.parts) :]]
        tracks: list[Track] = []
        self._jobs = []
        try:
            for part, place in zip(media.parts, places, strict=True):
                tracks.append(await self._track(part, place, path, alone=len(places) == 1))
            if options.flag("dry-run"):
                return
            if apart:
                self._stage = "merging"
                for at, track in enumerate(tracks):
                    await self._leave(media.parts[at], track, self._jobs[at], path, places[at].gid)
                return
            if recipe is not None and recipe.loose and ffmpeg() is None and tracks[0].ext != recipe.ext:
                if not options.text("out"):  # what is put together without ffmpeg stays what it is
                    self._place.claims.release(self._place.gid)
                    name = f"{media.name.removesuffix(media.ext)}{tracks[0].ext}"
                    path = await through(reserve, self._request, self._place, name)
                recipe = together(tracks[0].ext)
            await self._make(path, tracks, media, recipe, labels)
        finally:
            for place in places:
                place.claims.release(place.gid)

    async def _track(self, part: Part, place: Workplace, path: str, *, alone: bool) -> Track:
        """Bring one Part of what will be ``path``."""
        request, options = self._request, self._request.options
        if not part.fragmented:
            await self._fetch(_errand(part, beside(self._request, path, part), ours=True), place)
            return Track([[place.claims.path_of(place.gid)]], part.ext)
        means = self._web.means(request, place, part.url, part.headers, part.cookies)
        target = path if alone else os.path.join(os.path.dirname(path), plan.part_name(os.path.basename(path), part))
        skip, dry = options.flag("media-skip-unavailable"), options.flag("dry-run")
        whose = f"{self._page} {options.text('media-playlist-items') or ''}".rstrip()
        job = FragmentJob(part, whose, target, means, self._web.fenced(request, place), skip=skip, dry=dry)
        self._jobs.append(job)
        await job.run()
        return await asyncio.to_thread(job.track)

    async def _leave(self, part: Part, track: Track, job: Job, path: str, gid: str) -> None:
        """What has become of one Part stays a file of its own."""
        if not track.folder:
            await asyncio.to_thread(layout.remove, [layout.control_path(track.paths[0])])
            return
        target = os.path.join(os.path.dirname(path), plan.part_name(os.path.basename(path), part))
        ext = part.ext if ffmpeg() is not None else track.ext
        target = await through(take, self._request, self._place, f"{target.removesuffix(part.ext)}{ext}", gid)
        size = await self._finish([track], target, ext, together(ext))
        if isinstance(job, FragmentJob):
            job.became(target, size)

    async def _bring_whole(self, media: Media, out: str) -> None:
        """The one part that is the file."""
        self._keep_to(media.formats)
        part = media.parts[0]
        errand = replace(_errand(part, out, ours=False), keep_control=bool(media.extras))
        self._jobs = []
        await self._fetch(errand, self._place)
        path = self._place.claims.path_of(self._place.gid)
        if media.extras and path:
            await self._bring_extras(media, path)
            if not self._request.options.flag("force-save"):
                await lastly(layout.remove, [layout.control_path(path)])

    def _check(self, recipe: Recipe, *, apart: bool) -> None:
        """Raise DownloadError for what cannot be made, before anything is fetched for it."""
        if not apart and not recipe.loose:
            needed(recipe)
        if self._request.options.text("checksum"):
            raise DownloadError(
                f"A --checksum is of a file as it comes, but ffmpeg has to {recipe.task}. Leave it out."
            )

    async def _make(
        self, path: str, tracks: Sequence[Track], media: Media, recipe: Recipe | None, labels: Labels | None
    ) -> None:
        """Make the file of the ``tracks``."""
        self._stage = "converting" if recipe and recipe.encoded else "merging" if recipe else "tagging"
        ext = recipe.ext if recipe is not None else media.ext
        self._size = await self._finish(tracks, path, ext, recipe, labels)
        self._final = path

    async def _finish(
        self, tracks: Sequence[Track], path: str, ext: str, recipe: Recipe | None, labels: Labels | None = None
    ) -> int:
        """See ``finish``."""
        options = self._request.options

        async def look(url: str) -> bytes:
            return await self._web.small(self._request, url, LARGEST, LOOK)

        return await finish(
            tracks,
            path,
            self._place.gid,
            ext,
            recipe,
            labels,
            look,
            overwrite=options.flag("allow-overwrite"),
            sync=options.text("file-sync") != "never",
            keep=options.flag("media-keep-parts"),
        )

    async def _fetch(self, errand: Errand, place: Workplace) -> None:
        """Have one file brought. What an earlier try has begun of one of another length gives way to it."""
        begun = place.claims.path_of(place.gid)
        job = self._web.errand_job(self._request, place, errand)
        self._jobs.append(job)
        try:
            await job.run()
            return
        except OtherLength as error:
            if not errand.ours and error.path != begun:
                raise
            mine = error.path
            log.info("%s is begun anew: the page has another file by now.", printable(mine))
        await through(layout.remove, [mine, layout.control_path(mine)])
        self._jobs[-1] = self._web.errand_job(self._request, place, errand)
        await self._jobs[-1].run()

    async def _bring_extras(self, media: Media, path: str) -> None:
        """What is stored beside ``path``, one after the other; nothing of it is worth a failure."""
        before, self._stage = self._stage, "extras"
        if not self._request.options.flag("dry-run"):
            found = [await extras.bring(one, path, self._request, self._place, self._web) for one in media.extras]
            self._extras = tuple(filter(None, found))
        self._stage = before

    def _keep_to(self, formats: str) -> None:
        """Have the next Job prefer these formats, of which something may be there then, also in another process."""
        before = wanted(self._request.options)
        if formats and before.partition("/")[0] != formats and len(before) < _LONGEST_CHOICE:
            self._place.learn({"media-format": f"{formats}/{before}"})

    # ---- what it looks like

    def _view(self) -> MediaView:
        media = self._media
        title, formats = (media.title, "+".join(part.format for part in media.parts)) if media else ("", "")
        return MediaView(self._page, self._stage, title, printable(formats), self._extras)

    def _picture(self, parts: Sequence[Snapshot], uris: tuple[UriView, ...]) -> Snapshot:
        media = self._media
        if media is None or not parts:
            return Snapshot(files=(FileView(f"{MEDIA}{self._uri}", uris=uris),))
        if self._final:
            file = FileView(self._final, self._size, self._size, uris=uris)
            return Snapshot(total_length=self._size, completed_length=self._size, files=(file,))
        return as_one(media, parts, uris)


def _errand(part: Part, name: str, *, ours: bool) -> Errand:
    return Errand(part.url, name, part.headers, part.chunk, ours)
