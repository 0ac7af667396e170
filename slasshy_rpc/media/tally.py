"""How much of all fragments is there.

Owns: counts that are kept up to date, so that a poll does not count. Never: which fragment is next.
"""

from __future__ import annotations

from collections.abc import Sequence

from slasshy_rpc.media.hls import Fragment


class Tally:
    """What is there of all fragments, kept up to date: a poll must not count them."""

    def __init__(self, fragments: Sequence[Fragment] = ()) -> None:
        self.count = self.received = 0
        self.media = 0  # bytes of those that are media
        self.seconds = 0.0  # and how long they are
        self.all_seconds = sum(weight(one) for one in fragments)
        self.field = bytearray(-(-len(fragments) // 8))

    def add(self, number: int, fragment: Fragment, size: int) -> None:
        """A fragment is whole."""
        self.count += 1
        self.received += size
        self.field[number // 8] |= 0x80 >> number % 8
        if not fragment.opening:
            self.media += size
            self.seconds += weight(fragment)

    def leave_out(self, fragment: Fragment) -> None:
        """A fragment will never come."""
        self.all_seconds -= weight(fragment)


def weight(fragment: Fragment) -> float:
    """Its share of the length: its seconds, if it has media and they are known."""
    return 0.0 if fragment.opening else fragment.seconds or 1.0
