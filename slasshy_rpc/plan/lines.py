"""The lines in which aria2 lists the URIs of a file: those that a Connection has taken, and those that wait.

Owns: which line stands where while Connections come, go and fail, and while clients change lines. Never: which Source
is asked (sources.py); no Connection depends on a line.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from slasshy_rpc.plan.origin import server
from slasshy_rpc.values import UriView

#: Lines that are kept as used, unless more URIs have no other; aria2 has no such bound, and adds some with every pause.
MOST_USED = 512


class Lines:
    """The lines of one file. A Connection holds the line that it has taken until its Source fails it.

    ``reuse`` (--reuse-uri): used URIs wait again when none is left.
    """

    def __init__(self, waiting: Iterable[str] = (), used: Iterable[str] = (), *, reuse: bool = True) -> None:
        self._waiting = deque(waiting)
        self._used = list(used)
        self.reuse = reuse
        self._held: list[str] = []  # by Connections that are open
        self._left: list[str] = []  # by those that have closed: the next takes them over
        self._orphans: list[str] = []
        self._most: int | None = None  # when that many are held, one more is wanted
        self._failed: set[str] = set()
        self._views: tuple[UriView, ...] | None = None

    @classmethod
    def of(cls, views: Iterable[UriView], *, reuse: bool = True) -> Lines:
        """The lines that were shown."""
        views = tuple(views)
        return cls((v.uri for v in views if not v.used), (v.uri for v in views if v.used), reuse=reuse)

    def __len__(self) -> int:
        return len(self._waiting) + len(self._used)

    def views(self) -> tuple[UriView, ...]:
        """All lines as clients see them: used ones first."""
        if self._views is None:
            self._views = tuple(
                [UriView(uri, used=True) for uri in self._used] + [UriView(uri, used=False) for uri in self._waiting]
            )
        return self._views

    def order(self, uris: Iterable[str]) -> list[str]:
        """``uris``, each once, as they should be asked: waiting ones first, failed ones only if there are no others."""
        known = dict.fromkeys(uris)
        waiting = [uri for uri in dict.fromkeys(self._waiting) if uri in known]
        able = [uri for uri in dict.fromkeys([*waiting, *known]) if uri not in self._failed]
        return able or list(known)

    def next_up(self) -> str:
        """The first that waits; '' for none."""
        return self._waiting[0] if self._waiting else ""

    def has_failed(self, uri: str) -> bool:
        """Whether a Source of this URI was given up, and the URI not added anew since."""
        return uri in self._failed

    def free(self) -> Counter[str] | None:
        """The lines that a further Connection may take; None where there are always more (``reuse``)."""
        return None if self.reuse else Counter([*self._waiting, *self._left])

    # ---- what Connections do

    def take(self, uri: str) -> None:
        """A Connection asks ``uri``: with the line of one that has closed, else with one that waits."""
        if uri in self._left:
            self._left.remove(uri)
        else:
            if uri not in self._waiting and self.reuse:
                self._waiting.extend(self._reusable(set()))
            if uri in self._waiting:
                self._waiting.remove(uri)
            self._used.append(uri)
            self._shed()
            self._views = None
        self._held.append(uri)
        self._look_for_more()

    def leave(self, uri: str) -> None:
        """A Connection has closed, and may open again."""
        if uri in self._held:
            self._held.remove(uri)
            self._left.append(uri)

    def fail(self, uri: str) -> None:
        """A Connection was given up: its URI is not asked again."""
        for holders in (self._left, self._held):
            if uri in holders:
                holders.remove(uri)
                break
        self._failed.add(uri)
        self._waiting = deque(line for line in self._waiting if line != uri)
        self._views = None

    def run_short(self, most: int) -> None:
        """More Connections are wanted than the ``most`` that lines or their hosts allow.

        Once that many are there, used URIs of other hosts than those that wait are to wait again.
        """
        self._most = most
        self._look_for_more()

    def _look_for_more(self) -> None:
        if self._most is not None and len(self._held) >= self._most:
            self._most = None
            if self.reuse:
                self._waiting.extend(self._reusable({_host(line) for line in self._waiting}))
                self._views = None

    def put_back(self) -> None:
        """All Connections have ended: what they held waits again, in front."""
        self._most = None
        self._orphans.clear()
        self._waiting.extendleft([*self._left, *self._held])
        self._left.clear()
        self._held.clear()
        self._views = None

    # ---- what clients do

    def matches(self, uris: Iterable[str]) -> int:
        """How many lines ``withdraw`` would take away."""
        return (Counter([*self._used, *self._waiting]) & Counter(uris)).total()

    def withdraw(self, uris: Iterable[str]) -> None:
        """Take one line away for each of ``uris``, a used one before one that waits.

        Whoever held it is an orphan. There may be ten thousand of both: each is looked at once.
        """
        wanted = Counter(uris)
        held = Counter(self._held)

        def stays(line: str) -> bool:
            if not wanted[line]:
                return True
            wanted[line] -= 1
            return False

        gone = [line for line in self._used if line in wanted]
        self._used = [line for line in self._used if stays(line)]
        self._waiting = deque(line for line in self._waiting if stays(line))
        self._views = None
        for line, count in (Counter(gone) - Counter(line for line in self._used if line in wanted)).items():
            orphans = min(count, held[line])
            for _ in range(orphans):
                self._held.remove(line)
                self._orphans.append(line)
            for _ in range(min(count - orphans, self._left.count(line))):
                self._left.remove(line)

    def orphans(self) -> list[str]:
        """The URIs of Connections whose lines were withdrawn since the last time."""
        orphans, self._orphans = self._orphans, []
        return orphans

    def insert(self, uris: Sequence[str], position: int | None = None) -> None:
        """Add lines that wait: behind all others, or so that the first is at ``position`` among those that wait."""
        at = len(self._waiting) if position is None else position
        waiting = list(self._waiting)
        self._waiting = deque([*waiting[:at], *uris, *waiting[at:]])
        self._failed.difference_update(uris)
        self._views = None

    def _shed(self) -> None:
        """Drop the oldest used line that is one too many: of a URI that has others, or that has failed.

        A URI without any line would be lost to the file with the next change of the lines.
        """
        if len(self._used) > MOST_USED:
            lines = Counter([*self._used, *self._waiting])
            spare = (at for at, line in enumerate(self._used[:-1]) if lines[line] > 1 or line in self._failed)
            if (at := next(spare, None)) is not None:
                del self._used[at]

    def _reusable(self, hosts: set[str]) -> list[str]:
        """Used URIs that have not failed, each once, in the order of their characters; none of ``hosts``."""
        return sorted(uri for uri in set(self._used) - self._failed if _host(uri) not in hosts)


def _host(uri: str) -> str:
    return server(uri)[0]
