"""One entry of the session: what was asked, where it stands, how it ended.

Owns: the Download's facts and what it looks like while no Job runs. Never: changing its own status,
which only the Session does.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os.path
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from slasshy_rpc.clock import monotonic
from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.options.values import Layer
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.session.uris import MOST, added, too_many
from slasshy_rpc.values import FileView, ServerView, Snapshot, Status, UriView

if TYPE_CHECKING:
    from slasshy_rpc.options.values import Normal, OptionSet
    from slasshy_rpc.protocols.base import Job, Outcome, Request
    from slasshy_rpc.session.queue import Block

log = logging.getLogger(__name__)

#: Lines that a list of URIs is filled up to for the sake of Connections; aria2 has no such bound.
MOST_LINES = 512


_STOPPED = (Status.COMPLETE, Status.ERROR, Status.REMOVED)


class Intent(enum.Enum):
    """Why a Job that still runs was told to stop."""

    NONE = "none"
    PAUSE = "pause"
    REMOVE = "remove"
    RESTART = "restart"
    CLOSE = "close"


@dataclass(slots=True, eq=False)
class Run:
    """The running half of an active Download, made from ``request``. ``started`` is in monotonic seconds."""

    request: Request
    job: Job
    task: asyncio.Task[Outcome]
    started: float
    intent: Intent = Intent.NONE

    def stop(self, intent: Intent) -> None:
        """Ask the Job to flush and end, once; a second asking only changes the reason."""
        first = self.intent is Intent.NONE
        self.intent = intent
        if first:
            self.task.cancel()


@dataclass(frozen=True, slots=True)
class Ending:
    """What a stopped Download says for itself. ``terse`` is what aria2 would say, where that is another text."""

    code: int = ErrorCode.OK
    message: str = ""
    terse: str | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """The GIDs of what a Download came from, came out of it, and what it is a part of."""

    following: str = ""
    followed_by: tuple[str, ...] = ()
    belongs_to: str = ""


_NOT_ENDED = Ending()
_ALONE = Family()


class Download:
    """One GID. ``run`` is there exactly while the status is ACTIVE, ``block`` while it is queued.

    ``lines`` are there from its first start on, or its first changed URI, to its end. ``last`` is the Snapshot that its
    latest Job left. ``seconds`` adds up the time that Jobs have run. There may be half a million that wait: what only
    few have is one attribute, and one object for all others.
    """

    __slots__ = ("block", "ending", "family", "gid", "last", "lines", "request", "run", "seconds", "status")

    def __init__(self, gid: str, request: Request, status: Status) -> None:
        self.gid = gid
        self.request = request
        self.status = status
        self.block: Block | None = None
        self.run: Run | None = None
        self.last: Snapshot | None = None
        self.lines: Lines | None = None
        self.seconds = 0.0
        self.ending = _NOT_ENDED
        self.family = _ALONE

    @property
    def options(self) -> OptionSet:
        """What applies to this Download."""
        return self.request.options

    @property
    def stopped(self) -> bool:
        """Whether it has ended for good."""
        return self.status in _STOPPED

    def active_seconds(self) -> float:
        """How long its Jobs have run, the present one included."""
        return self.seconds + (monotonic() - self.run.started if self.run else 0.0)

    def snapshot(self, *, files: bool = True) -> Snapshot:
        """What it looks like now. A Job that fails to tell is logged, and its last word stands.

        Without ``files`` one that never ran leaves them out: thousands wait, and most polls do not ask for them.

        A Job that goes on with an earlier one's work knows nothing of it before its file is open; until then the
        earlier progress is shown, so that nobody sees a download fall back to nothing and recover.
        """
        if self.run is not None:
            try:
                now = self.run.job.snapshot()
                return _carried_on(self.last, now) if self.last is not None and _knows_nothing(now) else now
            except Exception:
                log.exception("GID#%s could not say how far it is.", self.gid)
        return self.last or self._unstarted(files=files)

    def servers(self) -> tuple[ServerView, ...]:
        """Its open connections; none unless it is active."""
        return self.run.job.servers() if self.run is not None else ()

    def settle(self) -> None:
        """Keep the ending Job's last Snapshot, without what only a running one has."""
        if self.run is None:
            return
        self.line_up().put_back()
        last = replace(self.snapshot(), connections=0, verified_length=None, verify_pending=False)
        self.last = _adapted(last, self.run.request, self.request)
        self.seconds += monotonic() - self.run.started

    def line_up(self) -> Lines:
        """Its lines, for whoever changes them; it shows them as soon as a Job runs, or ``change_uris`` is done."""
        if self.lines is None:
            files = self.snapshot().files
            self.lines = Lines.of(files[0].uris if files else (), reuse=self.options.flag("reuse-uri"))
        return self.lines

    def replace_request(self, request: Request) -> None:
        """Take changed options; an idle Download shows a changed place at once.

        How many lines there are was settled when it was added.
        """
        if self.run is None:
            if self.last is None and fresh_uris(request) != fresh_uris(self.request):
                self.last = self._unstarted()
            if self.last is not None:
                self.last = _adapted(self.last, self.request, request)
        self.request = request

    def learn(self, note: Callable[[Download], None], learned: Mapping[str, Normal]) -> None:
        """Take options that its Job has found, and have that noted: see ``Workplace.learn``."""
        self.replace_request(replace(self.request, options=self.options.derive(learned, Layer.OWN)))
        note(self)

    def change_uris(
        self, withdrawn: Sequence[str], given: Sequence[str], position: int | None, served: Callable[[str], bool]
    ) -> tuple[int, int]:
        """Withdraw lines and add some, as aria2.changeUri counts them; what is not ``served`` is listed, not asked.

        Raises RpcError if there would be more than ``uris.MOST`` lines, and more than there were.
        """
        lines, new = self.line_up(), added(given)
        gone = lines.matches(withdrawn)
        if len(lines) - gone + len(new) > max(MOST, len(lines)):
            raise too_many()
        if gone or new:
            lines.withdraw(withdrawn)
            lines.insert(new, position)
            if self.run is None:
                last = self.last or self._unstarted()
                self.last = replace(last, files=(replace(last.files[0], uris=lines.views()), *last.files[1:]))
            known = frozenset(self.request.uris)
            order = lines.order(view.uri for view in lines.views())
            uris = tuple(uri for uri in order if uri in known or served(uri))
            # Who adds a URI may also name the file, unless the user has done so.
            trusted = self.request.trusted and (not new or bool(self.options.text("out")))
            self.request = replace(self.request, uris=uris, trusted=trusted)
        return gone, len(new)

    def _unstarted(self, *, files: bool = True) -> Snapshot:
        piece_length = self.options.integer("piece-length")
        if not files:
            return _blank(piece_length)
        file = FileView(path=named_path(self.options), uris=fresh_uris(self.request))
        return Snapshot(piece_length=piece_length, files=(file,))


@lru_cache(maxsize=16)
def _blank(piece_length: int) -> Snapshot:
    return Snapshot(piece_length=piece_length)


def fresh_uris(request: Request) -> tuple[UriView, ...]:
    """The URIs as aria2 lists them before the first is asked: in turns, for as many connections as are allowed."""
    given = request.uris
    split = request.options.integer("split")
    allowed = len(given) * request.options.integer("max-connection-per-server")
    length = max(len(given), min(split, allowed, MOST_LINES))
    views = tuple([UriView(uri, used=False) for uri in given])
    return (views * -(-length // (len(views) or 1)))[:length]


def place(options: OptionSet) -> tuple[str | None, str | None]:
    """What decides where the file goes: ``dir`` and ``out``."""
    return options.text("dir"), options.text("out")


def named_path(options: OptionSet) -> str:
    """Where the file will be if the user has named it, else an empty string."""
    out = options.text("out")
    return f"{options.text('dir') or '.'}/{out}" if out else ""


def _knows_nothing(snapshot: Snapshot) -> bool:
    return not (snapshot.completed_length or snapshot.bitfield)


def _carried_on(last: Snapshot, now: Snapshot) -> Snapshot:
    """The progress of ``last`` with the life of ``now``."""
    files = last.files
    if files and now.files:
        files = (replace(files[0], uris=now.files[0].uris), *files[1:])
    return replace(
        last,
        files=files,
        download_speed=now.download_speed,
        upload_speed=now.upload_speed,
        connections=now.connections,
        verify_pending=now.verify_pending,
        media=now.media,
    )


def _adapted(snapshot: Snapshot, before: Request, after: Request) -> Snapshot:
    """The Snapshot of an idle Download whose Request was changed."""
    if before is after or not snapshot.files:
        return snapshot
    first, *others = snapshot.files
    path = _moved(first.path, before.options, after.options)
    return replace(snapshot, files=(replace(first, path=path), *others))


def _moved(path: str, before: OptionSet, after: OptionSet) -> str:
    """``path`` under changed ``dir`` and ``out``; a file whose ``out`` was withdrawn has no name again."""
    if place(before) == place(after):
        return path
    if after.text("out"):
        return named_path(after)
    return "" if not path or before.text("out") else f"{after.text('dir') or '.'}/{os.path.basename(path)}"
