"""Scenes of the area "life": adding, pausing, going on and removing, with the events of each path.

Owns: paths through the statuses. Never: how downloads end by themselves (scenes_ends.py).
"""

from __future__ import annotations

from tests.differential.scenes import scene
from tests.differential.stage import HELD, Stage

MIB = 1 << 20
A, B, C, D, E, F = (f"{number:016x}" for number in range(0xA1, 0xA7))


def small(stage: Stage, name: str = "small.bin", length: int = 100_000) -> str:
    """A good file."""
    return stage.origin.serve(f"/{name}", length=length)


def begun(stage: Stage, gid: str, url: str, **options: object) -> None:
    """Add a held download and wait until it stands."""
    stage.add(f"add {gid}", url, {"gid": gid, **options})
    stage.rest(f"{gid} begun", gid, HELD)


@scene("life", "plain")
def plain(stage: Stage) -> None:
    gid = stage.add("add", small(stage))
    stage.reach("plain", gid)
    stage.look("at the end", gid)
    stage.call("getOption", "aria2.getOption", gid)
    stage.queues("at the end")
    stage.events("all")
    stage.disk("at the end")


@scene("life", "adding", "--max-concurrent-downloads=1")
def adding(stage: Stage) -> None:
    url = small(stage)
    begun(stage, A, stage.held())
    for number, position in enumerate([None, 0, 0, 1, 5, 99, 2]):
        options: dict[str, object] = {"gid": f"{0xB0 + number:016x}"}
        stage.add(f"at {position}, {number}", url, options, *([] if position is None else [position]))
    stage.queues("after adding")
    stage.add("paused at 0", url, {"gid": C, "pause": "true"}, 0)
    stage.add("paused", [url, url + "?2"], {"gid": D, "pause": "true", "out": "d"})
    stage.add("nothing but bad ones", ["foo", "bar:"], {"gid": E})
    stage.add("a bad one beside a good one", ["foo", url], {"gid": E})
    stage.add("a mirror twice", [url, url, url], {"gid": F, "split": "2"})
    stage.queues("afterwards")
    for gid in (C, D, E, F):
        stage.look(gid, gid)
    stage.events("all")


@scene("life", "schemes")
def schemes(stage: Stage) -> None:
    """What may stand before the colon."""
    rest = small(stage).partition(":")[2]
    for number, scheme in enumerate(
        ("http", "https", "HTTP", "Https", "ftp", "sftp", "gopher", "file", "x-y.z+1", "1x", "")
    ):
        gid = f"{0xB0 + number:016x}"
        if stage.add(f"{scheme}:", f"{scheme}:{rest}", {"gid": gid, "pause": "true"}):
            stage.look(f"{scheme}:", gid)
    stage.add("magnet:", "magnet:?xt=urn:btih:" + "0" * 40, {"gid": C, "pause": "true"})
    stage.add("HTTP: begins", "HTTP:" + rest, {"gid": A, "max-tries": "1"})
    stage.reach("HTTP: begins", A)
    stage.look("HTTP: begins", A)
    stage.events("all")


@scene("life", "many mirrors", "--max-concurrent-downloads=1")
def many_mirrors(stage: Stage) -> None:
    """How URIs are listed before anything starts."""
    url = small(stage)
    cases: dict[str, tuple[list[str], dict[str, object]]] = {
        "one": ([url], {}),
        "one, split 16": ([url], {"split": "16"}),
        "one, four a server": ([url], {"max-connection-per-server": "4"}),
        "one, sixteen a server": ([url], {"max-connection-per-server": "16", "split": "16"}),
        "two": ([url, url + "?2"], {}),
        "two, split 6, four a server": ([url, url + "?2"], {"split": "6", "max-connection-per-server": "4"}),
        "three, split 2": ([url, url + "?2", url + "?3"], {"split": "2"}),
        "three, split 7, two a server": (
            [url, url + "?2", url + "?3"],
            {"split": "7", "max-connection-per-server": "2"},
        ),
        "the same twice": ([url, url], {}),
        "blanks and foreign characters": ([url + "/a b/\u00e9?q=<x>#f"], {}),
        "user and password": ([url.replace("://", "://u:p@")], {}),
        "parameterized": ([url + "/{a,b}[1-3]"], {"parameterized-uri": "true"}),
        "parameterized, bad": ([url + "/{a,b"], {"parameterized-uri": "true"}),
        "parameterized, bad range": ([url + "/[x-1]"], {"parameterized-uri": "true"}),
        "not parameterized": ([url + "/{a,b}[1-3]"], {}),
    }
    for number, (name, (uris, options)) in enumerate(cases.items()):
        gid = stage.add(name, uris, {"gid": f"{0xD0 + number:016x}", "pause": "true", **options})
        if gid:
            stage.call(f"{name}, getUris", "aria2.getUris", gid)
            stage.call(f"{name}, tellStatus", "aria2.tellStatus", gid)


@scene("life", "pause and go on")
def pause(stage: Stage) -> None:
    begun(stage, A, stage.held())
    stage.look("active at rest", A)
    stage.call("pause", "aria2.pause", A)
    stage.reach("pause", A, "paused")
    stage.look("paused", A)
    stage.queues("paused")
    stage.disk("paused")
    stage.events("paused")
    stage.call("pause again", "aria2.pause", A)
    stage.call("unpause", "aria2.unpause", A)
    stage.reach("unpause", A, "active")
    stage.hears("unpause", "Start", A)
    stage.call("unpause again", "aria2.unpause", A)
    stage.origin.release("/held.bin")
    stage.reach("release", A)
    stage.look("complete", A)
    stage.events("complete")
    stage.disk("complete")


@scene("life", "forcePause and go on")
def force_pause(stage: Stage) -> None:
    begun(stage, A, stage.held(), out="x.bin")
    stage.call("forcePause", "aria2.forcePause", A)
    stage.reach("forcePause", A, "paused")
    stage.call("paused", "aria2.tellStatus", A)
    stage.call("changeOption", "aria2.changeOption", A, {"out": "y.bin"})
    stage.call("with another name", "aria2.tellStatus", A)
    stage.call("changeOption back", "aria2.changeOption", A, {"out": "x.bin", "split": "2"})
    stage.origin.release("/held.bin")
    stage.call("unpause", "aria2.unpause", A)
    stage.reach("unpause", A)
    stage.look("complete", A)
    stage.events("complete")
    stage.disk("complete")


@scene("life", "pause what waits", "--max-concurrent-downloads=1")
def pause_waiting(stage: Stage) -> None:
    begun(stage, A, stage.held())
    stage.add("add B", small(stage), {"gid": B})
    stage.add("add C", small(stage), {"gid": C})
    stage.call("pause B", "aria2.pause", B)
    stage.call("forcePause C", "aria2.forcePause", C)
    stage.queues("both paused")
    stage.call("pause B again", "aria2.pause", B)
    stage.call("unpause C", "aria2.unpause", C)
    stage.queues("C waits")
    stage.call("unpause C again", "aria2.unpause", C)
    stage.call("remove A", "aria2.remove", A)
    stage.reach("C", C)
    stage.queues("C is complete")
    stage.call("unpause B", "aria2.unpause", B)
    stage.reach("B", B)
    stage.events("all")
    stage.disk("at the end")


@scene("life", "all at once", "--max-concurrent-downloads=2")
def all_at_once(stage: Stage) -> None:
    url = stage.held()
    begun(stage, A, url, out="a")
    begun(stage, B, url, out="b")
    stage.add("add C", small(stage), {"gid": C, "out": "c"})
    stage.add("add D", small(stage), {"gid": D, "pause": "true", "out": "d"})
    stage.call("pauseAll", "aria2.pauseAll")
    for gid in (A, B):
        stage.reach(f"pauseAll {gid}", gid, "paused")
    stage.queues("all paused", ordered=False)
    stage.events("all paused", ordered=False)
    stage.call("pauseAll again", "aria2.pauseAll")
    stage.call("forcePauseAll again", "aria2.forcePauseAll")
    stage.call("unpauseAll", "aria2.unpauseAll")
    for gid in (A, B):
        stage.reach(f"unpauseAll {gid}", gid, "active", "waiting", "complete")
    stage.until("two run", lambda: stage.ask("aria2.getGlobalStat")["numActive"] == "2")
    stage.queues("two run again", ordered=False)
    stage.until("both ask again", lambda: len(stage.origin.requests("/held.bin")) >= 4)
    stage.call("forcePauseAll", "aria2.forcePauseAll")
    for gid in (A, B, C, D):
        stage.reach(f"forcePauseAll {gid}", gid, "paused")
    stage.queues("all paused again", ordered=False)
    stage.origin.release("/held.bin")
    stage.call("unpauseAll at last", "aria2.unpauseAll")
    for gid in (A, B, C, D):
        stage.reach(f"end {gid}", gid)
        stage.call(f"end {gid}, tellStatus", "aria2.tellStatus", gid)
    stage.events("the rest", ordered=False)
    stage.disk("at the end")


@scene("life", "remove", "--max-concurrent-downloads=1")
def remove(stage: Stage) -> None:
    url = stage.held()
    begun(stage, A, url)
    stage.add("add B", url, {"gid": B, "out": "b"})
    stage.add("add C", url, {"gid": C, "pause": "true"})
    stage.add("add D", url, {"gid": D, "out": "d"})
    for method, gid in (("remove", B), ("forceRemove", C)):
        stage.call(f"{method} {gid}", f"aria2.{method}", gid)
        stage.call(f"{method} {gid} again", f"aria2.{method}", gid)
        stage.call(f"{gid}, tellStatus", "aria2.tellStatus", gid)
        stage.call(f"{gid}, removeDownloadResult", "aria2.removeDownloadResult", gid)
    stage.queues("two gone")
    stage.events("two gone")
    stage.call("remove A", "aria2.remove", A)
    stage.reach("A", A, "removed")
    stage.look("A", A)
    stage.call("A, getOption", "aria2.getOption", A)
    stage.rest("D follows", D, HELD)
    stage.call("forceRemove D", "aria2.forceRemove", D)
    stage.reach("D", D, "removed")
    stage.look("D", D)
    stage.queues("all gone")
    stage.disk("all gone")
    stage.add("the same GID", url, {"gid": A})
    stage.call("removeDownloadResult A", "aria2.removeDownloadResult", A)
    stage.call("removeDownloadResult A again", "aria2.removeDownloadResult", A)
    stage.add("the same GID after that", url, {"gid": A, "out": "again", "pause": "true"})
    stage.queues("at last")
    stage.events("all")


@scene("life", "the same file twice")
def twice(stage: Stage) -> None:
    url = stage.held()
    begun(stage, A, url)
    stage.add("the same name", url, {"gid": B})
    stage.rest("the same name", B, HELD)
    stage.call("the same name, tellStatus", "aria2.tellStatus", B)
    stage.add("no renaming", url, {"gid": C, "auto-file-renaming": "false"})
    stage.reach("no renaming", C)
    stage.look("no renaming", C)
    stage.origin.release("/held.bin")
    for gid in (A, B):
        stage.reach(f"end {gid}", gid)
        stage.call(f"end {gid}, tellStatus", "aria2.tellStatus", gid)
    stage.add("once more", url, {"gid": D})
    stage.reach("once more", D)
    stage.call("once more, tellStatus", "aria2.tellStatus", D)
    stage.add("overwrite", url, {"gid": E, "allow-overwrite": "true"})
    stage.reach("overwrite", E)
    stage.call("overwrite, tellStatus", "aria2.tellStatus", E)
    stage.add("continue", url, {"gid": F, "continue": "true"})
    stage.reach("continue", F)
    stage.call("continue, tellStatus", "aria2.tellStatus", F)
    stage.events("all", ordered=False)
    stage.disk("at the end")
