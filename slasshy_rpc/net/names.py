"""From a host name to addresses: the system's resolver, or name servers that the user gave.

Owns: asking, and what was answered a moment ago. Never: connections. Name servers of the user's import pycares.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import typing
from collections.abc import Awaitable, Callable

from slasshy_rpc import clock
from slasshy_rpc.net.address import is_address

if typing.TYPE_CHECKING:
    import pycares

AddrInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]
Lookup = Callable[[str, int, int], Awaitable[list[AddrInfo]]]

_SERVER = re.compile(r"\[(?P<six>[^\]]*)\](:(?P<port6>\d{1,5}))?|(?P<four>[^:]*)(:(?P<port4>\d{1,5}))?|(?P<bare>.*)")


async def system_lookup(host: str, port: int, family: int) -> list[AddrInfo]:
    """The addresses of ``host``, from the system; raises socket.gaierror or UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(int(family), int(kind), protocol, name, address) for family, kind, protocol, name, address in found]


class Names:
    """What a resolver said, for dials that start together or shortly after each other; for one event loop.

    ``ttl`` is the number of seconds that an answer is used again; failures are not kept.
    """

    def __init__(self, lookup: Lookup = system_lookup, *, ttl: float = 30.0, limit: int = 1024) -> None:
        self._lookup = lookup
        self._ttl = ttl
        self._limit = limit
        self._known: dict[tuple[str, int, int], tuple[float, list[AddrInfo]]] = {}
        self._asked: dict[tuple[str, int, int], asyncio.Task[list[AddrInfo]]] = {}

    async def lookup(self, host: str, port: int, family: int) -> list[AddrInfo]:
        """The addresses of ``host``; raises socket.gaierror or UnicodeError."""
        key = (host, port, family)
        kept = self._known.get(key)
        if kept is not None and kept[0] > clock.monotonic():
            return kept[1]
        task = self._asked.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(host, port, family))
            self._asked[key] = task
            task.add_done_callback(lambda done: self._answered(key, done))
        return await asyncio.shield(task)

    def forget(self, host: str) -> None:
        """Ask the resolver again next time: none of the addresses answered."""
        for key in [key for key in self._known if key[0] == host]:
            del self._known[key]

    async def _ask(self, host: str, port: int, family: int) -> list[AddrInfo]:
        return await self._lookup(host, port, family)

    def _answered(self, key: tuple[str, int, int], task: asyncio.Task[list[AddrInfo]]) -> None:
        self._asked.pop(key, None)
        if task.cancelled() or task.exception() is not None:
            return
        while len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
        self._known[key] = (clock.monotonic() + self._ttl, task.result())


class Unresolved(socket.gaierror):
    """What a name server of the user's said, in c-ares's words, which are aria2's."""


class NameServers:
    """Asks the servers of --async-dns-server (``places``: what ``name_servers`` returns), after the hosts file.

    Made by the first lookup: c-ares, which aria2 uses too, in a thread of its own.
    """

    def __init__(self, places: tuple[str, ...]) -> None:
        self._places = places
        self._channel: pycares.Channel | None = None

    async def lookup(self, host: str, port: int, family: int) -> list[AddrInfo]:
        """The addresses of ``host``; raises Unresolved: EAI_AGAIN if no server could say."""
        import pycares

        if is_address(host):  # perhaps with an IPv6 zone, which c-ares does not know
            return await system_lookup(host, port, family)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[pycares.AddrInfoResult | None, int | None]] = loop.create_future()

        def settle(result: pycares.AddrInfoResult | None, error: int | None) -> None:
            if not answer.done():
                answer.set_result((result, error))

        def told(result: pycares.AddrInfoResult | None, error: int | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, result, error)

        try:
            if self._channel is None:
                self._channel = pycares.Channel(servers=self._places)
            self._channel.getaddrinfo(
                host, port, family=socket.AddressFamily(family), type=socket.SOCK_STREAM, callback=told
            )
        except pycares.AresError as problem:
            settle(None, problem.args[0])
        result, error = await answer
        found: list[AddrInfo] = [
            (node.family, node.socktype, node.protocol, "", _address(node.addr, port))
            for node in (result.nodes if result is not None else ())
            if node.family in (socket.AF_INET, socket.AF_INET6)
        ]
        if not found:
            raise _unresolved(error or pycares.errno.ARES_ENODATA)
        return found

    def close(self) -> None:
        """Give up what is being asked."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def name_servers(text: str) -> tuple[str, ...]:
    """The servers of a list with commas, as c-ares reads them; '' for none. Raises ValueError for no such list.

    Each is an address, or ADDRESS:PORT, [ADDRESS]:PORT for IPv6.
    """
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        match = _SERVER.fullmatch(part)
        host = (match["six"] or match["four"] or match["bare"] or "") if match else ""
        port = int((match["port6"] or match["port4"] if match else None) or 53)
        family = is_address(host)
        if not family or not 0 < port < 65536:
            raise ValueError(f"{part} is not the address of a name server")
        found.append(f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}")
    return tuple(found)


def _address(address: tuple[typing.Any, ...], port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
    return (host, port) if len(address) == 2 else (host, port, int(address[2]), int(address[3]))


def _unresolved(code: int) -> Unresolved:
    import pycares

    errors = pycares.errno
    lost = (errors.ARES_ENOTFOUND, errors.ARES_ENODATA, errors.ARES_EBADNAME, errors.ARES_ENONAME)
    return Unresolved(socket.EAI_NONAME if code in lost else socket.EAI_AGAIN, errors.strerror(code))
