"""What people read of a download in `get`: its figures, as many of them as fit, and the line of its end.

Owns: words and units. Never: where they are printed. rich is asked only how wide a name is on a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slasshy_rpc.cli.readout import duration, shown
from slasshy_rpc.values import Status

if TYPE_CHECKING:
    from slasshy_rpc.api.rows import Row

#: A name is cut to no less than this for the sake of figures.
SHORTEST_NAME = 12


#: What a media page's download does while no bytes come.
_DOING = {
    "extracting": "reading the page",
    "searching": "looking for the song",
    **{stage: stage for stage in ("merging", "converting", "tagging")},
}


def amount(number: float) -> str:
    """Bytes with a unit: ``512 B``, ``1.5 MiB``."""
    if number < 1024:
        return f"{int(number)} B"
    for unit in ("KiB", "MiB", "GiB"):
        number /= 1024
        if number < 1023.95:
            return f"{number:.1f} {unit}"
    return f"{number / 1024:.1f} TiB"


def figures(row: Row) -> list[str]:
    """Percent, speed, time left, size and connections, the most important first; what is not known is left out."""
    now = row.snapshot
    known, done = now.total_length, now.completed_length
    if now.verified_length is not None and known:
        return [f"checking {100 * now.verified_length // known}%"]
    if now.media is not None and (doing := _DOING.get(now.media.stage)):
        return [doing, *([amount(done)] if done else [])]
    left = known - done
    return [
        *([f"{100 * done // known}%"] if known else []),
        f"{amount(now.download_speed)}/s",
        *([f"ETA {duration(left // now.download_speed)}"] if now.download_speed and left > 0 else []),
        f"{amount(done)} of {amount(known)}" if known else amount(done),
        f"{now.connections} connection{'' if now.connections == 1 else 's'}",
    ]


def fitting(parts: Sequence[str], width: int) -> str:
    """As many of ``parts``, from the first on, as fit into ``width`` columns."""
    text = ""
    for part in parts:
        longer = f"{text}  {part}" if text else part
        if len(longer) > width:
            break
        text = longer
    return text


def name_of(row: Row) -> str:
    """The file's name, or what the URI ends with while there is none."""
    path = row.snapshot.files[0].path if row.snapshot.files else ""
    return shown(os.path.basename(path) or os.path.basename(row.uri.partition("?")[0]) or row.uri)


def cropped(name: str, width: int) -> str:
    """``name`` in at most ``width`` columns, without its middle if it must be: the extension says much."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= width:
        return name
    if width < 5:
        return set_cell_size(name, max(0, width))
    tail = name[-((width - 3) // 2) :]
    while cell_len(tail) > (width - 3) // 2:
        tail = tail[1:]
    return f"{set_cell_size(name, width - 3 - cell_len(tail))}...{tail}"


def headline(row: Row, width: int) -> tuple[str, str]:
    """Name and figures for one line of ``width`` columns: what they are too long for is left out."""
    from rich.cells import cell_len

    name = name_of(row)
    room = width - min(cell_len(name), max(SHORTEST_NAME, width // 3)) - 2
    text = fitting(figures(row), room)
    return cropped(name, width - len(text) - 2 if text else width), text


def total(rows: Sequence[Row], ended: int, waiting: int, hidden: int = 0) -> list[str]:
    """All downloads together, the most important first."""
    speed = sum(row.snapshot.download_speed for row in rows)
    left = sum(max(0, row.snapshot.total_length - row.snapshot.completed_length) for row in rows)
    return [
        f"{ended} of {ended + len(rows) + waiting} ended",
        f"{amount(speed)}/s",
        *([f"ETA {duration(left // speed)}"] if speed and left and not waiting else []),
        *([f"{hidden} more running"] if hidden else []),
        *([f"{waiting} waiting"] if waiting else []),
    ]


def ending(row: Row, seconds: float) -> str:
    """One line about how it ended; ``seconds`` is how long that took."""
    if row.status is Status.COMPLETE:
        path = shown(row.snapshot.files[0].path) if row.snapshot.files else name_of(row)
        brought = row.snapshot.total_length - row.snapshot.had
        speed = f"{amount(brought / seconds)}/s" if seconds > 0 else "0 B/s"
        took = duration(round(seconds)) if seconds >= 10 else f"{seconds:.1f}s"
        return f"{path}  {amount(row.snapshot.total_length)}  {speed}  {took}"
    if row.status is Status.ERROR:
        return f"{shown(row.uri)}  failed ({row.code}): {shown(row.message)}"
    done = f"{amount(row.snapshot.completed_length)} of {amount(row.snapshot.total_length)}"
    return f"{name_of(row)}  not complete: {done if row.snapshot.total_length else 'nothing can be kept'}"


def plain(row: Row) -> str:
    """Its progress in one line for a file or a pipe."""
    return f"{name_of(row)}  {'  '.join(figures(row))}"
