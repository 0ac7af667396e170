"""How many Downloads may run at once: a number that the user sets, or one below it that follows the speed.

Owns: that rule (aria2 manual, --optimize-concurrent-downloads) and the speed it remembers. Never: starting a Download.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping

from slasshy_rpc.clock import monotonic
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.session.download import Download

#: The rule is A + B * log10(Mbit/s); these are aria2's numbers for it.
A, B = 5.0, 25.0
#: Seconds that the highest speed counts.
MEMORY = 5.0
#: Seconds after which to look again while more could start.
LOOK = 1.0


class Slots:
    """Knows what is ``active``, by GID, and remembers its highest speed of late."""

    def __init__(self, active: Mapping[str, Download]) -> None:
        self._active = active
        self._speed = 0
        self._since = 0.0
        self._planned = False

    def most(self, options: OptionSet) -> int:
        """How many may run now, at least one; without the rule, or as long as no speed was seen, as many as the user
        allows."""
        bound = options.integer("max-concurrent-downloads")
        if not _optimized(options):
            return bound
        now, speed = monotonic(), sum(each.snapshot(files=False).download_speed for each in self._active.values())
        if speed >= self._speed or now - self._since > MEMORY:
            self._speed, self._since = speed, now
        if self._speed <= 0:
            return bound
        first, second = _coefficients(options.text("optimize-concurrent-downloads") or "true")
        wanted = first + second * math.log10(self._speed * 8 / 1_000_000)
        return bound if math.isnan(wanted) else math.ceil(max(1, min(wanted, bound)))

    def look_again(self, options: OptionSet, fill: Callable[[], None]) -> None:
        """Let ``fill`` be called in a moment, when a higher speed may allow more. Needs a running loop."""
        if _optimized(options) and not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(LOOK, self._look, fill)

    def _look(self, fill: Callable[[], None]) -> None:
        self._planned = False
        fill()


def _optimized(options: OptionSet) -> bool:
    return options.text("optimize-concurrent-downloads") not in (None, "false")


def _coefficients(text: str) -> tuple[float, float]:
    if text == "true":
        return A, B
    first, _, second = text.partition(":")
    return float(first), float(second)
