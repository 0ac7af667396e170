"""A file system of a chosen size, or one that is read-only, for the command alone: in a mount namespace of its own.

Owns: the namespace and its life. Never: needs root, as long as the system lets users have namespaces (Linux).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Volume:
    """A small file system: commands with ``prefix`` in front find it at ``path``, the test finds it at ``outside``."""

    prefix: tuple[str, ...]
    path: Path
    outside: Path

    def free(self) -> int:
        """Bytes that can still be written."""
        status = os.statvfs(self.outside)
        return status.f_bavail * status.f_frsize


def missing() -> str:
    """Why there can be no Volume here, in one line; empty if there can."""
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return "unshare and nsenter (util-linux) are not here"
    done = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return "" if done.returncode == 0 else f"no user and mount namespaces here: {done.stderr.strip()}"


_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


@contextlib.contextmanager
def volume(path: Path, size: int, *, read_only: bool = False) -> Iterator[Volume]:
    """An empty tmpfs of ``size`` bytes over the existing folder ``path``, while the block runs."""
    mount = f'mount -t tmpfs -o size={size}{",ro" if read_only else ""} tmpfs "$0" && echo ready && read line'
    holder = subprocess.Popen(
        [*_UNSHARE, "sh", "-c", mount, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "ready\n":
            raise RuntimeError(f"cannot mount a tmpfs on {path} (exit code {holder.wait(PATIENCE)})")
        enter = ("nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials", "--wd=.")
        yield Volume(enter, path, Path(f"/proc/{holder.pid}/root{path}"))
    finally:
        holder.stdin.close()
        holder.wait(PATIENCE)
        holder.stdout.close()
