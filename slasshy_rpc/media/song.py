"""The Job behind a link to Spotify: learn what song it is, look for that elsewhere, and have it brought from there.

Owns: the order of these steps, and what a list begets. Never: a byte of Spotify's own sound, which is protected.
"""

from __future__ import annotations

import logging
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.media import match, spotify
from slasshy_rpc.media.detect import spotify as link
from slasshy_rpc.media.labels import Labels, labels
from slasshy_rpc.media.match import Candidate
from slasshy_rpc.media.plan import Sought, reason
from slasshy_rpc.media.playlist import abroad
from slasshy_rpc.media.question import way
from slasshy_rpc.net.address import is_web, redact
from slasshy_rpc.options.values import Layer, OptionSet
from slasshy_rpc.protocols.base import Job, Outcome, Request, Workplace
from slasshy_rpc.protocols.web import Web
from slasshy_rpc.values import MEDIA, NOTICE, FileView, MediaView, ServerView, Snapshot

if typing.TYPE_CHECKING:
    from slasshy_rpc.media.pool import Workers

log = logging.getLogger(__name__)

#: Pages that a search is to find, and seconds that Spotify's page may take to come.
FOUND = 10
PATIENCE = 30.0

_OFF = (
    "Links to Spotify are not followed unless --media-spotify=true is given. Then the song is looked for elsewhere by "
    "its title, artists and length; Spotify's own audio is protected, and is never fetched."
)

#: How a found page's sound is brought: the request for it, and the page.
Bring = Callable[[Request, Sought], Job]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a song stands: in this album, as its so-manieth."""

    album: str
    number: int


class Songs:
    """What is known of songs while the process lives, at most ``most`` of each kind.

    Found pages by GID and identifier, so that a Download that was paused goes on with the same, but none that has its
    GID from another; places in albums by identifier, for only the album's page tells.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[tuple[str, str], Sought] = {}
        self._places: dict[str, Place] = {}

    def found(self, gid: str, identifier: str) -> Sought | None:
        """What an earlier Job of this Download has found for the song."""
        return self._found.get((gid, identifier))

    def keep(self, gid: str, identifier: str, sought: Sought) -> None:
        """Remember it."""
        self._found[gid, identifier] = sought
        if len(self._found) > self._most:
            del self._found[next(iter(self._found))]

    def place(self, identifier: str) -> Place | None:
        """Where the song stands, if the album was seen."""
        return self._places.get(identifier)

    def settle(self, identifier: str, place: Place) -> None:
        """Remember it."""
        self._places[identifier] = place
        if len(self._places) > self._most:
            del self._places[next(iter(self._places))]


class SongJob:
    """Brings a song, or begets a Download for each one of a list. ``bring`` makes the Job for what was found."""

    def __init__(
        self, request: Request, place: Workplace, web: Web, workers: Workers, songs: Songs, bring: Bring
    ) -> None:
        self._request = request
        self._place = place
        self._web = web
        self._workers = workers
        self._songs = songs
        self._bring = bring
        self._uri = request.uris[0]
        self._job: Job | None = None  # what brings the sound
        self._shown = Snapshot()
        self._seen: object = None

    # ---- the Job

    async def run(self) -> Outcome:
        """See ``Job.run``."""
        if not self._request.options.flag("media-spotify"):
            raise DownloadError(_OFF)
        found = link(self._uri)
        assert found is not None
        kind, identifier = found
        if kind not in ("track", "album", "playlist"):
            raise DownloadError(f"The link leads to a Spotify {kind}. Tracks, albums and playlists can be looked for.")
        self._place.lines.take(self._uri)
        try:
            if kind != "track":
                return self._begotten(await self._list(kind, identifier), kind)
            sought = self._songs.found(self._place.gid, identifier) or await self._look_for(identifier)
        finally:
            self._place.lines.leave(self._uri)
        self._songs.keep(self._place.gid, identifier, sought)
        self._job = self._bring(replace(self._request, options=_for_sound(self._request.options)), sought)
        return await self._job.run()

    def snapshot(self) -> Snapshot:
        """See ``Job.snapshot``: until the song was found as a page that is looked at."""
        if self._job is not None:
            return self._job.snapshot()
        uris = self._place.lines.views()
        if uris is not self._seen:
            file = FileView(f"{MEDIA}{self._uri}", uris=uris)
            self._seen, self._shown = uris, Snapshot(files=(file,), media=MediaView(self._uri, "searching"))
        return self._shown

    def servers(self) -> tuple[ServerView, ...]:
        """See ``Job.servers``."""
        return self._job.servers() if self._job is not None else ()

    def retune(self, changed: OptionSet) -> bool:
        """See ``Job.retune``."""
        self._request = replace(self._request, options=changed)
        return self._job is None or self._job.retune(_for_sound(changed))

    def change_uris(self, uris: Sequence[str]) -> None:
        """See ``Job.change_uris``: another link counts when this Download begins anew."""

    # ---- its steps

    async def _page(self, kind: str, identifier: str) -> bytes:
        """What Spotify gives others to embed. Raises DownloadError."""
        base = (self._request.options.text("media-spotify-base") or "").rstrip("/")
        url = f"{base}/embed/{kind}/{identifier}"
        try:
            return await self._web.small(self._request, url, spotify.LARGEST_PAGE, PATIENCE)
        except DownloadError as error:
            code = error.code
            raise DownloadError(f"What Spotify says of this {kind} could not be read: {error}", code) from error

    async def _list(self, kind: str, identifier: str) -> spotify.Listing:
        return spotify.listing(await self._page(kind, identifier), kind, identifier)

    async def _look_for(self, identifier: str) -> Sought:
        """The page that has the song. Raises DownloadError."""
        track = spotify.track(await self._page("track", identifier), identifier)
        song = track.song
        name = f"{', '.join(song.artists)} - {song.title}"
        options = self._request.options
        base = options.text("media-spotify-base") or ""
        question = {
            "ask": "search",
            "key": options.text("media-search"),
            "query": name,
            "count": FOUND,
            "options": way(base, options),
        }
        answer = await self._workers.ask(question, float(options.integer("media-timeout")))
        best = match.best(song, candidates(answer))
        if best is None or best[1] < match.ENOUGH:
            raise _unmatched(name, best)
        page, points = best
        log.log(NOTICE, "%s is %r of %s (%.0f points).", name, printable(page.title), redact(page.url), points)
        # A "/" is not for file names: as yt-dlp, by one that looks like it.
        name = name.replace("/", "\N{BIG SOLIDUS}")
        return Sought(page.url, name, self._labels(track.labels, identifier, page.url))

    def _labels(self, said: Labels, identifier: str, page: str) -> Labels:
        """Those of the song, where it stands, and where its sound is from."""
        place = self._songs.place(identifier)
        tags: dict[str, object] = {**dict(said.tags), "comment": page}
        if place is not None:
            tags |= {"album": place.album, "track": place.number}
        return labels(tags, said.covers)

    def _begotten(self, listing: spotify.Listing, kind: str) -> Outcome:
        """A Download for each song. Raises DownloadError if there is none."""
        if not listing.tracks:
            raise DownloadError(f"There is no song in {listing.name!r}.", ErrorCode.NOT_FOUND)
        if listing.skipped:
            text = "%s: podcast episodes and files of somebody's own are left out (%d)."
            log.log(NOTICE, text, listing.name, listing.skipped)
        if kind == "album":
            for number, identifier in enumerate(listing.tracks, 1):
                self._songs.settle(identifier, Place(listing.name, number))
        options = self._request.options.without("out", "checksum", "media-playlist-items")
        below = replace(self._request, options=options)
        wanted = spotify.places(self._request.options.text("media-playlist-items") or "", len(listing.tracks))
        if not wanted:
            raise DownloadError(f"Of {listing.name!r} --media-playlist-items takes none.", ErrorCode.NOT_FOUND)
        tracks = [f"https://open.spotify.com/track/{listing.tracks[place]}" for place in wanted]
        return Outcome(tuple(replace(below, uris=(track,)) for track in tracks))


def candidates(answer: typing.Mapping[str, typing.Any]) -> list[Candidate]:
    """The pages that a worker's answer to a search has; what is none is left out. Raises DownloadError."""
    if answer.get("kind") != "search":
        raise DownloadError(f"The search (--media-search) failed: {reason(answer)}")
    found = []
    for one in answer["found"][:FOUND]:
        url, seconds = str(one["url"]), one["seconds"]
        if is_web(url):
            known = float(seconds) if isinstance(seconds, int | float) else 0.0
            found.append(Candidate(url, str(one["title"])[:500], str(one["channel"])[:200], known))
    return found


def _unmatched(name: str, nearest: tuple[Candidate, float] | None) -> DownloadError:
    text = f"Nothing that was found is surely {name!r}"
    if nearest is not None:
        page, points = nearest
        text += f": the nearest, {printable(page.title)!r}, has {points:.0f} points, and {match.ENOUGH:.0f} are needed"
    return DownloadError(f"{text}. Look for it yourself, and add its page.", ErrorCode.NOT_FOUND)


def _for_sound(options: OptionSet) -> OptionSet:
    """What a song is brought with: the sound alone, and tags unless the user wants none; but nothing that was for the
    link's own server."""
    own = {"media-audio-only": "true"}
    if options.given("media-metadata") is Layer.DEFAULT:
        own["media-metadata"] = "true"
    return abroad(options).derive(own, Layer.OWN)
