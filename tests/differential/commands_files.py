"""Invocations: what is there before and afterwards (-c, renaming, checksums, dates, folders, sessions)."""

from __future__ import annotations

import hashlib
import signal
import struct
from collections.abc import Mapping

from tests.differential.command import Case, Served
from tests.support.behaviour import Behaviour
from tests.support.content import Content

MIB = 1 << 20
BIG = 3 * MIB + 4321
CONTENT = Content(BIG, sum(b"/big.bin"))
WHOLE = CONTENT.slice(0, BIG)
SERVED = {"/big.bin": Served(BIG)}
DIGESTS = {
    name: hashlib.new(name.replace("sha-", "sha"), WHOLE).hexdigest()
    for name in ("md5", "sha-1", "sha-224", "sha-256", "sha-384", "sha-512")
}
HELD = {"/big.bin": Served(BIG, behaviour=Behaviour(hold_at=MIB + MIB // 2))}


def control(done: int, total: int = BIG) -> bytes:
    """A control file of pieces of 1 MiB, the first ``done`` of which are there."""
    count = -(-total // MIB)
    bits = sum(1 << (7 - n % 8) << 8 * ((count - 1) // 8 - n // 8) for n in range(done))
    bitfield = bits.to_bytes(-(-count // 8))
    return struct.pack(">HIIIQQI", 1, 0, 0, MIB, total, 0, len(bitfield)) + bitfield + struct.pack(">I", 0)


def there(name: str, line: str, content: bytes, **more: object) -> Case:
    """A case that begins with something of big.bin."""
    files = {"big.bin": content, **(more.pop("files", None) or {})}  # type: ignore[dict-item]
    return Case(f"files/{name}", line, files=files, serves=SERVED, **more)  # type: ignore[arg-type]


def listed(digests: Mapping[str, str], turn: int) -> str:
    """An input file of one file with many digests, which are turned around with -1."""
    lines = (f"<o>/big.bin\n out={name}.bin\n checksum={name}={text[::turn]}\n" for name, text in digests.items())
    return "".join(lines)


HALF = WHOLE[: MIB + MIB // 2]
ODD = WHOLE[: MIB + 50_000]

CASES = (
    # ---- there already
    there("complete", "<o>/big.bin", WHOLE),
    there("complete, -c", "-c <o>/big.bin", WHOLE),
    there("complete, -c, no renaming", "-c --auto-file-renaming=false <o>/big.bin", WHOLE),
    there("complete, --allow-overwrite", "--allow-overwrite=true <o>/big.bin", WHOLE),
    there("complete, no renaming", "--auto-file-renaming=false <o>/big.bin", WHOLE),
    there("complete, -c and --allow-overwrite", "-c --allow-overwrite=true <o>/big.bin", WHOLE),
    there("half", "<o>/big.bin", HALF),
    there("half, -c", "-c <o>/big.bin", HALF),
    there("half, -c with 16 connections", "-c -x16 -s16 -k1M <o>/big.bin", HALF, wire=""),
    there("odd, -c", "-c <o>/big.bin", ODD),
    there("odd, -c with 4 connections", "-c -x4 -s4 -k1M <o>/big.bin", ODD, wire=""),
    there("half, --allow-overwrite", "--allow-overwrite=true <o>/big.bin", HALF),
    there("half, no renaming", "--auto-file-renaming=false <o>/big.bin", HALF),
    there("longer, -c", "-c <o>/big.bin", WHOLE + b"more"),
    there("longer, -c and --allow-overwrite", "-c --allow-overwrite=true <o>/big.bin", WHOLE + b"more"),
    there("empty, -c", "-c <o>/big.bin", b""),
    there("one name is taken", "<o>/big.bin", b"x", files={"big.1.bin": b"y"}),
    there("half with a control file", "<o>/big.bin", HALF, files={"big.bin.aria2": control(1)}),
    there("half with a control file, no renaming", "--auto-file-renaming=false <o>/big.bin", HALF,
          files={"big.bin.aria2": control(1)}),
    there("half with a control file, 16 connections", "-x16 -s16 -k1M <o>/big.bin", HALF,
          files={"big.bin.aria2": control(1)}, wire=""),
    there("control file of another length", "<o>/big.bin", HALF, files={"big.bin.aria2": control(1, 5 * MIB)}),
    there("control file that is broken", "<o>/big.bin", HALF, files={"big.bin.aria2": control(1)[:30]}),
    there("control file, --remove-control-file", "--remove-control-file <o>/big.bin", HALF,
          files={"big.bin.aria2": control(1)}),
    there("control file, --remove-control-file and --allow-overwrite",
          "--remove-control-file --allow-overwrite=true <o>/big.bin", HALF, files={"big.bin.aria2": control(1)}),
    Case("files/control file alone", "<o>/big.bin", files={"big.bin.aria2": control(1)}, serves=SERVED),
    there("no ranges, -c", "-c <o>/none.bin", HALF),
    Case("files/no ranges, half, -c", "-c <o>/r.bin", files={"r.bin": WHOLE[:MIB]},
         serves={"/r.bin": Served(data=WHOLE, behaviour=Behaviour(ranges=False))}, wire=""),
    Case("files/no ranges, half, -c --always-resume=false", "-c --always-resume=false <o>/r.bin",
         files={"r.bin": WHOLE[:MIB]}, wire="",
         serves={"/r.bin": Served(data=WHOLE, behaviour=Behaviour(ranges=False))}),
    Case("files/unknown length, -c", "-c <o>/u.bin", files={"u.bin": WHOLE[:MIB]},
         serves={"/u.bin": Served(data=WHOLE, behaviour=Behaviour(framing="chunked"))}, wire=""),
    Case("files/unknown length", "-x4 -s4 <o>/u.bin",
         serves={"/u.bin": Served(data=WHOLE, behaviour=Behaviour(framing="chunked"))}),
    Case("files/nothing in it", "<o>/e.bin", serves={"/e.bin": Served(0)}),
    Case("files/nothing in it, -c", "-c <o>/e.bin", serves={"/e.bin": Served(0)}, files={"e.bin": ""}),
    # ---- broken off
    Case("files/interrupted", "<o>/big.bin", serves=HELD, interrupt=(signal.SIGINT, MIB)),
    Case("files/interrupted without ranges", "<o>/big.bin", interrupt=(signal.SIGTERM, MIB),
         serves={"/big.bin": Served(BIG, behaviour=Behaviour(hold_at=MIB + MIB // 2, ranges=False))}),
    Case("files/interrupted, saved", "-q --save-session=s.session <o>/big.bin", serves=HELD,
         interrupt=(signal.SIGTERM, MIB)),
    Case("files/--stop", "--stop=2 <o>/big.bin", serves=HELD),
    Case("files/--stop=0", "--stop=0 <o>/a.bin"),
    # ---- folders
    Case("files/a folder that is not there", "-d new/er <o>/a.bin"),
    Case("files/-d with a slash at its end", "-d sub/ <o>/a.bin"),
    Case("files/-d is a file", "-d a <o>/a.bin", files={"a": "x"}, wire=""),
    Case("files/-d=/ and an absolute -o", "--dir=/ --out <dir>/x.part <o>/a.bin"),
    Case("files/an absolute -o", "-o <dir>/x.part <o>/a.bin"),
    Case("files/an absolute -o and -d", "-d sub -o <dir>/x.part <o>/a.bin"),
    Case("files/-o in a folder", "-o deep/er/x.bin <o>/a.bin"),
    Case("files/-o leaves the folder", "-d sub -o ../x.bin <o>/a.bin"),
    Case("files/-o is a folder", "-o sub <o>/a.bin", files={"sub/": ""}, wire=""),
    Case("files/the name is a folder", "<o>/sub", files={"sub/": ""}, serves={"/sub": Served(500)}, wire=""),
    Case("files/nobody may write", "-d /proc <o>/a.bin", wire=""),
    Case("files/the disk is full", "-o /dev/full <o>/a.bin", wire=""),
    Case("files/a device", "--allow-overwrite=true -o /dev/null <o>/a.bin", wire=""),
    # ---- dates
    Case("files/-R", "-R <o>/a.bin"),
    Case("files/--remote-time=true", "--remote-time=true <o>/a.bin"),
    Case("files/--remote-time=false", "--remote-time=false <o>/a.bin"),
    Case("files/-R without a date", "-R <o>/d.bin", serves={"/d.bin": Served(behaviour=Behaviour(last_modified=""))}),
    Case("files/-R with a broken date", "-R <o>/d.bin",
         serves={"/d.bin": Served(behaviour=Behaviour(last_modified="yesterday"))}),
    # ---- checksums
    *(Case(f"files/digests that are {word}", "-j1 -i list.txt", serves=SERVED,
           files={"list.txt": listed(DIGESTS, turn)})
      for word, turn in (("right", 1), ("wrong", -1))),
    Case("files/a digest in capitals", f"--checksum=sha-1={DIGESTS['sha-1'].upper()} <o>/big.bin", serves=SERVED),
    Case("files/a digest's name in capitals", f"--checksum=SHA-1={DIGESTS['sha-1']} <o>/big.bin", serves=SERVED),
    there("checksum of a complete one, -c -V", f"-c -V --checksum=sha-1={DIGESTS['sha-1']} <o>/big.bin", WHOLE,
          wire=""),
    there("checksum of a spoilt one, -V", f"-V --checksum=sha-1={DIGESTS['sha-1']} <o>/big.bin", WHOLE[:-1] + b"!",
          wire=""),
    Case("files/checksum and several files", f"-Z -j1 --checksum=sha-1={DIGESTS['sha-1']} <o>/big.bin <o>/a.bin",
         serves=SERVED),
    # ---- dry run
    Case("files/--dry-run", "--dry-run <o>/a.bin"),
    Case("files/--dry-run=true, lost", "--dry-run=true <o>/gone"),
    Case("files/--dry-run, there already", "--dry-run <o>/a.bin", files={"a.bin": "x"}),
    Case("files/--dry-run, many connections", "--dry-run -x16 -s16 -k1M <o>/big.bin", serves=SERVED),
    # ---- how
    *(Case(f"files/--file-allocation={how}", f"--file-allocation={how} <o>/big.bin", serves=SERVED)
      for how in ("none", "prealloc", "trunc", "falloc")),
    Case("files/allocated when broken off", "--file-allocation=trunc --no-file-allocation-limit=1M <o>/big.bin",
         serves=HELD, interrupt=(signal.SIGINT, MIB)),
    Case("files/--force-save", "--force-save=true --save-session=s.session <o>/a.bin"),
    Case("files/--save-session of nothing", "--save-session=s.session <o>/a.bin"),
    Case("files/--save-session of an error", "--save-session=s.session -x3 -k2M --header='X: 1' <o>/no",
         serves={"/no": Served(behaviour=Behaviour(status=403))}),
    Case("files/--save-session of what is not found", "--save-session=s.session <o>/gone"),
    Case("files/--save-not-found=true", "--save-session=s.session --save-not-found=true <o>/gone"),
    Case("files/--save-not-found=false", "--save-session=s.session --save-not-found=false <o>/gone"),
    Case("files/--save-session in no folder", "--save-session=none/s.session <o>/a.bin"),
    Case("files/--save-session compressed", "--save-session=s.session.gz <o>/a.bin"),
    Case("files/--piece-length", "--piece-length=2M -x2 -s2 -k1M <o>/big.bin", serves=HELD, wire="",
         interrupt=(signal.SIGINT, MIB)),
    Case("files/16 connections", "-x16 -s16 -k1M <o>/big.bin", serves=SERVED, wire=""),
    Case("files/-s5 alone", "-s5 -k1M <o>/big.bin", serves=SERVED),
)  # fmt: skip
