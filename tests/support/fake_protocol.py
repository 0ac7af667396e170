"""A Protocol whose Jobs do what a test tells them, without network or disk.

Owns: FakeProtocol, FakeJob, and the Stage that puts a Session and an Api on them. Never: a decision of the session's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from slasshy_rpc.api.methods import Api
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import Layer, OptionSet, defaults
from slasshy_rpc.protocols.base import Outcome, Request, Workplace
from slasshy_rpc.session.download import named_path
from slasshy_rpc.session.session import Session
from slasshy_rpc.values import Event, FileView, ServerView, Snapshot


class FakeJob:
    """Runs until ``end`` is called.

    ``flushing``, when cleared, holds back the end of a cancelled Job. ``last_word``: what comes of a cancelled Job
    instead of its cancellation, a failure or its completion.
    """

    def __init__(self, request: Request, place: Workplace, retunes: bool) -> None:
        self.request = request
        self.place = place
        self.retunes = retunes
        self.retuned: list[OptionSet] = []
        self.flushing = asyncio.Event()
        self.flushing.set()
        self.cancelled = 0
        self.last_word: Outcome | Exception | None = None
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.changed: list[tuple[str, ...]] = []
        self.state = Snapshot(
            total_length=4 << 20,
            completed_length=0,
            download_speed=1000,
            connections=1,
            num_pieces=4,
            bitfield=b"\x00",
            files=(FileView(named_path(request.options), 4 << 20),),
        )

    async def run(self) -> Outcome:
        self.place.lines.take(self.request.uris[0])
        try:
            return await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            self.cancelled += 1
            await self.flushing.wait()
            if isinstance(self.last_word, Outcome):
                return self.last_word
            raise self.last_word or asyncio.CancelledError from None

    def end(self, outcome: Outcome | BaseException | None = None) -> None:
        """Complete, or fail with an exception."""
        if isinstance(outcome, BaseException):
            self._ended.set_exception(outcome)
        else:
            self.state = replace(self.state, completed_length=self.state.total_length, bitfield=b"\xf0")
            self._ended.set_result(outcome or Outcome())

    def snapshot(self) -> Snapshot:
        file = replace(self.state.files[0], uris=self.place.lines.views())
        return replace(self.state, files=(file, *self.state.files[1:]))

    def servers(self) -> tuple[ServerView, ...]:
        uri = self.request.uris[0]
        return (ServerView(uri, uri, 1000),)

    def retune(self, changed: OptionSet) -> bool:
        self.retuned.append(changed)
        return self.retunes

    def change_uris(self, uris: Sequence[str]) -> None:
        self.changed.append(tuple(uris))


class FakeProtocol:
    """Serves http and https; remembers its Jobs by GID, the newest under each."""

    name = "fake"

    def __init__(self) -> None:
        self.jobs: dict[str, FakeJob] = {}
        self.made = 0
        self.retunes = True
        self.fault: Exception | None = None
        self.closed = False

    def claims(self, request: Request) -> bool:
        return all(uri.lower().startswith(("http://", "https://")) for uri in request.uris)

    def job(self, request: Request, place: Workplace) -> FakeJob:
        if self.fault is not None:
            raise self.fault
        self.made += 1
        job = self.jobs[place.gid] = FakeJob(request, place, self.retunes)
        return job

    async def close(self) -> None:
        self.closed = True


class Stage:
    """A Session and its Api on a FakeProtocol, with every event heard, each beside the status shown at that moment."""

    #: Those of the running test, for ``close_all``.
    opened: ClassVar[list[Stage]] = []

    def __init__(self, options: OptionSet, **session_arguments: Any) -> None:
        self.opened.append(self)
        self.protocol = FakeProtocol()
        self.session = Session(options, [self.protocol], **session_arguments)
        self.halted: list[bool] = []
        self.api = Api(self.session, features=["HTTPS"], halt=self.halted.append)
        self.heard: list[tuple[str, str, str]] = []
        self.session.events.subscribe(self._hear)

    def _hear(self, event: Event, gid: str) -> None:
        self.heard.append((event.name, gid, self.session.find(gid).status.value))

    def events(self) -> list[str]:
        """The names of all events so far."""
        return [name for name, _, _ in self.heard]

    async def call(self, name: str, *params: object) -> Any:
        """An aria2 method's result."""
        return await self.api.call(name if "." in name else "aria2." + name, list(params))

    async def error(self, name: str, *params: object) -> str:
        """The text of the RpcError that a call must raise."""
        with pytest.raises(RpcError) as caught:
            await self.call(name, *params)
        return str(caught.value)

    async def add(self, uri: str = "http://127.0.0.1/f.bin", **options: str) -> str:
        """Add one URI (underscores in option names stand for dashes) and let it start if it can."""
        gid: str = await self.call("addUri", [uri], {name.replace("_", "-"): value for name, value in options.items()})
        await turns()
        return gid

    def job(self, gid: str) -> FakeJob:
        """The newest Job of a Download."""
        return self.protocol.jobs[gid]

    async def end(self, gid: str, outcome: Outcome | BaseException | None = None) -> None:
        """Let its Job complete or fail, and the session notice."""
        self.job(gid).end(outcome)
        await turns()


async def close_all() -> None:
    """End what the test has left running, so that nothing is started while its event loop closes."""
    while Stage.opened:
        await Stage.opened.pop().session.close(grace=0.1)


async def turns(count: int = 6) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


def gids(path: Path) -> list[str]:
    """The GIDs in a session file, in order."""
    return [line.removeprefix(" gid=") for line in path.read_text().splitlines() if line.startswith(" gid=")]


async def until(true: Callable[[], bool]) -> None:
    """Wait for a fact that a thread brings about."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 what a thread does sets no event here
            await asyncio.sleep(0.01)


def options(**values: str) -> OptionSet:
    """aria2's defaults under ``values`` from a command line (underscores stand for dashes)."""
    given = {"dir": "/downloads", **{name.replace("_", "-"): value for name, value in values.items()}}
    return defaults(compat=True).derive(given, Layer.COMMAND)
