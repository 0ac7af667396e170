"""Scenes of the area "uris": the lines in which URIs are listed, from the first request to the end, and their changes.

Owns: lines that are used, that wait, that are put back. Never: how lists begin (scenes_life.py).
"""

from __future__ import annotations

import functools

from tests.differential.scenes import scene
from tests.differential.stage import Stage
from tests.support.behaviour import Behaviour

MIB = 1 << 20
A, B, C, D, E, F = (f"{number:016x}" for number in range(0x2A1, 0x2A7))
STILL = Behaviour(hold_at=0)
#: Once it is let go, there is time for all connections to be made before the first has ended.
STEADY = Behaviour(hold_at=0, rate=6 * MIB)


def listed(stage: Stage, step: str, gid: str) -> None:
    """Note the lines, both ways in which they are shown."""
    stage.call(f"{step}, getFiles", "aria2.getFiles", gid)
    stage.call(f"{step}, tellStatus", "aria2.tellStatus", gid, ["status", "files", "errorCode", "connections"])


def counted(stage: Stage, step: str, gid: str) -> None:
    """Note how many lines of each kind there are; their order is that of addresses in aria2's memory."""
    lines = [f"{line['status']} {line['uri']}" for line in stage.ask("aria2.getFiles", gid)[0]["uris"]]
    stage.facts.note(
        f"{step}, lines", {stage.facts.names.normalised(line): lines.count(line) for line in sorted(lines)}
    )


def connected(stage: Stage, step: str, gid: str, count: int) -> None:
    """Wait until that many Connections stand, and the file is there."""
    stage.begun(f"{step}, {count}", gid)
    stage.until(f"{step}, {count} connections", lambda: stage.status(gid).get("connections") == str(count))


def whole_life(stage: Stage, step: str, gid: str, paths: tuple[str, ...], *, ordered: bool = True) -> None:
    """From standing still over a pause to the end."""
    note = listed if ordered else counted
    listed(stage, f"{step}, still", gid)
    stage.call(f"{step}, pause", "aria2.pause", gid)
    stage.reach(f"{step}, pause", gid, "paused")
    note(stage, f"{step}, paused", gid)
    for path in paths:
        stage.origin.release(path)
    stage.call(f"{step}, unpause", "aria2.unpause", gid)
    stage.reach(f"{step}, unpause", gid)
    note(stage, f"{step}, complete", gid)


@scene("uris", "one for so many connections", "--min-split-size=1M")
def one(stage: Stage) -> None:
    for number, (split, most, length, expected) in enumerate(
        [
            (1, 1, 8 * MIB, 1),
            (1, 5, 8 * MIB, 1),
            (5, 1, 8 * MIB, 1),
            (5, 5, 8 * MIB, 5),
            (5, 16, 8 * MIB, 5),
            (16, 5, 32 * MIB, 5),
            (16, 16, 32 * MIB, 16),
            (16, 16, MIB, 1),
            (5, 5, 100, 1),
        ]
    ):
        name, path, gid = f"{length} in {split}, {most} a server", f"/{number}.bin", f"{0xA0 + number:016x}"
        url = stage.origin.serve(path, length=length, behaviour=STILL)
        stage.add(name, url, {"gid": gid, "split": str(split), "max-connection-per-server": str(most)})
        connected(stage, name, gid, expected)
        whole_life(stage, name, gid, (path,))
    stage.disk("all")


@scene("uris", "mirrors", "--min-split-size=1M", "--max-tries=1")
def mirrors(stage: Stage) -> None:
    origin = stage.origin
    there = stage.closed + "/x"
    cases: dict[str, tuple[tuple[str, ...], dict[str, object], int]] = {
        "two, one a server": (("/a", "/b"), {}, 1),
        "two, three a server": (("/c", "/d"), {"split": "4", "max-connection-per-server": "3"}, 3),
        "one that is lost first": (("/lost1", "/e"), {}, 1),
        "one that is lost later": (("/f", "/lost2"), {"split": "2", "max-connection-per-server": "2"}, 2),
        "one that refuses": ((there, "/g"), {"split": "3"}, 1),
    }
    for number, (name, (paths, options, expected)) in enumerate(cases.items()):
        gid = f"{0xB0 + number:016x}"
        own = [path for path in paths if path.startswith("/") and "lost" not in path]
        for path in own:
            origin.serve(path, length=4 * MIB, behaviour=STEADY)
        uris = [path if "://" in path else origin.url(path) for path in paths]
        stage.add(name, uris, {"gid": gid, "out": f"{number}.bin", **options})
        connected(stage, name, gid, expected)
        if name == "one that is lost later":  # its connection counts until then
            stage.until(f"{name}, asked", functools.partial(stage.asked, "/f", 2))
        whole_life(stage, name, gid, tuple(own), ordered=False)


@scene("uris", "failures", "--max-tries=2", "--min-split-size=1M")
def failures(stage: Stage) -> None:
    serve = stage.origin.serve
    lost = [stage.origin.url(f"/lost{number}") for number in range(3)]
    cases: dict[str, tuple[list[str], dict[str, object]]] = {
        "lost": (lost[:1], {"split": "5", "max-connection-per-server": "5"}),
        "all lost": (lost, {"split": "6", "max-connection-per-server": "2"}),
        "refused": ([stage.closed + "/x"], {"split": "4", "max-connection-per-server": "4"}),
        "refused and lost": ([stage.closed + "/x", *lost], {}),
        "forbidden": ([serve("/no", behaviour=Behaviour(status=403))], {}),
        "short": ([serve("/short", length=3 * MIB, behaviour=Behaviour(fail_after=0))], {}),
        "wrong digest": ([serve("/d", length=100)], {"checksum": "md5=" + "0" * 32, "split": "3",
                                                       "max-connection-per-server": "3"}),
    }  # fmt: skip
    for number, (name, (uris, options)) in enumerate(cases.items()):
        gid = f"{0xC0 + number:016x}"
        stage.add(name, uris, {"gid": gid, "out": f"{number}.bin", **options})
        stage.reach(name, gid)
        listed(stage, name, gid)
    stage.disk("all")


@scene("uris", "not used again", "--reuse-uri=false", "--min-split-size=1M")
def no_reuse(stage: Stage) -> None:
    url = stage.origin.serve("/s.bin", length=4 * MIB, behaviour=STILL)
    for gid, options in ((A, {"split": "2"}), (B, {"split": "2", "max-connection-per-server": "2"})):
        stage.add(f"add {gid}", url, {"gid": gid, "out": gid, **options})
        connected(stage, gid, gid, 1 if gid == A else 2)
        whole_life(stage, gid, gid, ())
        stage.origin.release("/s.bin")
        stage.reach(gid, gid)
        stage.origin.serve("/s.bin", length=4 * MIB, behaviour=STILL)


@scene("uris", "restarted by an option", "--min-split-size=1M", "--split=2", "--max-connection-per-server=2")
def restarted(stage: Stage) -> None:
    url = stage.origin.serve("/r.bin", length=4 * MIB, behaviour=STILL)
    stage.add("add", url, {"gid": A})
    connected(stage, "add", A, 2)
    for number in range(2):
        stage.call(f"change {number}", "aria2.changeOption", A, {"timeout": str(40 + number)})
        stage.hears(f"change {number}", "Start", A, number + 2)
        stage.until(f"asked again {number}", functools.partial(stage.asked, "/r.bin", 4 + 2 * number))
        connected(stage, f"change {number}", A, 2)
        listed(stage, f"changed {number}", A)
    whole_life(stage, "at last", A, ("/r.bin",))
    stage.events("all")


@scene("uris", "changed while it waits", "--max-concurrent-downloads=1", "--min-split-size=20M")
def changed_waiting(stage: Stage) -> None:
    url = stage.origin.serve("/w.bin", length=4 * MIB)
    stage.add("active", stage.held(), {"gid": A})
    stage.begun("active", A)
    for gid, more in ((B, {}), (C, {"pause": "true"})):
        stage.add(f"add {gid}", [url, url + "?2"], {"gid": gid, "out": gid, "max-connection-per-server": "2", **more})
        cases: list[list[object]] = [
            [1, [url], [url + "?3"]],
            [1, [url + "?2", url + "?2", url + "?2"], [url + "?4", url + "?4"], 1],
            [1, [], [url], 0],
            [1, [url, url, url, url], []],
            [1, ["nobody"], [url + "?3"], 2],
        ]
        for number, params in enumerate(cases):
            stage.call(f"{gid}, {number}", "aria2.changeUri", gid, *params)
            listed(stage, f"{gid}, {number}", gid)
    stage.origin.release("/held.bin")
    stage.reach("B", B)
    listed(stage, "B at last", B)
    stage.call("unpause C", "aria2.unpause", C)
    stage.reach("C", C)
    listed(stage, "C at last", C)
    stage.events("all", ordered=False)


@scene("uris", "changed after a pause", "--min-split-size=1M")
def changed_paused(stage: Stage) -> None:
    url = stage.origin.serve("/p.bin", length=4 * MIB, behaviour=STILL)
    other = stage.origin.serve("/q.bin", length=4 * MIB)
    stage.add("add", url, {"gid": A, "split": "2", "max-connection-per-server": "2"})
    connected(stage, "add", A, 2)
    stage.call("pause", "aria2.pause", A)
    stage.reach("pause", A, "paused")
    for number, params in enumerate(([1, [], []], [1, [url], []], [1, [url, other], []], [1, [url] * 9, []])):
        stage.call(f"{number}", "aria2.changeUri", A, *params)
        listed(stage, f"{number}", A)
    before = len(stage.origin.requests("/p.bin"))
    stage.call("unpause", "aria2.unpause", A)
    stage.reach("unpause", A)
    listed(stage, "nothing left", A)
    stage.facts.note("asked what was withdrawn", len(stage.origin.requests("/p.bin")) - before)
    stage.add("add another", [url, other], {"gid": B, "out": "b"})
    stage.begun("add another", B)
    stage.call("pause another", "aria2.pause", B)
    stage.reach("pause another", B, "paused")
    stage.call("withdraw", "aria2.changeUri", B, 1, [url, url], [])
    listed(stage, "withdraw", B)
    stage.call("unpause another", "aria2.unpause", B)
    stage.reach("unpause another", B)
    listed(stage, "complete", B)
    stage.events("all")


@scene("uris", "changed as it runs", "--min-split-size=1M")
def changed_active(stage: Stage) -> None:
    url = stage.origin.serve("/a.bin", length=4 * MIB, behaviour=STILL)
    other = stage.origin.serve("/b.bin", length=4 * MIB, behaviour=STILL)
    stage.add("add", url, {"gid": A, "split": "2", "max-connection-per-server": "2"})
    connected(stage, "add", A, 2)
    stage.call("add one", "aria2.changeUri", A, 1, [], [other])
    listed(stage, "add one", A)
    stage.call("add another in front", "aria2.changeUri", A, 1, [], [other + "?2"], 0)
    listed(stage, "add another in front", A)
    stage.call("withdraw what waits", "aria2.changeUri", A, 1, [other + "?2"], [])
    listed(stage, "withdraw what waits", A)
    stage.call("withdraw what runs", "aria2.changeUri", A, 1, [url, url], [])
    stage.until("the other is asked", lambda: stage.asked("/b.bin", 2))
    connected(stage, "withdraw what runs", A, 2)
    listed(stage, "withdraw what runs", A)
    stage.events("running")
    stage.origin.release("/b.bin")
    stage.reach("complete", A)
    listed(stage, "complete", A)
    stage.events("all")
    stage.disk("all")


@scene("uris", "withdrawn for good", "--min-split-size=1M", "--max-tries=2")
def withdrawn(stage: Stage) -> None:
    """The only one, at every moment."""
    url = stage.origin.serve("/s.bin", length=4 * MIB, behaviour=STILL)
    silent = stage.origin.serve("/silent.bin", length=MIB, behaviour=Behaviour(hold_at=-1))
    stage.add("running", url, {"gid": A})
    stage.begun("running", A)
    stage.call("running, withdrawn", "aria2.changeUri", A, 1, [url], [])
    stage.reach("running", A)
    listed(stage, "running", A)
    stage.add("unanswered", silent, {"gid": B})
    stage.until("unanswered", lambda: stage.asked("/silent.bin", 1))
    stage.call("unanswered, withdrawn", "aria2.changeUri", B, 1, [silent], [])
    stage.reach("unanswered", B)
    listed(stage, "unanswered", B)
    stage.add("paused", url, {"gid": C, "pause": "true"})
    stage.call("paused, withdrawn", "aria2.changeUri", C, 1, [url], [])
    listed(stage, "paused, withdrawn", C)
    stage.call("unpause", "aria2.unpause", C)
    stage.reach("paused", C)
    listed(stage, "paused", C)
    stage.events("all", ordered=False)


@scene("uris", "added to the unanswered", "--max-tries=2")
def unanswered(stage: Stage) -> None:
    silent = stage.origin.serve("/silent.bin", length=MIB, behaviour=Behaviour(hold_at=-1))
    good = stage.origin.serve("/good.bin", length=MIB)
    stage.add("add", silent, {"gid": A, "out": "a"})
    stage.until("unanswered", lambda: stage.asked("/silent.bin", 1))
    stage.call("changed", "aria2.changeUri", A, 1, [silent], [good])
    stage.reach("changed", A)
    listed(stage, "complete", A)
    stage.events("all")
    stage.disk("all")
