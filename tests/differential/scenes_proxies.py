"""Scenes of the area "proxies": which proxy is asked, for what and in which words, and what its answers lead to.

Owns: invocations and what the proxies saw. Never: how values are shown (scenes_options.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.differential.scenes import scene
from tests.differential.stage import Stage
from tests.support.proxy import Asked, HttpProxy

#: Not compared: what says of which program it is, or has nothing to do with proxies.
_OTHER = ("accept", "accept-encoding", "user-agent", "want-digest")


@contextlib.contextmanager
def proxy(stage: Stage, name: str, **knobs: object) -> Iterator[HttpProxy]:
    """A proxy that is called ``name`` in facts, and knows the origin as far.example too."""
    hosts = {"far.example": ("127.0.0.1", stage.origin.port)}
    with HttpProxy(hosts=hosts, **knobs) as one:  # type: ignore[arg-type]  # the knobs of a scene are written by hand
        stage.facts.names.literal[one.place] = name
        yield one


def fetched(stage: Stage, step: str, url: str, options: dict[str, str], *proxies: HttpProxy) -> None:
    """Download ``url``; note how that ends, and what each of the proxies and the origin was asked meanwhile."""
    seen = [len(one.asked) for one in proxies]
    asked = len(stage.origin.requests())
    number = stage.facts.names.gids
    gid = f"{0xB00 + len(number):016x}"
    number[gid] = f"<gid {len(number) + 1}>"
    stage.add(step, url, {"gid": gid, **options})
    stage.reach(step, gid)
    status = stage.status(gid)
    stage.facts.note(f"{step}, end", {key: status.get(key) for key in ("status", "errorCode", "errorMessage")})
    for at, one in enumerate(proxies):
        stage.facts.note(f"{step}, proxy {at}", [told(stage, request) for request in one.asked[seen[at] :]])
    meant = [(one.target, one.header("proxy-authorization")) for one in stage.origin.requests()[asked:]]
    stage.facts.note(f"{step}, origin", meant)


def told(stage: Stage, asked: Asked) -> dict[str, object]:
    """A request without what differs by program: the line, the names of its fields in order, and their values."""
    fields = [(name, value) for name, value in asked.headers if name.lower() not in _OTHER]
    return {"line": f"{asked.method} {asked.target}", "names": [name for name, _ in fields], "fields": dict(fields)}


@scene("proxies", "who is asked, and how", "--max-tries=1", "--allow-overwrite=true", "--user-agent=me")
def how(stage: Stage) -> None:
    url = stage.origin.serve("/f.bin", length=100)
    place = stage.origin.url("").removeprefix("http://")
    far = "http://far.example/f.bin"
    p, g = "PLAIN", "GUARDED"
    cases: dict[str, tuple[str, dict[str, str]]] = {
        "get": (url, {"http-proxy": p}),
        "get, with a scheme": (url, {"http-proxy": f"http://{p}/"}),
        "get for all": (url, {"all-proxy": p}),
        "its own before that for all": (url, {"all-proxy": "127.0.0.1:1", "http-proxy": p}),
        "empty, and one for all": (url, {"all-proxy": p, "http-proxy": ""}),
        "one for https alone": (url, {"https-proxy": p}),
        "one for ftp alone": (url, {"ftp-proxy": p}),
        "query": (url + "?a=b&c=d e#f", {"http-proxy": p}),
        "a name": (far, {"http-proxy": p}),
        "a name with the port": (far.replace(".example", ".example:80"), {"http-proxy": p}),
        "a user in the URI": (url.replace("//", "//me:pw@"), {"http-proxy": p}),
        "not kept": (url, {"http-proxy": p, "enable-http-keep-alive": "false"}),
        "not cached": (url, {"http-proxy": p, "http-no-cache": "true"}),
        "referer": (url, {"http-proxy": p, "referer": "http://r/", "header": "A: b"}),
        "headers of mine": (url, {"http-proxy": p, "header": "Connection: x\nProxy-Authorization: y"}),
        "with a user": (url, {"http-proxy": f"u%40:p%20w@{g}"}),
        "with a user of options": (url, {"http-proxy": g, "http-proxy-user": "u@", "http-proxy-passwd": "p w"}),
        "options before the URI": (url, {"http-proxy": f"u%40:x@{g}", "http-proxy-passwd": "p w"}),
        "an empty user": (url, {"http-proxy": f"a:b@{p}", "http-proxy-user": ""}),
        "a password alone": (url, {"http-proxy": p, "http-proxy-passwd": "x"}),
        "for all, with a user": (url, {"all-proxy": g, "all-proxy-user": "u@", "all-proxy-passwd": "p w"}),
        "a user of the other option": (url, {"all-proxy": p, "http-proxy-user": "u"}),
        "a user for the server": (url, {"http-proxy": p, "http-user": "a", "http-passwd": "b"}),
        "no user": (url, {"http-proxy": g}),
        "a wrong one": (url, {"http-proxy": f"u:x@{g}"}),
        "tunnel": (url, {"http-proxy": p, "proxy-method": "tunnel"}),
        "tunnel to a name": (far, {"http-proxy": p, "proxy-method": "tunnel"}),
        "tunnel with a user": (url, {"http-proxy": f"u%40:p%20w@{g}", "proxy-method": "tunnel"}),
        "tunnel without a user": (url, {"http-proxy": g, "proxy-method": "tunnel"}),
        "tunnel, headers of mine": (
            url,
            {"http-proxy": p, "proxy-method": "tunnel", "header": "A: b\nProxy-Authorization: y"},
        ),
        "tunnel to nobody": (stage.closed + "/x", {"http-proxy": p, "proxy-method": "tunnel"}),
        "to nobody": (stage.closed + "/x", {"http-proxy": p}),
        "nobody there": (url, {"http-proxy": stage.closed}),
        "https, tunnel to nobody": (stage.closed.replace("http:", "https:") + "/x", {"https-proxy": p}),
    }
    for number, entries in enumerate(
        ("127.0.0.1", "127.0.0.0/8", " x , 127.0.0.1 ,", "127.0.0.2/31", "127.0.0.2/30", "127.0.0.1/99",
         "0.0.0.0/0", "::/0", ".0.0.1", "1", "", ",", "127.0.0.1/x", "127.0.0.1/", "localhost", place)
    ):  # fmt: skip
        cases[f"no proxy for {number}"] = (url, {"http-proxy": p, "no-proxy": entries})
    for entries in ("example", ".sample", "r.example", "far.example.", "far", "*.example", "FAR.example", "*"):
        cases[f"no proxy for {entries!r}"] = (far, {"http-proxy": p, "no-proxy": entries})
    for step, (uri, options) in cases.items():
        # New ones for each: aria2 sends requests through a tunnel that were meant for the proxy, and the other way.
        with proxy(stage, "<plain>") as plain, proxy(stage, "<guarded>", login=("u@", "p w")) as guarded:
            given = {name: v.replace(p, plain.place).replace(g, guarded.place) for name, v in options.items()}
            fetched(stage, step, uri, given, plain, guarded)


@scene("proxies", "answers", "--max-tries=1", "--allow-overwrite=true", "--user-agent=me")
def answers(stage: Stage) -> None:
    url = stage.origin.serve("/f.bin", length=100)
    for status in (302, 400, 403, 404, 407, 500, 502, 503, 504):
        with proxy(stage, "<proxy>", status=status) as one:
            fetched(stage, f"get {status}", url, {"http-proxy": one.place}, one)
        with proxy(stage, "<proxy>", status=status) as one:
            fetched(stage, f"tunnel {status}", url, {"http-proxy": one.place, "proxy-method": "tunnel"}, one)
    for name, raw in {"garbage": b"220 hello\r\n\r\n", "nothing": b"", "half": b"HTTP/1.1 200"}.items():
        with proxy(stage, "<proxy>", raw=raw) as one:
            fetched(stage, f"tunnel, {name}", url, {"http-proxy": one.place, "proxy-method": "tunnel"}, one)
    with proxy(stage, "<proxy>", silent=True) as one:
        times = {"connect-timeout": "1", "timeout": "2"}
        fetched(stage, "silent", url, {"http-proxy": one.place, **times}, one)
        fetched(stage, "tunnel, silent", url, {"http-proxy": one.place, "proxy-method": "tunnel", **times}, one)


@scene("proxies", "asked how often", "--max-tries=3", "--user-agent=me")
def how_often(stage: Stage) -> None:
    """retry-wait is 0."""
    url = stage.origin.serve("/f.bin", length=100)
    for status in (403, 407, 503):
        with proxy(stage, "<proxy>", status=status) as one:
            gid = stage.add(f"tunnel {status}", url, {"http-proxy": one.place, "proxy-method": "tunnel"})
            stage.reach(f"tunnel {status}", gid)
            stage.facts.note(f"tunnel {status}, requests", len(one.asked))


@scene("proxies", "redirects", "--max-tries=1", "--user-agent=me")
def redirects(stage: Stage) -> None:
    """Every hop chooses anew."""
    stage.origin.serve("/f.bin", length=100)
    out = stage.origin.chain("/out", "http://far.example/f.bin")
    with proxy(stage, "<proxy>") as one:
        fetched(stage, "through it", stage.origin.url("/out"), {"http-proxy": one.place}, one)
        home = {"http-proxy": f"u:p@{one.place}", "no-proxy": "127.0.0.1", "out": "g"}
        fetched(stage, "from without to within", out, home, one)
        stage.origin.chain("/back", stage.origin.url("/f.bin"), relative=False)
        fetched(stage, "from within to without", "http://far.example/back", {**home, "out": "h"}, one)


@scene("proxies", "changed on the way", "--max-tries=1", "--user-agent=me")
def changed(stage: Stage) -> None:
    """changeOption of a running download sends it to another proxy, or to none."""
    url = stage.held()
    gid = f"{0xB77:016x}"
    with proxy(stage, "<first>") as first, proxy(stage, "<second>") as second:
        stage.add("add", url, {"gid": gid, "http-proxy": first.place})
        stage.rest("begun", gid, (1 << 20) + (1 << 18))
        stage.call("getOption", "aria2.getOption", gid)
        stage.hold("/held.bin", 2 << 20)
        stage.call("to another", "aria2.changeOption", gid, {"http-proxy": f"u:p@{second.place}"})
        stage.until("another is asked", lambda: bool(second.asked))
        stage.facts.note("other", told(stage, second.asked[0]) if second.asked else None)
        stage.rest("then", gid, 2 << 20)
        stage.call("to none", "aria2.changeOption", gid, {"http-proxy": ""})
        stage.until("the origin itself is asked", lambda: len(stage.origin.requests("/held.bin")) >= 3)
        stage.origin.release("/held.bin")
        stage.reach("to none", gid)
        stage.facts.note("asked", {"first": len(first.asked), "second": len(second.asked)})
        stage.call("globally", "aria2.changeGlobalOption", {"all-proxy": second.place, "all-proxy-user": "me"})
        stage.call("getGlobalOption", "aria2.getGlobalOption")
        fetched(stage, "the next", stage.origin.serve("/f.bin", length=10), {}, first, second)
