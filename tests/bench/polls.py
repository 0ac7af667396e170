"""What front ends ask for all the time: how fast it is answered, and how long everybody else waits meanwhile."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.bench.contenders import Contender
from tests.bench.scenarios import Course
from tests.bench.server import Client, Server, SocketClient, inner

ACTIVE = 20
CONNECTIONS = 16  # of each
ENTRIES = 1000  # waiting, and as many stopped
POLL_EVERY = 0.02  # seconds from an answer to the next poll
PAUSE = 0.001  # seconds between two calls of the one who is to wait for nobody

#: What AriaNg's list shows of a download.
ARIANG = [
    "gid", "totalLength", "completedLength", "uploadSpeed", "downloadSpeed", "connections", "numSeeders", "seeder",
    "status", "errorCode", "verifiedLength", "verifyIntegrityPending",
]  # fmt: skip


def poll(*keys: list[str]) -> list[dict[str, object]]:
    """The calls of webui-aria2's poll, with ``keys`` those of AriaNg."""
    return [
        inner("aria2.tellActive", *keys),
        inner("aria2.tellWaiting", 0, ENTRIES, *keys),
        inner("aria2.tellStopped", 0, ENTRIES, *keys),
        inner("aria2.getGlobalStat"),
    ]


class Bystander:
    """Calls getVersion all the time on a connection of its own, inside `with`; ``waits`` are in milliseconds."""

    def __init__(self, port: int) -> None:
        self._client = Client(port)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.waits: list[float] = []

    def __enter__(self) -> Bystander:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        request = self._client.request("aria2.getVersion")
        while not self._over.wait(PAUSE):
            before = time.perf_counter()
            self._client.pass_over(request)
            self.waits.append((time.perf_counter() - before) * 1000)


def rounds(
    course: Course,
    name: str,
    taken: Callable[[Contender, Course, int], dict[str, float]],
    contenders: Sequence[Contender],
    calls: int,
) -> dict[str, list[dict[str, Any]]]:
    """What ``taken`` finds out about each server, everybody once a round; one that fails is noted with its reason."""
    runs: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in contenders}
    for number in range(course.rounds):
        turn = number % len(contenders) if contenders else 0
        for contender in [*contenders[turn:], *contenders[:turn]]:
            try:
                run: dict[str, Any] = {"figures": taken(contender, course, calls), "note": ""}
            except (RuntimeError, OSError, ValueError) as error:
                run = {"figures": {}, "note": str(error) or repr(error)}
            course.say(f"  {name} {number + 1}/{course.rounds} {contender.name:11} {run['note'] or 'done'}")
            runs[contender.name].append(run)
    return runs


def until(what: str, reached: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for a fact; RuntimeError if ``what`` does not come true."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.05)


def occupy(client: Client, url: str, count: int) -> None:
    """Begin ``count`` trickling downloads, as many as may run, and wait until each has its connections."""
    options = {"split": str(CONNECTIONS), "max-connection-per-server": str(CONNECTIONS), "file-allocation": "none"}
    for number in range(count):
        client.call("aria2.addUri", [url], {**options, "out": f"active-{number}.bin"})

    def connected() -> bool:
        told = client.call("aria2.tellActive", ["connections"])
        return len(told) == count and all(int(one["connections"]) == CONNECTIONS for one in told)

    until("the connections of all active downloads", connected)


def finish(client: Client, urls: Sequence[str], count: int, active: int) -> None:
    """Let ``count`` small downloads end, many at a time; ``active`` is how many may run afterwards."""
    before = int(client.call("aria2.getGlobalStat")["numStopped"])
    client.call("aria2.changeGlobalOption", {"max-concurrent-downloads": "64"})
    calls = [inner("aria2.addUri", [urls[at % len(urls)]], {"out": f"done-{at}.bin"}) for at in range(count)]
    client.call("system.multicall", calls)
    until("the end of the small downloads", lambda: stopped(client) == before + count)
    client.call("aria2.changeGlobalOption", {"max-concurrent-downloads": str(active)})


def stopped(client: Client) -> int:
    """How many results there are."""
    return int(client.call("aria2.getGlobalStat")["numStopped"])


def rate(client: Client | SocketClient, calls: int) -> float:
    """tellActive calls a second, one after the other."""
    request = client.request("aria2.tellActive")
    for _ in range(20):
        client.pass_over(request)
    begun = time.perf_counter()
    for _ in range(calls):
        client.pass_over(request)
    return calls / (time.perf_counter() - begun)


def polled(client: Client | SocketClient, port: int, calls: Any, times: int) -> tuple[list[float], list[float], int]:
    """Milliseconds of ``times`` polls, those of the bystander's calls, and bytes of one answer."""
    request = client.request("system.multicall", calls)
    size = client.pass_over(request)
    taken = []
    with Bystander(port) as bystander:
        for _ in range(times):
            before = time.perf_counter()
            client.pass_over(request)
            taken.append((time.perf_counter() - before) * 1000)
            time.sleep(POLL_EVERY)
    return taken, bystander.waits, size


def spread(name: str, values: list[float]) -> dict[str, float]:
    """p50, p99 and the greatest."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {f"{name} p50 ms": cuts[49], f"{name} p99 ms": cuts[98], f"{name} max ms": max(values)}


def measure(contender: Contender, course: Course, calls: int) -> dict[str, float]:
    """All figures of one server; a tenth as many polls as ``calls``."""
    figures: dict[str, float] = {}
    server = Server(contender, course, ACTIVE)
    with server as client:
        small = [course.nginx.url(f"/small/{path.name}") for path in course.field.small()]
        finish(client, small, ENTRIES, ACTIVE)
        occupy(client, course.nginx.url(f"/trickle/{course.field.whole(4).name}"), ACTIVE)
        figures["tellActive, calls a second"] = rate(client, calls)
        socket_client = SocketClient(server.port)
        figures["tellActive over WebSocket, calls a second"] = rate(socket_client, calls)
        socket_client.close()
        with Bystander(server.port) as bystander:
            until("calls of the bystander", lambda: len(bystander.waits) > calls // 4)
        figures |= spread("getVersion alone", bystander.waits)
        waiting = [inner("aria2.addUri", [small[at % len(small)]], {"out": f"later-{at}.bin"}) for at in range(ENTRIES)]
        client.call("system.multicall", waiting)
        for name, connected, keys in (
            ("webui-aria2", lambda: Client(server.port), ()),
            ("webui-aria2 gzip", lambda: Client(server.port, gzip=True), ()),
            ("webui-aria2 WebSocket", lambda: SocketClient(server.port), ()),
            ("AriaNg's keys", lambda: Client(server.port), (ARIANG,)),
            ("AriaNg's keys gzip", lambda: Client(server.port, gzip=True), (ARIANG,)),
        ):
            who: Client | SocketClient = connected()  # a new one: aria2c ends connections that were silent for a while
            taken, waits, size = polled(who, server.port, poll(*keys), max(20, calls // 10))
            who.close()
            figures[f"{name} KiB"] = size / 1024
            figures |= spread(name, taken) | spread(f"{name}, bystander", waits)
    return figures
