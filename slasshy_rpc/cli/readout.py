"""What the console shows of downloads: the progress line, the summary and the table of results, in aria2's form.

Owns: their text. Never: asks for more than the rows it is handed, and never logs.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from slasshy_rpc.values import Snapshot, Status

if TYPE_CHECKING:
    from slasshy_rpc.api.rows import Row
    from slasshy_rpc.options.values import OptionSet

_SHOWN_AT_ONCE = 5  # downloads in one progress line
_WIDTH = 79
_MAGENTA, _GREEN, _CYAN, _PLAIN = "\x1b[35m", "\x1b[32m", "\x1b[36m", "\x1b[0m"

#: How a state is called in the table of results, its explanation and its colour on a terminal.
_STATES = {
    Status.COMPLETE: ("OK", "download completed.", "\x1b[1;32m"),
    Status.ERROR: ("ERR", "error occurred.", "\x1b[1;31m"),
    Status.ACTIVE: ("INPR", "download in-progress.", "\x1b[1;34m"),
    Status.WAITING: ("INPR", "download in-progress.", "\x1b[1;34m"),
    Status.PAUSED: ("INPR", "download in-progress.", "\x1b[1;34m"),
    Status.REMOVED: ("RM", "download removed.", "\x1b[1m"),
}


class Readout:
    """The console's view of the downloads that ``rows`` returns: the running ones now, in the queue's order."""

    def __init__(self, options: OptionSet, rows: Callable[[], Sequence[Row]], stream: TextIO | None = None) -> None:
        self._rows = rows
        self._stream = stream or (sys.stderr if options.flag("stderr") else sys.stdout)
        self._tty = self._stream.isatty()
        self._quiet = options.flag("quiet")
        self._line = options.flag("show-console-readout")
        self._cut = options.flag("truncate-console-readout")
        self._color = self._tty and options.flag("enable-color")
        self._human = options.flag("human-readable")
        self._interval = options.integer("summary-interval")
        self._program = "aria2" if options.flag("compat") else "slasshy-rpc"
        self._next_summary: float | None = None

    async def run(self) -> None:
        """Show the progress every second until cancelled; of what is there sooner only the end is told, as by aria2."""
        import asyncio

        loop = asyncio.get_running_loop()
        self._next_summary = loop.time() + self._interval
        while not self._quiet:
            await asyncio.sleep(1.0)
            self.tick(loop.time())

    def tick(self, now: float) -> None:
        """Print what is due at ``now`` (monotonic seconds): the summary, and the progress line."""
        if self._quiet:
            return
        rows = self._rows()
        if self._next_summary is None:
            self._next_summary = now + self._interval
        if not rows:
            return
        if self._tty and (self._line or self._interval):
            self._write(f"\r{' ' * (self._columns() - 1)}\r")
        if self._interval and now >= self._next_summary:
            self._next_summary = now + self._interval
            self._write(summary(rows, human=self._human))
        if self._line:
            self._write(self._progress(rows))

    def results(self, rows: Sequence[Row], form: str) -> None:
        """Print the table of results at the end. ``form`` is download-result as it stands then: default, full, hide."""
        if not self._quiet and form != "hide":
            self._write(results(rows, full=form == "full", color=self._color, program=self._program))

    def _progress(self, rows: Sequence[Row]) -> str:
        plain = progress(rows, human=self._human)
        if not self._tty:
            return plain + "\n"
        width = self._columns() - 1
        if self._cut and len(plain) > width:
            return plain[:width]
        return progress(rows, human=self._human, color=True) + _PLAIN if self._color else plain

    def _columns(self) -> int:
        return max(2, shutil.get_terminal_size((_WIDTH + 1, 24)).columns)

    def _write(self, text: str) -> None:
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:  # a name that the terminal's encoding does not have
                self._stream.write(text.encode("ascii", "replace").decode("ascii"))
            self._stream.flush()
        except OSError:  # nobody reads any more, the terminal is gone, the disk full: on without a console
            self._quiet = True


def size(number: int) -> str:
    """Bytes as aria2 shortens them: ``0``, ``921``, ``0.9Ki``, ``1.9Mi``, ``66Gi``; digits are cut, not rounded."""
    units = ("", "Ki", "Mi", "Gi")
    at, rest = 0, 0
    while number >= 1024 and at < len(units) - 1:
        number, rest, at = number >> 10, number & 1023, at + 1
    if number >= 922 and at < len(units) - 1:
        number, rest, at = 0, number, at + 1
    fraction = f".{rest * 10 >> 10}" if at and number < 10 else ""
    return f"{number:,}{fraction}{units[at]}"


def duration(seconds: int) -> str:
    """``1h2m3s``, without the parts that are zero."""
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def progress(rows: Sequence[Row], *, human: bool, color: bool = False) -> str:
    """The progress line: in full for one download, shortly for several."""
    if len(rows) == 1:
        return _one(rows[0], human=human, color=color)
    speed = sum(row.snapshot.download_speed for row in rows)
    text = _bracket(f"DL:{_paint(_bytes(speed, human=human), _GREEN, color)}", color)
    for row in rows[:_SHOWN_AT_ONCE]:
        text += _bracket(f"#{row.gid[:6]} {_amount(row.snapshot, human=human, color=color)}", color)
    hidden = len(rows) - _SHOWN_AT_ONCE
    return f"{text}(+{hidden})" if hidden > 0 else text


def summary(rows: Sequence[Row], *, human: bool, now: str | None = None) -> str:
    """The summary of all running downloads; ``now`` is the local time in asctime's form."""
    text = f" *** Download Progress Summary as of {now or time.asctime()} *** \n{'=' * _WIDTH}\n"
    for row in rows:
        text += f"{_one(row, human=human)}\nFILE: {_first_path(row)}\n{'-' * _WIDTH}\n"
    return text + "\n"


def results(rows: Sequence[Row], *, full: bool, color: bool = False, program: str = "aria2") -> str:
    """The table of results; ``full`` shows every file and its percentage."""
    percent = "  %|" if full else ""
    ruler = "===+" if full else ""
    text = f"\nDownload Results:\ngid   |stat|avg speed  |{percent}path/URI\n======+====+===========+{ruler}"
    text += "=" * (51 if full else 55) + "\n"
    for row in rows:
        word, _, code = _STATES[row.status]
        speed = "n/a" if row.average is None else f"{size(row.average)}B/s"
        head = f"{row.gid[:6]}|{_paint(word, code, color)}{' ' * (4 - len(word))}|{speed:>11}|"
        if full:
            text += "".join(_full_lines(head, row))
        else:
            more = len(row.snapshot.files) - 1
            text += f"{head}{_first_path(row)}{f' ({more}more)' if more > 0 else ''}\n"
    if not rows:
        return text
    present = dict.fromkeys(_STATES[status][:2] for status in _STATES if any(row.status is status for row in rows))
    text += f"\nStatus Legend:\n{''.join(f'({word}):{meaning}' for word, meaning in present)}\n"
    if any(row.status is not Status.COMPLETE for row in rows):
        text += (
            f"\n{program} will resume download if the transfer is restarted.\n"
            "If there are any errors, then see the log file. See '-l' option in help/man page for details.\n"
        )
    return text


def _full_lines(head: str, row: Row) -> list[str]:
    lines = []
    for number, file in enumerate(row.snapshot.files):
        percent = str(100 * file.completed // file.length) if file.length else "-"
        name = file.path or (file.uris[0].uri if file.uris else "n/a")
        lines.append(f"{head if number == 0 else '      |    |           |'}{percent:>3}|{shown(name)}\n")
    return lines or [f"{head}  -|n/a\n"]


def _one(row: Row, *, human: bool, color: bool = False) -> str:
    snapshot = row.snapshot
    text = f"#{row.gid[:6]} {_amount(snapshot, human=human, color=color)} CN:{snapshot.connections}"
    text += f" DL:{_paint(_bytes(snapshot.download_speed, human=human), _GREEN, color)}"
    if snapshot.upload_speed or snapshot.upload_length:
        text += f" UL:{_bytes(snapshot.upload_speed, human=human)}({_bytes(snapshot.upload_length, human=human)})"
    left = snapshot.total_length - snapshot.completed_length
    if snapshot.download_speed and left // snapshot.download_speed > 0:
        text += f" ETA:{duration(left // snapshot.download_speed)}"
    return _bracket(text, color)


def _amount(snapshot: Snapshot, *, human: bool, color: bool) -> str:
    done, total = snapshot.completed_length, snapshot.total_length
    text = f"{_bytes(done, human=human)}/{_bytes(total, human=human)}"
    return text + _paint(f"({100 * done // total}%)", _CYAN, color) if total else text


def _bytes(number: int, *, human: bool) -> str:
    return f"{size(number)}B" if human else f"{number}B"


def _bracket(text: str, color: bool) -> str:
    return _paint("[", _MAGENTA, color) + text + _paint("]", _MAGENTA, color)


def _paint(text: str, code: str, color: bool) -> str:
    return f"{code}{text}{_PLAIN}" if color else text


def _first_path(row: Row) -> str:
    files = row.snapshot.files
    if not files:
        return "n/a"
    return shown(files[0].path or (files[0].uris[0].uri if files[0].uris else "n/a"))


def shown(name: str) -> str:
    """A name without what would steer the terminal or cannot be encoded."""
    return name if name.isprintable() else "".join(c if c.isprintable() else "?" for c in name)
