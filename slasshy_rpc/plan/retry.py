"""What to do after a failure: again, elsewhere, or never; and how long to wait.

Owns: the rules of --max-tries, --retry-wait and Retry-After. Never: which exception it was (attributes only), sleeping.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from slasshy_rpc.errors import DownloadError, Retry

#: First pause of a back-off that the user did not set (seconds); it doubles up to LONGEST.
FIRST = 0.25
LONGEST = 30.0

#: A server that asks for more patience than this is taken at its word only so far (seconds).
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class RetryRules:
    """``max_tries`` attempts per URI (0: no limit) and ``retry_wait`` seconds between them (0: back-off)."""

    max_tries: int = 5
    retry_wait: float = 0.0


def pause(rules: RetryRules, error: DownloadError, tries: int) -> float | None:
    """Seconds to wait before attempt ``tries + 1`` at the same URI; None: it has had its chances.

    ``tries`` counts failed attempts since bytes last came. The wait is the server's Retry-After, else ``retry_wait``,
    else a doubling pause; a quarter of it is left to chance, so that many Connections do not knock together.
    """
    if error.retry is not Retry.SAME_SOURCE or (rules.max_tries and tries >= rules.max_tries):
        return None
    wait = rules.retry_wait or min(LONGEST, FIRST * 2 ** min(tries - 1, 10))
    if error.retry_after is not None:
        wait = max(wait, min(error.retry_after, PATIENCE))
    return wait * random.uniform(1.0, 1.25)
