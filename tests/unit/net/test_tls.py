"""HTTPS both ways, by the engine's libssl and through the relay: who is believed, and that no cut looks like an end."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import ssl
from pathlib import Path

import pytest

from slasshy_rpc._engine import CLOSE, COMPLETE, LENGTH, SOCKET_ERROR, TLS_ERROR, UNBOUNDED, Channel, Engine
from slasshy_rpc.errors import DownloadError, ErrorCode, Retry, SourceError
from slasshy_rpc.net import relay, tls
from slasshy_rpc.net.address import Target, parse
from slasshy_rpc.net.dial import dial
from slasshy_rpc.net.http1 import build_head, read_body, request
from slasshy_rpc.net.names import AddrInfo, Names
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.net.tls import VERSIONS, TlsSettings, authorities
from tests.support.certs import Certificates
from tests.support.origin import Origin
from tests.unit.net.peer import eventually, listening

pytestmark = pytest.mark.usefixtures("no_descriptor_left", "tls_mode", "no_relay_left")

MEBIBYTE = os.urandom(1 << 20)


@pytest.fixture
def settings(certificates: Certificates) -> TlsSettings:
    return TlsSettings(ca_certificate=str(certificates.authority))


def https(port: int, host: str = "127.0.0.1") -> Target:
    return Target("https", host, port)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A mebibyte for each request."""
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + MEBIBYTE)
        await writer.drain()


async def test_bodies_on_one_connection(
    certificates: Certificates, settings: TlsSettings, tls_mode: str, tmp_path: Path
) -> None:
    receiver = Receiver(Engine())
    async with listening(serve, certificates.server()) as port:
        channel = await dial(https(port), connect_timeout=5, tls=settings)
        try:
            assert bool(channel.tls_version) == (tls_mode == "engine")
            with (tmp_path / "file").open("w+b") as file:
                for number in range(3):
                    head = await request(channel, build_head(https(port)), timeout=5)
                    if number == 1:
                        assert await read_body(channel, head, 1 << 20, timeout=5) == MEBIBYTE
                    else:
                        channel.begin_body(LENGTH, 1 << 20, head.leftover)
                        transfer = await receiver.receive(channel, file.fileno(), 0, 1 << 20)
                        assert transfer.reason == COMPLETE
                        assert (tmp_path / "file").read_bytes() == MEBIBYTE
                    assert not channel.stale()
        finally:
            channel.close()
            receiver.close()


async def test_sixteen_at_once(certificates: Certificates, settings: TlsSettings) -> None:
    async def one(port: int) -> bytes:
        channel = await dial(https(port), connect_timeout=10, tls=settings)
        try:
            head = await request(channel, build_head(https(port)), timeout=10)
            return hashlib.sha256(await read_body(channel, head, 1 << 20, timeout=10)).digest()
        finally:
            channel.close()

    async with listening(serve, certificates.server()) as port:
        digests = await asyncio.gather(*(one(port) for _ in range(16)))
    assert set(digests) == {hashlib.sha256(MEBIBYTE).digest()}


async def end(writer: asyncio.StreamWriter, how: str) -> None:
    """Flush, then end the TLS stream as told."""
    await writer.drain()
    if how == "clean":
        writer.close()
        await writer.wait_closed()
    else:
        await asyncio.sleep(0.05)  # what was written has left the transport by now
        writer.transport.abort()


@pytest.mark.parametrize("how", ["clean", "cut"])
async def test_a_cut_is_no_end(certificates: Certificates, settings: TlsSettings, tmp_path: Path, how: str) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await end(writer, how)

    receiver = Receiver(Engine())
    async with listening(once, certificates.server()) as port:
        channel = await dial(https(port), connect_timeout=5, tls=settings)
        try:
            head = await request(channel, build_head(https(port)), timeout=5)
            channel.begin_body(CLOSE, 0, head.leftover)
            with (tmp_path / "file").open("w+b") as file:
                transfer = await receiver.receive(channel, file.fileno(), 0, UNBOUNDED, timeout=5)
            if how == "clean":
                assert transfer.reason == COMPLETE
                assert (tmp_path / "file").read_bytes() == b"some"
            else:
                assert transfer.reason in (TLS_ERROR, SOCKET_ERROR)
        finally:
            channel.close()
            receiver.close()


@pytest.mark.parametrize("how", ["clean", "cut"])
async def test_an_end_before_the_head(certificates: Certificates, settings: TlsSettings, how: str) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await end(writer, how)

    async with listening(never, certificates.server()) as port:
        channel = await dial(https(port), connect_timeout=5, tls=settings)
        with pytest.raises(SourceError, match="Got EOF" if how == "clean" else "Failed to receive data, cause"):
            await request(channel, build_head(https(port)), timeout=5)
        channel.close()


async def test_an_idle_channel_that_the_server_closes_is_stale(
    certificates: Certificates, settings: TlsSettings
) -> None:
    hang_up = asyncio.Event()

    async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hang_up.wait()
        writer.close()
        await writer.wait_closed()

    async with listening(polite, certificates.server()) as port:
        channel = await dial(https(port), connect_timeout=5, tls=settings)
        assert not channel.stale()
        await asyncio.sleep(0.02)  # session tickets
        assert not channel.stale()
        hang_up.set()
        await eventually(channel.stale)
        channel.close()


@pytest.mark.parametrize(
    ("names", "expired", "stranger", "word"),
    [
        (("example.org",), False, False, "not made out to 127.0.0.1"),
        ((), True, False, "expired.*clock"),
        ((), False, True, "issuer.*if you trust its issuer"),
    ],
)
async def test_servers_that_are_not_believed(
    certificates: Certificates, settings: TlsSettings, names: tuple[str, ...], expired: bool, stranger: bool, word: str
) -> None:
    context = certificates.server(*names, expired=expired, stranger=stranger)
    async with listening(serve, context) as port:
        with pytest.raises(SourceError, match=rf"(?s)^SSL/TLS handshake failure: .*127\.0\.0\.1:{port}; .*") as caught:
            await dial(https(port), connect_timeout=5, tls=settings)
        assert caught.match(word)
        assert caught.match("--ca-certificate=FILE")
        assert caught.match("--check-certificate=false")
        assert (caught.value.code, caught.value.retry) == (ErrorCode.UNKNOWN, Retry.NEXT_SOURCE)
        channel = await dial(https(port), connect_timeout=5, tls=TlsSettings(verify=False))
        assert (await request(channel, build_head(https(port)), timeout=5)).status == 200
        channel.close()


class Here(Names):
    """Every name is 127.0.0.1."""

    async def lookup(self, host: str, port: int, family: int) -> list[AddrInfo]:
        return [(2, 1, 6, "", ("127.0.0.1", port))]


@pytest.mark.parametrize(
    ("certificate", "host", "good"),
    [
        ("a.example", "a.example", True),
        ("a.example", "a.example.", True),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("a.example", "b.example", False),
        ("127.0.0.1", "a.example", False),
        ("a.example", "127.0.0.1", False),
    ],
)
async def test_names(
    certificates: Certificates, settings: TlsSettings, certificate: str, host: str, good: bool
) -> None:
    async with listening(serve, certificates.server(certificate)) as port:
        dialling = dial(https(port, host), connect_timeout=5, tls=settings, names=Here())
        if good:
            (await dialling).close()
        else:
            with pytest.raises(SourceError, match="not made out to"):
                await dialling


async def test_a_client_certificate(certificates: Certificates, settings: TlsSettings) -> None:
    pair = certificates.client()
    known = dataclasses.replace(settings, certificate=str(pair.certificate), private_key=str(pair.key))
    with Origin(certificates.server(ask_client=True, maximum=ssl.TLSVersion.TLSv1_2)) as origin:
        target = parse(origin.url("/none"))
        channel = await dial(target, connect_timeout=5, tls=known)
        assert (await request(channel, build_head(target), timeout=5)).status == 404
        channel.close()
        with pytest.raises(SourceError, match="--certificate=FILE and --private-key=FILE"):
            await dial(target, connect_timeout=5, tls=settings)


async def test_the_oldest_version(certificates: Certificates, settings: TlsSettings) -> None:
    newest = dataclasses.replace(settings, min_version=VERSIONS["TLSv1.3"])
    with Origin(certificates.server(maximum=ssl.TLSVersion.TLSv1_2)) as origin:
        target = parse(origin.url("/"))
        (await dial(target, connect_timeout=5, tls=settings)).close()
        with pytest.raises(SourceError, match="--min-tls-version"):
            await dial(target, connect_timeout=5, tls=newest)


async def test_a_port_that_speaks_no_tls(settings: TlsSettings) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with listening(plain) as port:
        with pytest.raises(SourceError, match=r"nothing there speaks TLS.*http://"):
            await dial(https(port), connect_timeout=5, tls=settings)


async def test_a_server_that_hangs_up_in_the_handshake(settings: TlsSettings) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with listening(rude) as port:
        with pytest.raises(SourceError, match="SSL/TLS handshake failure") as caught:
            await dial(https(port), connect_timeout=5, tls=settings)
        assert caught.value.retry == Retry.SAME_SOURCE


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("name", ["ca_certificate", "certificate", "private_key"])
async def test_files_that_cannot_be_used(
    certificates: Certificates, settings: TlsSettings, tmp_path: Path, name: str, content: str | None
) -> None:
    pair = certificates.client()
    good = dataclasses.replace(settings, certificate=str(pair.certificate), private_key=str(pair.key))
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    broken = {
        "ca_certificate": dataclasses.replace(good, ca_certificate=str(bad)),
        "certificate": dataclasses.replace(good, certificate=str(bad)),
        "private_key": dataclasses.replace(good, private_key=str(bad)),
    }[name]
    with pytest.raises(DownloadError, match=r"^TLS cannot be set up: .*bad\.pem") as caught:
        await dial(https(9), connect_timeout=5, tls=broken)
    assert caught.value.retry == Retry.NEVER


def test_contexts_are_made_once(settings: TlsSettings, tls_mode: str) -> None:
    make = tls.native_context if tls_mode == "engine" else relay.python_context
    again = TlsSettings(ca_certificate=settings.ca_certificate)
    assert make(settings) is make(again)
    assert make(settings) is not make(TlsSettings(verify=False))


def test_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: TlsSettings, certificates: Certificates
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert authorities(TlsSettings()) == (str(certificates.authority), None)  # nothing in the folder
    (tmp_path / "0a1b2c3d.0").touch()
    assert authorities(TlsSettings()) == (str(certificates.authority), str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    assert authorities(TlsSettings()) == (None, str(tmp_path))
    assert authorities(settings) == (settings.ca_certificate, None)
    assert authorities(TlsSettings(verify=False)) == (None, None)
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.delenv("SSL_CERT_DIR")
    monkeypatch.setattr(tls, "_library_default", lambda: ("/nowhere/cert.pem", str(tmp_path)))
    assert authorities(TlsSettings()) == (None, None)
    monkeypatch.setattr(tls, "_library_default", lambda: ("/nowhere/cert.pem", "/nowhere"))
    monkeypatch.setattr(tls, "_BUNDLES", ("/nowhere/bundle", str(certificates.authority)))
    assert authorities(TlsSettings()) == (str(certificates.authority), None)
    monkeypatch.setattr(tls, "_BUNDLES", ())
    found, folder = authorities(TlsSettings())
    assert found is not None
    assert found.endswith(".pem")
    assert folder is None


async def test_a_relay_ends_with_its_channel(certificates: Certificates, settings: TlsSettings) -> None:
    async with listening(serve, certificates.server()) as port:
        channel = await dial(https(port), connect_timeout=5, tls=settings)
        channel.close()
        await eventually(lambda: not relay._running)


async def test_a_slow_reader_slows_the_server(certificates: Certificates, settings: TlsSettings) -> None:
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for _ in range(64):
            writer.write(MEBIBYTE)
            await writer.drain()
            sent += 1

    async with listening(flood, certificates.server()) as port:
        channel: Channel = await dial(https(port), connect_timeout=5, tls=settings)
        await asyncio.sleep(0.3)
        assert sent < 40
        channel.close()
