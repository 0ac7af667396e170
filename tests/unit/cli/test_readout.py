"""The console's lines as aria2c 1.37 was seen to print them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import re

import pytest

from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli.readout import Readout, duration, progress, results, size, summary
from slasshy_rpc.options.values import Layer, Normal, OptionSet, defaults
from slasshy_rpc.values import FileView, Snapshot, Status, UriView

#: What telegram bots look for in a line.
BOT = re.compile(r"(\d+(?:\.\d+)?[KMG]iB)/(\d+(?:\.\d+)?[KMG]iB)\((\d+)%\).*DL:(\S+).*ETA:(\d+[smhd])")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def options(**own: Normal) -> OptionSet:
    values = {name.replace("_", "-"): value for name, value in own.items()}
    return defaults(compat=True).derive(values, Layer.COMMAND)


def row(
    gid: str = "2089b05ecca3d829",
    *,
    done: int = 2 * 10**6,
    total: int = 6 * 10**6,
    speed: int = 2 * 10**6,
    path: str = "/d/big",
    status: Status = Status.ACTIVE,
    average: int | None = None,
) -> Row:
    file = FileView(path, total, done, uris=(UriView("http://h/f", True),))
    return Row(gid, Snapshot(total, done, download_speed=speed, connections=1, files=(file,)), status, average)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (921, "921"),
        (922, "0.9Ki"),
        (1023, "0.9Ki"),
        (1024, "1.0Ki"),
        (2047, "1.9Ki"),
        (10240, "10Ki"),
        (921 * 1024, "921Ki"),
        (922 * 1024, "0.9Mi"),
        (6_000_000, "5.7Mi"),
        (3 << 30, "3.0Gi"),
        (5 << 40, "5,120Gi"),
    ],
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


def test_durations() -> None:
    assert [duration(n) for n in (1, 60, 365, 3600, 3661)] == ["1s", "1m", "6m5s", "1h", "1h1m1s"]


def test_one_download() -> None:
    line = progress([row()], human=True)
    assert line == "[#2089b0 1.9MiB/5.7MiB(33%) CN:1 DL:1.9MiB ETA:2s]"
    assert BOT.search(line)
    assert progress([row(done=16384, speed=16367)], human=False) == (
        "[#2089b0 16384B/6000000B(0%) CN:1 DL:16367B ETA:6m5s]"
    )
    assert progress([row(total=0, speed=0)], human=True) == "[#2089b0 1.9MiB/0B CN:1 DL:0B]"


def test_several_downloads() -> None:
    rows = [row(f"{n}000000000000000") for n in range(1, 8)]
    assert progress(rows[:2], human=True) == ("[DL:3.8MiB][#100000 1.9MiB/5.7MiB(33%)][#200000 1.9MiB/5.7MiB(33%)]")
    assert progress(rows, human=True).endswith("[#500000 1.9MiB/5.7MiB(33%)](+2)")


def test_summary() -> None:
    assert summary([row()], human=True, now="Tue Nov 24 00:06:41 2026") == (
        " *** Download Progress Summary as of Tue Nov 24 00:06:41 2026 *** \n"
        f"{'=' * 79}\n"
        "[#2089b0 1.9MiB/5.7MiB(33%) CN:1 DL:1.9MiB ETA:2s]\n"
        "FILE: /d/big\n"
        f"{'-' * 79}\n\n"
    )


def test_results() -> None:
    rows = [
        row("5ba7900000000000", status=Status.COMPLETE, average=4915),
        row("fcafb00000000000", status=Status.ERROR, path="", average=0),
        row("d000000000000000", status=Status.REMOVED),
    ]
    assert results(rows, full=False) == (
        "\nDownload Results:\n"
        "gid   |stat|avg speed  |path/URI\n"
        f"======+====+===========+{'=' * 55}\n"
        "5ba790|OK  |   4.7KiB/s|/d/big\n"
        "fcafb0|ERR |       0B/s|http://h/f\n"
        "d00000|RM  |        n/a|/d/big\n"
        "\nStatus Legend:\n"
        "(OK):download completed.(ERR):error occurred.(RM):download removed.\n"
        "\naria2 will resume download if the transfer is restarted.\n"
        "If there are any errors, then see the log file. See '-l' option in help/man page for details.\n"
    )
    assert "resume" not in results(rows[:1], full=False)
    assert results([], full=False).endswith(f"{'=' * 55}\n")
    full = results([row(average=15 * 1024)], full=True)
    assert f"gid   |stat|avg speed  |  %|path/URI\n======+====+===========+===+{'=' * 51}\n" in full
    assert "2089b0|INPR|    15KiB/s| 33|/d/big\n" in full


def test_a_name_does_not_steer_the_terminal() -> None:
    assert "/d/?[2Jx" in results([row(path="/d/\x1b[2Jx")], full=False)
    assert "\x1b" not in results([row(path="/d/\x1b[2Jx")], full=True)


def test_a_pipe_gets_whole_lines() -> None:
    stream = io.StringIO()
    readout = Readout(options(summary_interval="2"), lambda: [row()], stream)
    for now in (0.0, 1.0, 2.0):
        readout.tick(now)
    line = "[#2089b0 1.9MiB/5.7MiB(33%) CN:1 DL:1.9MiB ETA:2s]\n"
    text = stream.getvalue()
    assert text.startswith(line * 2 + " *** Download Progress Summary")
    assert text.endswith("\n\n" + line)
    assert "\x1b" not in text
    assert "\r" not in text


def test_a_terminal_gets_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    Readout(options(enable_color="false"), lambda: [row()], stream).tick(0.0)
    assert stream.getvalue() == f"\r{' ' * 29}\r[#2089b0 1.9MiB/5.7MiB(33%) C"
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    Readout(options(), lambda: [row()], stream).tick(0.0)
    assert "\x1b[36m(33%)\x1b[0m" in stream.getvalue()
    assert not stream.getvalue().endswith("\n")


def test_nothing_is_printed_that_was_not_wanted() -> None:
    stream = io.StringIO()
    quiet = Readout(options(quiet="true"), lambda: [row()], stream)
    quiet.tick(0.0)
    quiet.results([row()], "default")
    Readout(options(), lambda: [row()], stream).results([row()], "hide")
    Readout(options(show_console_readout="false"), lambda: [row()], stream).tick(0.0)
    Readout(options(), list, stream).tick(0.0)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO, errno.ENOSPC])
async def test_a_quiet_readout_ends_at_once_and_a_console_that_is_gone_ends_it(number: int) -> None:
    await Readout(options(quiet="true"), lambda: [row()], io.StringIO()).run()

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, os.strerror(number))

    readout = Readout(options(), lambda: [row()], Gone())
    readout.tick(0.0)
    await readout.run()
    readout.results([row()], "full")


async def test_nothing_is_shown_of_what_takes_no_time() -> None:
    stream = io.StringIO()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(Readout(options(), lambda: [row()], stream).run(), 0.05)
    assert stream.getvalue() == ""


def test_a_name_that_the_terminal_cannot_show() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="ascii", write_through=True)
    Readout(options(), list, stream).results([row(path="/d/é", status=Status.COMPLETE)], "default")
    assert b"/d/?\n" in buffer.getvalue()
