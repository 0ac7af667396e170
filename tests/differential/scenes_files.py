"""Scenes of the area "files": what is there already, digests, control files of other piece lengths, and times.

Owns: what each option about files does to a file. Never: how bytes come over the wire.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from itertools import count, product

from slasshy_rpc.disk import control
from tests.differential.scenes import scene
from tests.differential.stage import Options, Stage
from tests.support.behaviour import Behaviour

MIB = 1 << 20
LENGTH = 3 * MIB
PART = MIB + (MIB >> 1)
ENDED = ("status", "errorCode", "errorMessage", "completedLength", "bitfield")
Ranges = tuple[tuple[int, int], ...]
SHA = "sha-256"


def gids() -> Iterator[str]:
    """GIDs that are the same on both programs."""
    return (f"{number:016x}" for number in count(0xF1))


def digest(data: bytes, algorithm: str) -> str:
    """The value of --checksum for ``data``."""
    if algorithm == "adler32":
        return f"adler32={zlib.adler32(data):08x}"
    return f"{algorithm}={hashlib.new(algorithm.replace('-', ''), data).hexdigest()}"


def record(stage: Stage, name: str, piece: int = MIB, length: int = LENGTH, done: Ranges = ((0, MIB),)) -> None:
    """Leave a control file for the file ``name``."""
    control.save(f"{stage.files / name}.aria2", control.Control(piece, length, 0, done), durable=False)


def meet(
    stage: Stage, step: str, gid: str, content: bytes | None, recorded: bool, url: str, options: Mapping[str, object]
) -> None:
    """A download that finds ``content`` (None: nothing) under its name, with a control file if ``recorded``."""
    out = step.replace(" ", "_").replace(",", "")
    if content is not None:
        (stage.files / out).write_bytes(content)
    if recorded:
        record(stage, out)
    stage.add(step, url, {"gid": gid, "out": out, **options})
    stage.reach(step, gid)
    stage.call(f"{step}, tellStatus", "aria2.tellStatus", gid)


@scene("files", "checked only")
def checked_only(stage: Stage) -> None:
    """--hash-check-only with each kind of file that may lie there; without it for comparison."""
    url = stage.origin.serve("/f.bin", length=LENGTH)
    data = stage.origin.content("/f.bin").slice(0, LENGTH)
    wrong = data[:-1] + bytes([data[-1] ^ 1])
    right = digest(data, SHA)
    laid = {
        "nothing": None,
        "right": data,
        "wrong": wrong,
        "part": data[:PART],
        "longer": data + b"x",
        "recorded": data[:PART],
    }
    rules: dict[str, Options] = {
        "checked": {"check-integrity": "true", "checksum": right},
        "continued": {"continue": "true", "checksum": right},
        "only with a digest": {"hash-check-only": "true", "checksum": right},
        "only": {"hash-check-only": "true"},
        "only, continued": {"hash-check-only": "true", "continue": "true"},
        "only, continued with a digest": {"hash-check-only": "true", "continue": "true", "checksum": right},
        "only, checked": {"hash-check-only": "true", "check-integrity": "true", "checksum": right},
        "only, checked, continued": {
            "hash-check-only": "true",
            "check-integrity": "true",
            "continue": "true",
            "checksum": right,
        },
        "only, checked, overwritten": {
            "hash-check-only": "true",
            "check-integrity": "true",
            "allow-overwrite": "true",
            "checksum": right,
        },
        "only, checked, not renamed": {
            "hash-check-only": "true",
            "check-integrity": "true",
            "auto-file-renaming": "false",
            "checksum": right,
        },
        "only, checked, another digest": {
            "hash-check-only": "true",
            "check-integrity": "true",
            "checksum": digest(b"", SHA),
        },
    }
    names = gids()
    for rule, options in rules.items():
        for kind, content in laid.items():
            meet(stage, f"{rule}, {kind}", next(names), content, kind == "recorded", url, options)
    stage.disk("all")
    stage.events("all", ordered=False)


@scene("files", "digests")
def digests(stage: Stage) -> None:
    """Every algorithm, right and wrong, over a fetched file and over one that is there."""
    url = stage.origin.serve("/f.bin", length=LENGTH)
    data = stage.origin.content("/f.bin").slice(0, LENGTH)
    names = gids()
    for algorithm in ("sha-1", "sha-224", "sha-256", "sha-384", "sha-512", "md5", "adler32"):
        for kind, wanted in {
            "right": digest(data, algorithm),
            "capitals": digest(data, algorithm).upper(),
            "wrong": digest(data + b"x", algorithm),
        }.items():
            for there in (False, True):
                step, gid = f"{algorithm}, {kind}, {'there' if there else 'fetched'}", next(names)
                out = step.replace(", ", "-")
                if there:
                    (stage.files / out).write_bytes(data)
                options: Options = {"gid": gid, "out": out, "checksum": wanted, "check-integrity": "true"}
                if stage.add(step, url, options):
                    stage.reach(step, gid)
                    stage.call(f"{step}, tellStatus", "aria2.tellStatus", gid)
    stage.disk("all")


@scene("files", "another piece length")
def piece_length(stage: Stage) -> None:
    """A control file of another piece length, with --allow-piece-length-change and without."""
    length = 8 * MIB
    url = stage.origin.serve("/p.bin", length=length)
    data = stage.origin.content("/p.bin").slice(0, length)
    claims: dict[str, Ranges] = {
        "nothing": (),
        "pieces": ((0, 4 * MIB),),
        "odd pieces": ((0, 3 * MIB),),
        "blocks": ((0, 16384 * 3),),
    }
    names = gids()
    for kind, done in claims.items():
        for old, new in ((MIB, 2 * MIB), (2 * MIB, MIB), (MIB, MIB)):
            for allowed in ("false", "true"):
                step, gid = f"{kind}, {old >> 20} to {new >> 20}, {allowed}", next(names)
                out = step.replace(" ", "_").replace(",", "")
                (stage.files / out).write_bytes(data)
                record(stage, out, old, length, done)
                options: Options = {"gid": gid, "out": out, "allow-piece-length-change": allowed}
                stage.add(step, url, {**options, "piece-length": str(new)})
                stage.reach(step, gid)
                stage.call(f"{step}, tellStatus", "aria2.tellStatus", gid)
    stage.disk("all")


@scene("files", "not to be continued", "--max-tries=1", "--split=1")
def not_continued(stage: Stage) -> None:
    """--max-resume-failure-tries: N URIs without ranges, or all of them, then the file from its beginning.

    Noted is who was asked for which part, from the first request for the whole file on; ours asks for a part before.
    """
    rangeless = [
        stage.origin.serve(f"/r{number}.bin", length=LENGTH, behaviour=Behaviour(ranges=False)) for number in range(4)
    ]
    good = stage.origin.serve("/good.bin", length=LENGTH)
    data = stage.origin.content("/good.bin").slice(0, PART)
    lists = {"none": rangeless, "one of four": [*rangeless[:3], good], "the second": [rangeless[0], good]}
    names = gids()
    for kind, uris in lists.items():
        for most, always in product(("0", "1", "2", "3", "9"), ("false", "true")):
            step, gid = f"{kind}, {most}, {always}", next(names)
            out = step.replace(" ", "_").replace(",", "")
            (stage.files / out).write_bytes(data)
            record(stage, out)
            asked = len(stage.origin.requests())
            options: Options = {"gid": gid, "out": out, "always-resume": always, "max-resume-failure-tries": most}
            stage.add(step, uris, options)
            stage.reach(step, gid)
            stage.call(f"{step}, tellStatus", "aria2.tellStatus", gid, list(ENDED))
            seen = [(one.path, one.range[0] if one.range else 0) for one in stage.origin.requests()[asked:]]
            whole = [start for _, start in seen].index(0)
            stage.facts.note(f"{step}, requests", [f"{path} from {start}" for path, start in seen[whole:]])
    stage.disk("all")


@scene("files", "what lies there")
def lies_there(stage: Stage) -> None:
    """Every combination of the options that say what becomes of a file that is there."""
    url = stage.origin.serve("/f.bin", length=LENGTH)
    data = stage.origin.content("/f.bin").slice(0, LENGTH)
    laid = {"whole": data, "part": data[:PART], "longer": data + b"x", "recorded": data[:PART], "empty": b""}
    rules = ("continue", "allow-overwrite", "auto-file-renaming", "remove-control-file")
    names = gids()
    for kind, content in laid.items():
        for chosen in product(("true", "false"), repeat=len(rules)):
            options: Options = dict(zip(rules, chosen, strict=True))
            step = f"{kind}, {' '.join(name for name, value in options.items() if value == 'true')}"
            meet(stage, step, next(names), content, kind == "recorded", url, options)
    stage.disk("all")


@scene("files", "while it is brought", "--file-allocation=trunc")
def brought(stage: Stage) -> None:
    """--no-file-allocation-limit and --piece-length."""
    names = gids()
    for limit in ("0", "4194304", "4194305", "8M"):
        for piece in ("1M", "2M", "3M"):
            step, gid = f"{limit} {piece}", next(names)
            url = stage.held(f"/{gid}.bin")
            stage.add(step, url, {"gid": gid, "no-file-allocation-limit": limit, "piece-length": piece})
            stage.rest(step, gid, MIB + MIB // 4)
            stage.call(f"{step}, tellStatus", "aria2.tellStatus", gid, ["pieceLength", "numPieces", "bitfield"])
            stage.facts.note(f"{step}, whole size", (stage.files / f"{gid}.bin").stat().st_size == 4 * MIB)
            stage.ask("aria2.forceRemove", gid)
            stage.reach(step, gid)
            found = control.load(f"{stage.files / gid}.bin.aria2")
            stage.facts.note(f"{step}, recorded", str(found and (found.piece_length, found.done)))
