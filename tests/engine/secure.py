"""A TLS server of Python's ssl in a thread, and channels of the engine that shake hands with it.

Owns: set-up and bounded waiting. Never: expectations.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from slasshy_rpc import _engine
from slasshy_rpc._engine import Channel, TlsContext
from tests.engine.rig import PATIENCE
from tests.support.certs import Certificates

Serve = Callable[[ssl.SSLSocket], None]


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
