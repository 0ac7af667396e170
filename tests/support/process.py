"""The command as a process of its own: started on a free port, asked over RPC, stopped, killed.

Owns: processes it started, by their number, and what they print. Never: imports slasshy_rpc, or waits without a bound.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]

#: Bounds every wait for a process (seconds); many times what a busy machine needs.
PATIENCE = 30.0

#: How often RPC is asked whether something has come true (seconds).
GLANCE = 0.02

_NOTHING: Mapping[str, str] = {}


class Refused(Exception):
    """An RPC call that was answered with an error."""


class Command:
    """``slasshy-rpc`` with ``arguments``; ended at the end of the with block, whatever happened.

    ``prefix`` is put before the command, for namespaces and limits. Without a user's conf file and proxies, unless
    ``environment`` has some, and at most 30 s for anything that is awaited.
    """

    def __init__(self, *arguments: str, prefix: Sequence[str] = (), environment: Mapping[str, str] = _NOTHING) -> None:
        self.lines: list[str] = []
        self._said = threading.Condition()
        self._silent = False  # its output has ended
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "slasshy_rpc", "--no-conf", *arguments],
            cwd=ROOT,
            env={**without_proxies(), "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def said(self) -> str:
        """All it has printed so far."""
        with self._said:
            return "".join(self.lines)

    def kill(self) -> None:
        """SIGKILL: no flush, no farewell. Does nothing to one that has ended."""
        self._process.kill()
        self._collect()

    def stop(self) -> int:
        """SIGTERM, and wait; its exit code."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Its exit code, once it ends by itself. Raises TimeoutError with what it printed."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"slasshy-rpc goes on after {PATIENCE:g} s; it printed:\n{self.said}") from error
        return self._collect()

    def hears(self, text: str) -> None:
        """Wait until it has printed ``text``. Raises TimeoutError with what it said instead."""
        with self._said:
            self._said.wait_for(lambda: self._silent or any(text in line for line in self.lines), PATIENCE)
            if any(text in line for line in self.lines):
                return
        raise TimeoutError(f"slasshy-rpc did not say {text!r} but:\n{self.said}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._said:
                self.lines.append(line)
                self._said.notify_all()
        with self._said:
            self._silent = True
            self._said.notify_all()

    def _collect(self) -> int:
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


class Server(Command):
    """The command as a server on a free port; use ``call`` once ``ready``."""

    def __init__(self, *arguments: str, prefix: Sequence[str] = (), environment: Mapping[str, str] = _NOTHING) -> None:
        self.port = free_port()
        super().__init__(f"--rpc-listen-port={self.port}", *arguments, prefix=prefix, environment=environment)

    def __enter__(self) -> Self:
        try:
            return self.ready()
        except BaseException:
            self.kill()
            raise

    def ready(self) -> Self:
        """Wait until it listens."""
        self.hears("RPC: listening")
        return self

    def call(self, method: str, *params: object) -> Any:
        """One JSON-RPC call; its result. Raises Refused with the error's message."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": params})
            connection.request("POST", "/jsonrpc", body, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        if "error" in answer:
            raise Refused(answer["error"]["message"])
        return answer["result"]

    def add(self, *uris: str, **options: str) -> str:
        """aria2.addUri with option names in which _ stands for -; the GID."""
        result = self.call("aria2.addUri", list(uris), {name.replace("_", "-"): text for name, text in options.items()})
        assert isinstance(result, str)
        return result

    def status(self, gid: str) -> dict[str, Any]:
        """aria2.tellStatus."""
        result = self.call("aria2.tellStatus", gid)
        assert isinstance(result, dict)
        return result

    def until(self, gid: str, ready: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status of which ``ready`` holds. Raises TimeoutError with the last one."""
        end = time.monotonic() + PATIENCE
        while not ready(status := self.status(gid)):
            if time.monotonic() > end:
                raise TimeoutError(f"{status} is not what was awaited; the server printed:\n{self.said}")
            time.sleep(GLANCE)
        return status

    def finished(self, gid: str) -> dict[str, Any]:
        """The status at the end, good or bad."""
        return self.until(gid, lambda status: status["status"] in ("complete", "error", "removed"))

    def completed(self, gid: str) -> dict[str, Any]:
        """The status at a good end; AssertionError for another."""
        status = self.finished(gid)
        assert status["status"] == "complete", status
        return status


def run(*arguments: str, prefix: Sequence[str] = (), environment: Mapping[str, str] = _NOTHING) -> tuple[int, str]:
    """Run the command to its end: exit code and what it printed."""
    with Command(*arguments, prefix=prefix, environment=environment) as command:
        code = command.wait()
        return code, command.said


#: Ports that one process of a test run gives; each of those that run beside it has others.
_PORTS = 12_000 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_FIRST = 20_000 + _PORTS * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_numbers = itertools.count(random.randrange(_PORTS))


def without_proxies() -> dict[str, str]:
    """This process's environment without proxies, which would lead tests astray."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, each given once.

    It lies below those that systems give to connections, so that none takes it before its server does.
    """
    while True:
        port = _FIRST + next(_numbers) % _PORTS
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


def command_named(name: str, folder: Path) -> Path:
    """A program called ``name`` in ``folder`` that is this one, as an installed command would be; its path."""
    path = folder / name
    lines = (f"#!{sys.executable}", "import sys", "from slasshy_rpc.__main__ import main", "sys.exit(main())")
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path
