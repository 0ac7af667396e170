"""RPC over TLS: the certificate that rpc-secure shows, and connections from their first byte to a good handshake.

Owns: the ssl context and how many handshakes may be under way. Never: what is said afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from slasshy_rpc.errors import UsageError
from slasshy_rpc.rpc.settings import RpcSettings

log = logging.getLogger("slasshy_rpc.rpc")

#: The values of min-tls-version; 1.2 is the lowest that is spoken.
_LOWEST = {"TLSv1.3": ssl.TLSVersion.TLSv1_3}
#: Seconds that a handshake may take.
_PATIENCE = 10.0
#: Seconds before connections are accepted again when the system has no room for another.
_NO_ROOM = 0.5
_DER_SEQUENCE = 0x30


def server_context(settings: RpcSettings) -> ssl.SSLContext:
    """The context for ``settings.certificate``, a PEM file that holds the key too unless ``private_key`` names it.

    Raises UsageError, with what to do, for files that cannot serve.
    """
    certificate, key = settings.certificate, settings.private_key
    if certificate is None:
        raise UsageError(
            "--rpc-secure needs --rpc-certificate=FILE and --rpc-private-key=FILE, both PEM. To make a pair: "
            "`openssl req -x509 -newkey rsa:3072 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost`."
        )
    _check_form(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _LOWEST.get(settings.min_tls_version, ssl.TLSVersion.TLSv1_2)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password(key or certificate))
    except ssl.SSLError as error:
        raise UsageError(
            f"RPC cannot use --rpc-certificate={certificate} with the key in {key or 'the same file'} "
            f"({error.reason or error}): both must be PEM and belong together."
        ) from error
    except OSError as error:
        raise UsageError(
            f"RPC cannot read --rpc-certificate={certificate} or --rpc-private-key={key}: {error.strerror}."
        ) from error
    return context


def _check_form(certificate: str) -> None:
    try:
        with open(certificate, "rb") as file:
            first = file.read(1)
    except OSError as error:
        raise UsageError(f"RPC cannot read --rpc-certificate={certificate}: {error.strerror}.") from error
    if first and first[0] == _DER_SEQUENCE:
        raise UsageError(
            f"--rpc-certificate={certificate} is not PEM. If it is PKCS#12, this makes a PEM file of it that holds the "
            f"key too: `openssl pkcs12 -in {certificate} -out rpc.pem -nodes`; then --rpc-certificate=rpc.pem."
        )


def _no_password(file: str) -> Callable[[], str]:
    def refuse() -> str:  # instead of a question on a terminal that may not be there
        raise UsageError(
            f"The private key in {file} is encrypted. `openssl pkey -in {file} -out key.pem` writes it without a "
            "password; keep that file to yourself."
        )

    return refuse


class Door:
    """Accepts connections on listening sockets, shakes hands, and hands them to a protocol.

    ``enter`` makes the protocol for a peer's address, or is None for one that may not come in; it is told how many
    handshakes are under way. A handshake that fails concerns nobody but its peer.
    """

    def __init__(self, context: ssl.SSLContext, enter: Callable[[str, int], asyncio.Protocol | None]) -> None:
        self._context = context
        self._enter = enter
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._shaking = 0

    def open(self, sock: socket.socket) -> None:
        """Serve a listening, non-blocking socket from now on."""
        self._sockets.append(sock)
        self._start(self._accept(sock))

    async def close(self) -> None:
        """Accept no more, and drop what has not shaken hands yet."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(sock)
            except OSError as error:
                log.debug("RPC cannot accept a connection: %s", error)
                await asyncio.sleep(_NO_ROOM)
                continue
            protocol = self._enter(str(address[0]), self._shaking)
            if protocol is None:
                connection.close()
            else:
                self._shaking += 1
                self._start(self._shake(connection, protocol))

    async def _shake(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, connection, ssl=self._context, ssl_handshake_timeout=_PATIENCE
            )
        except OSError as error:  # TimeoutError is one
            log.debug("RPC: a TLS handshake failed: %s", error)
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._shaking -= 1
