"""The first open of a download: Sources are asked one after the other until one answers.

Owns: who is asked, how often, and what ends the asking. Never: the file, or what the answer means for it.
"""

from __future__ import annotations

from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.plan.retry import pause
from slasshy_rpc.plan.sources import Source, choose
from slasshy_rpc.protocols.crew import Limits
from slasshy_rpc.protocols.opener import Arrival, Inquiry, Opener, RangeRefused
from slasshy_rpc.protocols.rest import Rest

#: What there is to say when no Source can go on.
NO_URI = "No URI available."


class Inspection:
    """Opens a download's Sources; ``not_found_limit`` is max-file-not-found (0: no limit), counted over its life."""

    def __init__(self, opener: Opener, sources: list[Source], limits: Limits, not_found_limit: int, rest: Rest) -> None:
        self.rest = rest
        self._opener = opener
        self._sources = sources
        self._limits = limits
        self._not_found_limit = not_found_limit
        self._not_found = 0

    async def first(self, start: int, end: int | None, inquiry: Inquiry | None = None) -> tuple[Arrival, Source]:
        """The answer of the first Source that gives one, and that Source. Raises DownloadError when none is left.

        With an ``inquiry`` nothing is known of the file yet; raises Unchanged if it asks for what is newer.
        """
        tries: dict[Source, int] = {}
        failed: Source | None = None
        while True:
            source = choose(self._sources, self._limits.per_host, failed)
            if source is None:
                fault = next((s.fault for s in reversed(self._sources) if s.fault), SourceError(NO_URI))
                raise fault.with_traceback(None)
            source.join()
            try:
                return await self._opener.open(source, start, end, inquiry), source
            except RangeRefused:
                raise
            except DownloadError as error:
                tries[source] = tries.get(source, 0) + 1
                wait = self.patience(error, tries[source])
                if wait is None:
                    source.fail(error)
                failed = source
            finally:
                source.leave()
            await self.rest.pause(wait or 0)

    def patience(self, error: DownloadError, tries: int) -> float | None:
        """Seconds before the Source is asked again, None if it is not; raises what ends the download."""
        if error.retry is Retry.NEVER:
            raise error
        if error.code == ErrorCode.NOT_FOUND and self._not_found_limit:
            self._not_found += 1
            if self._not_found >= self._not_found_limit:
                text = f"Reached max-file-not-found count={self._not_found}"
                raise SourceError(text, ErrorCode.MAX_FILE_NOT_FOUND) from error
            error = SourceError(str(error), error.code, Retry.SAME_SOURCE)
        return pause(self._limits.retry, error, tries)
