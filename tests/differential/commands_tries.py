"""Invocations: how often and how long is tried (--max-tries, --retry-wait, --timeout, limits, --max-file-not-found)."""

from __future__ import annotations

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour, first


def bad(name: str, line: str, behaviour: Behaviour, times: int = 99, **more: object) -> Case:
    """A case whose server misbehaves so often before it serves."""
    return Case(f"tries/{name}", line, serves={"/s.bin": Served(behaviour=first(times, behaviour))}, **more)  # type: ignore[arg-type]


CLOSED = Behaviour(raw=b"")
LOST = Behaviour(status=404)
BUSY = Behaviour(status=503)
SILENT = Behaviour(hold_at=-1)

CASES = (
    bad("-m2", "-m2 <o>/s.bin", CLOSED),
    bad("-m2 is enough", "-m2 <o>/s.bin", CLOSED, 1),
    bad("--max-tries=3", "--max-tries=3 <o>/s.bin", CLOSED),
    bad("-m0 goes on", "-m0 <o>/s.bin", CLOSED, 3),
    bad("five by default", "<o>/s.bin", CLOSED),
    bad("404 once", "<o>/s.bin", LOST),
    bad("404, --max-file-not-found=3", "--max-file-not-found=3 <o>/s.bin", LOST),
    bad("404, --max-file-not-found=3 is enough", "--max-file-not-found=3 <o>/s.bin", LOST, 2),
    bad("404, --max-file-not-found=5 -m2", "--max-file-not-found=5 -m2 <o>/s.bin", LOST),
    bad("404 of a mirror, --max-file-not-found=2", "--max-file-not-found=2 -s1 <o>/s.bin <o>/a.bin", LOST, wire=""),
    bad("404 of a mirror", "-s1 <o>/s.bin <o>/a.bin", LOST, wire=""),
    bad("404 of the second mirror", "-s1 <o>/a.bin <o>/s.bin", LOST),
    bad("503 of a mirror", "-s1 <o>/s.bin <o>/a.bin", BUSY, wire=""),
    bad("503, --retry-wait", "--retry-wait=1 -m2 <o>/s.bin", BUSY),
    bad("503, --retry-wait is enough", "--retry-wait=1 -m2 <o>/s.bin", BUSY, 1),
    bad("403, --retry-wait", "--retry-wait=1 -m2 <o>/s.bin", Behaviour(status=403)),
    bad("404, --retry-wait", "--retry-wait=1 -m2 <o>/s.bin", LOST),
    bad("refused, -m2", "-m2 --retry-wait=1 <closed>/s.bin", LOST),
    bad("--timeout", "-m1 --timeout=1 <o>/s.bin", SILENT),
    bad("-t", "-m1 -t1 <o>/s.bin", SILENT),
    bad("--timeout, twice", "-m2 --timeout=1 <o>/s.bin", SILENT),
    bad("--timeout is not that of connecting", "-m1 --connect-timeout=1 --timeout=3 <o>/s.bin",
        Behaviour(latency=2)),
    bad("--timeout in the body", "-m1 --timeout=1 <o>/s.bin", Behaviour(hold_at=50_000), wire=""),
    bad("--lowest-speed-limit is met", "--lowest-speed-limit=1K <o>/s.bin", Behaviour(rate=200_000)),
    bad("--max-download-limit", "--max-download-limit=200K <o>/s.bin", Behaviour()),
    bad("--max-overall-download-limit", "--max-overall-download-limit=200K <o>/s.bin", Behaviour()),
    bad("breaks off and goes on", "<o>/s.bin", Behaviour(fail_after=50_000), 1, wire=""),
    bad("breaks off, no ranges", "-m3 <o>/s.bin", Behaviour(fail_after=50_000, ranges=False), 1, wire=""),
)  # fmt: skip
