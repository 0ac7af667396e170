"""Becomes a program that does not outlive the server, whatever that dies of, on any system.

Owns: the process that waits for the server's end, and ends the program's group then. Never: imports the server's own
code, or anything that takes time.
"""

from __future__ import annotations

import os
import signal
import sys

#: No more than that are open: uvloop leaves some to its children beside those that they are given.
_DESCRIPTORS = 1 << 16


def main() -> None:
    """Become the program of the arguments; before it stands the descriptor of a pipe whose other end only the server
    has."""
    pipe, program = int(sys.argv[1]), sys.argv[2:]
    if os.fork() == 0:
        os.closerange(0, pipe)  # whoever is at the other ends must see when the program ends
        os.closerange(pipe + 1, _DESCRIPTORS)
        os.read(pipe, 1)  # nothing is ever written
        os.killpg(0, signal.SIGKILL)
    os.close(pipe)
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
