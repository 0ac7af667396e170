"""What is written about what happens: lines for people on the console, and the --log file.

Owns: formats and levels, which are aria2's. Never: what is said, or progress (readout).
"""

from __future__ import annotations

import logging
import sys

from slasshy_rpc.errors import UsageError
from slasshy_rpc.options.values import OptionSet

#: Between INFO and WARNING: what everybody should see (aria2's console default).
NOTICE = 25

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


def configure(options: OptionSet) -> None:
    """Set up console and log file. Raises UsageError if the log file cannot be written."""
    root = logging.getLogger("slasshy_rpc")
    root.handlers.clear()
    root.propagate = False
    root.setLevel(logging.DEBUG)
    if not options.flag("quiet"):
        console = logging.StreamHandler(sys.stdout)
        console.setLevel(_LEVELS[options.text("console-log-level") or "notice"])
        console.setFormatter(_Console(colour=options.flag("enable-color") and sys.stdout.isatty()))
        root.addHandler(console)
    path = options.text("log")
    if path:
        try:
            file: logging.Handler = (
                logging.StreamHandler(sys.stdout) if path == "-" else logging.FileHandler(path, encoding="utf-8")
            )
        except OSError as error:
            raise UsageError(f"Cannot write the log to {path}: {error.strerror}. Give another --log.") from error
        file.setLevel(_LEVELS[options.text("log-level") or "debug"])
        file.setFormatter(_File())
        root.addHandler(file)
    root.setLevel(min((handler.level for handler in root.handlers), default=logging.CRITICAL))
    # Faults of the event loop itself would otherwise go to standard error without a word of ours.
    for name in ("asyncio", "aiohttp"):
        logging.getLogger(name).handlers = list(root.handlers)
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _Console(logging.Formatter):
    """``11/24 00:07:31 [NOTICE] text``, coloured on a terminal."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__(datefmt="%m/%d %H:%M:%S")
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        name = _NAMES.get(record.levelno, record.levelname)
        if self._colour:
            name = f"\033[{_COLOURS.get(record.levelno, '0')}m{name}\033[0m"
        text = f"{self.formatTime(record, self.datefmt)} [{name}] {record.getMessage()}"
        return f"\n{text}" + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")


class _File(logging.Formatter):
    """``2026-11-24 00:07:31.123456 [INFO] [module:line] text``."""

    def format(self, record: logging.LogRecord) -> str:
        name = _NAMES.get(record.levelno, record.levelname)
        micro = int(record.created % 1 * 1_000_000)
        stamp = f"{self.formatTime(record, '%Y-%m-%d %H:%M:%S')}.{micro:06d}"
        text = f"{stamp} [{name}] [{record.module}:{record.lineno}] {record.getMessage()}"
        return text + (f"\n{self.formatException(record.exc_info)}" if record.exc_info else "")
