"""When the session's text file is written: on demand, every so often, and at the end.

Owns: keeping writes apart from each other and off the event loop. Never: what the file says (export does).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.session import export
from slasshy_rpc.session.download import Download
from slasshy_rpc.values import NOTICE, Snapshot

log = logging.getLogger(__name__)


class Contents(NamedTuple):
    """All Downloads in the order of the file; by GID, what those that run look like (a thread must not ask a Job);
    and the lines that follow as they are."""

    downloads: Sequence[Download]
    live: dict[str, Snapshot]
    kept: str


class TextFile:
    """The file that save-session names. ``options`` gives the global set, and ``contents`` what to save, as of now."""

    def __init__(self, options: Callable[[], OptionSet], contents: Callable[[], Contents]) -> None:
        self._options = options
        self._contents = contents
        self._writing = asyncio.Lock()
        self._written: tuple[str, int] | None = None  # path and hash of the text
        self._clock: asyncio.Task[None] | None = None
        # A thread of its own: those that all share may be waiting for the disk of the downloads.
        self._thread = ThreadPoolExecutor(1, "session-file")

    def start(self) -> None:
        """Save every save-session-interval seconds (if that is not 0) when something has changed. Needs a loop."""
        interval = self._options().integer("save-session-interval")
        if interval > 0 and self._clock is None:
            self._clock = asyncio.get_running_loop().create_task(self._again(interval), name="save-session-interval")

    async def save(self) -> None:
        """Write it now. Raises RpcError with aria2's texts."""
        path = self._options().text("save-session")
        if not path:
            raise RpcError("Filename is not given.")
        await self._save_to(path, only_if_changed=False)

    async def save_quietly(self, *, only_if_changed: bool) -> None:
        """Write it, if it has a name; a failure is logged. ``only_if_changed``: unless it was written like that."""
        path = self._options().text("save-session")
        if path:
            try:
                await self._save_to(path, only_if_changed=only_if_changed)
            except RpcError as error:
                log.error("%s", error)
            except Exception:  # whatever it is, the next time it may work, and the end must go on
                log.exception("The session cannot be saved to %s.", path)

    async def close(self) -> None:
        """Write it for the last time, if anything has changed since; a failure is logged."""
        if self._clock is not None:
            self._clock.cancel()
        await self.save_quietly(only_if_changed=True)

    async def _again(self, interval: int) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.save_quietly(only_if_changed=True)

    async def _save_to(self, path: str, *, only_if_changed: bool) -> None:
        async with self._writing:
            downloads, live, kept = self._contents()

            def write() -> bool:
                text = export.text(downloads, live) + kept
                written = (path, hash(text))
                if only_if_changed and written == self._written:
                    return False
                export.write(path, text)
                self._written = written
                return True

            writing = asyncio.get_running_loop().run_in_executor(self._thread, write)
            try:
                wrote = await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait([writing])  # the thread goes on; nobody else may write meanwhile
                raise
            except OSError as error:
                log.error("The session cannot be saved to %s: %s.", path, error.strerror)
                raise RpcError(f"Failed to serialize session to '{path}'.") from error
        if wrote:
            log.log(NOTICE, "Serialized session to '%s' successfully.", path)
