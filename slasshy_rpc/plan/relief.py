"""When a stream is so much slower than its peers that a fresh one should take its place.

Owns: the judgement, and how often it may be passed. Never: closing or opening anything, clocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: A stream is not judged before its body has come for this long (seconds), nor before four times what opening took.
PATIENCE = 0.25

#: Times slower than usual: less than that may be chance, or a line that streams share unevenly.
LAG = 6.0

#: What a fresh stream must be expected to save (seconds).
GAIN = 0.3

#: When others have nothing left to do, a stream that has been silent for so long is not waited for (seconds), nor
#: when it has been for twice what opening took. Where nobody knows yet what is usual, it has longer.
SILENCE = 0.1
LONG_SILENCE = 1.0

#: Reliefs that come back with time (one in so many seconds), after those that may be given at once.
RETURN = 1.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream under way: ``left`` bytes of its Segment, ``rate`` bytes a second, ``age`` seconds of its body.

    ``silence`` is the seconds since its last byte, ``opening`` those that it took to open. ``fresh``: it was opened in
    place of one that lagged.
    """

    left: int
    rate: float
    age: float
    silence: float
    opening: float
    fresh: bool = False


class Relief:
    """Judges the streams of one file. At most ``budget`` are relieved at once, then one a second.

    A server that gives the fresh ones no more than the old is soon left in peace: each that lags again doubles the
    price of the next.
    """

    def __init__(self, budget: int) -> None:
        self._budget = self._left = float(budget)
        self._price = 1.0
        self._usual = 0.0
        self._most = 0
        self._last: float | None = None

    def due(self, streams: Sequence[Stream], now: float, *, last: bool) -> list[int]:
        """Which of ``streams`` should be closed and opened anew, slowest first; ``now`` in seconds.

        ``last``: they have all that is left to do, so everybody waits for the slowest.
        """
        if self._last is not None:
            self._left = min(self._budget, self._left + (now - self._last) / RETURN)
        self._last = now
        self._take_usual(streams)
        due = []
        for index in sorted(range(len(streams)), key=lambda index: streams[index].rate):
            stream = streams[index]
            lags = self._lags(stream)
            if not lags and not (last and self._stands(stream)):
                continue
            if lags and stream.fresh:
                self._price *= 2
            price = self._price if lags else 1.0
            if self._left >= price:
                self._left -= price
                due.append(index)
        return due

    def _take_usual(self, streams: Sequence[Stream]) -> None:
        """The upper median. With less than half of the streams left it stays what it was: those left are the slow."""
        rates = sorted(stream.rate for stream in streams if stream.age >= PATIENCE)
        self._most = max(self._most, len(rates))
        if len(rates) > 1 and 2 * len(rates) >= self._most:
            self._usual = rates[len(rates) // 2]

    def _lags(self, stream: Stream) -> bool:
        if stream.age < max(PATIENCE, 4 * stream.opening) or stream.rate * LAG >= self._usual:
            return False
        afresh = 2 * stream.opening + stream.left / self._usual
        return stream.left > (afresh + GAIN) * stream.rate

    def _stands(self, stream: Stream) -> bool:
        if stream.fresh and stream.silence >= stream.age:
            return False  # a server that says nothing over fresh streams either is a matter for the time-out
        return stream.silence >= max(SILENCE if self._usual else LONG_SILENCE, 2 * stream.opening)
