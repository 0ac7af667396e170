"""The server side of the bench: start-up, answers while the loop-back is saturated, and memory with 64 connections."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.contenders import Contender
from tests.bench.machine import MIB, warm
from tests.bench.measure import emptied, environment, timed
from tests.bench.scenarios import Course
from tests.bench.server import Client, Server

KEPT = 2  # downloads that wait behind the running one, so that the line is never idle
PAUSE = 0.001  # seconds between two calls: fast front ends, yet not a flood


@dataclass(frozen=True, slots=True)
class Served:
    """One server's figures: milliseconds, MiB of resident memory, bytes/s."""

    start_ms: float
    version_ms: float
    idle_mib: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    throughput: float  # while the calls were made
    peak_mib: float  # with 64 connections
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """For the results file."""
        return asdict(self)


def latencies(client: Client, url: str, folder: Path, calls: int) -> tuple[list[float], float]:
    """Milliseconds of `calls` tellActive calls while downloads of `url` follow one another; bytes/s meanwhile."""
    request = client.request("aria2.tellActive")
    added, taken = 0, []
    options = {"split": "16", "max-connection-per-server": "16"}
    begun = time.monotonic()
    for number in range(calls):
        if number % 20 == 0:
            while added == 0 or int(client.call("aria2.getGlobalStat")["numWaiting"]) < KEPT:
                client.call("aria2.addUri", [url], {**options, "out": f"{added}.bin"})
                added += 1
                with contextlib.suppress(OSError):  # long finished: nobody needs its pages
                    os.unlink(folder / f"{added - KEPT - 3}.bin")
        before = time.perf_counter()
        client.exchange(request)
        taken.append((time.perf_counter() - before) * 1000)
        time.sleep(PAUSE)
    elapsed = time.monotonic() - begun
    tell = ["completedLength"]
    parts = client.call("aria2.tellActive", tell) + client.call("aria2.tellStopped", 0, 1000, tell)
    return taken, sum(int(part["completedLength"]) for part in parts) / elapsed


def fill(client: Client, urls: Sequence[str], one_takes_all: bool) -> None:
    """Download each URL over 64 connections (aria2c: four downloads of 16) and wait for the end."""
    counts = [64] if one_takes_all else [16] * 4
    for number, url in enumerate(urls):
        for part, count in enumerate(counts):
            options = {"split": str(count), "max-connection-per-server": str(count), "out": f"{number}-{part}.bin"}
            client.call("aria2.addUri", [url], options)
        until = time.monotonic() + 120
        while int(client.call("aria2.getGlobalStat")["numActive"]) > 0:
            if time.monotonic() > until:
                raise RuntimeError("64 connections did not finish within 120 s")
            time.sleep(0.05)
    ended = client.call("aria2.tellStopped", 0, 100, ["status", "errorMessage"])
    bad = [str(one) for one in ended if one["status"] != "complete"]
    if bad or len(ended) != len(counts) * len(urls):
        raise RuntimeError(f"not all downloads over 64 connections completed: {bad}")


def measure(contender: Contender, course: Course, calls: int) -> Served:
    """All figures of one server, in one go."""
    big, part = course.field.whole(), course.field.whole(4)
    program = [contender.binary, *(["-m", "slasshy_rpc"] if contender.name == "slasshy" else []), "--version"]
    env = environment(emptied(course.scratch / "home"))
    log = course.scratch / "log.txt"
    version, _ = timed(course.stopwatch, program, cwd=Path.cwd(), env=env, seconds=30, log=log)
    warm(course.warmth, big)
    server = Server(contender, course, 1)
    with server as client:
        for _ in range(100):
            client.call("aria2.tellActive")
        idle = server.memory("VmRSS")
        taken, throughput = latencies(client, course.nginx.url(f"/{big.name}"), server.folder, calls)
        started = server.start_ms
    warm(course.warmth, big, part)
    server = Server(contender, course, 4)
    with server as client:
        urls = (course.nginx.url(f"/limited/{part.name}"), course.nginx.url(f"/{big.name}"))
        fill(client, urls, contender.name != "aria2c")
        peak = server.memory("VmHWM")
    emptied(course.field.out)
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    return Served(started, version.wall * 1000, idle, cuts[49], cuts[98], max(taken), throughput, peak)


def run(course: Course, contenders: Sequence[Contender], calls: int) -> Iterator[tuple[str, Served]]:
    """All rounds, everybody once a round; a server that fails is reported with its reason."""
    for number in range(course.rounds):
        turn = number % len(contenders) if contenders else 0
        for contender in [*contenders[turn:], *contenders[:turn]]:
            try:
                served = measure(contender, course, calls)
            except (RuntimeError, OSError, ValueError) as error:
                served = Served(0, 0, 0, 0, 0, 0, 0, 0, str(error) or repr(error))
            told = f"p50 {served.p50_ms:.2f} ms p99 {served.p99_ms:.2f} ms at {served.throughput / MIB:.0f} MiB/s"
            course.say(f"  rpc {number + 1}/{course.rounds} {contender.name:11} {told}  {served.note}")
            yield contender.name, served
