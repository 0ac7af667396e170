"""From a Target to a connected Channel, with TLS where the scheme asks for it.

Owns: connecting, the time all that may take, and what its failures mean. Never: HTTP.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
from collections.abc import Callable

from slasshy_rpc._engine import Channel
from slasshy_rpc.errors import ErrorCode, Retry, SourceError, Unreachable
from slasshy_rpc.net import proxy as proxy_
from slasshy_rpc.net import tls as tls_
from slasshy_rpc.net.address import Target, is_address
from slasshy_rpc.net.names import AddrInfo, Names, Unresolved, system_lookup
from slasshy_rpc.net.outlet import Outlet

#: Seconds that one address has for itself before the next is tried beside it (RFC 8305 section 5).
HEAD_START = 0.25


async def dial(
    target: Target,
    *,
    connect_timeout: float,
    tls: tls_.TlsSettings | None = None,
    outlet: Outlet | None = None,
    disable_ipv6: bool = False,
    receive_buffer: int = 0,
    names: Names | None = None,
    proxy: proxy_.Proxy | None = None,
) -> Channel:
    """Connect to ``target``, with TLS if it is https (``tls`` None: default settings), within ``connect_timeout`` s.

    Through ``proxy`` if there is one; where that answers itself (``Proxy.answers``) the Channel is one to the proxy.

    ``outlet`` says from where; ``receive_buffer`` is in bytes, only if the user set it (0: the kernel's choice, which
    grows). Raises SourceError: 19 for an unknown name, 2 for a time-out, 1 for all else (Unreachable: nobody there);
    DownloadError if a file of ``tls`` cannot be used by any dial.
    """
    settings = _prepared(tls or tls_.TlsSettings()) if target.scheme == "https" else None
    end, dialled = (target if proxy is None else proxy.target), False
    step = "its name was not resolved"
    try:
        async with asyncio.timeout(connect_timeout):
            found = await _resolve(end, disable_ipv6, names)
            step = "it did not accept a connection"
            sock = await _connect(end, found, await (outlet or Outlet()).maker(receive_buffer))
            dialled = True
            if proxy is not None:
                step = f"it did not connect to {target.place}"
                await _through(sock, proxy, target, disable_ipv6, names)
            if settings is None:
                return Channel(sock.detach())
            end, proxy = target, None
            step = "its TLS handshake was not finished"
            return await _secure(sock, target, settings)
    except TimeoutError:  # the kernel's own ETIMEDOUT too
        if names is not None:
            names.forget(end.host)
        late = SourceError(
            f"Timeout. {end.place}: {step} within {connect_timeout:g} seconds; --connect-timeout allows more.",
            ErrorCode.TIMEOUT,
            Retry.SAME_SOURCE,
            terse="Timeout.",
        )
        raise (late if proxy is None else proxy_.blamed(late, proxy)) from None
    except SourceError as error:
        if names is not None:
            names.forget(end.host)
        if proxy is None or dialled:
            raise
        raise proxy_.blamed(error, proxy) from error.__cause__


async def _through(
    sock: socket.socket, proxy: proxy_.Proxy, target: Target, disable_ipv6: bool, names: Names | None
) -> None:
    """Have ``proxy`` connect ``sock`` to ``target``; closes it after an error."""
    try:
        host = target.host
        if not proxy.resolves and not is_address(host):
            found = await _resolve(target, disable_ipv6 or proxy.scheme == "socks4", names)
            host = str(found[0][4][0])
        await proxy_.reach(sock, proxy, target, host)
    except BaseException:
        sock.close()
        raise


def _prepared(settings: tls_.TlsSettings) -> tls_.TlsSettings:
    """Read the files of ``settings`` now: what is wrong with them is no server's fault, and reading takes time."""
    if tls_.native():
        tls_.native_context(settings)
    else:
        from slasshy_rpc.net import relay

        relay.python_context(settings)
    return settings


async def _secure(sock: socket.socket, target: Target, settings: tls_.TlsSettings) -> Channel:
    if not tls_.native():
        from slasshy_rpc.net import relay

        return await relay.secure(sock, target, settings)
    channel = Channel(sock.detach())
    try:
        await tls_.secure(channel, target, settings)
    except BaseException:
        channel.close()
        raise
    return channel


async def _resolve(target: Target, disable_ipv6: bool, names: Names | None) -> list[AddrInfo]:
    family = is_address(target.host)
    if family == socket.AF_INET6 and disable_ipv6:
        raise SourceError(
            f"Failed to establish connection, cause: {target.place} is an IPv6 address and disable-ipv6 is on.",
            ErrorCode.UNKNOWN,
            Retry.NEXT_SOURCE,
        )
    if family == socket.AF_INET:
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (target.host, target.port))]
    if family == 0:
        family = socket.AF_INET if disable_ipv6 else socket.AF_UNSPEC
    lookup = system_lookup if names is None else names.lookup
    try:
        return await lookup(target.host, target.port, family)
    except (socket.gaierror, UnicodeError) as error:
        again = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        reason = (error.strerror if isinstance(error, socket.gaierror) else None) or str(error)
        said = reason if again or isinstance(error, Unresolved) else "Domain name not found"
        advice = "the resolver does not answer; look at the network" if again else "check its spelling"
        raise SourceError(
            f"Name resolution for {target.host} failed: {reason} ({advice})",
            ErrorCode.NAME_RESOLUTION,
            Retry.SAME_SOURCE if again else Retry.NEXT_SOURCE,
            terse=f"Name resolution for {target.host} failed:{said}",
        ) from error


async def _connect(target: Target, found: list[AddrInfo], make: Callable[[AddrInfo], socket.socket]) -> socket.socket:
    """The first of the addresses that answers, both families tried side by side (RFC 8305)."""
    from aiohappyeyeballs import start_connection

    try:
        return await start_connection(found, happy_eyeballs_delay=HEAD_START, socket_factory=make)
    except TimeoutError:
        raise
    except (OSError, RuntimeError) as error:
        number = _number(error)
        cause = os.strerror(number) if number else str(error)
        if number == errno.ECONNREFUSED:
            advice = "is the server running, and is this its port?"
        elif number in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            advice = "look at this machine's network"
        elif number in (errno.EADDRNOTAVAIL, errno.ENODEV, errno.EAFNOSUPPORT):
            advice = "the interface that was chosen for it cannot be used"
        elif number in (errno.EMFILE, errno.ENFILE):
            advice = "too many files are open; raise the limit with ulimit -n, or use fewer connections"
        else:
            advice = "look at the network and the server"
        raise Unreachable(
            f"Failed to establish connection, cause: {cause} ({target.place}; {advice})",
            ErrorCode.UNKNOWN,
            Retry.SAME_SOURCE,
            terse=f"Failed to establish connection, cause: {cause}",
        ) from error


def _number(error: OSError | RuntimeError) -> int | None:
    """What the operating system said, the most telling one if the addresses failed in different ways."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    said = [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))]
    return errno.ECONNREFUSED if errno.ECONNREFUSED in said else said[0] if said else None
