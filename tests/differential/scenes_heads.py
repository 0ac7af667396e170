"""Scenes of the area "heads": what is asked of servers, and what follows from what their heads tell.

Owns: conditional requests, HEAD, compressed bodies, digests and mirrors. Never: plain ranges.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import zlib

from tests.differential.scenes import scene
from tests.differential.stage import Options, Stage
from tests.support.answer import EPOCH
from tests.support.behaviour import Behaviour, Choose, Seen, nth
from tests.support.content import Content

DAY = 86_400
DATA = b"hello world" * 5
PACKED = gzip.compress(DATA, mtime=0)
#: What requests are compared by, beside method and path.
FIELDS = ("accept", "accept-encoding", "range", "connection", "pragma", "cache-control", "if-modified-since")


def head(*lines: str, status: int | None = None, framing: str = "length") -> Behaviour:
    """An answer with these header lines."""
    fields = tuple((name, value) for name, _, value in (line.partition(": ") for line in lines))
    return Behaviour(status=status, headers=fields, framing="chunked" if framing == "chunked" else "length")


def digest(algorithm: str, data: bytes = DATA) -> str:
    """The member of a Digest field."""
    return base64.b64encode(hashlib.new(algorithm.replace("-", ""), data).digest()).decode()


def by_method(get: Behaviour, other: Behaviour) -> Choose:
    """One answer to GET, another to HEAD."""
    return lambda seen: other if seen.method == "HEAD" else get


def asked(stage: Stage, step: str, path: str) -> None:
    """Note the requests for a path, header by header."""
    stage.facts.note(f"{step}, requests", [_shape(seen) for seen in stage.origin.requests(path)])


def _shape(seen: Seen) -> dict[str, str]:
    fields = {name: value for name in (*FIELDS, "want-digest") if (value := seen.header(name)) is not None}
    return {"method": seen.method, "status": str(seen.status), **fields}


class Cases:
    """Downloads one after the other, each with a file name and a GID of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._number = 0

    def play(
        self,
        name: str,
        behaviour: Behaviour | Choose,
        options: Options | None = None,
        *,
        data: bytes = DATA,
        there: bytes | None = None,
        age: int = 0,
    ) -> None:
        """Fetch ``data`` beside a file ``there`` that is ``age`` seconds older than the server's; note all of it."""
        stage, self._number = self._stage, self._number + 1
        file, gid = f"f{self._number}.bin", f"{0xAA00 + self._number:016x}"
        if there is not None:
            path = stage.files / file
            path.write_bytes(there)
            os.utime(path, (EPOCH - age, EPOCH - age))
        url = stage.origin.serve(f"/{file}", data=data, behaviour=behaviour)
        stage.add(name, url, {"gid": gid, **(options or {})})
        stage.reach(name, gid)
        stage.look(name, gid)
        asked(stage, name, f"/{file}")
        times = {found.name: int(found.stat().st_mtime) for found in sorted(stage.files.glob(f"f{self._number}.*"))}
        stage.facts.note(f"{name}, old", {one: when for one, when in times.items() if when <= EPOCH})


@scene("heads", "what is asked", "--max-tries=1")
def what_is_asked(stage: Stage) -> None:
    play = Cases(stage).play
    play("plain", Behaviour())
    play("several connections", Behaviour(), {"split": "3", "max-connection-per-server": "3"}, data=DATA * 10)
    play("no Want-Digest", Behaviour(), {"no-want-digest-header": "true"})
    play("no cache", Behaviour(), {"http-no-cache": "true"})
    play("no keep-alive", Behaviour(), {"enable-http-keep-alive": "false"})
    play("own headers", Behaviour(), {"header": ["Want-Digest: x", "Accept-Encoding: y"], "http-accept-gzip": "true"})
    name = 'attachment; filename="ä.bin"'.encode()
    play("a name in UTF-8", Behaviour(disposition=name), {"content-disposition-default-utf8": "true"})
    play("a name in ISO-8859-1", Behaviour(disposition=name))
    stage.disk("all")


@scene("heads", "conditional", "--max-tries=1", "--conditional-get=true")
def conditional(stage: Stage) -> None:
    play = Cases(stage).play
    play("nothing there", Behaviour())
    play("the same", Behaviour(), there=b"old")
    play("the same, a length told", head("Content-Length: 5000", status=304), there=b"old")
    play("the same, out", Behaviour(), {"out": "f4.bin"}, there=b"old")
    play("older", Behaviour(), there=b"old", age=DAY)
    play("older, overwritten", Behaviour(), {"allow-overwrite": "true"}, there=b"old", age=DAY)
    play("older, no renaming", Behaviour(), {"auto-file-renaming": "false"}, there=b"old", age=DAY)
    play("older, its time kept", Behaviour(), {"allow-overwrite": "true", "remote-time": "true"}, there=b"o", age=DAY)
    play("the same, continue", Behaviour(), {"continue": "true"}, there=b"old")
    play("older, continue", Behaviour(), {"continue": "true"}, there=DATA[:11], age=DAY)
    play("the same, another digest", Behaviour(), {"checksum": "sha-1=" + "0" * 40}, there=b"old")
    play("404", Behaviour(status=404), there=b"old")
    play("304 unasked", Behaviour(status=304))
    play("304 for a header of the user's", Behaviour(status=304), {"header": 'If-None-Match: "x"'})
    play("own header instead", Behaviour(), {"header": "If-Modified-Since: x"}, there=b"old")
    play("named by the server", Behaviour(disposition="attachment; filename=n.bin"), there=b"old", age=DAY)
    (stage.files / "f17.bin.aria2").write_bytes(b"")
    play("a control file beside", Behaviour(), there=b"old")
    stage.disk("all")
    stage.events("all")


@scene("heads", "conditional and redirected", "--max-tries=1", "--conditional-get=true")
def conditional_redirected(stage: Stage) -> None:
    for name, there in (("to what is there", "to1.bin"), ("from what is there", "from2.bin")):
        number = there[-5]
        path = stage.files / there
        path.write_bytes(b"old")
        os.utime(path, (EPOCH, EPOCH))
        stage.origin.serve(f"/to{number}.bin", data=DATA)
        url = stage.origin.serve(f"/from{number}.bin", behaviour=Behaviour(redirect=f"/to{number}.bin"))
        gid = f"{0xAB00 + int(number):016x}"
        stage.add(name, url, {"gid": gid})
        stage.reach(name, gid)
        stage.look(name, gid)
        asked(stage, f"{name}, from", f"/from{number}.bin")
        asked(stage, f"{name}, to", f"/to{number}.bin")
    stage.disk("all")


@scene("heads", "HEAD first", "--max-tries=1", "--use-head=true")
def head_first(stage: Stage) -> None:
    play = Cases(stage).play
    named = Behaviour(disposition="attachment; filename=n1.bin")
    play("plain", Behaviour())
    play("chunked", Behaviour(framing="chunked"))
    play("no length in HEAD", by_method(Behaviour(), Behaviour(framing="close")))
    play("nothing in HEAD", by_method(Behaviour(), Behaviour(lengths=("0",))))
    play("empty", Behaviour(), data=b"")
    play("named in HEAD", by_method(Behaviour(disposition="attachment; filename=get.bin"), named))
    play("404", by_method(Behaviour(), Behaviour(status=404)))
    play("405", by_method(Behaviour(), Behaviour(status=405)))
    play("continue", Behaviour(), {"continue": "true"}, data=DATA * 2000, there=(DATA * 2000)[:40_000])
    play("continue, all there", Behaviour(), {"continue": "true"}, there=DATA)
    play("there", Behaviour(), {"auto-file-renaming": "false"}, there=b"old")
    play("not modified", Behaviour(), {"conditional-get": "true"}, there=b"old")
    play("digest in HEAD", by_method(Behaviour(), head(f"Digest: SHA-256={digest('sha-256', b'x')}")))
    stage.disk("all")


@scene("heads", "dry run", "--max-tries=1", "--dry-run=true")
def dry_run(stage: Stage) -> None:
    play = Cases(stage).play
    play("plain", Behaviour())
    play("chunked", Behaviour(framing="chunked"))
    play("there", Behaviour(), there=b"old")
    play("there, no renaming", Behaviour(), {"auto-file-renaming": "false"}, there=b"old")
    play("there, chunked, no renaming", Behaviour(framing="chunked"), {"auto-file-renaming": "false"}, there=b"old")
    play("there, longer, continue", Behaviour(), {"continue": "true"}, there=DATA * 2)
    play("not modified", Behaviour(), {"conditional-get": "true"}, there=b"old")
    play("404", Behaviour(status=404))
    play("405", by_method(Behaviour(), Behaviour(status=405)))
    play("redirected", nth(1, Behaviour(redirect="/f1.bin")))
    play("another digest", Behaviour(), {"checksum": "sha-1=" + "0" * 40})
    play("compressed", head("Content-Encoding: gzip"), {"http-accept-gzip": "true"}, data=PACKED)
    stage.disk("all")
    stage.events("all")


@scene("heads", "compressed", "--max-tries=1", "--http-accept-gzip=true")
def compressed(stage: Stage) -> None:
    play = Cases(stage).play
    packed = head("Content-Encoding: gzip")
    play("not compressed", Behaviour())
    play("gzip", packed, data=PACKED)
    play("gzip, large", packed, {"split": "4"}, data=gzip.compress(DATA * 50_000, mtime=0))
    play("gzip, chunked", head("Content-Encoding: gzip", framing="chunked"), data=PACKED)
    play("deflate", head("Content-Encoding: deflate"), data=zlib.compress(DATA))
    play("br", head("Content-Encoding: br"), data=DATA)
    play("twice", head("Content-Encoding: gzip, gzip"), data=PACKED)
    play("nothing", packed, data=b"")
    play("of nothing", packed, data=gzip.compress(b""))
    play("garbage behind it", packed, data=PACKED + b"garbage")
    play("corrupt", packed, data=b"this is no gzip")
    play("corrupt at its end", packed, data=PACKED[:-8] + b"abcd" + PACKED[-4:])
    play("cut off", Behaviour(headers=(("Content-Encoding", "gzip"),), framing="close"), data=PACKED[:-3])
    play("continue", packed, {"continue": "true"}, data=PACKED, there=DATA[:20])
    play("overwritten", packed, {"allow-overwrite": "true"}, data=PACKED, there=DATA[:20])
    play("its digest", packed, {"checksum": "sha-1=" + hashlib.sha1(DATA).hexdigest()}, data=PACKED)
    play("unasked", packed, {"http-accept-gzip": "false"}, data=PACKED)
    play(
        "unasked, chunked",
        head("Content-Encoding: gzip", framing="chunked"),
        {"http-accept-gzip": "false"},
        data=PACKED,
    )
    stage.disk("all")


@scene("heads", "digests", "--max-tries=1")
def digests(stage: Stage) -> None:
    play = Cases(stage).play
    right = f"SHA-256={digest('sha-256')}"
    wrong = f"SHA-256={digest('sha-256', b'x')}"
    checksum: Options = {"checksum": "sha-256=" + hashlib.sha256(DATA).hexdigest()}
    play("right", head(f"Digest: {right}"))
    play("wrong", head(f"Digest: {wrong}"))
    play("wrong, unasked", head(f"Digest: {wrong}"), {"no-want-digest-header": "true"})
    play("wrong, in small letters", head(f"Digest: {wrong.lower().split('=')[0]}={wrong.split('=', 1)[1]}"))
    play("wrong, MD5", head(f"Digest: MD5={digest('md5', b'x')}"))
    play("the strongest is right", head(f"Digest: {wrong}, SHA-512={digest('sha-512')}"))
    play("the strongest is wrong", head(f"Digest: {right}, SHA-512={digest('sha-512', b'x')}"))
    play("two that differ", head(f"Digest: {right}", f"Digest: {wrong}"))
    play("of another length", head(f"Digest: SHA-256={digest('md5')}"))
    play("no Base64", head("Digest: SHA-256=" + hashlib.sha256(DATA).hexdigest()))
    play("as the user's", head(f"Digest: {right}"), checksum)
    play("not as the user's", head(f"Digest: {wrong}"), checksum)
    play("of another kind than the user's", head(f"Digest: SHA-512={digest('sha-512', b'x')}"), checksum)
    play("of nothing", head(f"Digest: {wrong}"), data=b"")
    play("there, right", head(f"Digest: {right}"), {"continue": "true"}, there=DATA)
    play("there, checked", head(f"Digest: {right}"), {"check-integrity": "true"}, there=DATA)
    play("there, renamed", head(f"Digest: {right}"), there=DATA)
    stage.disk("all")
    stage.events("all")


@scene("heads", "mirrors", "--max-tries=1")
def mirrors(stage: Stage) -> None:
    """The one that was given breaks off, and the one that its server named goes on."""
    mib = 1 << 20
    data = Content(3 * mib, 5).whole()
    other = stage.origin.serve("/mirror.bin", data=data)
    broken = Behaviour(headers=(("Link", f"<{other}>; rel=duplicate; pri=1"),), fail_after=mib)
    for number, (name, choose) in enumerate(
        {
            "in its answer": lambda seen: broken if seen.nth == 1 else Behaviour(status=403),
            "in a redirect": lambda seen: Behaviour(
                redirect="/broken.bin" if seen.nth == 1 else "/gone", headers=broken.headers
            ),
        }.items()
    ):
        stage.origin.serve("/broken.bin", data=data, behaviour=lambda seen: Behaviour(fail_after=mib))
        gid = f"{0xAC00 + number:016x}"
        url = stage.origin.serve(f"/m{number}.bin", data=data, behaviour=choose)
        stage.add(name, url, {"gid": gid, "split": "1", "out": f"m{number}.bin"})
        stage.reach(name, gid)
        stage.call(f"{name}, tellStatus", "aria2.tellStatus", gid)
        stage.facts.note(f"{name}, the mirror was asked", stage.asked("/mirror.bin", number + 1))
