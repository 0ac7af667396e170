"""The seam between the session and everything that can bring a file.

Owns: the shapes of Request, Job, Protocol and Workplace. Never: any protocol of its own.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from slasshy_rpc.disk.claims import Claims
from slasshy_rpc.options.values import Normal, OptionSet
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.values import ServerView, Snapshot

if typing.TYPE_CHECKING:
    from slasshy_rpc._engine import Pace


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: the URIs of one file (mirrors) and the options that apply to it.

    ``trusted``: the person at the command line asked, so ``out`` may be any path of theirs. ``depth``: how many lists
    it came out of, one within the other.
    """

    uris: tuple[str, ...]
    options: OptionSet
    trusted: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A Job that ended well, and the Requests that it begot."""

    followers: tuple[Request, ...] = ()


def _forget(learned: Mapping[str, Normal]) -> None:
    """Of a Download that ends with its Job."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What the session lends to a Job for as long as it runs.

    ``pace`` is the global limit, parent of the Job's own; ``live_dir`` is where live maps are kept,
    or None for none. ``claims`` says whose path is whose: a Job takes its path there before it touches it, and an
    earlier Job of the same Download may have left one for it. ``lines`` list the URIs; Connections take theirs there.
    ``learn`` takes options that the Download has from now on, for what has been found out to hold for later Jobs too.
    """

    gid: str
    pace: Pace | None = None
    live_dir: Path | None = None
    claims: Claims = field(default_factory=Claims)
    lines: Lines = field(default_factory=Lines)
    learn: Callable[[Mapping[str, Normal]], None] = _forget

    def beside(self, number: int) -> Workplace:
        """That of the file ``number``, from 0 on, of several that one Download has at once: with a claim of its own,
        under as many characters as a GID has, of which one is none that a GID may have."""
        before, digit, after = self.gid[:number], self.gid[number], self.gid[number + 1 :]
        return replace(self, gid=f"{before}{chr(ord('g') + int(digit, 16))}{after}")


class Job(typing.Protocol):
    """The running half of an active Download."""

    async def run(self) -> Outcome:
        """Returns when complete; raises DownloadError; cancelled: paused, everything flushed first."""

    def snapshot(self) -> Snapshot:
        """Synchronous and cheap; also valid after ``run`` has ended. The same object where nothing has changed."""

    def servers(self) -> tuple[ServerView, ...]:
        """The open connections of the moment: more than a poll shows, so they are asked for by themselves."""

    def retune(self, changed: OptionSet) -> bool:
        """Take changed options while running; False: the session restarts the job."""

    def change_uris(self, uris: Sequence[str]) -> None:
        """Go on with these URIs and no others; ``Workplace.lines`` lists them already."""


class Protocol(typing.Protocol):
    """A way to bring files, handed to the session by ``app``."""

    name: str

    def claims(self, request: Request) -> bool:
        """Whether this protocol can serve the request (by its URIs)."""

    def job(self, request: Request, place: Workplace) -> Job:
        """Make the Job; no I/O before ``run``."""

    async def close(self) -> None:
        """Let go of idle channels and threads."""


Protocols = Sequence[Protocol]
