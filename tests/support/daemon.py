"""A download server of any make as a process: started on a free port, spoken to in raw bytes, listened to, ended.

Owns: the process, its home folder, one connection per message, one WebSocket. Never: knows what the answers mean, or
waits without a bound.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.process import GLANCE, PATIENCE, free_port, without_proxies


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer; ``status`` is 0 where the server hung up without one. Header names are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON, or as text where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body.decode("utf-8", "replace")


class Daemon:
    """``command`` with ``options`` as an RPC server inside a with block, in the folder ``folder/files``.

    Its home is ``folder/home``; it inherits no proxies and no conf file.
    """

    def __init__(self, command: Sequence[str], folder: Path, options: Sequence[str]) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.home = folder / "home"
        self.port = free_port()
        for path in (self.files, self.home):
            path.mkdir(parents=True, exist_ok=True)
        with (folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [*command, "--no-conf", "--enable-rpc", f"--rpc-listen-port={self.port}", *options],
                cwd=self.files,
                env={**without_proxies(), "HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def __enter__(self) -> Self:
        try:
            self._await_port()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    @property
    def said(self) -> str:
        """What it has printed."""
        return (self.folder / "said").read_text(errors="replace")

    def _await_port(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE).close()
                return
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise TimeoutError(f"no server came up; it printed:\n{self.said}") from error
                time.sleep(GLANCE)

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> Reply:
        """One HTTP request on a connection of its own; ``_`` in header names stands for ``-``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                connection.request(method, target, body, named)
                response = connection.getresponse()
                fields = {name.lower(): value for name, value in response.getheaders()}
                return Reply(response.status, fields, response.read())
            except (http.client.HTTPException, ConnectionError):
                return Reply(0)

    def post(self, message: bytes | object) -> Reply:
        """POST ``message`` (anything but bytes as JSON) to /jsonrpc."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self.request("POST", "/jsonrpc", body, Content_Type="application/json")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it ends by itself. Raises subprocess.TimeoutExpired."""
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """SIGKILL; does nothing to one that has ended."""
        self._process.kill()
        self._process.wait(PATIENCE)


class Ear:
    """One WebSocket of a server, read by a thread of its own; ``heard`` are all messages so far, in order."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._stream = self._socket.makefile("rb")
        self._changed = threading.Condition()
        self.heard: list[str] = []
        self.ended = False
        lines = (
            "GET /jsonrpc HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        )
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self._stream.readline()
        if b" 101 " not in status:
            raise ConnectionError(f"no WebSocket but {status!r}")
        while self._stream.readline() not in (b"\r\n", b""):
            pass
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._stream.close()
        self._socket.close()

    def send(self, payload: bytes, opcode: int = 1) -> None:
        """One frame: 1 is text, 2 binary, 8 close, 9 ping; masked with zeros."""
        size = len(payload)
        if size < 126:
            length = bytes([0x80 | size])
        else:
            length = b"\xfe" + struct.pack(">H", size) if size < 65536 else b"\xff" + struct.pack(">Q", size)
        self._socket.sendall(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    def wait(self, ready: Callable[[list[str]], bool], seconds: float = PATIENCE) -> bool:
        """Until ``ready(heard)``; False when that takes longer, or the socket has ended without it."""
        with self._changed:
            self._changed.wait_for(lambda: self.ended or ready(self.heard), seconds)
            return ready(self.heard)

    def ask(self, method: str, *params: object) -> list[str]:
        """Call a method, await its answer, and return all messages that were heard before it."""
        name = f"ask {len(self.heard)}"
        self.send(json.dumps({"jsonrpc": "2.0", "id": name, "method": method, "params": params}).encode())
        mark = f'"{name}"'
        self.wait(lambda heard: any(mark in text for text in heard))
        with self._changed:
            self.heard, before = [], [text for text in self.heard if mark not in text]
        return before

    def _listen(self) -> None:
        with contextlib.suppress(OSError, struct.error, ValueError):
            while True:
                head = self._stream.read(2)
                if len(head) < 2:
                    break
                size = head[1] & 0x7F
                if size == 126:
                    (size,) = struct.unpack(">H", self._stream.read(2))
                elif size == 127:
                    (size,) = struct.unpack(">Q", self._stream.read(8))
                payload = self._stream.read(size)
                with self._changed:
                    if head[0] & 0x0F == 1:
                        self.heard.append(payload.decode("utf-8", "replace"))
                    else:
                        self.heard.append(f"<frame {head[0] & 0x0F}> {payload.hex()}")
                    self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()
