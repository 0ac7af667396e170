"""One entry of the session: what was asked, where it stands, how it ended.

Owns: the Download's facts and what it looks like while no Job runs. Never: changing its own status,
which only the Session does.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import math
import os.path
from collections.abc import Container
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import TYPE_CHECKING

from slasshy_rpc.clock import monotonic
from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.session import uris
from slasshy_rpc.values import FileView, Snapshot, Status, UriView

if TYPE_CHECKING:
    from slasshy_rpc.options.values import OptionSet
    from slasshy_rpc.protocols.base import Job, Outcome, Request
    from slasshy_rpc.session.queue import Block

log = logging.getLogger(__name__)

#: Lines that a list of URIs is filled up to for the sake of Connections; aria2 has no such bound.
MOST_LINES = 512

#: The rank of what was never queued.
UNPLACED = -math.inf


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


class Download:
    """One GID. ``run`` is there exactly while the status is ACTIVE, ``block`` while it is queued.

    ``rank`` grows along the queue.
    ``last`` is the Snapshot that its latest Job left. ``seconds`` adds up the time that Jobs have run.
    """

    __slots__ = (
        "belongs_to",
        "block",
        "error_code",
        "error_message",
        "followed_by",
        "following",
        "gid",
        "last",
        "rank",
        "request",
        "run",
        "seconds",
        "status",
    )

    def __init__(self, gid: str, request: Request, status: Status) -> None:
        self.gid = gid
        self.request = request
        self.status = status
        self.block: Block | None = None
        self.rank = UNPLACED
        self.run: Run | None = None
        self.last: Snapshot | None = None
        self.seconds = 0.0
        self.error_code: int = ErrorCode.OK
        self.error_message = ""
        self.followed_by: tuple[str, ...] = ()
        self.following = ""
        self.belongs_to = ""

    @property
    def options(self) -> OptionSet:
        """What applies to this Download."""
        return self.request.options

    @property
    def stopped(self) -> bool:
        """Whether it has ended for good."""
        return self.status in (Status.COMPLETE, Status.ERROR, Status.REMOVED)

    def active_seconds(self) -> float:
        """How long its Jobs have run, the present one included."""
        return self.seconds + (monotonic() - self.run.started if self.run else 0.0)

    def snapshot(self) -> Snapshot:
        """What it looks like now. A Job that fails to tell is logged, and its last word stands.

        A Job that goes on with an earlier one's work knows nothing of it before its file is open; until then the
        earlier progress is shown, so that nobody sees a download fall back to nothing and recover.
        """
        if self.run is not None:
            try:
                now = self.run.job.snapshot()
                return _carried_on(self.last, now) if self.last is not None and _knows_nothing(now) else now
            except Exception:
                log.exception("GID#%s could not say how far it is.", self.gid)
        return self.last or self._unstarted()

    def settle(self) -> None:
        """Keep the ending Job's last Snapshot, without what only a running one has."""
        if self.run is None:
            return
        last = replace(self.snapshot(), connections=0, servers=(), verified_length=None, verify_pending=False)
        self.last = _adapted(last, self.run.request, self.request)
        self.seconds += monotonic() - self.run.started

    def replace_request(self, request: Request) -> None:
        """Take changed URIs or options; an idle Download shows a changed place or source at once."""
        if self.last is not None and self.run is None:
            self.last = _adapted(self.last, self.request, request)
        self.request = request

    def _unstarted(self) -> Snapshot:
        file = FileView(path=named_path(self.options), uris=fresh_uris(self.request))
        return Snapshot(piece_length=self.options.integer("piece-length"), files=(file,))


def fresh_uris(request: Request) -> tuple[UriView, ...]:
    """The URIs as aria2 lists them before the first is asked: in turns, for as many connections as are allowed."""
    given = request.uris
    split = request.options.integer("split")
    allowed = len(given) * request.options.integer("max-connection-per-server")
    length = max(len(given), min(split, allowed, MOST_LINES))
    return tuple(UriView(uri, used=False) for uri in islice(cycle(given), length))


def with_mirrors(before: Request, left: Container[str], new: list[str], position: int | None) -> Request:
    """``before`` itself, or a Request with those of its URIs that are ``left`` and ``new`` ones at ``position``.

    Raises RpcError as ``uris.merged`` does.
    """
    wanted = uris.merged([uri for uri in before.uris if uri in left], new, position, len(before.uris))
    if wanted == before.uris:
        return before
    # Who adds a URI may also name the file, unless the user has done so.
    trusted = before.trusted and (not new or bool(before.options.text("out")))
    return replace(before, uris=wanted, trusted=trusted)


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
        servers=now.servers,
        verify_pending=now.verify_pending,
    )


def _adapted(snapshot: Snapshot, before: Request, after: Request) -> Snapshot:
    """The Snapshot of an idle Download whose Request was changed."""
    if before is after or not snapshot.files:
        return snapshot
    first, *others = snapshot.files
    if before.uris != after.uris:
        first = replace(first, uris=fresh_uris(after))
    path = _moved(first.path, before.options, after.options)
    return replace(snapshot, files=(replace(first, path=path), *others))


def _moved(path: str, before: OptionSet, after: OptionSet) -> str:
    """``path`` under changed ``dir`` and ``out``; a file whose ``out`` was withdrawn has no name again."""
    if place(before) == place(after):
        return path
    if after.text("out"):
        return named_path(after)
    return "" if not path or before.text("out") else f"{after.text('dir') or '.'}/{os.path.basename(path)}"
