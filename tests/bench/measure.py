"""One run of one contender: warmed, timed from outside, checked afterwards. Knows nothing of scenarios' meaning."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.machine import GIB


@dataclass(frozen=True, slots=True)
class Run:
    """What a run cost: seconds, and KiB of peak resident memory (the largest single process)."""

    wall: float
    user: float
    sys: float
    peak_kib: int
    ok: bool
    note: str = ""
    loop_cpu: float | None = None  # what the program itself says its loop took, without its start

    @property
    def cpu(self) -> float:
        """User and system seconds of the whole process tree."""
        return self.user + self.sys

    def as_json(self) -> dict[str, object]:
        """For the results file."""
        return asdict(self)


def environment(home: Path, authority: Path | None = None) -> dict[str, str]:
    """What contenders see: no user's settings, no proxy, the bench's CA."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV") if name in os.environ}
    trust = {"SSL_CERT_FILE": str(authority), "CURL_CA_BUNDLE": str(authority)} if authority else {}
    return {**kept, **trust, "HOME": str(home), "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


def timed(
    stopwatch: Path, command: list[str], *, cwd: Path, env: dict[str, str], seconds: int, log: Path
) -> tuple[Run, str]:
    """Run `command` under the stop-watch; the Run (ok = exit code 0 in time) and what it printed."""
    with tempfile.NamedTemporaryFile(dir=log.parent) as result, log.open("wb") as out:
        watched = [str(stopwatch), result.name, str(seconds), *command]
        with subprocess.Popen(watched, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as process:
            try:
                process.wait()
            except BaseException:  # the bench is being stopped: killed, the stop-watch would leave its child behind
                process.terminate()
                raise
        if process.returncode:
            raise RuntimeError(f"the stop-watch failed: {log.read_text(errors='replace').strip()}")
        figures = json.loads(Path(result.name).read_bytes())
    told = log.read_text(errors="replace").strip()
    note = ""
    if figures["timed_out"]:
        note = f"killed after {seconds} s"
    elif figures["exit"]:
        note = f"exit code {figures['exit']}: {told.splitlines()[-1] if told else 'no word of why'}"
    return Run(figures["wall"], figures["user"], figures["sys"], figures["peak_kib"], not note, note), told


def digest(paths: list[Path]) -> str:
    """SHA-256 over the files one after the other, or what is wrong with them."""
    running = hashlib.sha256()
    for path in paths:
        if not path.exists():
            return f"{path.name} is missing"
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                running.update(block)
    return running.hexdigest()


def emptied(folder: Path) -> Path:
    """The folder, new and empty; the pages of what was in it are free again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def per_gib(value: float, total: int) -> float:
    """`value` scaled to a GiB of the `total` bytes that were moved."""
    return value * GIB / total
