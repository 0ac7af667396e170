"""An ordinary client of a server under attack, as a process of its own, and how long each of its answers took.

Owns: calls with the right token, in turn over one connection that is kept and over a new one each. Never: imports
slasshy_rpc, shares a processor's time with the attack more than two processes do, or waits without a bound.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
#: Seconds that one answer is awaited, and between two calls.
PATIENCE = 20.0
PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds: of all answers the worst, of those over a kept connection and a new one, and the 99th percentile.

    ``noise`` is the longest that the machine kept the client itself waiting beyond a pause that it had asked for.
    """

    answers: int
    kept: float
    fresh: float
    p99: float
    noise: float
    failed: tuple[str, ...] = ()

    @property
    def worst(self) -> float:
        """The longest of all answers."""
        return max(self.kept, self.fresh)

    def __str__(self) -> str:
        return (
            f"{self.answers:5} answers, worst {self.worst:6.1f} ms (kept {self.kept:.1f}, new {self.fresh:.1f}), "
            f"p99 {self.p99:.1f} ms, the machine itself {self.noise:.1f} ms"
        )


class Patron:
    """Calls the server on ``port`` inside a with block; ``leave`` ends that and tells how it went.

    ``authority`` is the CA file of a server that speaks TLS.
    """

    def __init__(self, port: int, secret: str = "", authority: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(port), secret, authority],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._end()
            raise ConnectionError("the server does not answer an ordinary client even before the attack")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def leave(self) -> Figures:
        """Make no more calls; how those before went."""
        said, _ = self._process.communicate(timeout=2 * PATIENCE)
        told = json.loads(said)
        kept, fresh = sorted(told["kept"]), sorted(told["fresh"])
        both = sorted(kept + fresh)
        return Figures(
            answers=len(both),
            kept=kept[-1] if kept else 0.0,
            fresh=fresh[-1] if fresh else 0.0,
            p99=both[min(len(both) - 1, len(both) * 99 // 100)] if both else 0.0,
            noise=told["noise"],
            failed=tuple(told["failed"]),
        )

    def _end(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class _Calls:
    """The calls of the process."""

    def __init__(self, port: int, secret: str, authority: str) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=authority) if authority else None
        params = [f"token:{secret}"] if secret else []
        body = json.dumps({"jsonrpc": "2.0", "id": "1", "method": "aria2.getGlobalStat", "params": params}).encode()
        head = f"POST /jsonrpc HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._request = head.encode() + body
        self._kept = self._connected()

    def kept(self) -> None:
        """One call over the connection that is kept."""
        self._exchange(self._kept)

    def fresh(self) -> None:
        """One call over a connection of its own."""
        with self._connected() as one:
            self._exchange(one)

    def _connected(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._tls.wrap_socket(plain, server_hostname="127.0.0.1") if self._tls else plain

    def _exchange(self, one: socket.socket) -> None:
        one.sendall(self._request)
        data = b""
        while not data.endswith(b"}"):  # the answer is small: a dict in a dict, compressed by nobody
            piece = one.recv(1 << 16)
            if not piece:
                raise ConnectionError(f"hung up on after {data!r}")
            data += piece
        if b'"numActive"' not in data:
            raise ConnectionError(f"answered {data!r}")


def _measure(port: int, secret: str, authority: str) -> dict[str, Any]:
    calls = _Calls(port, secret, authority)
    calls.kept()
    calls.fresh()
    print("ready", flush=True)
    told: dict[str, Any] = {"kept": [], "fresh": [], "failed": [], "noise": 0.0}
    enough = threading.Event()

    def until_told() -> None:
        sys.stdin.read()
        enough.set()

    threading.Thread(target=until_told, daemon=True).start()
    while not enough.is_set() and len(told["failed"]) < 20:
        for way in ("kept", "fresh"):
            started = time.perf_counter()
            try:
                getattr(calls, way)()
            except OSError as error:
                told["failed"].append(f"{way}: {error!r} after {time.perf_counter() - started:.3f} s")
            else:
                told[way].append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        time.sleep(PAUSE)
        told["noise"] = max(told["noise"], (time.perf_counter() - started - PAUSE) * 1000)
    return told


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]), sys.argv[2], sys.argv[3])))
