"""More scenes of the area "life": the queue's order, its windows and slots, results, and changes of what is there.

Owns: what calls do to downloads that exist. Never: how they come and go (scenes_life.py).
"""

from __future__ import annotations

from tests.differential.scenes import scene
from tests.differential.scenes_life import A, B, C, D, begun, small
from tests.differential.stage import HELD, Stage

MIB = 1 << 20


@scene("life", "positions", "--max-concurrent-downloads=1")
def positions(stage: Stage) -> None:
    begun(stage, A, stage.held())
    gids = [f"{0xB0 + number:016x}" for number in range(5)]
    for number, gid in enumerate(gids):
        stage.add(f"add {gid}", small(stage), {"gid": gid, **({"pause": "true"} if number in (1, 3) else {})})
    number = 0
    for how in ("POS_SET", "POS_CUR", "POS_END"):
        for offset in (0, 1, -1, 3, -3, 99, -99, 2, 2**31 - 1, -(2**31)):
            gid = gids[number % 5]
            number += 1
            stage.call(f"{gid} {how} {offset}", "aria2.changePosition", gid, offset, how)
            order = [one["gid"] for one in stage.ask("aria2.tellWaiting", 0, 10, ["gid"])]
            stage.facts.note(f"order after {gid} {how} {offset}", " ".join(one[-1] for one in order))
    stage.call("what is active", "aria2.changePosition", A, 0, "POS_SET")
    stage.call("pauseAll", "aria2.pauseAll")
    stage.until("A is in front", lambda: stage.ask("aria2.tellWaiting", 0, 10, ["gid"])[0]["gid"] == A)
    stage.reach("A", A, "paused")
    stage.call("order at last", "aria2.tellWaiting", 0, 10, ["gid"])


@scene("life", "windows", "--max-concurrent-downloads=1")
def windows(stage: Stage) -> None:
    """tellWaiting and tellStopped with every offset around the ends, and keys."""
    url = small(stage)
    for number in range(5):
        gid = f"{0xC0 + number:016x}"
        stage.ask("aria2.addUri", [url], {"gid": gid, "out": f"c{number}"})
        stage.reach(f"{gid}", gid)
    for number in range(5):
        stage.ask("aria2.addUri", [url], {"gid": f"{0xD0 + number:016x}", "pause": "true"})
    for method in ("tellWaiting", "tellStopped"):
        for offset in range(-7, 8):
            for count in (0, 1, 2, 3, 5, 9):
                listed = stage.ask(f"aria2.{method}", offset, count, ["gid"])
                stage.facts.note(f"{method} {offset} {count}", " ".join(one["gid"][-2:] for one in listed))
    for keys in ([], ["gid"], ["status", "gid", "gid"], ["x"], ["gid", "x"], ["GID"], [5, None], [5, "gid"],
                 ["files"], ["bitfield"], ["errorCode", "errorMessage"], ["verifiedLength"], [""]):  # fmt: skip
        stage.call(f"tellWaiting {keys}", "aria2.tellWaiting", 0, 1, keys)
        stage.call(f"tellStopped {keys}", "aria2.tellStopped", 0, 1, keys)
        stage.call(f"tellStatus {keys}", "aria2.tellStatus", "00000000000000c0", keys)
        stage.call(f"tellActive {keys}", "aria2.tellActive", keys)


@scene("life", "changeUri", "--max-concurrent-downloads=1")
def change_uri(stage: Stage) -> None:
    url = small(stage)
    stage.add("add", [url, url + "?2"], {"gid": A, "pause": "true", "split": "4", "max-connection-per-server": "2"})
    cases: list[list[object]] = [
        [1, [], [url + "?3"]],
        [1, [], [url + "?4", "foo", url + "?5"], 0],
        [1, [], [url + "?6"], 1],
        [1, [], [url + "?7"], 99],
        [1, [url + "?2"], []],
        [1, [url + "?2"], []],
        [1, ["not there", url], [url]],
        [1, [url, url], []],
        [1, [], ["ftp://127.0.0.1/x", "gopher://x/y", "HTTP://127.0.0.1/"]],
        [1, [], ["", " ", "foo"]],
        [2, [], []],
        [1, [url + f"?{number}" for number in range(9)], []],
    ]
    for number, params in enumerate(cases):
        stage.call(f"{number}", "aria2.changeUri", A, *params)
        stage.call(f"{number}, getUris", "aria2.getUris", A)
    stage.queues("at last")


@scene("life", "changeUri of a running one")
def change_uri_active(stage: Stage) -> None:
    url, good = stage.held(), small(stage, "good.bin", 4 * MIB)
    begun(stage, A, url)
    stage.call("the same", "aria2.changeUri", A, 1, [], [])
    stage.call("add one", "aria2.changeUri", A, 1, [], [good])
    stage.call("add one, getUris", "aria2.getUris", A)
    stage.call("take away the running one", "aria2.changeUri", A, 1, [url], [])
    stage.origin.release("/held.bin")
    stage.reach("goes on", A)
    stage.call("complete", "aria2.tellStatus", A)
    stage.disk("complete")


@scene("life", "changeOption of what waits", "--max-concurrent-downloads=1")
def change_option_waiting(stage: Stage) -> None:
    begun(stage, A, stage.held())
    stage.add("add B", small(stage), {"gid": B})
    stage.add("add C", small(stage), {"gid": C, "pause": "true", "out": "c.bin"})
    changes: list[dict[str, object]] = [
        {"out": "n.bin"},
        {"dir": str(stage.files / "sub")},
        {"out": ""},
        {"dir": ""},
        {"dir": str(stage.files)},
        {"split": "3", "max-connection-per-server": "3"},
        {"pause": "false"},
        {"gid": D},
        {"dry-run": "true"},
        {"no-such": "x"},
        {"header": ["A: b"]},
        {"checksum": "md5=" + "0" * 32},
    ]
    for gid in (B, C):
        for options in changes:
            name = str(options).replace(str(stage.files), "<dir>")
            stage.call(f"{gid} {name}", "aria2.changeOption", gid, options)
            stage.call(f"{gid} {name}, tellStatus", "aria2.tellStatus", gid)
        stage.call(f"{gid}, getOption", "aria2.getOption", gid)
    stage.queues("afterwards")
    stage.events("all")


@scene("life", "changeOption with a restart", "--max-concurrent-downloads=2")
def change_option_restart(stage: Stage) -> None:
    url = stage.held()
    begun(stage, A, url)
    begun(stage, B, url, out="b")
    stage.add("add C", small(stage), {"gid": C})
    stage.events("begun", ordered=False)
    stage.hold("/held.bin", HELD + MIB // 2)
    stage.call("out changed", "aria2.changeOption", A, {"out": "new.bin"})
    stage.hears("out changed", "Start", A)
    stage.rest("out changed", A, HELD + MIB // 2)
    stage.queues("out changed")
    stage.call("out changed, tellStatus", "aria2.tellStatus", A)
    stage.hold("/held.bin", HELD + MIB)
    stage.call("timeout changed", "aria2.changeOption", B, {"timeout": "33"})
    stage.hears("timeout changed", "Start", B)
    stage.rest("timeout changed", B, HELD + MIB)
    stage.queues("timeout changed")
    stage.events("restarted", ordered=False)
    stage.origin.release("/held.bin")
    for gid in (A, B, C):
        stage.reach(f"end {gid}", gid)
        stage.call(f"end {gid}, tellStatus", "aria2.tellStatus", gid)
    stage.events("the rest", ordered=False)
    stage.disk("at the end")


@scene("life", "slots", "--max-concurrent-downloads=1")
def slots(stage: Stage) -> None:
    url = stage.held()
    begun(stage, A, url)
    for gid in (B, C, D):
        stage.add(f"add {gid}", url, {"gid": gid, "out": gid})
    stage.queues("one slot")
    stage.call("three slots", "aria2.changeGlobalOption", {"max-concurrent-downloads": "3"})
    for gid in (B, C):
        stage.rest(f"three slots, {gid}", gid, HELD)
    stage.queues("three slots")
    stage.call("one slot again", "aria2.changeGlobalOption", {"max-concurrent-downloads": "1"})
    stage.queues("nothing is stopped")
    stage.call("remove A", "aria2.remove", A)
    stage.reach("A", A, "removed")
    stage.queues("nothing follows")
    stage.call("pause B", "aria2.pause", B)
    stage.reach("B", B, "paused")
    stage.queues("B is in front")
    stage.call("unpause B", "aria2.unpause", B)
    stage.queues("B waits in front")
    stage.events("all", ordered=False)
    stage.call("zero slots", "aria2.changeGlobalOption", {"max-concurrent-downloads": "0"})


@scene("life", "results", "--max-download-result=3")
def results(stage: Stage) -> None:
    url = small(stage)
    for number in range(3):
        gid = stage.add(f"add {number}", url, {"gid": f"{0xC0 + number:016x}", "out": f"c{number}"})
        stage.reach(f"{number}", gid)
    stage.queues("three")
    for number in range(3, 5):
        gid = stage.add(f"add {number}", stage.origin.url("/lost"), {"gid": f"{0xC0 + number:016x}"})
        stage.reach(f"{number}", gid)
    stage.queues("five, three kept")
    stage.call("the first is forgotten", "aria2.tellStatus", "00000000000000c0")
    stage.call("removeDownloadResult of the first", "aria2.removeDownloadResult", "00000000000000c0")
    stage.call("removeDownloadResult", "aria2.removeDownloadResult", "00000000000000c3")
    stage.queues("two kept")
    stage.call("fewer are kept", "aria2.changeGlobalOption", {"max-download-result": "1"})
    stage.queues("nothing happens at once")
    gid = stage.add("one more", url, {"gid": B, "out": "b"})
    stage.reach("one more", gid)
    stage.queues("one kept")
    stage.call("purge", "aria2.purgeDownloadResult")
    stage.queues("none kept")
    stage.call("purge again", "aria2.purgeDownloadResult")
    stage.call("none at all", "aria2.changeGlobalOption", {"max-download-result": "0"})
    gid = stage.add("unremembered", url, {"gid": C, "out": "unremembered"})
    stage.reach("unremembered", gid, "gone")
    stage.queues("never kept")
    stage.events("all")


@scene("life", "global changes", "--max-concurrent-downloads=1")
def global_changes(stage: Stage) -> None:
    """They count for what is added later."""
    begun(stage, A, stage.held())
    stage.add("before", small(stage), {"gid": B, "pause": "true"})
    changes = {
        "dir": str(stage.files / "sub"),
        "split": "2",
        "user-agent": "me",
        "out": "x",
        "pause": "true",
        "force-save": "true",
        "max-download-limit": "5M",
        "rpc-listen-port": "1",
        "enable-rpc": "false",
    }
    stage.call("change", "aria2.changeGlobalOption", changes)
    stage.add("after", small(stage), {"gid": C, "pause": "true"})
    for gid in (A, B, C):
        stage.call(f"{gid}, getOption", "aria2.getOption", gid)
        stage.call(f"{gid}, tellStatus", "aria2.tellStatus", gid)
    stage.call("getGlobalOption", "aria2.getGlobalOption")
    stage.call("unpause C", "aria2.unpause", C)
    stage.call("remove A", "aria2.remove", A)
    stage.reach("C", C)
    stage.disk("at the end")
