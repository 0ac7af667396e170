"""Hundreds of thousands of waiting entries: what each takes, and how long others wait while they are added or seen."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.bench.contenders import Contender
from tests.bench.machine import MIB
from tests.bench.polls import Bystander, occupy
from tests.bench.restart import batches
from tests.bench.scenarios import Course
from tests.bench.server import Client, Server, inner

SETTLED = 2.0  # seconds in which a history catches up
LISTED = 100_000  # entries of the longest list that is asked for

KINDS: dict[str, Callable[[int], list[dict[str, str]]]] = {
    "bare URI": lambda number: [],
    "one option": lambda number: [{"out": f"{number}.bin"}],
}


def grow(server: Server, client: Client, kind: str, count: int) -> dict[str, float]:
    """Add ``count`` entries and list many of them; the figures of it."""
    options = KINDS[kind]
    calls = [
        inner("aria2.addUri", [f"http://127.0.0.1:9/files/{number:06}.bin"], *options(number))
        for number in range(count)
    ]
    requests = [client.request("system.multicall", batch) for batch in batches(calls)]  # nobody's time but ours
    del calls
    before = server.memory("VmRSS")
    begun = time.monotonic()
    with Bystander(server.port) as bystander:
        for request in requests:
            client.pass_over(request)
        seconds = time.monotonic() - begun
        time.sleep(SETTLED)
        adding = max(bystander.waits)
    del requests
    after = server.memory("VmRSS")
    if int(client.call("aria2.getGlobalStat")["numWaiting"]) != count:
        raise RuntimeError("not all entries are in the queue")
    with Bystander(server.port) as bystander:
        begun = time.monotonic()
        size = client.pass_over(client.request("aria2.tellWaiting", 0, LISTED))
        listing = time.monotonic() - begun
    return {
        f"{kind}: entries": count,
        f"{kind}: bytes an entry": (after - before) * MIB / count,
        f"{kind}: resident MiB": after,
        f"{kind}: added, a second": count / seconds,
        f"{kind}: longest wait beside adding, ms": adding,
        f"{kind}: tellWaiting of {LISTED} at most, s": listing,
        f"{kind}: tellWaiting, MiB": size / MIB,
        f"{kind}: longest wait beside tellWaiting, ms": max(bystander.waits),
        f"{kind}: resident MiB at most": server.memory("VmHWM"),
    }


def measure(contender: Contender, course: Course, calls: int) -> dict[str, float]:
    """All figures of one server; 250 entries for each of ``calls``, 25 for others: aria2c takes 14 KB for one."""
    figures: dict[str, float] = {}
    for kind in KINDS:
        server = Server(contender, course, 1)
        with server as client:
            occupy(client, course.nginx.url(f"/trickle/{course.field.whole(4).name}"), 1)
            figures |= grow(server, client, kind, calls * (250 if contender.name == "slasshy" else 25))
    return figures
