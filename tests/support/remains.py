"""What an interrupted download left on disk, and which bytes are asked for afterwards.

Owns: reading and comparing. Never: writing, or running anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from slasshy_rpc.disk import bits, control, livemap
from slasshy_rpc.disk.bits import BLOCK, Range
from slasshy_rpc.plan.ranges import Ranges
from tests.support.behaviour import Seen
from tests.support.content import Content


def same_blocks(path: Path, content: Content) -> Ranges:
    """Which whole 16 KiB blocks (the last may be short) of the file at ``path`` are as they should be."""
    found = Ranges()
    if path.exists():
        with path.open("rb") as file:
            for start in range(0, content.length, BLOCK):
                if file.read(BLOCK) == content.slice(start, start + BLOCK):
                    found.add(start, min(start + BLOCK, content.length))
    return found


def controlled(path: Path) -> Ranges:
    """What the control file of ``path`` says is on disk; nothing if there is none."""
    found = control.load(f"{path}.aria2")
    return Ranges(found.done if found else ())


def marked(path: Path, live_dir: Path, length: int) -> Ranges:
    """What the live map of ``path`` says is on disk, believed or not; nothing if there is none."""
    live = live_dir / (livemap.key_for(str(path)) + livemap.SUFFIX)
    if not live.exists():
        return Ranges()
    units = bits.runs(memoryview(live.read_bytes())[livemap.HEADER_SIZE :], bits.count(length, BLOCK))
    return Ranges((first * BLOCK, min(last * BLOCK, length)) for first, last in units)


def asked(seen: Iterable[Seen], length: int) -> Ranges:
    """All the bytes of a file of ``length`` that these requests ask for."""
    spans = [one.range or (0, None) for one in seen]
    return Ranges((max(0, first), length if last is None else last + 1) for first, last in spans)


def overlap(one: Iterable[Range], other: Iterable[Range]) -> int:
    """Bytes that are in both."""
    first, second = Ranges(one), Ranges(other)
    return first.total + second.total - Ranges([*first, *second]).total


def files(folder: Path) -> dict[str, bytes]:
    """All files in ``folder`` by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
