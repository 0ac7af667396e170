"""rpc-secure: RPC and WebSockets over TLS, files that cannot serve, and peers that do not shake hands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from slasshy_rpc.errors import UsageError
from slasshy_rpc.rpc.server import RpcServer, RpcSettings
from tests.support.certs import Certificates, KeyPair
from tests.support.fake_api import FakeApi, serving
from tests.support.process import PATIENCE, Server, run
from tests.support.rpc_wire import Socket, Wire

ECHO = {"id": 1, "method": "test.echo"}


@pytest.fixture
def pair(certificates: Certificates) -> KeyPair:
    return certificates.issue(*Certificates.NAMES)


def secure(pair: KeyPair) -> dict[str, Any]:
    return {"secure": True, "certificate": str(pair.certificate), "private_key": str(pair.key)}


async def opened(wire: Wire, host: str, port: int, context: ssl.SSLContext) -> None:
    """Connects ``wire`` over TLS instead of what its with block would do."""
    wire.reader, wire.writer = await asyncio.open_connection(host, port, ssl=context)


async def refused(settings: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        await RpcServer(FakeApi(), RpcSettings(port=0, **settings)).start()
    assert caught.value.code == 1
    return str(caught.value)


async def test_calls_and_sockets(pair: KeyPair, certificates: Certificates) -> None:
    async with serving(**secure(pair)) as server:
        for host in ("127.0.0.1", "::1"):
            wire = Wire(host, server.port)
            await opened(wire, host, server.port, certificates.trusting())
            for path in ("/jsonrpc", "/rpc"):
                assert (await wire.post(ECHO, path=path)).status == (200 if path == "/jsonrpc" else 400)
            wire.writer.transport.abort()
        ear = Socket(server.host, server.port)
        await opened(ear, server.host, server.port, certificates.trusting())
        assert (await ear.open()).status == 101
        await ear.call(1, "aria2.addUri", ["http://127.0.0.1/"])
        assert (await ear.message())["id"] == 1
        assert (await ear.message())["method"] == "aria2.onDownloadStart"
        ear.writer.transport.abort()


async def test_the_key_may_be_in_the_certificates_file(
    pair: KeyPair, certificates: Certificates, tmp_path: Path
) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    async with serving(secure=True, certificate=str(both)) as server:
        wire = Wire(server.host, server.port)
        await opened(wire, server.host, server.port, certificates.trusting())
        assert (await wire.post(ECHO)).status == 200
        wire.writer.transport.abort()


@pytest.mark.parametrize(("least", "spoken"), [("TLSv1.1", "TLSv1.2"), ("TLSv1.2", "TLSv1.2"), ("TLSv1.3", None)])
async def test_versions(least: str, spoken: str | None, pair: KeyPair, certificates: Certificates) -> None:
    context = certificates.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(min_tls_version=least, **secure(pair)) as server:
        wire = Wire(server.host, server.port)
        if spoken is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await opened(wire, server.host, server.port, context)
            return
        await opened(wire, server.host, server.port, context)
        assert wire.writer.get_extra_info("ssl_object").version() == spoken
        wire.writer.transport.abort()


async def test_files_that_cannot_serve(pair: KeyPair, certificates: Certificates, tmp_path: Path) -> None:
    good = secure(pair)
    other, missing, empty, folder = certificates.issue("127.0.0.1"), tmp_path / "no", tmp_path / "empty", tmp_path
    empty.touch()
    assert "--rpc-certificate=FILE and --rpc-private-key=FILE" in await refused({"secure": True})
    assert "--rpc-certificate" in await refused({"secure": True, "private_key": good["private_key"]})
    assert "No such file" in await refused({**good, "certificate": str(missing)})
    assert "No such file" in await refused({**good, "private_key": str(missing)})
    assert "directory" in await refused({**good, "certificate": str(folder)})
    for change in ({"certificate": str(empty)}, {"private_key": str(other.key)}, {"private_key": good["certificate"]}):
        assert "must be PEM and belong together" in await refused({**good, **change})
    assert "must be PEM and belong together" in await refused({**good, "private_key": None})


@pytest.fixture
def locked(pair: KeyPair, tmp_path: Path) -> Path:
    """The pair's key, encrypted."""
    path = tmp_path / "locked.pem"
    key = load_pem_private_key(pair.key.read_bytes(), None)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    return path


async def test_pkcs12_and_encrypted_keys_are_refused_with_the_way_out(
    pair: KeyPair, locked: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "rpc.p12"
    packed.write_bytes(b"\x30\x82\x05\x00" + bytes(100))
    text = await refused({"secure": True, "certificate": str(packed)})
    assert "PKCS#12" in text
    assert "openssl pkcs12" in text
    text = await refused({"secure": True, "certificate": str(pair.certificate), "private_key": str(locked)})
    assert "is encrypted" in text


async def test_peers_that_do_not_speak_tls_concern_nobody(
    pair: KeyPair, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(**secure(pair)) as server,
        Wire(server.host, server.port) as silent,
        Wire(server.host, server.port) as plain,
    ):
        await plain.send(b"GET / HTTP/1.1\r\n\r\n")
        async with Wire(server.host, server.port) as gone:
            await gone.send(b"\x16\x03\x01")
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(server.host, server.port, ssl=ssl.create_default_context())
        wire = Wire(server.host, server.port)
        await opened(wire, server.host, server.port, certificates.trusting())
        assert (await wire.post(ECHO)).status == 200
        wire.writer.transport.abort()
        async with asyncio.timeout(10):
            await plain.reader.read()  # an alert perhaps, and the end
        assert not silent.reader.at_eof()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_those_who_only_connect_take_places_and_the_last_are_for_this_machine(
    pair: KeyPair, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = True
    monkeypatch.setattr("slasshy_rpc.rpc.places.is_loopback", lambda peer: here)
    async with serving(max_connections=8, **secure(pair)) as server:
        waiting = [Wire(server.host, server.port) for _ in range(7)]
        for wire in waiting:
            await wire.__aenter__()
        here = False
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await opened(Wire(server.host, server.port), server.host, server.port, certificates.trusting())
        here = True
        last = Wire(server.host, server.port)
        await opened(last, server.host, server.port, certificates.trusting())
        assert (await last.post(ECHO)).status == 200
        for number in range(3):
            late = Wire(server.host, server.port)
            await opened(late, server.host, server.port, certificates.trusting())
            waiting.append(late)
            assert await waiting[number].ended()  # who has only connected makes room, the oldest first
        assert not waiting[3].reader.at_eof()
        assert (await last.post(ECHO)).status == 200
        for wire in (*waiting, last):
            wire.writer.transport.abort()


def test_the_command_serves_tls_next_to_peers_that_do_not_speak_it(
    pair: KeyPair, certificates: Certificates, tmp_path: Path
) -> None:
    """On the event loop that it really runs on."""
    options = ("--rpc-secure", f"--rpc-certificate={pair.certificate}", f"--rpc-private-key={pair.key}")
    with Server(*options, f"--state-dir={tmp_path / 'state'}", f"--dir={tmp_path}") as server:
        address = ("127.0.0.1", server.port)
        with (
            socket.create_connection(address, PATIENCE) as silent,
            socket.create_connection(address, PATIENCE) as plain,
        ):
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while plain.recv(4096):
                    pass
            url = f"https://127.0.0.1:{server.port}/rpc"
            with xmlrpc.client.ServerProxy(url, context=certificates.trusting()) as proxy:
                assert proxy.aria2.getVersion()["version"] == "1.37.0"  # type: ignore[index, call-overload]
                assert proxy.aria2.shutdown() == "OK"
            assert server.wait() == 0
            assert silent.recv(1) == b""
        assert "Traceback" not in server.said
        assert "Exception" not in server.said


def test_the_command_says_what_is_missing_and_ends_with_1(tmp_path: Path) -> None:
    code, said = run("--rpc-secure", f"--state-dir={tmp_path / 'state'}", f"--dir={tmp_path}")
    assert code == 1
    assert "--rpc-secure needs --rpc-certificate=FILE" in said
    assert "Traceback" not in said
