"""All that HTTP, FTP and SFTP differ in: how a Source is opened at a byte.

Owns: the shapes of Facts, Arrival, Inquiry and Opener, and which opens are under way. Never: a protocol, or the file
that the bytes go to.
"""

from __future__ import annotations

import asyncio
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import ErrorCode, Retry, SlasshyError, SourceError
from slasshy_rpc.plan.sources import Source


@dataclass(frozen=True, slots=True)
class Facts:
    """What an answered open said about the file; lengths in bytes.

    ``ranges`` is True when the server has shown or said that it serves ranges, False when it has shown or said that it
    does not, None when it left that open. ``etag`` is an entity tag, weak ones with their ``W/``, or empty. If servers
    have told, ``digest`` is (algorithm, hex) of the whole file, and ``mirrors`` are other URLs of it.
    """

    length: int | None
    ranges: bool | None
    etag: str = ""
    last_modified: str = ""
    name: str = ""
    url: str = ""
    digest: tuple[str, str] | None = None
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inquiry:
    """How the first open of a download may differ from later ones, for protocols that can do so.

    ``head``: ask for the head alone; the Arrival has no body. ``since``: the time of the file (seconds since the epoch)
    than which that of a URL has to be newer, None where it need not; raises Unchanged if it is not.
    """

    head: bool = False
    since: Callable[[str], Awaitable[float | None]] | None = None


class Unchanged(SlasshyError):
    """The server has nothing newer than what the Inquiry told of. ``length`` in bytes if it said so, else 0."""

    def __init__(self, url: str, length: int) -> None:
        super().__init__("The server has nothing newer.")
        self.url = url
        self.length = length


@dataclass(slots=True)
class Arrival:
    """An answered open: its Facts and the live stream, whose body runs from ``start`` to ``end`` (None: unknown).

    ``coding``: the content coding that has to be undone on the way to the file, or ''. ``bodyless``: only the head was
    asked for.
    """

    facts: Facts
    channel: Channel
    start: int
    end: int | None
    reusable: bool
    fresh: bool = True
    coding: str = ""
    bodyless: bool = False

    @property
    def position(self) -> int:
        """Where in the file the next byte of the stream belongs; -1 when that is not known any more.

        ``fresh`` until its first bytes were taken.
        """
        if self.fresh and not self.bodyless:
            return self.start
        left = self.channel.body_left
        if self.end is None or left < 0:
            return -1
        return self.end - left


class Opener(typing.Protocol):
    """Opens Sources of some schemes and takes back streams that are done with."""

    async def open(self, source: Source, start: int, end: int | None, inquiry: Inquiry | None = None) -> Arrival:
        """Ask for bytes [start, end) (None: to the end); from 0 without an end it is a plain request for the file.

        ``inquiry``: nothing is known of the file yet. Raises SourceError (its ``retry`` says what may be tried again)
        and RangeRefused.
        """

    async def put_back(self, arrival: Arrival) -> None:
        """Keep the stream for the next open if it can serve one, after draining a small rest; else close it."""


class Openings:
    """An Opener whose Sources may be withdrawn while they are opened."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._under_way: dict[asyncio.Task[Arrival], Source] = {}
        self._withdrawn: set[Source] = set()

    async def open(self, source: Source, start: int, end: int | None, inquiry: Inquiry | None = None) -> Arrival:
        """See ``Opener.open``; a Source that is withdrawn meanwhile is one that must not be tried again."""
        task = asyncio.ensure_future(self._opener.open(source, start, end, inquiry))
        self._under_way[task] = source
        try:
            arrival = await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if source not in self._withdrawn or (current is not None and current.cancelling()):
                raise
            raise _withdrawn() from None
        except SourceError as error:
            source.report(error)
            raise
        finally:
            del self._under_way[task]
            withdrawn = source in self._withdrawn
            if source not in self._under_way.values():
                self._withdrawn.discard(source)
        if withdrawn:
            arrival.channel.close()
            raise _withdrawn()
        return arrival

    async def put_back(self, arrival: Arrival) -> None:
        """See ``Opener.put_back``."""
        await self._opener.put_back(arrival)

    def withdraw(self, source: Source) -> None:
        """Give up what is under way: nobody asks it from now on."""
        for task, opened in self._under_way.items():
            if opened is source:
                self._withdrawn.add(source)
                task.cancel()


def _withdrawn() -> SourceError:
    return SourceError("No URI available.", retry=Retry.NEXT_SOURCE)


class RangeRefused(SourceError):
    """The server will not start where it was asked to: it has no ranges, or no such bytes.

    ``length`` is the file's length if the server told it.
    """

    def __init__(self, message: str, length: int | None = None) -> None:
        super().__init__(message, ErrorCode.CANNOT_RESUME, Retry.NEXT_SOURCE)
        self.length = length


class SourceChanged(SourceError):
    """The file behind the URI is not the one that the download began with."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ErrorCode.CANNOT_RESUME, Retry.NEXT_SOURCE)
