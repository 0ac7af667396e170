"""Which windows of a file that another program has left must agree with the server before the file is believed.

Owns: the choice, and how far zeros that are not the server's cut a file back. Never: reading or comparing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from slasshy_rpc.plan.ranges import Range

#: Bytes in a window; windows begin at multiples of it, as the blocks of a control file do.
WINDOW = 16 << 10

#: Windows in what is no zeros, if the file has as many.
AT_LEAST = 8

#: Of runs of zeros only so many are looked at, the longest: room that was reserved and not filled is long.
MOST_RUNS = 64

#: Draws for a window that holds more than zeros before any is taken.
_DRAWS = 8


def doubtful(zeros: Sequence[Range]) -> list[Range]:
    """Of the runs of ``zeros`` (sorted, in whole windows) those that have to be compared, sorted."""
    return sorted(sorted(zeros, key=lambda run: run[0] - run[1])[:MOST_RUNS])


def suspects(zeros: Sequence[Range], end: int) -> tuple[list[Range], int]:
    """Once a run at ``end`` or beyond was not the server's, no other one is believed unseen.

    Returns which of ``zeros`` are to be compared, and how far the file counts if these agree.
    """
    left = [run for run in zeros if run[0] < end]
    return left[:MOST_RUNS], before(left[MOST_RUNS]) if len(left) > MOST_RUNS else end


def edges(run: Range) -> tuple[int, ...]:
    """Where the windows begin that stand for a run of zeros: its first and its last."""
    start, end = run
    return (start,) if end - start <= WINDOW else (start, end - WINDOW)


def before(run: Range) -> int:
    """How far a file counts whose ``run`` of zeros is not the server's.

    The window in front of it goes too: whoever stopped writing there may have filled a part of it only.
    """
    return max(0, run[0] - WINDOW)


def windows(end: int, zeros: Sequence[Range], random: Random) -> list[int]:
    """Where to compare within the first ``end`` bytes (whole windows): the first, the last, and random ones between.

    The random ones are spread over the file, and avoid ``zeros`` where they can.
    """
    count = end // WINDOW
    if count <= AT_LEAST:
        return [number * WINDOW for number in range(count)]
    chosen = {0, count - 1}
    inner, parts = count - 2, AT_LEAST - 2
    for part in range(parts):
        low, high = 1 + inner * part // parts, 1 + inner * (part + 1) // parts
        drawn = low
        for _ in range(_DRAWS):
            drawn = random.randrange(low, high)
            if not any(start <= drawn * WINDOW < stop for start, stop in zeros):
                break
        chosen.add(drawn)
    return sorted(number * WINDOW for number in chosen)
