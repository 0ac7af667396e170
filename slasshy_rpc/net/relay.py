"""HTTPS where no libssl can be loaded: Python's ssl on the event loop, plain bytes for an ordinary Channel.

Owns: the inner connection between the two and the tasks that feed it. Never: an end that looks clean when the TLS
stream's was not: the inner connection is reset then.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import struct

from slasshy_rpc._engine import Channel
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.tls import TlsSettings, authorities, refusal, server_name, unusable

_SIZE = 256 << 10
_running: set[asyncio.Task[None]] = set()  # the loop itself keeps weak references only


async def secure(sock: socket.socket, target: Target, settings: TlsSettings) -> Channel:
    """Speak TLS on the connected non-blocking ``sock`` and return a Channel with the plain bytes. Takes the socket.

    The Channel ends with ECONNRESET if the TLS stream ends without its closing alert or is tampered with. Raises
    SourceError with the reason. No time-out of its own.
    """
    try:
        relay = _Relay(sock, python_context(settings), server_name(target))
        await relay.handshake()
        inner, outer = _pair()
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise refusal(target, error.verify_message.rstrip(".")) from error
    except ssl.SSLError as error:
        sock.close()
        raise refusal(target, (error.reason or str(error)).lower().replace("_", " ")) from error
    except OSError as error:
        sock.close()
        raise refusal(target, error.strerror or str(error)) from error
    except BaseException:
        sock.close()
        raise
    task = asyncio.get_running_loop().create_task(relay.run(inner), name=f"TLS relay of {target.place}")
    _running.add(task)
    task.add_done_callback(_running.discard)
    return Channel(outer.detach())


@functools.lru_cache(maxsize=32)
def python_context(settings: TlsSettings) -> ssl.SSLContext:
    """The ssl module's context for ``settings``, made once. Raises DownloadError for a file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python lets a stream end without its closing alert; here that must not pass for the end of a file.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.minimum_version = ssl.TLSVersion(settings.min_version)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    ca_file, ca_path = authorities(settings)
    try:
        if ca_file or ca_path:
            context.load_verify_locations(ca_file, ca_path)
        elif settings.verify:
            context.set_default_verify_paths()
    except (ssl.SSLError, OSError) as error:
        raise unusable(f"the certificates in {ca_file or ca_path} cannot be used: {error}") from error
    if settings.certificate:
        key = settings.private_key or settings.certificate
        try:
            context.load_cert_chain(settings.certificate, key, password="")  # or OpenSSL would ask at the terminal
        except (ssl.SSLError, OSError) as error:
            raise unusable(f"the certificate {settings.certificate} with its key {key}: {error}") from error
    return context


class _Relay:
    """One TLS connection; ``run`` carries its plain bytes from and to the inner socket."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> None:
        self._sock = sock
        self._arriving = ssl.MemoryBIO()
        self._leaving = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arriving, self._leaving, server_hostname=name)
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()

    async def handshake(self) -> None:
        """Raises ssl.SSLError, OSError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # the alert that tells the server why
                raise
            else:
                await self._flush()
                return

    async def run(self, inner: socket.socket) -> None:
        """Until the Channel is closed or the TLS stream breaks; closes both sockets."""
        up = self._loop.create_task(self._up(inner))
        down = self._loop.create_task(self._down(inner))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if not up.done() and not down.cancelled() and down.exception() is None:
                await asyncio.wait({up})  # the server has said good-bye; the Channel will see it
        finally:
            broken = down.done() and not down.cancelled() and down.exception() is not None
            up.cancel()
            down.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            if broken:  # a close with linger 0 is a reset
                inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            inner.close()
            self._sock.close()

    async def _up(self, inner: socket.socket) -> None:
        """What the Channel sends, until it is closed; then the closing alert."""
        with contextlib.suppress(OSError):
            while data := await self._loop.sock_recv(inner, _SIZE):
                self._tls.write(data)
                await self._flush()
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            await self._flush()

    async def _down(self, inner: socket.socket) -> None:
        """What the server sends, until its closing alert. Raises OSError (ssl.SSLError too) for any other end."""
        while True:
            try:
                data = self._tls.read(_SIZE)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
                continue
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                with contextlib.suppress(OSError):
                    inner.shutdown(socket.SHUT_WR)
                return
            await self._loop.sock_sendall(inner, data)

    async def _fill(self) -> None:
        data = await self._loop.sock_recv(self._sock, _SIZE)
        if data:
            self._arriving.write(data)
        else:
            self._arriving.write_eof()

    async def _flush(self) -> None:
        async with self._sending:
            while data := self._leaving.read():
                await self._loop.sock_sendall(self._sock, data)


def _pair() -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets of this process: unlike a Unix pair, one end can be reset, on every system."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4)
        listener.settimeout(1.0)
        outer = socket.socket()
        try:
            outer.settimeout(1.0)
            outer.connect(listener.getsockname())
            while True:  # somebody else on this machine may have been quicker
                inner, peer = listener.accept()
                if peer == outer.getsockname():
                    break
                inner.close()
        except BaseException:
            outer.close()
            raise
    for end in (inner, outer):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return inner, outer
