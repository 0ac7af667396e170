"""How fast bytes come: a sliding window over what was counted.

Owns: rates in bytes a second. Never: clocks (the caller brings the time) or the counting itself.
"""

from __future__ import annotations

from collections import deque

#: What "now" means for a speed that people read (seconds).
WINDOW = 3.0

#: Samples closer together than this replace each other (seconds).
STEP = 0.2


class Speed:
    """Bytes a second over the last ``window`` seconds (three), from a total that only grows."""

    __slots__ = ("_samples", "_window")

    def __init__(self, window: float = WINDOW) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._window = window

    def note(self, now: float, total: int) -> None:
        """At ``now`` (seconds) ``total`` bytes had come."""
        samples = self._samples
        if len(samples) > 1 and now - samples[-2][0] < STEP:
            samples[-1] = (now, total)
        else:
            samples.append((now, total))
        while len(samples) > 2 and samples[1][0] <= now - self._window:
            samples.popleft()

    def rate(self) -> float:
        """Bytes a second between the oldest and the newest sample of the window; 0 with fewer than two."""
        if len(self._samples) < 2:
            return 0.0
        (t0, n0), (t1, n1) = self._samples[0], self._samples[-1]
        return max(0.0, (n1 - n0) / (t1 - t0)) if t1 > t0 else 0.0

    def span(self) -> float:
        """Seconds between the oldest and the newest sample."""
        return self._samples[-1][0] - self._samples[0][0] if self._samples else 0.0

    def clear(self) -> None:
        """Forget everything, as after a pause."""
        self._samples.clear()
