"""The URIs of one Download, how they are doing, and which of them the next Connection should ask.

Owns: the health of a Source and the choice among several. Never: opening anything, clocks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.plan.lines import Lines


@dataclass(slots=True, eq=False)
class Source:
    """One URI with its health. ``host`` (scheme://host:port) is what --max-connection-per-server counts by.

    ``lines`` are told who takes one of this URI; all Sources of a file share them, but for mirrors: those that a server
    named. Such a one has a ``home``: the URI that the user gave, to whose origin his credentials belong.
    """

    uri: str
    host: str
    lines: Lines = field(default_factory=Lines)
    home: str = ""
    current: str = ""  # where redirects led, asked directly while that works
    connections: int = 0
    withdrawn: bool = False  # no Source of the file any more; its URI may have come back as another one
    fault: DownloadError | None = field(default=None)

    @classmethod
    def of(cls, uri: str, lines: Lines) -> Source:
        """The Source of a URI with an authority."""
        return cls(uri, _host(uri), lines)

    def mirror(self, uri: str) -> Source:
        """The Source of a URI that this one's server named. It is not listed, and gets nobody's credentials."""
        return Source(uri, _host(uri), home=self.home or self.uri)

    @property
    def named(self) -> bool:
        """Whether it is a mirror that a server named."""
        return bool(self.home)

    @property
    def alive(self) -> bool:
        """Whether it may still be asked."""
        return self.fault is None

    def join(self) -> None:
        """A Connection asks it from now on."""
        self.connections += 1
        self.lines.take(self.uri)

    def leave(self) -> None:
        """A Connection has parted with it."""
        self.connections -= 1
        self.lines.leave(self.uri)

    def fail(self, error: DownloadError) -> None:
        """Nobody may ask it again."""
        self.fault = error
        if not self.withdrawn:
            self.lines.fail(self.uri)


def choose(
    sources: Iterable[Source], per_host: int, avoid: Source | None = None, beside: Iterable[Source] = ()
) -> Source | None:
    """The living Source with the fewest Connections whose host has room; the first of equals.

    ``avoid`` (one that has just failed) is taken only if there is no other. ``beside`` are Sources that are not asked,
    but whose Connections count for their hosts. None: no Source has room.
    """
    sources = list(sources)
    busy = _busy({*sources, *beside})
    open_ = [s for s in sources if s.alive and busy[s.host] < per_host]
    return min(open_, key=lambda s: (s is avoid, s.connections), default=None)


def vacancies(sources: Iterable[Source], per_host: int, beside: Iterable[Source] = ()) -> int:
    """How many more Connections the hosts of ``sources`` may have; ``beside`` as in ``choose``."""
    sources = list(sources)
    busy = _busy({*sources, *beside})
    return sum(max(0, per_host - busy[host]) for host in {source.host for source in sources})


def _busy(sources: Iterable[Source]) -> dict[str, int]:
    """The Connections of each host."""
    busy: dict[str, int] = {}
    for source in sources:
        busy[source.host] = busy.get(source.host, 0) + source.connections
    return busy


def connection_limit(sources: Iterable[Source], split: int, per_host: int) -> int:
    """How many Connections may be open at once: ``split``, within ``per_host`` for every living host."""
    hosts = {source.host for source in sources if source.alive}
    return min(split, per_host * len(hosts))


def _host(uri: str) -> str:
    return "/".join(uri.split("/", 3)[:3]).lower()
