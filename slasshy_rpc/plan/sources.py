"""The URIs of one Download, how they are doing, and which of them the next Connection should ask.

Owns: the health of a Source and the choice among several. Never: opening anything, clocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.origin import Server, server
from slasshy_rpc.plan.selector import Selector


@dataclass(slots=True, eq=False)
class Source:
    """One URI with its health. ``host`` (scheme://host:port) is what --max-connection-per-server counts by.

    ``lines`` are told who takes one of this URI, and ``selector`` how that went; all Sources of a file share both, but
    for the lines of mirrors: those that a server named. Such a one has a ``home``: the URI that the user gave, to whose
    origin his credentials belong.
    """

    uri: str
    host: str
    lines: Lines = field(default_factory=Lines)
    selector: Selector = field(default_factory=Selector)
    home: str = ""
    server: Server = field(init=False)
    current: str = ""  # where redirects led, asked directly while that works
    connections: int = 0
    withdrawn: bool = False  # no Source of the file any more; its URI may have come back as another one
    fault: DownloadError | None = field(default=None)

    def __post_init__(self) -> None:
        self.server = server(self.uri)

    @classmethod
    def of(cls, uri: str, lines: Lines, selector: Selector) -> Source:
        """The Source of a URI with an authority."""
        return cls(uri, _host(uri), lines, selector)

    def mirror(self, uri: str) -> Source:
        """The Source of a URI that this one's server named. It is not listed, and gets nobody's credentials."""
        return Source(uri, _host(uri), selector=self.selector, home=self.home or self.uri)

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
        self.selector.join(self.server)

    def leave(self, received: int = 0, seconds: float = 0.0) -> None:
        """A Connection has parted with it, after so many bytes of the file in so many seconds."""
        self.connections -= 1
        self.lines.leave(self.uri)
        self.selector.leave(self.server, received, seconds)

    def report(self, error: DownloadError) -> None:
        """A Connection had this trouble with it; while there are others, that says nothing about the server."""
        if self.connections <= 1:
            self.selector.report(self.server, error)

    def fail(self, error: DownloadError) -> None:
        """Nobody may ask it again."""
        self.fault = error
        if not self.withdrawn:
            self.lines.fail(self.uri)


def choose(
    sources: Iterable[Source], per_host: int, avoid: Source | None = None, beside: Iterable[Source] = ()
) -> Source | None:
    """The living Source that their selector picks among those whose host has room.

    ``avoid`` (one that has just failed) is taken only if there is no other. ``beside`` are Sources that are not asked,
    but whose Connections count for their hosts. None: no Source has room.
    """
    sources = list(sources)
    busy, free = _busy({*sources, *beside}), _free_lines(sources)
    open_ = [s for s in sources if s.fault is None and busy[s.host] < per_host and (free is None or _room(s, free))]
    if avoid in open_ and len(open_) > 1:
        open_.remove(avoid)
    return open_[0].selector.pick(open_) if open_ else None


def vacancies(sources: Iterable[Source], per_host: int, beside: Iterable[Source] = ()) -> int:
    """How many more Connections the hosts of ``sources`` may have; ``beside`` as in ``choose``."""
    sources = list(sources)
    busy, free = _busy({*sources, *beside}), _free_lines(sources)
    rooms: dict[str, int] = {}
    for source in sources:
        rooms[source.host] = rooms.get(source.host, 0) + (per_host if free is None else _room(source, free))
    return sum(max(0, min(per_host - busy[host], room)) for host, room in rooms.items())


def _free_lines(sources: list[Source]) -> Counter[str] | None:
    return sources[0].lines.free() if sources else None


def _room(source: Source, free: Counter[str]) -> int:
    """How many more Connections its lines allow; one at least, if it has none."""
    return max(free[source.uri], not source.connections)


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
