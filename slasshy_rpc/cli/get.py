"""The command ``get``: what its command line means, and what its console shows.

Owns: the picture on a terminal, the lines elsewhere, and when they are printed. Never: a fact that the api does not
tell. rich is imported only for a terminal.
"""

from __future__ import annotations

import io
import itertools
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from slasshy_rpc.cli import figures, strip
from slasshy_rpc.cli.arguments import Invocation, Mode, parse
from slasshy_rpc.errors import ErrorCode, RpcError, UsageError
from slasshy_rpc.options.values import Layer, Normal
from slasshy_rpc.values import Event, Status

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.text import Text

    from slasshy_rpc.api.methods import Api
    from slasshy_rpc.api.rows import Row

#: Seconds between two pictures on a terminal, and between two lines for each file elsewhere.
PICTURE = 0.2
LINE = 5.0

_COLOURS = ("cyan", "yellow", "magenta", "blue", "bright_red", "bright_cyan", "bright_yellow", "bright_magenta")


def understand(arguments: Sequence[str]) -> Invocation:
    """The start that ``get``'s arguments mean. Raises UsageError and OptionError.

    Of the conf file, what belongs to a server does not count: a list to begin with, a session to save, the background.
    """
    start = parse(arguments, compat=False)
    if start.mode in (Mode.HELP, Mode.VERSION):
        return start
    if start.compat:
        raise UsageError("get has defaults of its own. Leave --compat away, or leave get away.", ErrorCode.OPTION)
    options = start.options
    listed = options.given("input-file") is Layer.COMMAND
    if not start.uris and not listed:
        raise UsageError("get needs a URI: slasshy-rpc get URI...")
    if options.flag("daemon") and options.given("daemon") is Layer.COMMAND:
        raise UsageError("get shows what it does, which --daemon forbids. Leave one of them away.", ErrorCode.OPTION)
    own: dict[str, Normal] = {"daemon": "false", "enable-rpc": "false"}
    if options.given("save-session") is Layer.CONF:
        own["save-session"] = ""
    if options.given("console-log-level") is Layer.DEFAULT:
        own["console-log-level"] = "warn"
    if options.given("force-sequential") is not Layer.COMMAND:
        own["force-sequential"] = "true" if len(start.uris) > 1 else "false"
    options = options.derive(own, Layer.COMMAND)
    if len(start.uris) > 1 and options.flag("force-sequential") and "out" in start.single:
        raise UsageError(
            "--out names one file, and each URI is one of its own. Add --force-sequential=false if they are mirrors.",
            ErrorCode.OPTION,
        )
    return start._replace(
        mode=Mode.ONE_SHOT, rpc=False, options=options, input_file=start.input_file if listed else None
    )


def stage(start: Invocation, hint: str = "The same command goes on from there.") -> Callable[[Api], Show]:
    """What fits to where standard output leads, made before anything is logged there.

    ``hint`` says how to go on with what was interrupted.
    """
    stream = sys.stderr if start.options.flag("stderr") else sys.stdout
    if start.options.flag("quiet"):
        return lambda api: Show(api, io.StringIO(), hint)
    if not stream.isatty() or os.environ.get("TERM", "") in ("", "dumb"):
        return lambda api: Show(api, stream, hint)
    from rich.console import Console
    from rich.file_proxy import FileProxy

    plain = None if start.options.flag("enable-color") else True
    console = Console(file=stream, no_color=plain, highlight=False, markup=False, emoji=False)
    if sys.stdout.isatty():  # what is logged goes above the picture, not through it
        sys.stdout = FileProxy(console, sys.stdout)
    return lambda api: Picture(api, stream, hint, console)


class Show:
    """Lines: a few about the progress, one about every end."""

    def __init__(self, api: Api, stream: TextIO, hint: str) -> None:
        self._api = api
        self._stream = stream
        self._hint = hint
        self._ended = 0
        self._begun: dict[str, float] = {}
        api.events().subscribe(self._heard)

    async def run(self) -> None:
        """Show the progress until cancelled."""
        import asyncio

        while True:
            await asyncio.sleep(LINE)
            for row in self._api.rows():
                self.say(figures.plain(row))

    def results(self, rows: Sequence[Row], form: str) -> None:
        """What has not ended, and how to go on. Ends that were heard have been told."""
        left = [row for row in rows if row.status in (Status.ACTIVE, Status.WAITING, Status.PAUSED)]
        for row in left:
            self.say(figures.ending(row, 0), good=False)
        if left or self._api.waiting():
            self.say(self._hint)

    def say(self, line: str, *, good: bool | None = None) -> None:
        """Print ``line``: about a good end, about a bad one, or about neither."""
        try:
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
        except OSError:  # nobody reads any more: on without a console
            self._stream = io.StringIO()

    def _heard(self, event: Event, gid: str) -> None:
        if event is Event.START:
            self._begun.setdefault(gid, time.monotonic())
        elif event in (Event.COMPLETE, Event.ERROR):
            self._ended += 1
            began = self._begun.pop(gid, time.monotonic())
            try:
                row = self._api.row(gid)
            except RpcError:  # max-download-result=0: forgotten before it was heard of
                return
            self.say(figures.ending(row, time.monotonic() - began), good=event is Event.COMPLETE)


class Picture(Show):
    """A terminal: for each running file a line of figures and a strip, and all of them together below."""

    def __init__(self, api: Api, stream: TextIO, hint: str, console: Console) -> None:
        from rich.live import Live

        super().__init__(api, stream, hint)
        self._console = console
        self._ascii = console.options.ascii_only
        self._colour = console.color_system is not None and not console.no_color
        self._live: Live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._rendered,
        )

    async def run(self) -> None:
        """See Show."""
        import asyncio

        try:
            with self._live:
                while True:
                    self._live.refresh()
                    await asyncio.sleep(PICTURE)
        except OSError:  # the terminal has gone: on without it
            self._stream = io.StringIO()

    def results(self, rows: Sequence[Row], form: str) -> None:
        """See Show; the picture goes first."""
        self._live.stop()
        super().results(rows, form)

    def say(self, line: str, *, good: bool | None = None) -> None:
        """See Show."""
        encoding = self._console.encoding
        mark = {None: "", True: "✓ ", False: "✗ "}[good] if not self._ascii else ""
        text = mark + line.encode(encoding, "replace").decode(encoding)
        try:
            self._console.print(text, style={None: None, True: "green", False: "red"}[good], soft_wrap=True)
        except OSError:
            self._stream = io.StringIO()

    def _rendered(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        width, height = self._console.size
        width = max(1, width - 1)  # the last column makes some terminals wrap
        rows = self._api.rows()
        fitting = max(1, (height - 2) // 2)
        lines: list[Text] = []
        for row in rows[:fitting]:
            lines += self._lines_of(row, width)
        waiting = self._api.waiting()
        if len(rows) + waiting + self._ended > 1:
            parts = figures.total(rows, self._ended, waiting, len(rows) - len(rows[:fitting]))
            lines.append(Text(figures.fitting(parts, width), style="bold"))
        return Group(*lines)

    def _lines_of(self, row: Row, width: int) -> list[Text]:
        from rich.cells import cell_len
        from rich.text import Text

        encoding = self._console.encoding
        name, text = figures.headline(row, width)
        name = name.encode(encoding, "replace").decode(encoding)
        gap = " " * max(0, width - cell_len(name) - len(text))
        head = Text(name + gap + text, no_wrap=True, overflow="crop")
        head.stylize("bold", 0, len(name))
        return [head, self._strip(row, width)] if row.snapshot.total_length else [head]

    def _strip(self, row: Row, width: int) -> Text:
        from rich.text import Text

        now = row.snapshot
        try:
            servers = self._api.servers(row.gid)
        except RpcError:
            servers = ()
        text = Text(no_wrap=True, overflow="crop")
        cells = strip.cells(width, now.total_length, strip.done_ranges(now), servers)
        for style, run in itertools.groupby(cells, _style):
            text.append("".join(cell.character(colour=self._colour, ascii=self._ascii) for cell in run), style)
        return text


def _style(cell: strip.Cell) -> str:
    if cell.connection >= 0:
        return _COLOURS[cell.connection % len(_COLOURS)]
    return "green" if cell.kind is strip.Kind.DONE else "dim"
