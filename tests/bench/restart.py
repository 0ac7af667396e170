"""A server that is killed and started again: how long until it answers, and what it has forgotten.

aria2c keeps what is unfinished in the file of save-session; it is asked to write that the moment before.
"""

from __future__ import annotations

import time
from typing import Any

from tests.bench.contenders import Contender
from tests.bench.polls import finish, occupy
from tests.bench.scenarios import Course
from tests.bench.server import Client, Server, inner

ACTIVE = 5
STOPPED = 1000  # aria2's own bound on results
BATCH = 1000  # calls in a system.multicall
EVERY = 50  # of so many entries one is asked for its options
SETTLED = 1.0  # seconds in which what was answered reaches the disk


def own_options(number: int) -> dict[str, object]:
    """A handful, some of them different for each entry."""
    return {
        "out": f"later-{number}.bin",
        "split": "4",
        "max-download-limit": f"{number % 100 + 1}K",
        "referer": "http://127.0.0.1/list",
        "header": [f"X-Number: {number}", "X-Kind: bench"],
    }


def batches(calls: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    """Calls as system.multicall takes them, not too many at a time."""
    return [calls[at : at + BATCH] for at in range(0, len(calls), BATCH)]


def seen(client: Client) -> dict[str, Any]:
    """What there is, in order, and the options of some."""
    keys = ["gid", "status"]
    waiting = client.call("aria2.tellWaiting", 0, 1 << 20, keys)
    unfinished = [one["gid"] for one in client.call("aria2.tellActive", keys) + waiting]
    return {
        "unfinished": unfinished,
        "paused": [one["gid"] for one in waiting if one["status"] == "paused"],
        "finished": [(one["gid"], one["status"]) for one in client.call("aria2.tellStopped", 0, STOPPED, keys)],
        "options": {gid: client.call("aria2.getOption", gid) for gid in unfinished[ACTIVE::EVERY]},
    }


def measure(contender: Contender, course: Course, calls: int) -> dict[str, float]:
    """All figures of one server; five times as many waiting entries as ``calls``, one in a hundred paused."""
    session = course.scratch / "session.txt"
    session.write_text("")
    options = [f"--save-session={session}", f"--input-file={session}"] if contender.name != "slasshy" else []
    small = [course.nginx.url(f"/small/{path.name}") for path in course.field.small()]
    trickle = course.nginx.url(f"/trickle/{course.field.whole(4).name}")
    server = Server(contender, course, ACTIVE, options)
    with server as client:
        empty_ms = server.start_ms
        finish(client, small, STOPPED, ACTIVE)
        occupy(client, trickle, ACTIVE)
        adding = [inner("aria2.addUri", [small[at % len(small)]], own_options(at)) for at in range(calls * 5)]
        paused = {"pause": "true", "split": "3"}
        adding += [inner("aria2.addUri", [small[at % len(small)]], paused) for at in range(calls // 20)]
        for batch in batches(adding):
            client.call("system.multicall", batch)
        before = seen(client)
        if options:
            client.call("aria2.saveSession")
        time.sleep(SETTLED)
        server.kill()
    again = Server(contender, course, ACTIVE, options, kept=True)
    with again as client:
        after = seen(client)
        resident = again.memory("VmRSS")
    kept = set(after["unfinished"])
    left = [gid for gid in before["unfinished"] if gid in kept]
    return {
        "unfinished entries": len(before["unfinished"]),
        "first answer, nothing kept, ms": empty_ms,
        "first answer, all kept, ms": again.start_ms,
        "unfinished lost": len(before["unfinished"]) - len(left),
        "unfinished in another place": sum(a != b for a, b in zip(left, after["unfinished"], strict=False)),
        "paused lost": len(set(before["paused"]) - set(after["paused"])),
        "finished lost": len(before["finished"]) - len(set(before["finished"]) & set(after["finished"])),
        "finished in another place": sum(a != b for a, b in zip(before["finished"], after["finished"], strict=False)),
        "with other options": sum(after["options"].get(gid) != told for gid, told in before["options"].items()),
        "resident MiB": resident,
    }
