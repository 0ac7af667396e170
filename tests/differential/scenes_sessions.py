"""Scenes of the area "sessions": session files, who can read them, and exit codes.

Owns: what outlives a process. Never: control files, whose change of hands other tests show.
"""

from __future__ import annotations

import gzip
import signal

from tests.differential.scenes import scene
from tests.differential.stage import Stage

MIB = 1 << 20
GIDS = [f"{number:016x}" for number in range(0xA1, 0xB0)]


def a_life(stage: Stage) -> None:
    """Downloads of every kind, with options of their own and mirrors, in every status."""
    held = stage.held()
    good = stage.origin.serve("/good.bin", length=1000)
    lost = stage.origin.url("/lost.bin")
    ends: list[tuple[list[str], dict[str, object]]] = [
        ([good], {"out": "done"}),
        ([good], {"out": "done and saved", "force-save": "true"}),
        ([lost], {"out": "lost"}),
        ([lost, lost + "?2"], {"out": "lost and not saved", "save-not-found": "false"}),
        ([stage.closed + "/x"], {"max-tries": "1", "header": ["A: b", "C: d"]}),
        ([held], {"out": "removed"}),
        ([held], {"out": "removed and saved", "force-save": "true"}),
    ]
    for gid, (uris, options) in zip(GIDS, ends, strict=False):
        stage.add(f"add {gid}", uris, {"gid": gid, **options})
        if "removed" in str(options.get("out", "")):
            stage.rest(f"{gid}", gid, MIB + MIB // 4)
            stage.ask("aria2.remove", gid)
        stage.reach(f"{gid}", gid)
    live: list[tuple[list[str], dict[str, object]]] = [
        ([held, held + "?2"], {"out": "active", "split": "2", "max-download-limit": "1M"}),
        ([good], {"out": "waiting", "user-agent": "me", "checksum": "md5=" + "0" * 32}),
        ([good, good + "?2", good], {"pause": "true"}),
        ([good], {"pause": "true", "dir": str(stage.files / "sub"), "header": "X: y", "continue": "false"}),
        ([good.replace("://", "://u:p@")], {"pause": "true", "http-user": "u", "referer": "*"}),
    ]
    for gid, (uris, options) in zip(GIDS[len(ends) :], live, strict=False):
        stage.add(f"add {gid}", uris, {"gid": gid, **options})
        if options.get("out") == "active":
            stage.rest(f"{gid}", gid, MIB + MIB // 4)
    stage.call("change the last", "aria2.changeOption", GIDS[11], {"split": "4", "out": "changed"})
    stage.queues("at last")


def saved(stage: Stage, step: str, name: str = "session.txt") -> None:
    """Note the lines of a session file."""
    path = stage.files / name
    text = path.read_bytes() if path.exists() else b"<no file>"
    if name.endswith(".gz"):
        text = gzip.decompress(text)
    stage.facts.note(step, text.decode().splitlines())


@scene("sessions", "a whole life", "--save-session=<dir>/session.txt", "--max-concurrent-downloads=1", "--timeout=44")
def whole_life(stage: Stage) -> None:
    a_life(stage)
    stage.call("save", "aria2.saveSession")
    saved(stage, "session text")
    stage.call("split for all", "aria2.changeGlobalOption", {"split": "9", "dir": str(stage.files / "all")})
    stage.call("save after a global change", "aria2.saveSession")
    saved(stage, "after a global change")
    stage.call("purge", "aria2.purgeDownloadResult")
    stage.call("save after a purge", "aria2.saveSession")
    saved(stage, "after a purge")
    stage.call("shutdown", "aria2.shutdown")
    stage.facts.note("exit code", stage.daemon.wait())
    saved(stage, "at the end")
    stage.disk("at the end")


@scene("sessions", "where it is saved")
def where(stage: Stage) -> None:
    url = stage.origin.url("/f.bin")
    stage.call("nowhere", "aria2.saveSession")
    stage.add("add", url, {"pause": "true", "gid": GIDS[0]})
    stage.call("name it", "aria2.changeGlobalOption", {"save-session": str(stage.files / "s.txt.gz")})
    stage.call("compressed", "aria2.saveSession")
    saved(stage, "compressed text", "s.txt.gz")
    stage.call("name no folder", "aria2.changeGlobalOption", {"save-session": str(stage.files / "no" / "s.txt")})
    stage.call("no folder", "aria2.saveSession")
    stage.call("name it again", "aria2.changeGlobalOption", {"save-session": str(stage.files / "e.txt")})
    stage.ask("aria2.remove", GIDS[0])
    stage.call("empty", "aria2.saveSession")
    stage.facts.note("empty, bytes", len((stage.files / "e.txt").read_bytes()))


def reads(stage: Stage, program: str) -> None:
    """What becomes of a session file: the queue, each download's status and options, and the file saved again."""
    text = stage.texts(program)
    path = stage.files / "in.txt"
    path.write_text(stage.placed(text))
    stage.restart("--input-file=in.txt", "--save-session=out.txt", "--pause=true")
    stage.queues("read")
    for one in stage.ask("aria2.tellWaiting", 0, 100, ["gid"]):
        gid = one["gid"]
        stage.look(f"{gid}", gid)
        stage.call(f"{gid}, getOption", "aria2.getOption", gid)
    stage.call("save", "aria2.saveSession")
    saved(stage, "saved again", "out.txt")


@scene("sessions", "reads what aria2c saved")
def reads_theirs(stage: Stage) -> None:
    reads(stage, "aria2c")


@scene("sessions", "reads what ours saved")
def reads_ours(stage: Stage) -> None:
    reads(stage, "ours")


@scene("sessions", "input files")
def input_files(stage: Stage) -> None:
    """Lines of every kind."""
    url = "<origin>/f.bin"
    text = "\n".join(
        [
            "# a comment",
            url,
            " out=one",
            " gid=00000000000000a1",
            "",
            f"{url}\t{url}?2",
            "\tout = two ",
            "  dir=sub",
            f"{url}?3",
            " pause=false",
            " header=A: b",
            " header=C: d",
            "# in between",
            " no-such-option=x",
            " =x",
            " x",
            "foo",
            " gid=00000000000000a2",
            f"{url}?4",
            " gid=bad",
            f"{url}?5",
            " gid=00000000000000a1",
            f"  {url}?6",
            f"{url}?7\t",
            " split=3",
            " split=4",
            f"{url}?8 ",
            " out=",
            f"{url}?9\r",
            " out=nine\r",
            "",
        ]
    )
    (stage.files / "in.txt").write_text(stage.placed(text), newline="")
    stage.restart("--input-file=in.txt", "--pause=true", "--save-session=out.txt", "--header=Z: z", "--out=never")
    stage.call("no longer an option", "aria2.getGlobalOption")
    stage.call("read", "aria2.tellWaiting", 0, 100, ["status", "files", "dir"])
    for number, one in enumerate(stage.ask("aria2.tellWaiting", 0, 100, ["gid"])):
        stage.call(f"{number}, getOption", "aria2.getOption", one["gid"])
    stage.call("shutdown", "aria2.forceShutdown")
    stage.facts.note("exit code", stage.daemon.wait())


@scene(
    "sessions", "files without a name", "--no-conf=false", "--conf-path=", "--input-file=", "--force-sequential=true"
)
def nameless(stage: Stage) -> None:
    """An empty path is no path; the server comes up."""
    stage.call("global options", "aria2.getGlobalOption")
    stage.queues("nothing")


def ends(stage: Stage, name: str) -> None:
    """The exit code and the events of the end."""
    stage.events(f"{name}, before")
    stage.call(f"{name}, shutdown", "aria2.shutdown")
    stage.call(f"{name}, calls meanwhile", "aria2.getGlobalStat")
    stage.facts.note(f"{name}, exit code", stage.daemon.wait())
    stage.ear.wait(lambda heard: False)  # returns when the socket has ended
    stage.facts.note(f"{name}, last events", [text for text in stage.ear.heard if "onDownload" in text])


@scene("sessions", "ends idle")
def ends_idle(stage: Stage) -> None:
    ends(stage, "idle")


@scene("sessions", "ends with an active one")
def ends_active(stage: Stage) -> None:
    stage.add("add", stage.held(), {"gid": GIDS[0]})
    stage.rest("add", GIDS[0], MIB + MIB // 4)
    ends(stage, "active")
    stage.disk("at the end")


@scene("sessions", "ends with a paused one")
def ends_paused(stage: Stage) -> None:
    stage.add("add", stage.held(), {"gid": GIDS[0], "pause": "true"})
    ends(stage, "paused")


@scene("sessions", "ends with a removed one")
def ends_removed(stage: Stage) -> None:
    stage.add("add", stage.held(), {"gid": GIDS[0]})
    stage.rest("add", GIDS[0], MIB + MIB // 4)
    stage.ask("aria2.remove", GIDS[0])
    stage.reach("remove", GIDS[0])
    ends(stage, "removed")


@scene("sessions", "ends after failures")
def ends_failed(stage: Stage) -> None:
    stage.add("lost", stage.origin.url("/lost"), {"gid": GIDS[0]})
    stage.reach("lost", GIDS[0])
    stage.add("refused", stage.closed + "/x", {"gid": GIDS[1], "max-tries": "1"})
    stage.reach("refused", GIDS[1])
    stage.add("good", stage.origin.serve("/good.bin", length=10), {"gid": GIDS[2]})
    stage.reach("good", GIDS[2])
    ends(stage, "failed")


@scene("sessions", "ends after a purge")
def ends_purged(stage: Stage) -> None:
    stage.add("lost", stage.origin.url("/lost"), {"gid": GIDS[0]})
    stage.reach("lost", GIDS[0])
    stage.ask("aria2.purgeDownloadResult")
    ends(stage, "purged")


@scene("sessions", "ends by a signal", "--save-session=<dir>/session.txt")
def ends_signal(stage: Stage) -> None:
    stage.add("add", stage.held(), {"gid": GIDS[0]})
    stage.rest("add", GIDS[0], MIB + MIB // 4)
    stage.daemon.signal(signal.SIGTERM)
    stage.facts.note("exit code", stage.daemon.wait())
    saved(stage, "session text")
    stage.disk("at the end")


@scene("sessions", "ends by force")
def ends_by_force(stage: Stage) -> None:
    stage.add("add", stage.held(), {"gid": GIDS[0]})
    stage.rest("add", GIDS[0], MIB + MIB // 4)
    stage.call("forceShutdown", "aria2.forceShutdown")
    stage.facts.note("exit code", stage.daemon.wait())
    stage.disk("at the end")
