"""Scenes of the area "calls": every method with good, missing, wrong-typed and superfluous parameters, and all GIDs.

Owns: what each method takes. Never: waits for anything but the downloads that are asked about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.differential.scenes import scene
from tests.differential.stage import HELD, Stage

MIB = 1 << 20

ACTIVE = "a000000000000001"
COMPLETE = "c000000000000001"
ERROR = "e000000000000001"
REMOVED = "f000000000000001"
WAITING = "0000000000000b01"
PAUSED = "0000000000000a01"
PAUSED_TOO = "0000000000000a02"
STATES = {
    "active": ACTIVE,
    "waiting": WAITING,
    "paused": PAUSED,
    "complete": COMPLETE,
    "error": ERROR,
    "removed": REMOVED,
}

#: What each method takes: s a string (here a GID), S any other string, i an integer, l a list, d a struct; behind the
#: bar what may be left out. Of the URI lists ``l`` stands for an empty one, so that nothing happens by chance.
SIGNATURES: dict[str, str] = {
    "aria2.addUri": "u|di",
    "aria2.addTorrent": "S|ldi",
    "aria2.addMetalink": "S|di",
    "aria2.remove": "s",
    "aria2.forceRemove": "s",
    "aria2.pause": "s",
    "aria2.forcePause": "s",
    "aria2.unpause": "s",
    "aria2.changePosition": "siS",
    "aria2.tellStatus": "s|l",
    "aria2.getUris": "s",
    "aria2.getFiles": "s",
    "aria2.getPeers": "s",
    "aria2.getServers": "s",
    "aria2.tellActive": "|l",
    "aria2.tellWaiting": "ii|l",
    "aria2.tellStopped": "ii|l",
    "aria2.getOption": "s",
    "aria2.changeUri": "sill|i",
    "aria2.changeOption": "sd",
    "aria2.changeGlobalOption": "d",
    "aria2.removeDownloadResult": "s",
    "system.multicall": "l",
}
NONE = ("getGlobalOption", "getGlobalStat", "getSessionInfo", "saveSession", "purgeDownloadResult", "unpauseAll")
LOOKERS = ("tellStatus", "getUris", "getFiles", "getPeers", "getServers", "getOption")
TAKERS = tuple(name for name, kinds in SIGNATURES.items() if kinds.startswith("s"))

WRONG: tuple[object, ...] = (None, True, 5, 1.5, "x", [], {})
BAD_GIDS = (
    "",
    " ",
    "x",
    "0x1",
    "-1",
    " a",
    "zzzzzzzzzzzzzzzz",
    "ffffffffffffffff",
    "FFFFFFFFFFFFFFFF",
    "0000000000000000",
    "00000000000000000",
    "a0000000000000011",
    "b" * 17,
    "b" * 40,
    "0000000000000a0",
    "0",
    "\u00e9",
    "A000000000000001\n",
)
GOOD_GIDS = ("A000000000000001", "a", "C0", "0000000000000A01", "0000000000000b", "f", "F000000000000001")


def set_up(stage: Stage) -> None:
    """One download in each status; nothing is noted."""
    origin = stage.origin
    good = origin.serve("/good.bin", length=2 * MIB + 5)
    held = stage.held()
    lost = origin.url("/lost.bin")
    for gid, url, wanted in ((COMPLETE, good, "complete"), (ERROR, lost, "error"), (REMOVED, held, "active")):
        stage.ask("aria2.addUri", [url], {"gid": gid})
        stage.reach(f"set up {gid}", gid, wanted)
    stage.rest("set up a held one", REMOVED, HELD)
    stage.ask("aria2.remove", REMOVED)
    stage.reach("set up a removed one", REMOVED, "removed")
    stage.ask("aria2.addUri", [held], {"gid": ACTIVE, "out": "active.bin"})
    stage.rest("set up an active one", ACTIVE, HELD)
    stage.ask("aria2.addUri", [good, held], {"gid": WAITING})
    for gid in (PAUSED, PAUSED_TOO):
        stage.ask("aria2.addUri", [good], {"gid": gid, "pause": "true", "out": f"{gid}.bin"})


def fitting(kind: str, stage: Stage) -> object:
    """A parameter of that kind that is good by itself."""
    return {
        "s": PAUSED,
        "S": "POS_SET",
        "i": 1,
        "l": [],
        "d": {},
        "u": [stage.origin.url("/good.bin")],
    }[kind]


def is_wrong(kind: str, value: object) -> bool:
    """Whether a parameter of that kind is never of the value's type."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return True
    return {"s": str, "S": str, "i": int, "l": list, "u": list, "d": dict}[kind] is not type(value)


def shapes(kinds: str, stage: Stage) -> Iterator[tuple[str, list[object]]]:
    """Parameter lists that must be refused, each with its name: too short, or wrong in one place."""
    required, _, optional = kinds.partition("|")
    every = required + optional
    good = [fitting(kind, stage) for kind in every]
    for length in range(len(required)):
        yield f"{length} parameters", good[:length]
    for at, kind in enumerate(every):
        for value in WRONG:
            if is_wrong(kind, value) and not (isinstance(value, float) and kind == "i"):
                yield f"{at} is {json.dumps(value)}", [*good[:at], value]
                if at + 1 < len(required):
                    yield f"{at} is {json.dumps(value)} before others", [*good[:at], value, *good[at + 1 :]]


@scene("calls", "wrong types", "--max-concurrent-downloads=1")
def wrong_types(stage: Stage) -> None:
    set_up(stage)
    for method, kinds in SIGNATURES.items():
        for name, params in shapes(kinds, stage):
            stage.call(f"{method} {name}", method, *params)
    stage.queues("afterwards")


@scene("calls", "values in range", "--max-concurrent-downloads=1")
def values(stage: Stage) -> None:
    set_up(stage)
    good = stage.origin.url("/good.bin")
    cases: dict[str, list[list[object]]] = {
        "aria2.tellWaiting": [[0, -1], [0, 0], [-1, -1], [5, 1], [-9, 9], [2**31, 1], [0, 2**31], [-(2**31), 5]],
        "aria2.tellStopped": [[0, -1], [0, 0], [-1, -1], [5, 1], [-9, 9], [2**31, 1], [0, 2**31], [-(2**31), 5]],
        "aria2.changeUri": [
            [PAUSED, 0, [], []],
            [PAUSED, -1, [], []],
            [PAUSED, 2, [], []],
            [PAUSED, 1, [], [], -1],
            [PAUSED, 1, [], [], 99],
            [PAUSED, 1, [5, None], [True, {}]],
            [COMPLETE, 2, [], []],
            [COMPLETE, 1, [], []],
            [ERROR, 1, [], [good]],
            ["ffff", 0, [], []],
            ["ffff", 2, [], []],
        ],
        "aria2.changePosition": [
            [PAUSED, 0, ""],
            [PAUSED, 0, "pos_set"],
            [PAUSED, 0, "POS_START"],
            [ACTIVE, 0, "POS_SET"],
            [ACTIVE, 0, "nothing"],
            [COMPLETE, 0, "POS_SET"],
            ["ffff", 0, "nothing"],
            ["ffff", 0, "POS_SET"],
        ],
        "aria2.addUri": [
            [[]],
            [[5]],
            [[None, True, {}, []]],
            [[""]],
            [["foo"]],
            [["foo", "bar"]],
            [["/etc/hostname"]],
            [["file:///etc/hostname"]],
            [["http://"]],
            [["http:///x"]],
            [["http://127.0.0.1:0/x"], {"pause": "true"}],
            [["http://127.0.0.1:99999/x"], {"pause": "true"}],
            [["http://127.0.0.1:x/x"], {"pause": "true"}],
            [["http://user@/x"], {"pause": "true"}],
            [["http://127.0.0.1"], {"pause": "true"}],
            [[" " + good], {"pause": "true"}],
            [[good + " "], {"pause": "true"}],
            [["magnet:?xt=nothing"], {"pause": "true"}],
            [["foo", good], {"pause": "true"}],
            [[good], {"pause": "true"}, -1],
            [["foo"], {}, -1],
            [[good], {"split": "x"}, -1],
            [[], {"split": "x"}],
            [[good], {"gid": "abc", "pause": "true"}],
            [[good], {"gid": "0000000000000000", "pause": "true"}],
            [[good], {"gid": "00000000000000000", "pause": "true"}],
            [[good], {"gid": "000000000000000g", "pause": "true"}],
            [[good], {"gid": "", "pause": "true"}],
            [[good], {"gid": PAUSED, "pause": "true"}],
            [[good], {"gid": PAUSED.upper(), "pause": "true"}],
            [[good], {"gid": COMPLETE, "pause": "true"}],
            [[good], {"gid": ERROR, "pause": "true"}],
            [[good], {"gid": REMOVED, "pause": "true"}],
            [[good], {"gid": ACTIVE, "pause": "true"}],
            [[good], {"gid": "ABCDEF0000000001", "pause": "true"}],
            [[good], {"pause": "TRUE"}],
            [[good], {"pause": "true", "no-such-option": "x", "dir ": "x"}, 0],
        ],
        "system.multicall": [[[]], [[5, None, "x", []]], [[{}]], [[{"methodName": 5}]]],
    }
    for method, lists in cases.items():
        for params in lists:
            shown = json.dumps(params).replace(stage.origin.url(""), "<origin>")
            stage.call(f"{method} {shown}", method, *params)
    stage.queues("afterwards")


@scene("calls", "gids", "--max-concurrent-downloads=1")
def gids(stage: Stage) -> None:
    set_up(stage)
    rest: dict[str, list[object]] = {
        "aria2.changePosition": [0, "POS_SET"],
        "aria2.changeUri": [1, [], []],
        "aria2.changeOption": [{}],
    }
    for method in TAKERS:
        for gid in BAD_GIDS:
            stage.call(f"{method} {json.dumps(gid)}", method, gid, *rest.get(method, []))
    for name in LOOKERS:
        for gid in GOOD_GIDS:
            stage.call(f"{name} {gid}", f"aria2.{name}", gid)
    for gid in GOOD_GIDS:
        stage.call(f"changeOption {gid}", "aria2.changeOption", gid, {})
        stage.call(f"changeUri {gid}", "aria2.changeUri", gid, 1, [], [])
        stage.call(f"changePosition {gid}", "aria2.changePosition", gid, 0, "POS_CUR")
    stage.queues("afterwards")


@scene("calls", "superfluous parameters", "--max-concurrent-downloads=1")
def superfluous(stage: Stage) -> None:
    set_up(stage)
    more: list[object] = [None, 5, "x", [], {}]
    for name in LOOKERS:
        stage.call(name, f"aria2.{name}", PAUSED, *([[]] if name == "tellStatus" else []), *more)
    stage.call("tellActive", "aria2.tellActive", ["gid"], *more)
    stage.call("tellWaiting", "aria2.tellWaiting", 0, 9, ["gid"], *more)
    stage.call("tellStopped", "aria2.tellStopped", 0, 9, ["gid"], *more)
    stage.call("changePosition", "aria2.changePosition", PAUSED, 0, "POS_SET", *more)
    stage.call("changeUri", "aria2.changeUri", PAUSED, 1, [], [], 0, *more)
    stage.call("changeOption", "aria2.changeOption", PAUSED, {}, *more)
    stage.call("changeGlobalOption", "aria2.changeGlobalOption", {}, *more)
    stage.call("unpause", "aria2.unpause", PAUSED, *more)
    stage.call("pause", "aria2.pause", PAUSED, *more)
    stage.call("remove", "aria2.remove", PAUSED, *more)
    stage.call("forceRemove", "aria2.forceRemove", PAUSED_TOO, *more)
    stage.call("removeDownloadResult", "aria2.removeDownloadResult", COMPLETE, *more)
    for name in NONE:
        stage.call(name, f"aria2.{name}", *more)
    for name in ("system.listNotifications", "system.multicall"):
        stage.call(name, name, [], *more)
    stage.queues("afterwards")


@scene("calls", "methods", "--max-concurrent-downloads=1")
def methods(stage: Stage) -> None:
    """The lists of methods and names that do not exist."""
    version = stage.ask("aria2.getVersion")
    version["enabledFeatures"] = dict.fromkeys(version["enabledFeatures"], "enabled")
    stage.facts.note("getVersion", version)
    for name in ("getSessionInfo", "getGlobalStat", "getGlobalOption", "saveSession"):
        stage.call(name, f"aria2.{name}")
    for name in ("listMethods", "listNotifications"):
        listed = stage.ask(f"system.{name}")
        stage.facts.note(f"system.{name}", dict.fromkeys(listed, "listed"))
        known = [one for one in listed if not one.startswith("slasshy.")]
        stage.facts.note(
            f"system.{name} in order",
            " ".join(one for one in known if "addTorrent" not in one and "addMetalink" not in one),
        )
    for name in (
        "",
        "x",
        "aria2",
        "aria2.",
        "aria2.adduri",
        "ADDURI",
        "addUri",
        "aria2.addUri ",
        "system.x",
        "slasshy.x",
    ):
        stage.call(f"unknown {name!r}", name)
    stage.call("addTorrent of nothing", "aria2.addTorrent", "")
    stage.call("addTorrent of no torrent", "aria2.addTorrent", "bm90aGluZw==")
    stage.call("addMetalink of nothing", "aria2.addMetalink", "")


@scene("calls", "every state", "--max-concurrent-downloads=1")
def every_state(stage: Stage) -> None:
    """What each status allows; everything that is refused there, and everything that can be looked at."""
    set_up(stage)
    stage.queues("at first")
    for state, gid in STATES.items():
        stage.look(state, gid)
        stage.call(f"{state}, getOption", "aria2.getOption", gid)
    for state, gid in STATES.items():
        if state != "active":
            stage.call(f"{state}, changeOption of nothing", "aria2.changeOption", gid, {})
            stage.call(f"{state}, changeOption", "aria2.changeOption", gid, {"split": "2"})
            stage.call(f"{state}, changeOption to what is bad", "aria2.changeOption", gid, {"split": "x"})
            stage.call(f"{state}, changeUri of nothing", "aria2.changeUri", gid, 1, [], [])
        stage.call(f"{state}, changePosition", "aria2.changePosition", gid, 0, "POS_CUR")
    for state in ("complete", "error", "removed"):
        for name in ("pause", "forcePause", "unpause", "remove", "forceRemove"):
            stage.call(f"{state}, {name}", f"aria2.{name}", STATES[state])
    for state in ("active", "waiting", "paused"):
        stage.call(f"{state}, removeDownloadResult", "aria2.removeDownloadResult", STATES[state])
    stage.call("waiting, unpause", "aria2.unpause", WAITING)
    stage.call("active, unpause", "aria2.unpause", ACTIVE)
    stage.call("paused, pause", "aria2.pause", PAUSED)
    stage.call("paused, forcePause", "aria2.forcePause", PAUSED)
    stage.queues("at last")
    stage.events("all")
