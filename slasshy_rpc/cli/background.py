"""Going to the background (aria2 manual, --daemon), and ending with another process (--stop-with-process).

Owns: the fork, and what the process that was started still tells its terminal. Never: anything once threads run.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

#: Seconds between two looks at the other process.
LOOK = 1.0

_STARTED = b"+"


def detach() -> Callable[[], None]:
    """Go on in a process of its own session; the one that was called waits until that has started, and ends.

    Returns what is to be called then: it lets go of the terminal. If it never is, because the start has failed, the
    errors are still seen there and the exit code is that of the failure. The working folder stays as it is, so
    that names keep their meaning. Must be called before threads and event loops are made.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    heard, told = os.pipe()
    child = os.fork()
    if child:
        os.close(told)
        if os.read(heard, 1) == _STARTED:
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    os.close(heard)
    os.setsid()

    def started() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)
        os.close(nothing)
        os.write(told, _STARTED)
        os.close(told)

    return started


async def until_gone(pid: int) -> None:
    """Return when no process has this number any more."""
    while _exists(pid):  # noqa: ASYNC110 nobody tells of the end of a process that is not a child
        await asyncio.sleep(LOOK)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number that long
        return False
    except PermissionError:
        return True
    return True
