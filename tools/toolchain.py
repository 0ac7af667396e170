"""Says in one line what this Python lacks to make a virtual environment and compile an extension.

Owns: the check and the names of packages. Never: installs anything; needs only the standard library.
Silent with exit status 0 if nothing is missing, else one line on stderr and status 1.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

PROGRAM = "#include <Python.h>\nint answer(void) { return PY_MAJOR_VERSION; }\n"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def packages(apt: str, dnf: str, mac: str) -> str:
    """The command that installs what is missing on this kind of system."""
    if sys.platform == "darwin":
        return mac
    if shutil.which("dnf"):
        return f"sudo dnf install {dnf}"
    return f"sudo apt install {apt}"


def compiler() -> list[str] | None:
    """The compiler's command as setup.py will choose it, or None."""
    wanted = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    for command in (wanted, "cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    return None


def compiles(command: list[str], source: str, include: str) -> str | None:
    """None if ``source`` compiles, else the first complaint of the compiler."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "probe.c")
        path.write_text(source)
        run = subprocess.run(
            [*command, f"-I{include}", "-c", str(path), "-o", str(path.with_suffix(".o"))],
            capture_output=True,
            text=True,
        )
    if run.returncode == 0:
        return None
    return next((line for line in run.stderr.splitlines() if "error" in line), run.stderr.strip() or "it failed")


def complaint() -> str | None:
    """What is missing and how to get it, or None."""
    venv = packages(f"python{VERSION}-venv", "python3-libs", f"brew install python@{VERSION}")
    gcc = packages("gcc libc6-dev", "gcc", "xcode-select --install")
    headers = packages(f"python{VERSION}-dev", "python3-devel", f"brew install python@{VERSION}")
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        return f"{sys.executable} cannot make virtual environments: {venv}"
    command = compiler()
    if command is None:
        return f"A C compiler is missing: {gcc}"
    include = sysconfig.get_paths()["include"]
    if failed := compiles(command, "#include <stdio.h>\n", include):
        return f"The C compiler {command[0]} does not work ({failed}): {gcc}"
    if compiles(command, PROGRAM, include):
        return f"Python.h of {sys.executable} is missing: {headers}"
    return None


if __name__ == "__main__":
    missing = complaint()
    if missing:
        print(missing, file=sys.stderr)
        sys.exit(1)
