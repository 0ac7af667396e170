"""A contender as an RPC server, and clients with next to no cost of their own. Judges nothing that they are told."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.contenders import Contender
from tests.bench.measure import emptied, environment
from tests.bench.scenarios import Course

SECRET = "bench"
_CHUNK = 1 << 20


def body(method: str, *params: object) -> bytes:
    """The JSON of a call, with the token where the method takes one."""
    given = list(params) if method.startswith("system.") else [f"token:{SECRET}", *params]
    return json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": given}).encode()


def inner(method: str, *params: object) -> dict[str, object]:
    """A call inside system.multicall."""
    return {"methodName": method, "params": [f"token:{SECRET}", *params]}


def result_of(method: str, answer: bytes) -> Any:
    """The result in an answer; RuntimeError with the server's error."""
    told = json.loads(answer)
    if "error" in told:
        raise RuntimeError(f"{method}: {told['error']}")
    return told["result"]


class Stream:
    """Bytes from a socket, copied once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = bytearray(_CHUNK)
        self._held = 0

    def send(self, data: bytes) -> None:
        """All of it."""
        self._socket.sendall(data)

    def until(self, end: bytes) -> bytes:
        """The bytes up to and with the first ``end``."""
        while (at := self._data.find(end, 0, self._held)) < 0:
            self._more()
        return self.take(at + len(end))

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if len(self._data) < count:
            self._data.extend(bytes(count - len(self._data) + _CHUNK))
        while self._held < count:
            self._more()
        taken = bytes(memoryview(self._data)[:count])
        self._data[: self._held - count] = self._data[count : self._held]
        self._held -= count
        return taken

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes without ever holding up this process's other threads."""
        buffered = min(count, self._held)
        self.take(buffered)
        left = count - buffered
        while left:
            with memoryview(self._data) as room:
                got = self._socket.recv_into(room[: min(left, _CHUNK)])
            if not got:
                raise ConnectionError("the server closed the connection")
            left -= got

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _more(self) -> None:
        if self._held == len(self._data):
            self._data.extend(bytes(_CHUNK))
        with memoryview(self._data) as room:
            got = self._socket.recv_into(room[self._held :])
        if not got:
            raise ConnectionError("the server closed the connection")
        self._held += got


class Client:
    """JSON-RPC over one keep-alive connection; with ``gzip`` it says that it takes that, as browsers do."""

    def __init__(self, port: int, *, gzip: bool = False) -> None:
        self._stream = Stream(port)
        coding = "Accept-Encoding: gzip, deflate\r\n" if gzip else ""
        self._head = f"POST /jsonrpc HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{coding}Content-Type: application/json\r\n"

    def request(self, method: str, *params: object) -> bytes:
        """The bytes of a call."""
        text = body(method, *params)
        return f"{self._head}Content-Length: {len(text)}\r\n\r\n".encode() + text

    def exchange(self, request: bytes) -> bytes:
        """Send a request; the body of its answer, as it came."""
        return self._stream.take(self._length(request))

    def pass_over(self, request: bytes) -> int:
        """Send a request and wait for the end of its answer; how many bytes that has."""
        length = self._length(request)
        self._stream.skip(length)
        return length

    def _length(self, request: bytes) -> int:
        self._stream.send(request)
        head = self._stream.until(b"\r\n\r\n")
        fields = (line.lower().partition(b":") for line in head.split(b"\r\n"))
        return next(int(value) for name, _, value in fields if name == b"content-length")

    def call(self, method: str, *params: object) -> Any:
        """The result of a call; RuntimeError with the server's error."""
        return result_of(method, self.exchange(self.request(method, *params)))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()


class SocketClient:
    """JSON-RPC over a WebSocket; passes over notifications."""

    def __init__(self, port: int) -> None:
        self._stream = Stream(port)
        key = base64.b64encode(os.urandom(16)).decode()
        self._stream.send(
            f"GET /jsonrpc HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = self._stream.until(b"\r\n\r\n")
        if b" 101 " not in head:
            raise RuntimeError(f"no WebSocket: {head[:40]!r}")

    def request(self, method: str, *params: object) -> bytes:
        """The frame of a call, masked with zeros."""
        text = body(method, *params)
        length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + struct.pack(">H", len(text))
        return b"\x81" + length + bytes(4) + text

    def pass_over(self, request: bytes) -> int:
        """Send a frame and wait for the end of its answer; how many bytes that has. Notifications are no answers."""
        self._stream.send(request)
        while True:
            kind, length = self._stream.take(2)
            if length == 126:
                (length,) = struct.unpack(">H", self._stream.take(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._stream.take(8))
            begin = self._stream.take(min(length, 100))
            self._stream.skip(length - len(begin))
            if kind & 15 == 8:
                raise ConnectionError("the server closed the WebSocket")
            if kind & 15 == 1 and b'"id"' in begin:
                return length

    def close(self) -> None:
        """Hang up."""
        self._stream.close()


class Server:
    """A contender as a server, alive inside `with`; `start_ms` is the time to its first answer.

    ``options`` come on top of the bench's own. The folders of an earlier server are emptied unless it is ``kept``.
    """

    def __init__(
        self, contender: Contender, course: Course, active: int, options: Sequence[str] = (), *, kept: bool = False
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder = course.field.out
        home = course.scratch / "home"
        if not kept:
            emptied(self.folder)
            emptied(home)
        own = {"slasshy": ["-m", "slasshy_rpc"], "aria2c": ["--file-allocation=falloc", "-k1M"]}.get(
            contender.name, ["-k1M"]
        )
        served = ["--no-conf", "-q", "--enable-rpc", f"--rpc-listen-port={self.port}", f"--rpc-secret={SECRET}"]
        self._command = [contender.binary, *own, *served, f"-d{self.folder}", f"-j{active}", *options]
        self._env = environment(home, course.nginx.authority)
        self._log = course.scratch / "server.txt"
        self.start_ms = 0.0

    def __enter__(self) -> Client:
        begun = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=Path.cwd()
            )
        while True:
            try:
                self._client = Client(self.port)
                self._client.call("aria2.getVersion")
            except RuntimeError:
                self._end()
                raise
            except ConnectionError as error:
                if self._process.poll() is not None or time.monotonic() > begun + 60:
                    self._end()
                    told = self._log.read_text(errors="replace").strip().splitlines()
                    raise RuntimeError(f"does not serve: {told[-1] if told else 'no word of why'}") from error
                time.sleep(0.001)
            else:
                self.start_ms = (time.monotonic() - begun) * 1000
                return self._client

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError, ValueError, subprocess.TimeoutExpired):
            self._client.call("aria2.forceShutdown")
            self._process.wait(5)
        self._client.close()
        self._end()

    def kill(self) -> None:
        """End it with SIGKILL, which nobody can prepare for."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory(self, field: str) -> float:
        """MiB of VmRSS or VmHWM; 0 where /proc is missing."""
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), 0.0)
