"""A command on a terminal of its own: what it draws there, and keys that are pressed.

Owns: a pseudo-terminal and the process on it. Never: imports slasshy_rpc, or waits without a bound.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from types import TracebackType
from typing import Self

from tests.support.process import PATIENCE, ROOT

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")

#: Makes standard input the terminal that keys such as Ctrl-C come from, and becomes the command.
_OWN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """``command`` on a terminal of ``columns`` and ``rows``; killed at the end of the with block if it still runs."""

    def __init__(self, *command: str, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self._fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        plain = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command],
            cwd=ROOT,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**plain, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **environment},
            start_new_session=True,
        )
        os.close(inner)
        self._bytes = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)

    @property
    def raw(self) -> str:
        """All that was written, with what steers the terminal."""
        return self._bytes.decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """All that was written, as words; a line that is written anew is one more."""
        return _CONTROL.sub("", self.raw.replace("\x1b[2K", "\n"))

    def shows(self, pattern: str) -> re.Match[str]:
        """Wait until ``text`` has the pattern. Raises TimeoutError with what it has instead."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.text)) is None:
            if not self._read(end - time.monotonic()):
                raise TimeoutError(f"{pattern!r} is not shown, but:\n{self.text[-3000:]}")
        return found

    def press(self, keys: str) -> None:
        """Type ``keys``."""
        os.write(self._fd, keys.encode())

    def wait(self) -> int:
        """Its exit code, once it ends by itself."""
        end = time.monotonic() + PATIENCE
        while self._read(end - time.monotonic()):
            pass
        return self._process.wait(max(0.1, end - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        """Take what comes next; False at the end, or if nothing comes."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, seconds))
        try:
            data = os.read(self._fd, 1 << 16) if ready else b""
        except OSError:  # how Linux says that nobody has the other end any more
            data = b""
        self._bytes += data
        return bool(data)
