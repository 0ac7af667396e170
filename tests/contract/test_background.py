"""--daemon and --stop-with-process: the terminal is free once all has started, and a failed start is still seen."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.origin import Origin
from tests.support.process import GLANCE, PATIENCE, Server, free_port, run


def call(port: int, method: str) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", "/jsonrpc", json.dumps({"jsonrpc": "2.0", "id": "1", "method": method}))
        return json.loads(connection.getresponse().read())["result"]


@pytest.fixture
def port() -> Iterator[int]:
    """A free one, with nobody on it in the end."""
    number = free_port()
    yield number
    with contextlib.suppress(OSError):
        call(number, "aria2.forceShutdown")


@pytest.mark.parametrize("mode", ["slasshy-rpc", "compat"])
def test_the_server_goes_on_when_the_command_has_ended(tmp_path: Path, port: int, mode: str) -> None:
    log, session = tmp_path / "log", tmp_path / "session"
    code, said = run(
        "--daemon",
        "--enable-rpc",
        f"--compat={str(mode == 'compat').lower()}",
        f"--rpc-listen-port={port}",
        f"--dir={tmp_path}",
        f"--state-dir={tmp_path / 'state'}",
        f"--log={log}",
        f"--save-session={session}",
    )
    assert code == 0, said
    assert call(port, "aria2.getVersion")  # at once: the command has waited for it
    assert call(port, "aria2.shutdown") == "OK"
    end = time.monotonic() + PATIENCE
    while not session.exists():
        assert time.monotonic() < end
        time.sleep(GLANCE)
    assert "listening" in log.read_text()


def test_a_download_in_the_background(tmp_path: Path, origin: Origin) -> None:
    url = origin.serve("/f", length=1 << 20)
    assert run("--daemon", f"--dir={tmp_path}", f"--state-dir={tmp_path / 'state'}", url)[0] == 0
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "f").exists() or origin.content("/f").difference(tmp_path / "f") is not None:
        assert time.monotonic() < end
        time.sleep(GLANCE)


def test_a_start_that_fails_is_seen(tmp_path: Path) -> None:
    with Server(f"--dir={tmp_path}", f"--state-dir={tmp_path / 'one'}") as server:
        code, said = run("--daemon", f"--rpc-listen-port={server.port}", f"--state-dir={tmp_path / 'two'}")
    assert code == 1
    assert str(server.port) in said


def test_it_ends_with_the_other_process(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        with Server(f"--dir={tmp_path}", f"--state-dir={tmp_path}", f"--stop-with-process={other.pid}") as server:
            assert server.running
            os.kill(other.pid, signal.SIGKILL)
            other.wait(PATIENCE)
            assert server.wait() == 0
            assert f"Process {other.pid} has ended" in server.said
    finally:
        other.kill()
        other.wait()
        assert other.stdin is not None
        other.stdin.close()
