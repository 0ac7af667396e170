"""The time: one place to read it, so that tests can hold it.

Owns: the two clocks. Never: timers or sleeping, which belong to the event loop.
"""

from __future__ import annotations

import time

#: Seconds since an arbitrary start; for durations and rates.
monotonic = time.monotonic

#: Seconds since the epoch; for what users and files see.
wall = time.time
