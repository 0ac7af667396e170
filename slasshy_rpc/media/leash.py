"""Runs a program that does not outlive the server, whatever that dies of, on any system.

Owns: the program's process, and the end of its group with the server's. Never: imports the server's own code, or
anything that takes time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

#: No more than that are open: uvloop leaves some to its children beside those that they are given.
_DESCRIPTORS = 1 << 16


def main() -> None:
    """Run the program of the arguments, and end as it does; before it stands the descriptor of a pipe whose other end
    only the server has."""
    pipe, program = int(sys.argv[1]), sys.argv[2:]
    child = os.fork()
    if child == 0:
        os.close(pipe)
        try:
            os.execvp(program[0], program)
        except OSError as error:
            sys.exit(f"{program[0]}: {error.strerror}")
    os.closerange(0, pipe)  # whoever is at the other ends must see when the program ends
    os.closerange(pipe + 1, _DESCRIPTORS)
    threading.Thread(target=hold, args=(pipe,), daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)  # Python itself has a use for some signals


def hold(pipe: int) -> None:
    """End all of the group once the server is gone."""
    os.read(pipe, 1)  # nothing is ever written
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
