"""Bodies over TLS: whole, truncated, reused, paced, reset; the servers are Python's ssl."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from slasshy_rpc._engine import CHUNKED, CLOSE, LENGTH, UNBOUNDED
from slasshy_rpc.net import tls
from tests.engine.rig import Rig, Target, await_, pattern, reset
from tests.engine.secure import connect, serving, step, wave
from tests.support.certs import Certificates

SIZE = 6 << 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _libssl() -> None:
    assert tls.native(), "no libssl for the engine on this machine"


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, CLOSE])
def test_large_bodies(certificates: Certificates, tmp_path: Path, framing: int) -> None:
    data = pattern(SIZE)

    def serve(conn: ssl.SSLSocket) -> None:
        if framing == CHUNKED:
            for at in range(0, SIZE, 100_000):
                piece = data[at : at + 100_000]
                conn.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            conn.sendall(b"0\r\n\r\n")
        else:
            conn.sendall(data)
        if framing == CLOSE:
            wave(conn)
        else:
            conn.recv(1)

    with serving(certificates, serve) as (server, context), Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        channel = connect(server, context)
        transfer = rig.receive(channel, target.fd, 0, UNBOUNDED, framing=framing, length=SIZE)
        rig.settle(transfer)
        assert (transfer.reason, transfer.message) == (_engine.COMPLETE, "")
        assert target.read() == data
        assert channel.stale() == (framing == CLOSE)
        channel.close()


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, CLOSE])
@pytest.mark.parametrize("notified", [False, True])
def test_truncated_bodies(certificates: Certificates, tmp_path: Path, framing: int, notified: bool) -> None:
    """Without a close notification anybody on the way may have cut the stream: never a proper end."""

    def serve(conn: ssl.SSLSocket) -> None:
        conn.sendall(b"1000\r\n" + pattern(500) if framing == CHUNKED else pattern(500))
        if notified:
            wave(conn)

    with serving(certificates, serve) as (server, context), Rig() as rig, Target(tmp_path / "file", 600) as target:
        channel = connect(server, context)
        transfer = rig.receive(channel, target.fd, 0, UNBOUNDED, framing=framing, length=1000)
        rig.settle(transfer)
        if notified:
            assert transfer.reason == (_engine.COMPLETE if framing == CLOSE else _engine.EOF)
        else:
            assert transfer.reason == _engine.TLS_ERROR
            assert "eof" in transfer.message.lower() or "close notification" in transfer.message
        assert (transfer.position, transfer.flushed) == (500, 500)
        assert target.read(0, 500) == pattern(500)
        channel.close()


def test_bytes_that_libssl_holds_are_read_though_the_socket_is_silent(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The record that a full turn (4 MiB) ends in is in libssl's hands: the poll says nothing of its rest.

    Writes to the disk itself hold the engine up, so that the server is ahead of it. A record of 1000 bytes first puts
    the borders of the others beside those of the buffers.
    """
    size = (4 << 20) + 1000

    def serve(conn: ssl.SSLSocket) -> None:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        for _ in range(8):
            conn.sendall(pattern(1000))
            conn.sendall(pattern(size - 1000))
            conn.recv(1)

    with serving(certificates, serve) as (server, context), Rig() as rig:
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o600)
        channel = connect(server, context)
        for _ in range(8):
            transfer = rig.receive(channel, fd, 0, size)
            rig.settle(transfer, seconds=10)
            assert transfer.reason == _engine.COMPLETE
            channel.send(b"n")
        channel.close()
        os.close(fd)


def test_keep_alive_with_tickets_pending(certificates: Certificates, tmp_path: Path) -> None:
    """TLS 1.3 tickets wait unread in an idle channel: that is not a byte that nobody asked for."""
    bodies = [pattern(100 + i) for i in range(20)]

    def serve(conn: ssl.SSLSocket) -> None:
        for body in bodies:
            conn.recv(1)
            conn.sendall(body)
        conn.recv(1)
        conn.sendall(b"unasked")
        conn.recv(1)

    with serving(certificates, serve) as (server, context), Rig() as rig, Target(tmp_path / "file", 200) as target:
        channel = connect(server, context)
        for body in bodies:
            assert not channel.stale()
            assert channel.send(b"n") == 1
            transfer = rig.receive(channel, target.fd, 0, len(body))
            rig.settle(transfer)
            assert transfer.reason == _engine.COMPLETE
            assert target.read(0, len(body)) == body
        assert not channel.stale()
        channel.send(b"n")
        await_(channel.stale, "noticing bytes that nobody asked for")
        channel.close()


def test_stale_after_the_peer_closed(certificates: Certificates) -> None:
    with serving(certificates, wave) as (server, context):
        channel = connect(server, context)
        await_(channel.stale, "noticing the close notification")
        channel.close()


def test_prefix_comes_before_what_libssl_holds(certificates: Certificates, tmp_path: Path) -> None:
    """Head and body in one record: the head's reader took a part, libssl holds the rest, the socket is silent."""

    def serve(conn: ssl.SSLSocket) -> None:
        conn.sendall(b"head\r\n\r\n" + pattern(1000))
        conn.recv(1)

    with serving(certificates, serve) as (server, context), Rig() as rig, Target(tmp_path / "file", 1000) as target:
        channel = connect(server, context)
        while (data := channel.recv(20)) is None:
            step(channel)
        head, prefix = data.split(b"\r\n\r\n")
        assert (head, len(prefix)) == (b"head", 12)
        transfer = rig.receive(channel, target.fd, 0, 1000, prefix=prefix)
        rig.settle(transfer, seconds=10)
        assert transfer.reason == _engine.COMPLETE
        assert target.read() == pattern(1000)
        channel.close()


def test_shrink_and_pace_with_tls(certificates: Certificates, tmp_path: Path) -> None:
    """A pace cuts records apart: what libssl holds is taken when the pace allows it, and nothing is lost."""

    def serve(conn: ssl.SSLSocket) -> None:
        conn.sendall(pattern(SIZE))
        conn.recv(1)

    with serving(certificates, serve) as (server, context), Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        channel = connect(server, context)
        transfer = rig.receive(channel, target.fd, 0, SIZE, pace=_engine.Pace(300_000))
        await_(lambda: transfer.position > 20_000, "the first bytes")
        assert transfer.shrink(60_001)
        rig.settle(transfer)
        assert (transfer.reason, transfer.flushed) == (_engine.BOUND, 60_001)
        assert target.read(0, 60_002) == pattern(60_001) + bytes((0xA5,))
        channel.close()


def test_reset_during_tls(certificates: Certificates, tmp_path: Path) -> None:
    def serve(conn: ssl.SSLSocket) -> None:
        conn.sendall(pattern(100))
        conn.recv(1)
        reset(socket.socket(fileno=conn.detach()))

    with serving(certificates, serve) as (server, context), Rig() as rig, Target(tmp_path / "file", 200) as target:
        channel = connect(server, context)
        channel.begin_body(LENGTH, 200)
        channel.send(b"n")
        transfer = rig.engine.receive(channel, target.fd, 0, 200)
        rig.settle(transfer)
        assert transfer.reason == _engine.SOCKET_ERROR
        assert transfer.flushed == 100
        channel.close()


def test_exit_with_tls_transfers_running(certificates: Certificates, tmp_path: Path) -> None:
    """Libssl takes itself apart at exit: no engine thread may be inside it, whoever still holds the engine."""
    script = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from slasshy_rpc._engine import CLOSE, UNBOUNDED
from slasshy_rpc.net import tls
from tests.engine.rig import *
from tests.engine.secure import *
assert tls.native()
certificates = Certificates(Path(sys.argv[2]))
def serve(conn):
    while True:
        conn.sendall(pattern(1 << 20))
context = certificates.server()
servers = [Server(context, serve) for _ in range(3)]
rig = Rig(threads=2)
target = Target(Path(sys.argv[2]) / "file", 10)
client = TlsContext(ca_file=str(certificates.authority))
transfers = [rig.receive(connect(s, client), target.fd, 0, UNBOUNDED, framing=CLOSE, length=0) for s in servers]
def hold(engine):
    threading.Event().wait()
threading.Thread(target=hold, args=(rig.engine,), daemon=True).start()
while min(t.position for t in transfers) < 1 << 20:
    time.sleep(0.01)
print("going", flush=True)
"""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script, str(ROOT), str(tmp_path)], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout) == (0, "going\n"), done.stderr
