"""Scenes of the area "ends": downloads that fail, each way, and what is left of them.

Owns: failures and their codes. Never: waits for a retry that takes seconds.
"""

from __future__ import annotations

from tests.differential.scenes import scene
from tests.differential.stage import Stage
from tests.support.behaviour import Behaviour, first

MIB = 1 << 20
A, B, C, D = (f"{number:016x}" for number in range(0x1A1, 0x1A5))
STATUSES = (204, 205, 300, 304, 305, 400, 401, 403, 404, 405, 407, 410, 412, 416, 418, 451, 501, 505, 599)
#: Those that are tried again here: one try only.
TRIED_AGAIN = (408, 425, 429, 500, 502, 503, 504)


@scene("ends", "statuses", "--max-tries=1")
def statuses(stage: Stage) -> None:
    for status in (*STATUSES, *TRIED_AGAIN):
        gid = f"{0xA000 + status:016x}"
        url = stage.origin.serve(f"/s{status}", length=10, behaviour=Behaviour(status=status))
        stage.add(f"{status}", url, {"gid": gid})
        stage.reach(f"{status}", gid)
        stage.look(f"{status}", gid)
    stage.events("all")
    stage.disk("all")


@scene("ends", "asked how often", "--max-tries=3")
def how_often(stage: Stage) -> None:
    """Requests of a path until the download fails; retry-wait is 0."""
    for status in (404, 403, 410, 416, 500, 501, 503, 504):
        gid = f"{0xA000 + status:016x}"
        url = stage.origin.serve(f"/s{status}", length=10, behaviour=Behaviour(status=status))
        stage.add(f"{status}", url, {"gid": gid})
        stage.reach(f"{status}", gid)
        stage.facts.note(f"{status}, requests", len(stage.origin.requests(f"/s{status}")))
    url = stage.origin.url("/lost")
    stage.add("three times lost", url, {"gid": A, "max-file-not-found": "3"})
    stage.reach("three times lost", A)
    stage.call("three times lost, tellStatus", "aria2.tellStatus", A)
    stage.facts.note("three times lost, requests", len(stage.origin.requests("/lost")))


@scene("ends", "no answer", "--max-tries=1")
def no_answer(stage: Stage) -> None:
    serve = stage.origin.serve
    good = serve("/good.bin", length=100)
    cases = {
        "refused": stage.closed + "/x",
        "hangs up": serve("/hangs", behaviour=Behaviour(raw=b"")),
        "resets": serve("/resets", behaviour=Behaviour(raw=b"", fail_how="reset")),
        "no HTTP": serve("/nohttp", behaviour=Behaviour(raw=b"220 hello\r\n\r\n")),
        "half a head": serve("/half", length=10, behaviour=Behaviour(fail_in_head=30)),
        "bad length": serve("/badlength", length=10, behaviour=Behaviour(lengths=("x",))),
        "negative length": serve("/negative", length=10, behaviour=Behaviour(lengths=("-5",))),
        "two lengths": serve("/two", length=10, behaviour=Behaviour(lengths=("10", "11"))),
        "redirect to itself": serve("/loop", behaviour=Behaviour(redirect="/loop")),
        "redirect to nowhere": serve("/nowhere", behaviour=Behaviour(status=302)),
        "redirect to ftp": serve("/toftp", behaviour=Behaviour(redirect="ftp://127.0.0.1/x")),
        "redirect to what is lost": serve("/tolost", behaviour=Behaviour(redirect="/lost")),
        "redirect to a port that refuses": serve("/torefused", behaviour=Behaviour(redirect=stage.closed + "/x")),
    }
    for number, (name, url) in enumerate(cases.items()):
        gid = f"{0xA0 + number:016x}"
        stage.add(name, url, {"gid": gid})
        stage.reach(name, gid)
        stage.look(name, gid)
    stage.add("refused, then good", [stage.closed + "/x", good], {"gid": B})
    stage.reach("refused, then good", B)
    stage.look("refused, then good", B)
    stage.events("all")
    stage.disk("all")


@scene("ends", "bodies that break off", "--max-tries=1")
def break_off(stage: Stage) -> None:
    cases = {
        "too short": Behaviour(fail_after=MIB + 5),
        "short at once": Behaviour(fail_after=0),
        "broken chunk": Behaviour(framing="chunked", bad_chunk="size"),
        "unfinished chunks": Behaviour(framing="chunked", bad_chunk="unfinished"),
    }
    for number, (name, behaviour) in enumerate(cases.items()):
        gid = f"{0xA0 + number:016x}"
        url = stage.origin.serve(f"/b{number}.bin", length=3 * MIB, behaviour=behaviour)
        stage.add(name, url, {"gid": gid})
        stage.reach(name, gid)
        stage.look(name, gid)
    stage.disk("all")
    stage.events("all")


@scene("ends", "a reset in the middle", "--max-tries=1")
def reset(stage: Stage) -> None:
    """How much has come before it is a matter of luck."""
    url = stage.origin.serve("/reset.bin", length=3 * MIB, behaviour=Behaviour(fail_after=MIB, fail_how="reset"))
    stage.add("add", url, {"gid": A})
    stage.reach("add", A)
    stage.call("tellStatus", "aria2.tellStatus", A, ["status", "errorCode", "errorMessage", "totalLength", "numPieces"])
    stage.events("all")


@scene("ends", "broken off, then good")
def then_good(stage: Stage) -> None:
    """With tries left the download goes on and ends well."""
    cases = {
        "too short": Behaviour(fail_after=MIB),
        "reset": Behaviour(fail_after=MIB, fail_how="reset"),
        "no head": Behaviour(raw=b""),
    }
    for number, (name, behaviour) in enumerate(cases.items()):
        gid = f"{0xA0 + number:016x}"
        url = stage.origin.serve(f"/b{number}.bin", length=3 * MIB, behaviour=first(1, behaviour))
        stage.add(name, url, {"gid": gid})
        stage.reach(name, gid)
        stage.call(f"{name}, tellStatus", "aria2.tellStatus", gid)
    stage.disk("all")
    stage.events("all")


@scene("ends", "checksums")
def checksums(stage: Stage) -> None:
    url = stage.origin.serve("/sum.bin", length=MIB + 3)
    content = stage.origin.content("/sum.bin")
    good = {name: content.digest(name.replace("-", "")) for name in ("sha-1", "sha-256", "sha-512", "md5")}
    for number, (name, digest) in enumerate(good.items()):
        gid = f"{0xA0 + number:016x}"
        stage.add(f"{name}", url, {"gid": gid, "checksum": f"{name}={digest}", "out": name})
        stage.reach(f"{name}", gid)
        stage.look(f"{name}", gid)
    stage.add("upper case", url, {"gid": B, "checksum": "SHA-1=" + good["sha-1"].upper(), "out": "upper"})
    stage.reach("upper case", B)
    stage.look("upper case", B)
    stage.add("wrong", url, {"gid": C, "checksum": "sha-1=" + "0" * 40, "out": "wrong"})
    stage.reach("wrong", C)
    stage.look("wrong", C)
    stage.disk("after the wrong one")
    (stage.files / "there").write_bytes(content.whole())
    stage.add("there already", url, {"gid": D, "checksum": "sha-1=" + good["sha-1"], "out": "there",
                                     "check-integrity": "true"})  # fmt: skip
    stage.reach("there already", D)
    stage.look("there already", D)
    stage.events("all")
    stage.disk("all")


@scene("ends", "places", "--max-tries=1")
def places(stage: Stage) -> None:
    """Files that cannot be made."""
    url = stage.origin.serve("/p.bin", length=1000)
    (stage.files / "a file").write_bytes(b"x")
    (stage.files / "a folder").mkdir()
    stage.add("dir below a file", url, {"gid": A, "dir": str(stage.files / "a file" / "sub")})
    stage.reach("dir below a file", A)
    stage.look("dir below a file", A)
    stage.add("out is a folder", url, {"gid": B, "out": "a folder", "allow-overwrite": "true"})
    stage.reach("out is a folder", B)
    stage.look("out is a folder", B)
    (stage.files / "bad.bin").write_bytes(b"x" * 1000)
    (stage.files / "bad.bin.aria2").write_bytes(b"nonsense")
    stage.add("broken control file", url, {"gid": C, "out": "bad.bin"})
    stage.reach("broken control file", C)
    stage.look("broken control file", C)
    stage.add("a longer one is there", url, {"gid": D, "out": "a file", "auto-file-renaming": "false"})
    stage.reach("a longer one is there", D)
    stage.look("a longer one is there", D)
    stage.events("all")
    stage.disk("all")


@scene("ends", "not to be continued", "--max-tries=1")
def not_continued(stage: Stage) -> None:
    url = stage.origin.serve("/n.bin", length=3 * MIB, behaviour=Behaviour(ranges=False))
    content = stage.origin.content("/n.bin").whole()
    (stage.files / "n.bin").write_bytes(content[:MIB])
    stage.add("no ranges", url, {"gid": A, "continue": "true"})
    stage.reach("no ranges", A)
    stage.look("no ranges", A)
    stage.disk("no ranges")
    stage.events("all")


@scene("ends", "authorisation", "--max-tries=1")
def authorisation(stage: Stage) -> None:
    url = stage.origin.serve("/auth.bin", length=1000, behaviour=Behaviour(basic_auth=("u", "p")))
    cases: dict[str, tuple[str, dict[str, object]]] = {
        "none": (url, {}),
        "options": (url, {"http-user": "u", "http-passwd": "p"}),
        "wrong": (url, {"http-user": "u", "http-passwd": "x"}),
        "in the URI": (url.replace("://", "://u:p@"), {}),
        "after a challenge": (url, {"http-user": "u", "http-passwd": "p", "http-auth-challenge": "true"}),
        "a header": (url, {"header": "Authorization: Basic dTpw"}),
    }
    for number, (name, (uri, options)) in enumerate(cases.items()):
        gid = f"{0xA0 + number:016x}"
        stage.add(name, uri, {"gid": gid, "out": f"{number}", **options})
        stage.reach(name, gid)
        stage.call(f"{name}, tellStatus", "aria2.tellStatus", gid)
        stage.facts.note(f"{name}, sent", [seen.header("authorization") or "" for seen in stage.origin.requests()][-2:])
