"""The command ``install-aria2c``: a file called aria2c that starts this program.

Owns: that file, and whether it may be written. Never: a change anywhere else; the shell's PATH is the user's.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from slasshy_rpc.errors import ErrorCode, UsageError
from slasshy_rpc.options.help import ARIA2_VERSION

NAME = "aria2c"
_MARK = "# Written by slasshy-rpc install-aria2c; delete this file to undo it."
_START = f'from slasshy_rpc.__main__ import main; sys.exit(main(["{NAME}", *sys.argv[1:]]))'

#: What every kernel takes behind #! (bytes; Linux before 5.1).
_LONGEST = 127
#: Seconds for the first start, which may have to compile everything.
_PATIENCE = 60


def install(arguments: Sequence[str]) -> int:
    """Write aria2c into the folder that ``arguments`` name, and say what is left to do; returns 0. UsageError."""
    force = "--force" in arguments
    folders = [argument for argument in arguments if argument != "--force"]
    if len(folders) != 1 or folders[0].startswith("-"):
        raise UsageError("install-aria2c needs one folder: slasshy-rpc install-aria2c DIR [--force]")
    folder = os.path.abspath(folders[0])
    path = os.path.join(folder, NAME)
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}. Make it first: mkdir -p {shlex.quote(folder)}")
    if os.path.isdir(path) and not os.path.islink(path):
        raise UsageError(f"{path} is a folder.", ErrorCode.FILE_EXISTS)
    if os.path.lexists(path) and not force and not _ours(path):
        raise UsageError(
            f"{path} is there already and is another program. Add --force to replace it.", ErrorCode.FILE_EXISTS
        )
    _write(folder, path)
    sys.stdout.write(f"{path} is slasshy-rpc under aria2c's name.\n{advice(folder, path)}")
    return 0


def launcher(python: str) -> str:
    """The file's text: it starts the package that ``python`` has, wherever it is called and whatever is around it.

    The kernel starts Python itself, so that the process is called aria2c; a path that it does not take needs sh. -P
    keeps modules in the working folder from being imported, and -E what the variables of another Python name.
    """
    line = f"#!{python} -EP"
    if len(os.fsencode(line)) < _LONGEST and not any(blank in python for blank in " \t\n"):
        return f"{line}\n{_MARK}\nimport sys; {_START}\n"
    return f'#!/bin/sh\n{_MARK}\nexec {shlex.quote(python)} -EP -c {shlex.quote(f"import sys; {_START}")} "$@"\n'


def advice(folder: str, path: str) -> str:
    """What the user has to do so that the name is found; nothing if it is."""
    found = shutil.which(NAME)
    places = [os.path.realpath(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    if os.path.realpath(folder) not in places:
        return (
            f"{folder} is not on PATH: programs find it once your shell's start file has\n"
            f'    export PATH={shlex.quote(folder)}:"$PATH"\nor where its full name can be given to them.\n'
        )
    if found is not None and os.path.realpath(found) != os.path.realpath(path):
        return f"But PATH leads to {found} first. Put {folder} before that, or give programs the full name.\n"
    return ""


def _ours(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return _MARK.encode() in file.read(1000)
    except OSError:
        return False


def _write(folder: str, path: str) -> None:
    """Put the file there once it has been seen to work. Raises UsageError."""
    if not sys.executable:
        raise UsageError("It is not known which Python runs this, so nothing can start it.")
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=f".{NAME}.", delete=False) as file:
            temporary = file.name
            file.write(launcher(sys.executable))
        os.chmod(temporary, 0o755)
        _try(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _try(path: str) -> None:
    """Raise UsageError unless it works from another folder and with nothing in its environment."""
    try:
        done = subprocess.run(
            [path, "--version"], cwd="/", env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE
        )
        works = done.returncode == 0 and f"aria2 version {ARIA2_VERSION}".encode() in done.stdout
    except subprocess.TimeoutExpired:
        works = False
    if not works:
        raise UsageError(
            f"{sys.executable} does not find slasshy_rpc from another folder. Install it there: pip install slasshy-rpc"
        )
