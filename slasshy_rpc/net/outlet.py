"""Where connections leave this machine: through which interface, from which address, and how their packets are marked.

Owns: how sockets are made and bound. Never: where they connect to.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Sequence

from slasshy_rpc.errors import UsageError
from slasshy_rpc.net.address import is_address
from slasshy_rpc.net.names import AddrInfo, system_lookup

#: A network interface, or the local address of each family.
_Binding = str | dict[int, str]


class Outlet:
    """``interfaces`` (names of interfaces, addresses or host names of this machine) are used in turn; none: any.

    ``dscp`` goes into the packets (RFC 2474), 0 leaves them as they are.
    """

    def __init__(self, interfaces: Sequence[str] = (), dscp: int = 0) -> None:
        self._interfaces = tuple(interfaces)
        self._class = dscp << 2 & 0xFF
        self._bindings: list[_Binding] | None = None
        self._next = 0

    async def prepare(self) -> None:
        """Look the interfaces up, once for all. Raises UsageError for one that is not of this machine."""
        if self._bindings is None:
            self._bindings = [await _binding(interface) for interface in self._interfaces]

    async def maker(self, receive_buffer: int = 0) -> Callable[[AddrInfo], socket.socket]:
        """How the sockets of one dial are made: no delay, keep-alive, bound to the interface whose turn it is.

        If that is gone, the others are tried. ``receive_buffer`` is in bytes, 0 for the kernel's choice.
        """
        await self.prepare()
        bindings = self._bindings or []
        turn, self._next = self._next, (self._next + 1) % max(1, len(bindings))
        order = bindings[turn:] + bindings[:turn]

        def make(address: AddrInfo) -> socket.socket:
            sock = socket.socket(address[0], address[1], address[2])
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if receive_buffer:  # before connecting: the window's scale is agreed on then
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                if self._class:
                    _mark(sock, address[0], self._class)
                _bind(sock, address[0], order)
            except BaseException:
                sock.close()
                raise
            return sock

        return make


async def _binding(interface: str) -> _Binding:
    family = is_address(interface)
    if not family:
        try:
            socket.if_nametoindex(interface)
        except OSError:
            pass
        else:
            return interface
    local: dict[int, str] = {}
    try:
        found = await system_lookup(interface, 0, socket.AF_UNSPEC)
    except (socket.gaierror, UnicodeError):
        found = []
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as trial:
            try:
                trial.bind(address)
            except OSError:
                continue
        local.setdefault(family, str(address[0]))
    if not local:
        raise UsageError(
            f"Failed to find given interface {interface}, cause: not available. It is neither an address, a network "
            "interface nor a name of this machine; `ip address` or `ifconfig` lists them."
        )
    return local


def _bind(sock: socket.socket, family: int, order: Sequence[_Binding]) -> None:
    """To the first that takes it: an interface that is down is no reason to give up while there are others."""
    problem: OSError | None = None
    for binding in order:
        try:
            if isinstance(binding, str):
                _bind_device(sock, family, binding)
            elif family not in binding:
                raise OSError(errno.EAFNOSUPPORT, "The interface that was chosen has no address of this family")
            else:
                sock.bind((binding[family], 0))
            return
        except OSError as error:
            problem = problem or error
    if problem is not None:
        raise problem


def _bind_device(sock: socket.socket, family: int, device: str) -> None:
    """Let the socket use one network interface only; Linux allows it without privileges since 5.7."""
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(device))
    elif family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, 125, socket.if_nametoindex(device))  # IPV6_BOUND_IF of macOS
    else:
        sock.setsockopt(socket.IPPROTO_IP, 25, socket.if_nametoindex(device))  # IP_BOUND_IF of macOS


def _mark(sock: socket.socket, family: int, traffic_class: int) -> None:
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, traffic_class)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, traffic_class)
