"""The command ``slasshy-rpc``: understands its arguments and hands over to ``app``.

Owns: exit codes of what ends before anything starts. Never: imports that ``--version`` and ``--help`` can do without.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from slasshy_rpc.errors import OptionError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own); returns the exit code (aria2 manual, EXIT STATUS)."""
    from slasshy_rpc.cli.arguments import Mode, complaint, parse

    program, *arguments = sys.argv if argv is None else argv
    compat = os.path.basename(program) == "aria2c"
    try:
        start = parse(arguments, compat=compat)
        if start.mode in (Mode.HELP, Mode.VERSION):
            sys.stdout.write(start.text)
            return 0
        from slasshy_rpc.app import run

        return run(start)
    except (UsageError, OptionError) as error:
        sys.stderr.write(complaint(error, compat=compat))
        return int(error.code)
    except BrokenPipeError:
        # Whoever read our output has gone; do not let the interpreter complain about it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
