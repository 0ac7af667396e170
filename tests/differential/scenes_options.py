"""Scenes of the area "options": every option of aria2 with good and bad values where calls may set it.

Owns: which values are tried, by the way an option is written. Never: looks at what an option does.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from slasshy_rpc.options import table
from tests.differential.scenes import scene
from tests.differential.stage import Stage
from tests.support.behaviour import Behaviour

MIB = 1 << 20
PAUSED = "0000000000000a01"
#: Calls in one message.
MANY = 200


class Tried(NamedTuple):
    """An option and a value for it; ``name`` tells it from the others."""

    option: str
    name: str
    value: object


BOOLS = ("true", "false", "", "TRUE", "yes", "1", " true")
NUMBERS = ("1", "007", " 5", "5 ", "+5", "", "x", "1.5", "1K", "0x10", "-1", "99999999999999999999")
SIZES = (
    "1M",
    "1m",
    "2048K",
    "5k",
    "007",
    " 5M",
    "1G",
    "1.5M",
    "1KB",
    "1048576",
    "",
    "x",
    "-1",
    "-1K",
    "99999999999999M",
)
REALS = ("1.0", "1.50", "0", "x", "", "-1", "1e3", " 2", "1.5x", "-0.5")
TEXTS = ("text", "", " a b ", "\u00e9", "a=b", "#x")
PATHS = ("<dir>/some file", "${HOME}/x", "")
PROXIES = (
    "",
    "127.0.0.1:8080",
    "http://127.0.0.1",
    "http://u:p@127.0.0.1:81/x",
    "ftp://127.0.0.1",
    "http://",
    ":8080",
    "http://127.0.0.1:99999",
    "x://127.0.0.1",
    "HTTP://127.0.0.1",
    "https://127.0.0.1:8443",
    "socks5://127.0.0.1:1080",
    "h:0",
    "h:080",
    "h:",
    "h?q#f",
    "H.example/a/b/",
    "[::1]:3128",
    "[::1",
    "u@h",
    "u:@h",
    ":p@h",
    "a+b:c d@h",
    "a@b:c@d",
    "u%40x:p%3ay@h",
    "u%zz:p@h",
    "u:\u00e9@h",
    "u:p/q@h",
    "u:1",
)
CHECKSUMS = (
    "sha-1=" + "a" * 40,
    "SHA-1=" + "A" * 40,
    "md5=" + "0" * 32,
    "sha-256=" + "0" * 64,
    "sha-1=abc",
    "sha-1",
    "",
    "crc=00000000",
    "sha-1=" + "g" * 40,
    "adler32=00000000",
    "sha-512=" + "0" * 128,
)
RANGES = ("1", "1-3", "1,3-5", "", "0", "x", "3-1", "1-", "-3", "1048577", " 1 , 2 ")
PORTS = ("127.0.0.1:6881", "127.0.0.1", "127.0.0.1:0", ":1", "x:y", "")
ENDS = ("head", "tail", "head=1M,tail", "", "x", "head=x", "head=-1")
PAIRS = ("1=x", "2=a b", "x=y", "1=", "1", "", "-1=x", "0=x")
OPTIMIZE = ("true", "false", "", "1:2", "5:25", "x:y", "1:", "x")
NOT_TEXT: tuple[object, ...] = (5, True, None, 1.5, {}, [], ["x"])


@functools.cache
def listed() -> dict[str, str]:
    """Every option of aria2 by name, with the way its value is written."""
    return {
        option.name: type(option.kind).__name__ for option in table.TABLE.values() if not option.own
    } | dict.fromkeys(_HIDDEN, "Number")


#: Options that aria2 knows and lists nowhere.
_HIDDEN = (
    "bt-keep-alive-interval",
    "bt-request-timeout",
    "bt-timeout",
    "dns-timeout",
    "max-http-pipelining",
    "peer-connection-timeout",
    "select-least-used-host",
    "startup-idle-time",
)

_BY_KIND: dict[str, tuple[str, ...]] = {
    "Bool": BOOLS,
    "Real": REALS,
    "Text": TEXTS,
    "Words": TEXTS,
    "Lines": TEXTS,
    "Path": PATHS,
    "File": PATHS,
    "Proxy": PROXIES,
    "Checksum": CHECKSUMS,
    "Ranges": RANGES,
    "HostPort": PORTS,
    "HeadTail": ENDS,
    "IndexPath": PAIRS,
    "Optimize": OPTIMIZE,
}


def tried(option: str) -> Iterator[Tried]:
    """All the values that are tried for an option."""
    kind = listed()[option]
    values: list[str]
    if kind in _BY_KIND:
        values = list(_BY_KIND[kind])
    else:
        row = table.TABLE.get(option)
        values = list(SIZES if kind == "Size" else NUMBERS)
        if kind == "Enum" and row is not None:
            words = row.kind.values.split(", ")
            values = [*words, words[0].upper(), "nothing", "", f" {words[0]}"]
        for limits in (row.kind, row.compat_kind) if row is not None else ():
            for edge in (getattr(limits, "low", None), getattr(limits, "high", None)):
                values += [str(edge - 1), str(edge), str(edge + 1)] if edge is not None else []
    for value in dict.fromkeys(values):
        yield Tried(option, repr(value), value)
    for other in NOT_TEXT:
        yield Tried(option, f"no text {other!r}", other)


def everything() -> list[Tried]:
    """All the values of all options; gid is tried elsewhere, and so is pause, which would let downloads begin."""
    return [one for option in listed() if option not in ("gid", "pause") for one in tried(option)]


def placed(stage: Stage, value: object) -> object:
    """The value with this run's folder in it."""
    return value.replace("<dir>", str(stage.files)) if isinstance(value, str) else value


def parts(tries: list[Tried]) -> Iterator[list[Tried]]:
    """As many as go into one message."""
    for start in range(0, len(tries), MANY):
        yield tries[start : start + MANY]


@scene("options", "in addUri")
def in_add(stage: Stage) -> None:
    """Each value in an addUri of its own, and what getOption shows of it."""
    url = stage.origin.url("/f.bin")
    for number, part in enumerate(parts(everything()), 1):
        steps = []
        for at, one in enumerate(part):
            # With a GID of its own each, so that one refusal does not give all later ones another name.
            options = {"pause": "true", "gid": f"{number:08x}{at:08x}", one.option: placed(stage, one.value)}
            steps.append((f"{one.option} {one.name}", "aria2.addUri", ([url], options)))
        results = stage.batch(steps)
        frames = [
            {"jsonrpc": "2.0", "id": at, "method": "aria2.getOption", "params": [gid]}
            for at, gid in enumerate(results)
            if gid
        ]
        for answer in stage.daemon.post(frames).json():
            one = part[answer["id"]]
            shown = answer["result"].get(one.option)
            if shown is not None:
                stage.facts.note(f"{one.option} {one.name} is shown", {"value": shown})
        stage.ask("system.multicall", [{"methodName": "aria2.remove", "params": [gid]} for gid in results if gid])
    stage.queues("afterwards")


@scene("options", "in changeOption, paused")
def in_change_paused(stage: Stage) -> None:
    """Each value in a changeOption of one paused download, and what getOption shows then."""
    stage.ask("aria2.addUri", [stage.origin.url("/f.bin")], {"pause": "true", "gid": PAUSED})
    changed(stage, "aria2.changeOption", "aria2.getOption", [PAUSED])
    stage.look("afterwards", PAUSED)


@scene("options", "in changeGlobalOption")
def in_change_global(stage: Stage) -> None:
    """Each value in a changeGlobalOption, and what getGlobalOption shows then."""
    changed(stage, "aria2.changeGlobalOption", "aria2.getGlobalOption", [])


def changed(stage: Stage, change: str, get: str, gid: list[object]) -> None:
    """Change, look, change, look: in messages that hold many."""
    for part in parts(everything()):
        frames = []
        for one in part:
            frames.append({"id": "c", "method": change, "params": [*gid, {one.option: placed(stage, one.value)}]})
            frames.append({"id": "g", "method": get, "params": gid})
        answers = stage.daemon.post(frames).json()
        for one, answer, options in zip(part, answers[::2], answers[1::2], strict=True):
            answer = {name: value for name, value in answer.items() if name not in ("id", "jsonrpc")}
            stage.facts.note(f"{one.option} {one.name}", answer)
            shown = options["result"].get(one.option)
            if shown is not None:
                stage.facts.note(f"{one.option} {one.name} is shown", {"value": shown})


@scene("options", "all that is shown")
def shown(stage: Stage) -> None:
    """Value for value: the global options, those of downloads with and without options of their own."""
    url = stage.origin.url("/f.bin")
    stage.call("getGlobalOption at first", "aria2.getGlobalOption")
    stage.add("plain", url, {"pause": "true", "gid": PAUSED})
    stage.call("getOption of a plain one", "aria2.getOption", PAUSED)
    own = {
        "split": "3",
        "header": ["A: b", "C: d"],
        "out": "x",
        "max-download-limit": "1M",
        "checksum": "md5=" + "0" * 32,
    }
    stage.add("rich", url, {"pause": "true", "gid": "0000000000000a02", **own})
    stage.call("getOption of a rich one", "aria2.getOption", "0000000000000a02")
    stage.call(
        "change globally", "aria2.changeGlobalOption", {"split": "7", "header": "E: f", "max-concurrent-downloads": "2"}
    )
    stage.call("getGlobalOption afterwards", "aria2.getGlobalOption")
    stage.call("getOption of the plain one afterwards", "aria2.getOption", PAUSED)
    stage.add("another", url, {"pause": "true", "gid": "0000000000000a03"})
    stage.call("getOption of another", "aria2.getOption", "0000000000000a03")
    stage.call("change to nothing", "aria2.changeGlobalOption", {})
    stage.call("change one that is bad beside a good one", "aria2.changeGlobalOption", {"split": "9", "timeout": "x"})
    stage.call("getGlobalOption after that", "aria2.getGlobalOption")
    stage.call("the same for the plain one", "aria2.changeOption", PAUSED, {"split": "9", "timeout": "x"})
    stage.call("getOption after that", "aria2.getOption", PAUSED)


@scene("options", "started with many", "--split=3", "--header=A: b", "--header=C: d", "--user-agent=me", "--timeout=7",
       "--out=never", "--pause=true", "--max-download-limit=1M", "--seed-ratio=1.50", "--save-session=<dir>/s.txt",
       "--rpc-max-request-size=3M", "--dir=<dir>/sub", "--checksum=md5=00000000000000000000000000000000",
       "--force-save=true", "--http-user=u", "--http-passwd=p", "--continue")  # fmt: skip
def started_with_many(stage: Stage) -> None:
    url = stage.origin.serve("/f.bin", length=100_000)
    stage.call("getGlobalOption", "aria2.getGlobalOption")
    gid = stage.add("one", url, {"gid": "0000000000000a01"})
    stage.call("getOption", "aria2.getOption", gid)
    stage.reach("one", gid)
    stage.call("getOption at its end", "aria2.getOption", gid)
    stage.disk("afterwards")


@scene("options", "cumulative ones")
def cumulative(stage: Stage) -> None:
    url = stage.origin.url("/f.bin")
    cases: list[dict[str, object]] = [
        {"header": ["A: b", "C: d"]},
        {"header": "A: b\nC: d"},
        {"header": ["A: b", 5, None, "C: d"]},
        {"header": []},
        {"header": ""},
        {"header": ["", "A: b"]},
        {"header": ["", ""]},
        {"header": "A: b\n"},
        {"header": "A: b\n\nC: d"},
        {"header": "no colon"},
        {"header": {"A": "b"}},
        {"index-out": ["1=a", "2=b"]},
        {"index-out": ["1=a", "x"]},
        {"index-out": "1=a\n2=b"},
        {"split": ["5"]},
        {"out": ["x"]},
    ]
    for number, options in enumerate(cases):
        gid = stage.add(f"{options}", url, {"pause": "true", **options})
        if gid:
            shown = stage.ask("aria2.getOption", gid)
            stage.facts.note(f"{options} is shown", {name: shown[name] for name in options if name in shown})
        stage.call(f"{options} in changeOption", "aria2.changeOption", gid or PAUSED, options)
        if gid:
            shown = stage.ask("aria2.getOption", gid)
            stage.facts.note(
                f"{options} is shown after changeOption", {name: shown[name] for name in options if name in shown}
            )
        stage.call(f"{options} globally", "aria2.changeGlobalOption", options)
        shown = stage.ask("aria2.getGlobalOption")
        stage.facts.note(
            f"{options} is shown globally {number}", {name: shown[name] for name in options if name in shown}
        )


@scene("options", "in changeOption, active")
def in_change_active(stage: Stage) -> None:
    """What counts at once causes no restart; everything else does: told by the events and the requests."""
    url = stage.origin.serve("/held.bin", length=4 * MIB, behaviour=Behaviour(hold_at=MIB))
    gid = "a000000000000001"
    stage.add("add", url, {"gid": gid, "out": "held.bin"})
    stage.rest("begun", gid, MIB)
    stage.events("begun")
    at_once = {
        "max-download-limit": "2M",
        "max-upload-limit": "1K",
        "force-save": "true",
        "save-not-found": "false",
        "bt-max-peers": "5",
        "bt-remove-unselected-file": "true",
        "bt-request-peer-speed-limit": "1K",
    }
    for name, value in at_once.items():
        stage.call(f"{name}", "aria2.changeOption", gid, {name: value})
    stage.call("at once, then", "aria2.tellStatus", gid)
    stage.events("at once")
    stage.facts.note("requests so far", len(stage.origin.requests()))
    stage.call("never allowed", "aria2.changeOption", gid, {"dry-run": "true", "piece-length": "2M", "pause": "true"})
    stage.events("never allowed")
    for name, value in {"split": "2", "header": "A: b", "timeout": "30", "user-agent": "me"}.items():
        seen = len(stage.origin.requests())
        stage.call(f"{name} restarts", "aria2.changeOption", gid, {name: value})
        stage.until(f"{name} asks anew", functools.partial(stage.asked, None, seen + 1))
        stage.hears(f"{name}", "Start", gid)
        stage.events(f"{name}")
    stage.call("getOption afterwards", "aria2.getOption", gid)
