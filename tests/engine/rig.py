"""What the engine's tests share: an engine with a patient wait, connected sockets, a file full of sentinel bytes.

Owns: set-up and bounded waiting. Never: expectations.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

from slasshy_rpc import _engine
from slasshy_rpc._engine import Channel, Engine, LiveMap, Pace, Put, Transfer

SENTINEL = 0xA5
PATIENCE = 30.0  # seconds after which a wait is a failure


def pattern(size: int, start: int = 0) -> bytes:
    """Bytes that tell their place, and never the sentinel."""
    block = bytes((7 * i + i // 251) % 160 for i in range(251 * 160))
    start %= len(block)
    return (block * (size // len(block) + 2))[start : start + size]


def pair() -> tuple[Channel, socket.socket]:
    """A plain channel and the peer's end (blocking)."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    return Channel(ours.detach()), peer


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection over the loop-back, ours first and non-blocking."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    ours.setblocking(False)
    return ours, peer


def reset(peer: socket.socket) -> None:
    """Close a TCP end with RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def unread(peer: socket.socket) -> int:
    """Bytes that were sent and that the other end has not read (SIOCOUTQ)."""
    answer = fcntl.ioctl(peer, termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, "little")


def await_(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as ``condition`` holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.0005)


@contextlib.contextmanager
def feeding(peer: socket.socket, pieces: Iterable[bytes], *, close: bool = True) -> Iterator[threading.Thread]:
    """Send ``pieces`` from a thread and close; a peer that has gone is no error."""

    def feed() -> None:
        with contextlib.suppress(OSError):
            for piece in pieces:
                peer.sendall(piece)
        if close:
            peer.close()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "nobody reads what is fed"


class Target:
    """A file of ``size`` sentinel bytes; ``fd`` stays open until ``close``."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        path.write_bytes(bytes((SENTINEL,)) * size)
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read(self, start: int = 0, end: int | None = None) -> bytes:
        return self.path.read_bytes()[start:end]

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> Target:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def transfers_of(ended: Iterable[Transfer | Put]) -> list[Transfer]:
    """Those of them that are no small files."""
    return [one for one in ended if isinstance(one, Transfer)]


class Rig:
    """An engine and what came out of it."""

    def __init__(self, threads: int = 1, buffer_size: int = 4 << 20, buffer_budget: int = 64 << 20) -> None:
        self.engine = Engine(threads, buffer_size, buffer_budget)
        self.ended: list[Transfer] = []

    def receive(
        self,
        channel: Channel,
        fd: int,
        offset: int = 0,
        end: int = _engine.UNBOUNDED,
        *,
        framing: int = _engine.LENGTH,
        length: int | None = None,
        prefix: bytes = b"",
        solid_from: int = -1,
        live: LiveMap | None = None,
        pace: Pace | None = None,
        timeout: float = 60.0,
    ) -> Transfer:
        """Announce a body (of ``end - offset`` bytes if nothing else is said) and receive it."""
        channel.begin_body(framing, end - offset if length is None else length, prefix)
        return self.engine.receive(
            channel, fd, offset, end, solid_from=solid_from, live=live, pace=pace, timeout=timeout
        )

    def settle(self, *transfers: Transfer, seconds: float = PATIENCE) -> None:
        """Wait until the engine has given all ``transfers`` back."""
        deadline = time.monotonic() + seconds
        missing = set(transfers).difference(self.ended)
        while missing:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(missing)} transfers did not end within {seconds} s"
            select.select([self.engine.wakeup_fd], [], [], left)
            ended = transfers_of(self.engine.drain())
            self.ended += ended
            missing.difference_update(ended)

    def close(self) -> None:
        self.ended += transfers_of(self.engine.close())

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
