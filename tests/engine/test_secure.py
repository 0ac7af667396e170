"""TLS in the engine, against Python's ssl as the server: who is believed, what is truncated, what is reused."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from slasshy_rpc import _engine
from slasshy_rpc._engine import CHUNKED, CLOSE, LENGTH, UNBOUNDED, Channel, TlsContext, TlsError
from slasshy_rpc.net import tls
from tests.engine.rig import PATIENCE, Rig, Target, await_, pattern, reset
from tests.support.certs import Certificates

SIZE = 6 << 20
ROOT = Path(__file__).resolve().parents[2]
Serve = Callable[[ssl.SSLSocket], None]


@pytest.fixture(autouse=True)
def _libssl() -> None:
    assert tls.native(), "no libssl for the engine on this machine"


class Server:
    """Accepts TLS connections one after the other and lets ``serve`` talk on each; closes without a word after it."""

    def __init__(self, context: ssl.SSLContext, serve: Serve, address: str = "127.0.0.1") -> None:
        self._context = context
        self._serve = serve
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.address = self._listener.getsockname()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(PATIENCE)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as conn:
                self._serve(conn)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def step(channel: Channel, seconds: float = 10.0) -> None:
    """Wait for what the channel wants."""
    readable = [channel.fd] if channel.wants == _engine.READ else []
    writable = [channel.fd] if channel.wants == _engine.WRITE else []
    assert any(select.select(readable, writable, [], seconds)), "nothing to read or write"


def connect(server: Server, context: TlsContext, host: str = "127.0.0.1") -> Channel:
    """A channel after its handshake; closed if that fails."""
    sock = socket.create_connection(server.address[:2])
    sock.setblocking(False)
    channel = Channel(sock.detach())
    try:
        channel.start_tls(context, host)
        while not channel.handshake():
            step(channel)
    except BaseException:
        channel.close()
        raise
    return channel


def hear(channel: Channel) -> bytes:
    """What comes next, b'' at the end."""
    while (data := channel.recv(65536)) is None:
        step(channel)
    return data


def idle(conn: ssl.SSLSocket) -> None:
    """Stay until the client goes."""
    conn.recv(1)


def wave(conn: ssl.SSLSocket) -> None:
    """Send the close notification without waiting for the other one."""
    conn.settimeout(0.1)
    with contextlib.suppress(OSError):
        conn.unwrap()


@contextlib.contextmanager
def serving(certificates: Certificates, serve: Serve = idle, **how: object) -> Iterator[tuple[Server, TlsContext]]:
    context = certificates.server(**how)  # type: ignore[arg-type]  # the keywords are server()'s
    with Server(context, serve) as server:
        yield server, TlsContext(ca_file=str(certificates.authority))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_handshake(certificates: Certificates, host: str) -> None:
    names: list[str | None] = []
    context = certificates.server()
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    context.set_alpn_protocols(["http/1.1", "h2"])
    chosen: list[str | None] = []

    def serve(conn: ssl.SSLSocket) -> None:
        chosen.append(conn.selected_alpn_protocol())
        conn.recv(1)

    with Server(context, serve) as server:
        channel = connect(server, TlsContext(ca_file=str(certificates.authority)), host)
        assert channel.tls_version in ("TLSv1.3", "TLSv1.2")
        assert channel.wants == _engine.READ
        channel.close()
    assert names == [None if host[0].isdigit() else host], "an address is never sent as a name"
    assert chosen == ["http/1.1"]


def test_ipv6_address_as_host(certificates: Certificates) -> None:
    with Server(certificates.server(), idle, "::1") as server:
        connect(server, TlsContext(ca_file=str(certificates.authority)), "::1").close()


@pytest.mark.parametrize(
    ("names", "how", "host", "words"),
    [
        ((), {"stranger": True}, "localhost", "unable to get local issuer"),
        ((), {"expired": True}, "localhost", "expired"),
        (("example.org",), {}, "localhost", "ostname mismatch"),
        (("example.org",), {}, "127.0.0.1", "IP address mismatch"),
        (("localhost",), {}, "127.0.0.1", "IP address mismatch"),
        (("127.0.0.1",), {}, "localhost", "ostname mismatch"),
        (("*.example.org",), {}, "a.b.example.org", "ostname mismatch"),
    ],
)
def test_certificates_that_are_not_believed(
    certificates: Certificates, names: tuple[str, ...], how: dict[str, bool], host: str, words: str
) -> None:
    with Server(certificates.server(*names, **how), idle) as server:  # type: ignore[arg-type]  # flags of server()
        with pytest.raises(TlsError, match=words):
            connect(server, TlsContext(ca_file=str(certificates.authority)), host)
        connect(server, TlsContext(verify=False), host).close()


@pytest.mark.parametrize("host", ["", ".", ".example.org", "a\0.example.org", "x" * 300])
def test_names_that_would_match_anything_are_refused(certificates: Certificates, host: str) -> None:
    """Libssl takes an empty name for "do not check", and a dot in front for "any below"."""
    with serving(certificates) as (server, context):
        sock = socket.create_connection(server.address)
        channel = Channel(sock.detach())
        with pytest.raises(TlsError):
            channel.start_tls(context, host)
        with pytest.raises(TlsError, match="start_tls comes first"):
            channel.handshake()
        channel.close()


def test_the_certificate_is_not_blamed_for_other_failures(certificates: Certificates) -> None:
    """Without verification, its result is still there, and false, when something else breaks."""

    def garbage(conn: ssl.SSLSocket) -> None:
        os.write(conn.fileno(), b"this is no TLS record at all")

    with Server(certificates.server(stranger=True), garbage) as server:
        channel = connect(server, TlsContext(verify=False))
        with pytest.raises(TlsError) as caught:
            hear(channel)
        assert "certificate" not in str(caught.value)
        assert "issuer" not in str(caught.value)
        channel.close()


def test_client_certificate(certificates: Certificates) -> None:
    pair = certificates.client()
    authority = str(certificates.authority)
    with serving(certificates, lambda conn: conn.sendall(b"hello"), ask_client=True) as (server, nameless):
        channel = connect(
            server, TlsContext(ca_file=authority, cert_file=str(pair.certificate), key_file=str(pair.key))
        )
        assert hear(channel) == b"hello"
        channel.close()
        with pytest.raises(TlsError, match=r"certificate required|handshake failure"):
            hear(connect(server, nameless))  # TLS 1.3: refused after the client's side is done


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"ca_file": "missing"}, "cannot be used"),
        ({"ca_file": "empty"}, "cannot be used"),
        ({"cert_file": "missing"}, "certificate .*missing"),
        ({"cert_file": "good.pem", "key_file": "missing"}, "private key .*missing"),
        ({"cert_file": "good.pem", "key_file": "other.key"}, "key"),
        ({"cert_file": "good.pem", "key_file": "locked.key"}, "private key .*locked"),
        ({"min_version": 0x0999}, "no version"),
    ],
)
def test_files_that_cannot_be_used(
    certificates: Certificates, tmp_path: Path, files: dict[str, object], words: str
) -> None:
    """A locked key above all must not ask for its password at the terminal."""
    one, other = certificates.client(), certificates.client()
    (tmp_path / "empty").touch()
    (tmp_path / "good.pem").write_bytes(one.certificate.read_bytes())
    (tmp_path / "other.key").write_bytes(other.key.read_bytes())
    key = serialization.load_pem_private_key(one.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "locked.key").write_bytes(locked)
    paths = {name: str(tmp_path / value) if isinstance(value, str) else value for name, value in files.items()}
    with pytest.raises(TlsError, match=words):
        TlsContext(**paths)  # type: ignore[arg-type]  # the keywords are given above


def test_minimum_version(certificates: Certificates) -> None:
    with serving(certificates, maximum=ssl.TLSVersion.TLSv1_2) as (server, context):
        channel = connect(server, context)
        assert channel.tls_version == "TLSv1.2"
        channel.close()
        with pytest.raises(TlsError, match="version"):
            connect(server, TlsContext(ca_file=str(certificates.authority), min_version=0x0304))


def test_the_peer_goes_during_the_handshake(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        sock.setblocking(False)
        channel = Channel(sock.detach())
        channel.start_tls(TlsContext(ca_file=str(certificates.authority)), "localhost")
        assert not channel.handshake()
        peer.close()
        step(channel)
        with pytest.raises((TlsError, OSError)):
            channel.handshake()
        channel.close()


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
from tests.engine.test_secure import *
from tests.engine.rig import *
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


def test_before_a_library_is_loaded() -> None:
    script = """
from slasshy_rpc import _engine
print(repr(_engine.tls_library()))
for make in (lambda: _engine.TlsContext(), lambda: _engine.TlsContext.__new__(_engine.TlsContext)):
    try:
        make()
    except _engine.TlsError as error:
        print(error)
channel = _engine.Channel(-1)
for call in (channel.handshake, channel.close):
    try:
        call()
    except OSError as error:
        print(error.errno)
try:
    _engine.load_tls(["nowhere.so", "libc.so.6"])
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "''",
        "no TLS library is loaded",
        "no TLS library is loaded",
        "9",
        "no usable libssl: nowhere.so: it cannot be loaded; libc.so.6: TLS_client_method is missing",
    ]


def test_a_library_is_loaded_once() -> None:
    """The first that works stays, and later lists change nothing."""
    assert _engine.load_tls(["nowhere.so"]) == _engine.tls_library() != ""


def test_two_threads_shake_hands_at_once(certificates: Certificates) -> None:
    """A channel is one thread's at a time: the other is told, and nothing breaks."""
    with serving(certificates) as (server, context):
        for _ in range(20):
            sock = socket.create_connection(server.address)
            sock.setblocking(False)
            channel = Channel(sock.detach())
            channel.start_tls(context, "localhost")
            done = threading.Event()

            def shake(channel: Channel = channel, done: threading.Event = done) -> None:
                while not done.is_set():
                    with contextlib.suppress(RuntimeError, OSError):
                        if channel.handshake():
                            done.set()

            threads = [threading.Thread(target=shake) for _ in range(2)]
            for thread in threads:
                thread.start()
            assert done.wait(PATIENCE)
            for thread in threads:
                thread.join()
            channel.close()
