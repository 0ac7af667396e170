"""Installs a wheel or an sdist into an empty environment and makes it download something.

Owns: the proof that what is handed out works alone. Never: runs from the source tree; needs only the standard library.

    python3 tools/smoke.py dist/slasshy_rpc-0.1.0.tar.gz [PYTHON ...]
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

SIZE = 3_000_000


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A plain server of files without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def run(*command: str | Path, cwd: Path) -> str:
    """What the command prints; it must end well within five minutes, else CalledProcessError is raised."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def smoke(artifact: Path, python: str) -> str:
    """Install, ask the version, download one file over loop-back; returns a line to print."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "site").mkdir()
        (base / "home").mkdir()
        data = random.Random(1).randbytes(SIZE)
        (base / "site" / "file.bin").write_bytes(data)
        run(os.path.abspath(python), "-m", "venv", base / "venv", cwd=base)
        binaries = base / "venv" / "bin"
        run(binaries / "python", "-m", "pip", "install", "--quiet", artifact, cwd=base)
        version = run(binaries / "slasshy-rpc", "--version", cwd=base).splitlines()[0]
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=str(base / "site"))
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/file.bin"
            run(binaries / "slasshy-rpc", "--quiet", f"--dir={base / 'home'}", url, cwd=base)
        finally:
            server.shutdown()
            server.server_close()
        arrived = (base / "home" / "file.bin").read_bytes()
    if hashlib.sha256(arrived).digest() != hashlib.sha256(data).digest():
        raise SystemExit(f"{artifact.name}: the downloaded file differs")
    return f"{artifact.name} on {python}: {version}, downloaded {SIZE} bytes"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    for interpreter in sys.argv[2:] or [sys.executable]:
        print(smoke(Path(sys.argv[1]).resolve(), interpreter), flush=True)
