"""Scenes of the area "looks": what downloads of every shape show while they stand still, and in the end.

Owns: lengths, pieces, maps, names and connections. Never: failures (scenes_ends.py).
"""

from __future__ import annotations

import functools
import gzip

from tests.differential.scenes import scene
from tests.differential.stage import Stage
from tests.support.behaviour import GOOD, Behaviour, Seen

MIB = 1 << 20
BLOCK = 1 << 14
A, B, C, D = (f"{number:016x}" for number in range(0x1A1, 0x1A5))


@scene("looks", "at rest")
def at_rest(stage: Stage) -> None:
    """One connection that stands at a block: maps of every kind of length."""
    cases = {
        "nothing yet": (4 * MIB, 0, {}),
        "one block": (4 * MIB, BLOCK, {}),
        "a piece less a block": (4 * MIB, MIB - BLOCK, {}),
        "a piece": (4 * MIB, MIB, {}),
        "nine pieces": (9 * MIB, 3 * MIB + 5 * BLOCK, {}),
        "odd length": (9 * MIB + 12_345, 9 * MIB, {}),
        "all but the last byte's block": (2 * MIB + BLOCK + 1, 2 * MIB + BLOCK, {}),
        "less than a piece": (300_000, 10 * BLOCK, {}),
        "pieces of 2M": (9 * MIB, 3 * MIB, {"piece-length": "2M"}),
        "out": (4 * MIB, MIB, {"out": "sub/folder/x.bin"}),
        "trunc": (6 * MIB, MIB, {"file-allocation": "trunc"}),
        "falloc": (6 * MIB, MIB, {"file-allocation": "falloc"}),
        "none": (6 * MIB, MIB, {"file-allocation": "none"}),
    }
    for number, (name, (length, at, options)) in enumerate(cases.items()):
        gid = f"{0xA0 + number:016x}"
        url = stage.held(f"/{number}.bin", length, at)
        stage.add(name, url, {"gid": gid, **options})
        stage.rest(name, gid, at, length)
        stage.look(name, gid)
        stage.call(f"{name}, pause", "aria2.pause", gid)
        stage.reach(f"{name}, pause", gid, "paused")
        stage.look(f"{name}, paused", gid)
    stage.disk("all paused")
    stage.events("all", ordered=False)


@scene("looks", "before the first answer")
def before_answer(stage: Stage) -> None:
    url = stage.origin.serve("/silent.bin", length=MIB, behaviour=Behaviour(hold_at=-1))
    stage.add("add", url, {"gid": A})
    stage.origin.wait(lambda origin: len(origin.requests()) == 1)
    stage.look("asked", A)
    stage.add("with out", url, {"gid": B, "out": "x"})
    stage.origin.wait(lambda origin: len(origin.requests()) == 2)
    stage.look("with out, asked", B)
    stage.call("pause", "aria2.pause", A)
    stage.reach("pause", A, "paused")
    stage.look("paused", A)
    stage.call("remove", "aria2.remove", B)
    stage.reach("remove", B)
    stage.look("removed", B)
    stage.origin.release("/silent.bin")
    stage.call("unpause", "aria2.unpause", A)
    stage.reach("unpause", A)
    stage.look("complete", A)
    stage.events("all", ordered=False)
    stage.disk("all")


@scene("looks", "several connections", "--split=4", "--max-connection-per-server=4", "--min-split-size=1M")
def several(stage: Stage) -> None:
    """Each connection stands at the first byte of its part."""
    url = stage.origin.serve("/four.bin", length=4 * MIB, behaviour=Behaviour(hold_at=0))
    stage.add("add", url, {"gid": A})
    stage.until("four connections", lambda: stage.status(A).get("connections") == "4")
    stage.look("four", A)
    stage.facts.note("starts", sorted(seen.range[0] if seen.range else 0 for seen in stage.origin.requests()))
    stage.call("pause", "aria2.pause", A)
    stage.reach("pause", A, "paused")
    stage.look("paused", A)
    stage.origin.release("/four.bin")
    stage.call("unpause", "aria2.unpause", A)
    stage.reach("unpause", A)
    stage.look("complete", A)
    for number, (length, split) in enumerate(
        [(MIB, "4"), (2 * MIB, "4"), (2 * MIB - 1, "4"), (8 * MIB, "2"), (8 * MIB, "1")]
    ):
        gid = f"{0xB0 + number:016x}"
        path = f"/n{number}.bin"
        stage.origin.serve(path, length=length, behaviour=Behaviour(hold_at=0))
        stage.add(f"{length} in {split}", stage.origin.url(path), {"gid": gid, "split": split})
        expected = min(int(split), -(-length // MIB))
        stage.until(f"{length} in {split}", functools.partial(stage.asked, path, expected), 3)
        stage.begun(f"{length} in {split}", gid)
        stage.call(f"{length} in {split}, tellStatus", "aria2.tellStatus", gid)
        stage.facts.note(f"{length} in {split}, requests", len(stage.origin.requests(path)))
        stage.ask("aria2.pause", gid)
        stage.reach(f"{length} in {split}, pause", gid, "paused")
    stage.disk("all")


@scene("looks", "lengths")
def lengths(stage: Stage) -> None:
    """Downloads that end well: every length and framing."""
    serve = stage.origin.serve
    cases = {
        "empty": serve("/empty.bin", length=0),
        "one byte": serve("/one.bin", length=1),
        "a block": serve("/block.bin", length=BLOCK),
        "a piece": serve("/piece.bin", length=MIB),
        "a piece and a byte": serve("/more.bin", length=MIB + 1),
        "nine pieces": serve("/nine.bin", length=9 * MIB),
        "chunked": serve("/chunked.bin", length=2 * MIB + 5, behaviour=Behaviour(framing="chunked")),
        "empty chunked": serve("/chunkless.bin", length=0, behaviour=Behaviour(framing="chunked")),
        "until the end": serve("/close.bin", length=2 * MIB + 5, behaviour=Behaviour(framing="close")),
        "no ranges": serve("/ranges.bin", length=2 * MIB, behaviour=Behaviour(ranges=False)),
        "old": serve("/old.bin", length=2 * MIB, behaviour=Behaviour(http10=True, keep_alive=False)),
        "no dates": serve("/dates.bin", length=1000, behaviour=Behaviour(etag="", last_modified="")),
    }
    for number, (name, url) in enumerate(cases.items()):
        gid = f"{0xA0 + number:016x}"
        stage.add(name, url, {"gid": gid})
        stage.reach(name, gid)
        stage.look(name, gid)
    stage.events("all")
    stage.disk("all")


@scene("looks", "unknown length")
def unknown(stage: Stage) -> None:
    url = stage.origin.serve("/u.bin", length=2 * MIB, behaviour=Behaviour(framing="chunked", hold_at=MIB))
    stage.add("add", url, {"gid": A})
    stage.rest("chunked", A, MIB)
    stage.look("at rest", A)
    stage.call("pause", "aria2.pause", A)
    stage.reach("pause", A, "paused")
    stage.look("paused", A)
    stage.disk("paused")
    stage.origin.release("/u.bin")
    stage.call("unpause", "aria2.unpause", A)
    stage.reach("unpause", A)
    stage.look("complete", A)
    stage.disk("complete")
    stage.events("all")


@scene("looks", "names")
def names(stage: Stage) -> None:
    """Where files go and what they are called."""
    origin = stage.origin

    def named(path: str, disposition: str | bytes) -> str:
        return origin.serve(path, length=500, behaviour=Behaviour(disposition=disposition))

    cases: dict[str, tuple[str, dict[str, object]]] = {
        "by the URI": (origin.serve("/plain.bin", length=500), {}),
        "query": (origin.url("/plain.bin?a=b/c"), {}),
        "out": (origin.url("/plain.bin"), {"out": "o.bin"}),
        "out in a folder": (origin.url("/plain.bin"), {"out": "f/g/o.bin"}),
        "dir": (origin.url("/plain.bin"), {"dir": str(stage.files / "d" / "e")}),
        "dir with a slash": (origin.url("/plain.bin"), {"dir": str(stage.files / "d2") + "/"}),
        "no name": (origin.serve("/", length=500), {}),
        "a folder": (origin.serve("/folder/", length=500), {}),
        "encoded": (origin.serve("/a%20b%C3%A9.bin", length=500), {}),
        "encoded slash": (origin.serve("/a%2Fb.bin", length=500), {}),
        "encoded control": (origin.serve("/a%01b.bin", length=500), {}),
        "dots": (origin.serve("/x/..bin", length=500), {}),
        "disposition": (named("/d1", "attachment; filename=\"named.bin\""), {}),
        "disposition, token": (named("/d2", "attachment; filename=token.bin"), {}),
        "disposition, inline": (named("/d3", "inline; filename=\"inline.bin\""), {}),
        "disposition, utf-8": (named("/d4", "attachment; filename=\"x\"; filename*=UTF-8''%e2%82%ac.bin"), {}),
        "disposition, path": (named("/d5", "attachment; filename=\"../../x.bin\""), {}),
        "disposition, nothing": (named("/d6", "attachment"), {}),
        "disposition, out": (named("/d7", "attachment; filename=\"named.bin\""), {"out": "mine.bin"}),
        "disposition, empty": (named("/d8", "attachment; filename=\"\""), {}),
        "disposition, backslash": (named("/d9", "attachment; filename=\"a\\\\b.bin\""), {}),
        "disposition, no type": (named("/d10", "filename=x.bin"), {}),
        "disposition, latin-1": (named("/d11", b"attachment; filename=\"\xe9.bin\""), {}),
        "redirect": (origin.chain("/r1", "/plain.bin"), {}),
        "five redirects": (origin.chain("/r5", "/plain.bin", hops=5), {}),
        "moved for good": (origin.chain("/r301", "/plain.bin", status=301), {}),
        "redirect 307": (origin.chain("/r307", "/plain.bin", status=307), {}),
        "redirect 308": (origin.chain("/r308", "/plain.bin", status=308), {}),
        "redirect to a disposition": (origin.chain("/rd", "/d1"), {}),
    }  # fmt: skip
    for number, (name, (url, options)) in enumerate(cases.items()):
        gid = f"{0xA00 + number:016x}"
        stage.add(name, url, {"gid": gid, **options})
        stage.reach(name, gid)
        stage.call(f"{name}, tellStatus", "aria2.tellStatus", gid)
    stage.disk("all")


@scene("looks", "a redirected one at rest")
def redirected(stage: Stage) -> None:
    stage.held()
    url = stage.origin.chain("/there", "/held.bin")
    stage.add("add", url, {"gid": A})
    stage.rest("held", A, MIB + MIB // 4)
    stage.look("held", A)
    stage.call("pause", "aria2.pause", A)
    stage.reach("pause", A, "paused")
    stage.look("paused", A)


@scene("looks", "mirrors", "--split=2", "--min-split-size=1M")
def mirrors(stage: Stage) -> None:
    first = stage.origin.serve("/m1.bin", length=4 * MIB, behaviour=Behaviour(hold_at=0))
    second = stage.origin.serve("/m2.bin", length=4 * MIB, behaviour=Behaviour(hold_at=0))
    dead = stage.closed + "/m.bin"
    stage.add("one dead", [dead, first], {"gid": A, "max-tries": "1"})
    stage.begun("one dead", A)
    stage.look("one dead", A)
    stage.add("two of the same host", [first, second], {"gid": B, "out": "b.bin"})
    stage.begun("two", B)
    stage.look("two of the same host", B)
    stage.origin.release("/m1.bin")
    stage.origin.release("/m2.bin")
    for gid in (A, B):
        stage.reach(f"end {gid}", gid)
        stage.look(f"end {gid}", gid)
    stage.add("lost and good", [stage.origin.url("/lost"), first], {"gid": C, "out": "c.bin"})
    stage.reach("lost and good", C)
    stage.look("lost and good", C)
    stage.add("all lost", [stage.origin.url("/lost1"), stage.origin.url("/lost2")], {"gid": D})
    stage.reach("all lost", D)
    stage.look("all lost", D)
    stage.events("all", ordered=False)
    stage.disk("all")


@scene("looks", "going on with what is there")
def going_on(stage: Stage) -> None:
    """Files that lie there already, with and without a control file."""
    url = stage.origin.serve("/c.bin", length=3 * MIB)
    content = stage.origin.content("/c.bin").whole()

    def lay(name: str, size: int) -> None:
        (stage.files / name).write_bytes(content[:size])

    cases: dict[str, tuple[int, dict[str, object]]] = {
        "half": (MIB + MIB // 2, {"continue": "true"}),
        "odd": (50_000, {"continue": "true"}),
        "whole": (3 * MIB, {"continue": "true"}),
        "whole, not continued": (3 * MIB, {}),
        "half, not continued": (MIB, {}),
        "half, overwritten": (MIB, {"allow-overwrite": "true"}),
        "half, no renaming": (MIB, {"auto-file-renaming": "false"}),
        "empty": (0, {"continue": "true"}),
    }
    for number, (name, (size, options)) in enumerate(cases.items()):
        gid, out = f"{0xA0 + number:016x}", f"{number}.bin"
        lay(out, size)
        stage.add(name, url, {"gid": gid, "out": out, **options})
        stage.reach(name, gid)
        stage.call(f"{name}, tellStatus", "aria2.tellStatus", gid)
    longer = stage.files / "longer.bin"
    longer.write_bytes(content + b"more")
    stage.add("longer", url, {"gid": B, "out": "longer.bin", "continue": "true"})
    stage.reach("longer", B)
    stage.call("longer, tellStatus", "aria2.tellStatus", B)
    (stage.files / "alone.bin.aria2").write_bytes(b"\0\1" + b"\0" * 30)
    stage.add("a control file alone", url, {"gid": C, "out": "alone.bin"})
    stage.reach("a control file alone", C)
    stage.call("a control file alone, tellStatus", "aria2.tellStatus", C)
    stage.disk("all")


@scene("looks", "compressed and dated")
def dated(stage: Stage) -> None:
    url = stage.origin.serve("/z.bin", data=gzip.compress(b"x" * 5000, mtime=0), behaviour=GOOD)
    stage.add("plain", url, {"gid": A})
    stage.reach("plain", A)
    stage.add("remote-time", url, {"gid": B, "out": "dated", "remote-time": "true"})
    stage.reach("remote-time", B)
    stage.facts.note("remote-time, modified", int((stage.files / "dated").stat().st_mtime))
    stage.add("dry-run", url, {"gid": C, "out": "dry", "dry-run": "true"})
    stage.reach("dry-run", C)
    stage.look("dry-run", C)

    def choose(seen: Seen) -> Behaviour:
        return Behaviour(gzip=True)

    zipped = stage.origin.serve("/zipped.bin", length=50_000, behaviour=choose)
    stage.add("gzip unasked", zipped, {"gid": D})
    stage.reach("gzip unasked", D)
    stage.call("gzip unasked, tellStatus", "aria2.tellStatus", D)
    stage.disk("all")
