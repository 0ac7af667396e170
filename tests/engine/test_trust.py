"""Whom the engine's TLS believes, and what it refuses to start with; the servers are Python's ssl."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from slasshy_rpc import _engine
from slasshy_rpc._engine import Channel, TlsContext, TlsError
from slasshy_rpc.net import tls
from tests.engine.rig import PATIENCE
from tests.engine.secure import Server, connect, hear, idle, serving, step
from tests.support.certs import Certificates

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _libssl() -> None:
    assert tls.native(), "no libssl for the engine on this machine"


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
