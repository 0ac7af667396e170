"""The compiled engine alone, driven by the least Python that can: what floor.c does, done by slasshy_rpc._engine.

Usage: python -m tests.bench.engine_alone PORT PATH LENGTH CONNECTIONS OUT_FILE. Prints seconds as JSON.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import select
import socket
import sys
import time

from slasshy_rpc import _engine


def open_channel(port: int, path: str, start: int, end: int) -> _engine.Channel:
    """A Channel whose body is the range [start, end) of `path`."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nRange: bytes={start}-{end - 1}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(16384)
    head, _, prefix = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 206"):
        raise SystemExit(f"the server answered {head[:40]!r}")
    sock.setblocking(False)
    channel = _engine.Channel(sock.detach())
    channel.begin_body(_engine.LENGTH, end - start, prefix)
    return channel


def main(port: int, path: str, length: int, connections: int, out: str) -> None:
    """Fetch `length` bytes over `connections` connections into `out`."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    file = os.open(out, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    os.posix_fallocate(file, 0, length)
    engine = _engine.Engine()
    bounds = [length * i // connections for i in range(connections + 1)]
    for start, end in itertools.pairwise(bounds):
        engine.receive(open_channel(port, path, start, end), file, start, end)
    left = connections
    while left:
        if not select.select([engine.wakeup_fd], [], [], 30)[0]:
            raise SystemExit("the engine said nothing for 30 s")
        for transfer in engine.drain():
            assert isinstance(transfer, _engine.Transfer)
            if transfer.reason != _engine.COMPLETE:
                raise SystemExit(f"a transfer ended with reason {transfer.reason}: {transfer.message}")
            left -= 1
    engine.close()
    os.close(file)
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = {"user": after.ru_utime - before.ru_utime, "sys": after.ru_stime - before.ru_stime}
    print(json.dumps({"wall": time.monotonic() - begun, **spent}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
