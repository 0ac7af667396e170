"""Where lines go, what they may hold, and what happens when they cannot be written."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slasshy_rpc.cli import logs
from slasshy_rpc.errors import UsageError
from slasshy_rpc.values import NOTICE
from tests.support.fake_protocol import options

LOGGER = logging.getLogger("slasshy_rpc.some.module")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Loggers are as they were afterwards."""
    names = ("slasshy_rpc", "asyncio", "aiohttp")
    before = {name: (log := logging.getLogger(name), log.handlers, log.level, log.propagate) for name in names}
    yield
    for log, handlers, level, propagate in before.values():
        for handler in log.handlers:
            if handler not in handlers:
                handler.close()
        log.handlers, log.propagate = handlers, propagate
        log.setLevel(level)


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Tells what has been printed so far."""
    printed: list[str] = []

    def said() -> str:
        printed.append(capsys.readouterr().out)
        return "".join(printed)

    return said


def test_lines_of_console_and_file(console: Callable[[], str], tmp_path: Path) -> None:
    path = tmp_path / "log"
    logs.configure(options(log=str(path), log_level="warn", enable_color="false"))
    LOGGER.log(NOTICE, "Saw %d of %s", 3, "x")
    LOGGER.warning("twice")
    assert "[NOTICE] Saw 3 of x\n" in console()
    assert "[WARN] twice\n" in console()
    assert path.read_text().endswith("] twice\n")
    assert "Saw" not in path.read_text()


@pytest.mark.parametrize(("compat", "level"), [("true", "\x1b[1;32mNOTICE\x1b[0m"), ("false", "NOTICE")])
def test_aria2_colours_what_goes_into_a_pipe(console: Callable[[], str], compat: str, level: str) -> None:
    logs.configure(options(compat=compat))
    LOGGER.log(NOTICE, "said")
    assert f" [{level}] said\n" in console()


def test_stderr_takes_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(options(stderr="true"))
    LOGGER.warning("said")
    out, err = capsys.readouterr()
    assert (out, "said" in err) == ("", True)


def test_nothing_from_outside_steers_the_terminal_or_passes_for_a_line(
    console: Callable[[], str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    logs.configure(options(log=str(path), enable_color="false"))
    evil = "a\x1b[2J\r\n11/24 00:00:00 [ERROR] forged\x9b\u202e\ud800"
    LOGGER.error("Failed: %s\n  -> %s", evil, ValueError(evil))
    try:
        raise ValueError(evil)
    except ValueError:
        LOGGER.exception("A fault.")
    for text in (console(), path.read_text()):
        assert not set(text) & set("\x1b\r\x9b")
        failed = next(line for line in text.splitlines() if "Failed" in line)
        assert failed.endswith("Failed: a?[2J??11/24 00:00:00 [ERROR] forged???")
        assert "\n  -> a?[2J??11/24" in text


@pytest.mark.parametrize("kind", ["pipe", "read pipe", "folder", "missing folder"])
def test_a_log_that_is_no_file_is_refused_at_the_start(kind: str, console: Callable[[], str], tmp_path: Path) -> None:
    path = tmp_path / "log"
    if "pipe" in kind:
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = path / "log"
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if kind == "read pipe" else -1
    try:
        with pytest.raises(UsageError, match=f"Cannot write the log to {path}: "):
            logs.configure(options(log=str(path)))
    finally:
        if reader >= 0:
            os.close(reader)


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_a_log_on_standard_output(name: str, console: Callable[[], str]) -> None:
    logs.configure(options(log=name, quiet="true"))
    LOGGER.info("heard")
    logs.reconfigure(options(log="", quiet="true"), ["log"])
    LOGGER.info("not heard")
    assert console().endswith("] heard\n")
    assert not sys.stdout.closed


def test_a_device_may_be_the_log(console: Callable[[], str]) -> None:
    logs.configure(options(log="/dev/null"))
    LOGGER.error("heard")
    assert "heard" in console()


def test_a_changed_log_takes_over(console: Callable[[], str], tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    logs.configure(options(log=str(first), log_level="error", enable_color="false"))
    LOGGER.error("one")
    logs.reconfigure(options(log=str(second), log_level="error"), ["log"])
    LOGGER.error("two")
    logs.reconfigure(options(log=str(second), log_level="info"), ["log-level"])
    LOGGER.info("three")
    second.rename(tmp_path / "2.old")
    logs.reconfigure(options(log=str(second), log_level="info"), ["log"])  # the same name, after a rotation
    LOGGER.info("four")
    assert [line.rsplit(" ", 1)[1] for line in first.read_text().splitlines()] == ["one"]
    assert [line.rsplit(" ", 1)[1] for line in (tmp_path / "2.old").read_text().splitlines()] == ["two", "three"]
    assert [line.rsplit(" ", 1)[1] for line in second.read_text().splitlines()] == ["four"]


def test_changes_of_other_options_open_nothing(console: Callable[[], str], tmp_path: Path) -> None:
    first = tmp_path / "1"
    logs.configure(options(log=str(first)))
    logs.reconfigure(options(log=str(tmp_path / "2")), ["split"])
    LOGGER.info("one")
    assert [each.name for each in tmp_path.iterdir()] == ["1"]
    assert "one" in first.read_text()


def test_a_changed_log_that_cannot_be_written_leaves_the_old_one(console: Callable[[], str], tmp_path: Path) -> None:
    first, bad = tmp_path / "1", tmp_path / "none" / "2"
    logs.configure(options(log=str(first), log_level="error", enable_color="false"))
    logs.reconfigure(options(log=str(bad), log_level="info", enable_color="false"), ["log", "log-level"])
    LOGGER.info("goes on")
    said = first.read_text()
    assert said.count(f"Cannot write the log to {bad}: No such file or directory.") == 1
    assert said.endswith("goes on\n")  # and the new level counts
    assert "[ERROR] Cannot write the log" in console()


def test_a_console_that_is_full_is_no_reason_to_complain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    full = os.open("/dev/full", os.O_WRONLY)
    stream = io.TextIOWrapper(io.FileIO(full, "w", closefd=False), write_through=True)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        logs.configure(options(log=str(path)))
        LOGGER.error("in the file")
    stream.detach()
    os.close(full)
    assert "in the file" in path.read_text()
    assert capsys.readouterr() == ("", "")


def test_a_log_file_that_is_full_says_so_once(console: Callable[[], str]) -> None:
    logs.configure(options(log="/dev/full"))
    for _ in range(3):
        LOGGER.error("on the console")
    assert console().count("The log cannot be written: No space left on device.") == 1
    assert console().count("on the console") == 3


def test_a_name_that_the_terminal_cannot_show(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    logs.configure(options())
    LOGGER.error("Lost: %s", "é")
    assert b"Lost: \\xe9\n" in buffer.getvalue()
