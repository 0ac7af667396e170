"""Runs the commands: words that stand first on slasshy-rpc's command line.

Owns: which module does what. Never: what a command does, or imports for one that was not asked for.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.options.commands import COMMANDS, command_help

if TYPE_CHECKING:
    from slasshy_rpc.cli.arguments import Invocation


def run_command(word: str, *arguments: str) -> int:
    """Do what ``word``, one of COMMANDS, stands for; returns the exit code. Raises UsageError and OptionError."""
    if any(argument in ("-h", "--help") for argument in arguments):
        sys.stdout.write(command_help(COMMANDS[word]))
        return 0
    if word == "get":
        from slasshy_rpc.cli.get import understand

        return _download(understand(arguments))
    if word == "adopt":
        return _adopt(arguments)
    if word == "install-aria2c":
        from slasshy_rpc.cli.install import install

        return install(arguments)
    if word == "doctor":
        from slasshy_rpc.doctor import doctor

        return doctor(arguments)
    from slasshy_rpc.cli.completion import completion

    sys.stdout.write(completion(arguments))
    return 0


def _adopt(arguments: Sequence[str]) -> int:
    from slasshy_rpc.adopt import adopt

    try:
        start = adopt(arguments)
    except DownloadError as error:
        sys.stderr.write(f"slasshy-rpc adopt: {error}\n")
        return int(error.code)
    folder, name = start.options.text("dir") or ".", str(start.single.get("out", ""))
    words = shlex.join(["slasshy-rpc", "get", f"--dir={folder}", f"--out={name}"])
    return _download(start, f"{words} URI goes on from there.")


def _download(start: Invocation, *hint: str) -> int:
    """One-shot downloads with get's view; ``hint`` as in ``stage``."""
    if start.text:
        sys.stdout.write(start.text)
        return 0
    import logging

    from slasshy_rpc.app import run
    from slasshy_rpc.cli.get import stage

    # The view says how each ends, and what was said twice would be read twice; a log file has no view.
    logging.getLogger("slasshy_rpc.cli.announce").disabled = not start.options.text("log")
    return run(start, stage(start, *hint))
