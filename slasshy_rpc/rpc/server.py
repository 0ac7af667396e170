"""The RPC server: listening sockets, start and stop.

Owns: addresses, and the order in which everything ends. Never: connections (door, places), or what is said over them.
aiohttp and jsonrpcserver are imported by ``start``, when the sockets already listen, so that early callers only wait.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from typing import TYPE_CHECKING

from slasshy_rpc.errors import UsageError
from slasshy_rpc.rpc.call import Api
from slasshy_rpc.rpc.door import Door
from slasshy_rpc.rpc.lane import Lane
from slasshy_rpc.rpc.places import MOST_KEPT, Places
from slasshy_rpc.rpc.settings import RpcSettings

if TYPE_CHECKING:
    from slasshy_rpc.rpc.http import HttpFace
    from slasshy_rpc.rpc.notify import Listeners

__all__ = ["RpcServer", "RpcSettings"]

log = logging.getLogger("slasshy_rpc.rpc")

_LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_EVERYWHERE = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)
#: More than the system allows becomes what it allows; who does not fit tries again after a second.
_BACKLOG = 4096
#: Seconds that listeners have to hear the last events, and that running answers have to end.
_LAST_WORDS = 1.0


class RpcServer:
    """Serves ``api`` as ``settings`` say, from ``start`` to ``stop``, on the running event loop."""

    def __init__(self, api: Api, settings: RpcSettings) -> None:
        self._api = api
        self._settings = settings
        self._door: Door | None = None
        self._face: HttpFace | None = None
        self._listeners: Listeners | None = None

    async def start(self) -> list[tuple[str, int]]:
        """Listen and serve; returns the addresses. Raises UsageError when that cannot work as configured."""
        self._check_secret()
        context = None
        if self._settings.secure:
            from slasshy_rpc.rpc.tls import server_context

            context = server_context(self._settings)
        sockets = _listen(self._settings.port, _EVERYWHERE if self._settings.listen_all else _LOOPBACK)
        addresses = [(str(sock.getsockname()[0]), int(sock.getsockname()[1])) for sock in sockets]
        try:
            self._serve(sockets, context)
        except BaseException:
            await self.stop()
            for sock in sockets:
                sock.close()
            raise
        return addresses

    async def stop(self) -> None:
        """Take no more connections, let answers and events under way arrive, and close; takes about 3 s at most."""
        if self._door is not None:
            await self._door.close()
            self._door = None
        if self._listeners is not None:
            await self._listeners.emptied(_LAST_WORDS)
            self._listeners.close()
            self._listeners = None
        if self._face is not None:
            await self._face.close(_LAST_WORDS)
            self._face = None

    def _serve(self, sockets: list[socket.socket], context: ssl.SSLContext | None) -> None:
        from slasshy_rpc.rpc.http import HttpFace
        from slasshy_rpc.rpc.json_dialect import JsonDialect
        from slasshy_rpc.rpc.notify import Listeners
        from slasshy_rpc.rpc.xml_dialect import XmlDialect

        self._listeners = Listeners(self._api)
        secret = self._settings.secret
        json, xml = JsonDialect(self._api, secret), XmlDialect(self._api, secret)
        self._face = HttpFace(json, xml, self._listeners, self._settings)
        self._listeners.open()
        most_kept = max(MOST_KEPT, 2 * self._settings.max_request_size)
        places = Places(self._settings.max_connections, most_kept)
        # What comes encrypted cannot be looked at before hands are shaken.
        self._door = Door(places, Lane(secret if context is None else None), self._face.enter, context)
        for sock in sockets:
            self._door.open(sock)

    def _check_secret(self) -> None:
        settings = self._settings
        open_to_all = settings.secret is None and (settings.user is None or settings.password is None)
        if settings.user is not None and settings.password is None and not settings.open_without_secret:
            raise UsageError("--rpc-user without --rpc-passwd takes any password. Set --rpc-passwd=PASSWD as well.")
        if not settings.listen_all or not open_to_all:
            return
        if settings.open_without_secret:
            log.warning(
                "RPC listens beyond this machine without a secret: whoever reaches it may use it; set --rpc-secret"
            )
            return
        raise UsageError(
            "--rpc-listen-all without --rpc-secret would let everyone who reaches this machine use it. "
            "Set --rpc-secret=TOKEN, or leave --rpc-listen-all away to serve this machine only."
        )


def _listen(port: int, wanted: tuple[tuple[int, str], ...]) -> list[socket.socket]:
    """A listening socket for each address that can be had; UsageError if none can."""
    sockets: list[socket.socket] = []
    errors: list[tuple[str, OSError]] = []
    for family, host in wanted:
        try:
            sock = _bound(family, host, port)
        except OSError as error:
            errors.append((host, error))
        else:
            sockets.append(sock)
            port = port or sock.getsockname()[1]
    if not sockets:
        raise UsageError(_cannot_listen(port, errors))
    for host, failed in errors:
        level = logging.DEBUG if failed.errno in _NO_IPV6 else logging.WARNING
        log.log(level, "RPC does not listen on %s port %d: %s", host, port, failed.strerror)
    return sockets


def _bound(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _cannot_listen(port: int, errors: list[tuple[str, OSError]]) -> str:
    tried = "; ".join(f"{host}: {error.strerror}" for host, error in errors)
    start = f"RPC cannot listen on port {port} ({tried})."
    if any(error.errno == errno.EADDRINUSE for _, error in errors):
        return (
            f"{start} Another aria2c or slasshy-rpc may be running: `ss -ltnp 'sport = :{port}'` or "
            f"`lsof -nP -iTCP:{port} -sTCP:LISTEN` shows which process has the port. Stop it, or choose another port "
            "with --rpc-listen-port=PORT."
        )
    return f"{start} Choose another port with --rpc-listen-port=PORT; ports below 1024 need special rights."
