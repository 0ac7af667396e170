"""The command ``slasshy-rpc``: understands its arguments and hands over to ``app``.

Owns: exit codes of what ends before anything starts, and the standard streams. Never: imports that ``--version`` and
``--help`` can do without.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from slasshy_rpc.errors import OptionError, UsageError
from slasshy_rpc.options.commands import COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (default: the process's own); returns the exit code (aria2 manual, EXIT STATUS)."""
    _open_streams()
    try:
        return _run(sys.argv if argv is None else argv)
    except BrokenPipeError:  # whoever read our output has gone
        return 1
    except KeyboardInterrupt:
        # Before the event loop minds signals, as while standard input is read: the shell is to see what ended us.
        _flush_streams()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 128 + signal.SIGINT
    finally:
        _flush_streams()


def _run(argv: Sequence[str]) -> int:
    from slasshy_rpc.cli.arguments import Mode, complaint, parse

    program, *arguments = argv
    compat = os.path.basename(program) == "aria2c"
    try:
        if arguments and not compat and arguments[0] in COMMANDS:
            from slasshy_rpc.commands import run_command

            return run_command(*arguments)
        start = parse(arguments, compat=compat)
        if start.mode in (Mode.HELP, Mode.VERSION):
            sys.stdout.write(start.text)
            return 0
        from slasshy_rpc.app import run

        return run(start)
    except (UsageError, OptionError) as error:
        sys.stderr.write(complaint(error, compat=compat))
        return int(error.code)


def _open_streams() -> None:
    """Let /dev/null stand in for standard streams that are closed: the next file would get their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    if sys.stdout is None:  # what Python makes of a closed one
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)


def _flush_streams() -> None:
    """Print what is left. Where that cannot be, the interpreter must not complain about it once more."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


if __name__ == "__main__":
    sys.exit(main())
