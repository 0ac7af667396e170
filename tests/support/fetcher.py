"""Runs download jobs without a session around them: options in, file and error out.

Owns: an engine and the HTTP protocol for one test. Never: RPC, queue or command line.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slasshy_rpc._engine import Engine
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.net.outlet import Outlet
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.options.values import Layer, defaults
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.origin import Origins
from slasshy_rpc.protocols.base import Request, Workplace
from slasshy_rpc.protocols.segmented import SegmentedJob
from slasshy_rpc.protocols.web import Web
from slasshy_rpc.values import Snapshot

#: Bounds every job of a test (seconds).
LIMIT = 30.0


@dataclass(slots=True)
class Fetched:
    """How a job ended: ``error`` is None for a complete file."""

    job: SegmentedJob
    error: DownloadError | None

    @property
    def snapshot(self) -> Snapshot:
        """The job's last word."""
        return self.job.snapshot()

    @property
    def path(self) -> Path:
        """Where the file is, or would be."""
        return Path(self.snapshot.files[0].path)


class Fetcher:
    """Use inside a running loop; ``close`` when done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.live_dir = folder / "live"
        self.cookies = Cookies()
        self._receiver = Receiver(Engine())
        self._web = Web(self._receiver, self.cookies, Origins(), Outlet())

    def job(self, *uris: str, **options: str) -> SegmentedJob:
        """A job for mirrors ``uris``; option names with _ for -. Retries are quick and file-sync is off."""
        return self._job(Workplace("0" * 16, live_dir=self.live_dir), uris, options)

    def again(self, earlier: SegmentedJob, *uris: str, **options: str) -> SegmentedJob:
        """A further job of the same Download, as after a pause."""
        return self._job(earlier.place, uris, options)

    def _job(self, place: Workplace, uris: Sequence[str], options: Mapping[str, str]) -> SegmentedJob:
        given = {"dir": str(self.folder), "file_sync": "never", "max_tries": "2", "timeout": "5", **options}
        header = given.pop("header", "")
        own: dict[str, str | tuple[str, ...]] = {name.replace("_", "-"): value for name, value in given.items()}
        if header:
            own["header"] = tuple(header.splitlines())
        request = Request(tuple(uris), defaults(compat=False).derive(own, Layer.OWN))
        return self._web.job(request, replace(place, lines=Lines(uris)))

    async def fetch(self, *uris: str, **options: str) -> Fetched:
        """Run such a job to its end, at most LIMIT seconds."""
        job = self.job(*uris, **options)
        try:
            async with asyncio.timeout(LIMIT):
                await job.run()
        except DownloadError as error:
            return Fetched(job, error)
        return Fetched(job, None)

    async def small(self, uri: str, most: int, **options: str) -> bytes:
        """A small body, in memory; it has a second to come."""
        given = {name.replace("_", "-"): value for name, value in {"timeout": "5", **options}.items()}
        request = Request((), defaults(compat=False).derive(given, Layer.OWN))
        return await self._web.small(request, uri, most, 1.0)

    async def close(self) -> None:
        """End the engine."""
        await self._web.close()
        self._receiver.close()


async def interrupt(job: SegmentedJob, count: int) -> None:
    """Run a job and stop it in good order when it has ``count`` bytes."""
    task = asyncio.create_task(job.run())
    for _ in range(1000):
        if job.snapshot().completed_length >= count:
            break
        await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
