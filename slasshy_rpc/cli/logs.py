"""What is written about what happens: lines for people on the console, and the --log file.

Owns: formats and levels, which are aria2's, and what a line may hold. Never: what is said, or progress (readout).
"""

from __future__ import annotations

import errno
import logging
import os
import re
import stat
import sys
from collections.abc import Container
from typing import TextIO

from slasshy_rpc.cli.readout import shown
from slasshy_rpc.errors import UsageError
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.values import NOTICE

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": NOTICE,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_NAMES = {
    logging.DEBUG: "DEBUG",
    logging.INFO: "INFO",
    NOTICE: "NOTICE",
    logging.WARNING: "WARN",
    logging.ERROR: "ERROR",
}
_COLOURS = {logging.DEBUG: "37", logging.INFO: "36", NOTICE: "1;32", logging.WARNING: "1;33", logging.ERROR: "1;31"}
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")

log = logging.getLogger(__name__)


def configure(options: OptionSet) -> None:
    """Set up console and log file at the start. Raises UsageError if the log file cannot be written."""
    path = options.text("log")
    try:
        file = _LogFile(path) if path else None
    except OSError as error:
        raise UsageError(
            f"Cannot write the log to {shown(path or '')}: {error.strerror}. Give another --log."
        ) from error
    _install(options, file)


def reconfigure(options: OptionSet, changed: Container[str]) -> None:
    """Take over ``options``, of which those in ``changed`` are new; does nothing unless they are about the log.

    A new log is opened before the old one is left, the same name too (after a rotation). If it cannot be written, the
    old one stays in use and hears of it: as in aria2, that is no failure of the call that wanted the change.
    """
    if "log" not in changed and "log-level" not in changed:
        return
    before = next((each for each in logging.getLogger("slasshy_rpc").handlers if isinstance(each, _LogFile)), None)
    after, fault = before, None
    path = options.text("log")
    if "log" in changed:
        try:
            after = _LogFile(path) if path else None
        except OSError as error:
            fault = error
    _install(options, after)
    if before is not None and before is not after:
        before.close()
    if fault is not None:
        log.error("Cannot write the log to %s: %s. It goes on as before.", path, fault.strerror)


def _install(options: OptionSet, file: _LogFile | None) -> None:
    """Make the console that ``options`` want and ``file`` the only places that lines go to."""
    root = logging.getLogger("slasshy_rpc")
    root.propagate = False
    handlers: list[logging.Handler] = []
    if not options.flag("quiet"):
        stream = sys.stderr if options.flag("stderr") else sys.stdout
        console = _Lines(stream)
        console.setLevel(_LEVELS[options.text("console-log-level") or "notice"])
        anywhere = options.flag("compat") or stream.isatty()  # aria2 colours what goes into a pipe, too
        console.setFormatter(_Console(colour=options.flag("enable-color") and anywhere))
        handlers.append(console)
    if file is not None:
        file.setLevel(_LEVELS[options.text("log-level") or "debug"])
        file.setFormatter(_File())
        handlers.append(file)
    root.handlers = handlers
    root.setLevel(min((handler.level for handler in handlers), default=logging.CRITICAL))
    # Faults of the event loop itself would otherwise go to standard error without a word of ours.
    for name in ("asyncio", "aiohttp"):
        logging.getLogger(name).handlers = list(handlers)
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _Lines(logging.StreamHandler[TextIO]):
    """Lines to a stream. One that is full or has gone is no reason to fail, nor to complain in another place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + self.terminator
            try:
                self.stream.write(text)
            except UnicodeEncodeError:  # a name that the terminal's encoding does not have
                self.stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
            self.stream.flush()
        except OSError as error:
            self.lost(error)
        except Exception:
            self.handleError(record)

    def lost(self, error: OSError) -> None:
        """A line could not be written."""


class _LogFile(_Lines):
    """The file (or stream) that --log names; opening it raises OSError and never blocks."""

    def __init__(self, path: str) -> None:
        standard = {"-": sys.stdout, "/dev/stdout": sys.stdout, "/dev/stderr": sys.stderr}.get(path)
        super().__init__(standard or _opened(path))
        self._owned = standard is None
        self._full = False

    def lost(self, error: OSError) -> None:
        """Say so once, where it can be read."""
        if self._owned and not self._full:
            self._full = True
            log.error("The log cannot be written: %s. Lines are missing from here on.", error.strerror)

    def close(self) -> None:
        """Close the file too, if it is one."""
        super().close()
        if self._owned:
            try:
                self.stream.close()
            except OSError as error:
                self.lost(error)


def _opened(path: str) -> TextIO:
    """The file at ``path``, to be appended to. A pipe without a reader would hold the event loop for ever."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        fd = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise _no_file() from None
        raise
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):  # terminals and /dev/null are fine
        os.close(fd)
        raise _no_file()
    return open(fd, "a", encoding="utf-8", errors="backslashreplace")


def _no_file() -> OSError:
    return OSError(errno.EINVAL, "It is neither a regular file nor a terminal")


def _said(record: logging.LogRecord) -> str:
    """The record's text. Line breaks are the program's own: those in names and answers become ``?``, like all that
    would steer a terminal, so that nothing from outside can pass for another line."""
    text = str(record.msg)
    if isinstance(record.args, tuple) and record.args:
        text %= tuple(shown(str(arg)) if isinstance(arg, str | BaseException) else arg for arg in record.args)
    else:
        text = record.getMessage()
    if record.exc_info:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    return _CONTROL.sub("?", text)


class _Console(logging.Formatter):
    """``11/24 00:07:31 [NOTICE] text``, where ``colour`` with a coloured level."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__(datefmt="%m/%d %H:%M:%S")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        name = _NAMES.get(record.levelno, record.levelname)
        if self._colour:
            name = f"\033[{_COLOURS.get(record.levelno, '0')}m{name}\033[0m"
        return f"\n{self.formatTime(record, self.datefmt)} [{name}] {_said(record)}"


class _File(logging.Formatter):
    """``2026-11-24 00:07:31.123456 [INFO] [module:line] text``."""

    def format(self, record: logging.LogRecord) -> str:
        name = _NAMES.get(record.levelno, record.levelname)
        micro = int(record.created % 1 * 1_000_000)
        stamp = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')}.{micro:06d}"
        return f"{stamp} [{name}] [{record.module}:{record.lineno}] {_said(record)}"
