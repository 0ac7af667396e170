"""Which proxy stands between here and a Target, and what is said to it before the Target is reached.

Owns: reading proxy URIs, no-proxy, CONNECT and SOCKS. Never: dials, TLS, or what goes through afterwards.
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from slasshy_rpc.errors import DownloadError, ErrorCode, ProxyFault, Retry, SourceError
from slasshy_rpc.net import address, auth
from slasshy_rpc.net.address import Target
from slasshy_rpc.net.head import HeadReader, ResponseHead, build_head
from slasshy_rpc.net.ready import readable

#: Answers to CONNECT that another try may change.
_LATER = frozenset({408, 425, 429})
#: SOCKS replies that no other try changes: not allowed, no such command or address type (5), other user ids (4).
_FINAL = frozenset({2, 7, 8, 92, 93})
_CREDENTIALS = "--all-proxy-user and --all-proxy-passwd (or those of --http-proxy, --https-proxy)"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, as one Target is reached through it; equal ones may share connections.

    ``scheme`` is http, socks4, socks4a, socks5 or socks5h; ``host`` as a Target's; ``user`` is '' for none. ``tunnel``:
    an HTTP proxy is asked for a connection (CONNECT), introduced by ``agent``, not for an answer.
    """

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tunnel: bool = False
    agent: str = ""

    @property
    def target(self) -> Target:
        """Where to connect to."""
        return Target("http", self.host, self.port)

    @property
    def place(self) -> str:
        """host:port for messages."""
        return self.target.place

    @property
    def answers(self) -> bool:
        """Whether requests go to the proxy itself, with the URL in full (RFC 9112 section 3.2.2)."""
        return self.scheme == "http" and not self.tunnel

    @property
    def resolves(self) -> bool:
        """Whether names are the proxy's affair (all but socks4 and socks5)."""
        return self.scheme not in ("socks4", "socks5")

    @property
    def authorization(self) -> str | None:
        """The value of Proxy-Authorization, None without a user."""
        return auth.basic(self.user, self.password) if self.user else None


class Given(NamedTuple):
    """One proxy option (normalised, '' for none) with its user and password options, which go before the URI's own."""

    uri: str = ""
    user: str | None = None
    password: str | None = None


_NONE = Given()


@dataclass(frozen=True, slots=True)
class Proxies:
    """What the user said about proxies. ``none_for`` are the entries of no-proxy, ``agent`` is the User-Agent."""

    http: Given = field(default=_NONE, repr=False)
    https: Given = field(default=_NONE, repr=False)
    all: Given = field(default=_NONE, repr=False)
    none_for: tuple[str, ...] = ()
    tunnel: bool = False
    agent: str = ""

    def choose(self, target: Target) -> Proxy | None:
        """The proxy for ``target``, None for none; an https Target always gets a tunnel.

        Where the scheme's own option is empty, all-proxy counts (aria2 manual, --all-proxy). Raises DownloadError for a
        proxy that cannot be one.
        """
        secure = target.scheme == "https"
        given = self.https if secure else self.http
        if not given.uri:
            given = self.all
        if not given.uri or exempt(target.host, self.none_for):
            return None
        return read(given, tunnel=self.tunnel or secure, agent=self.agent)


@functools.lru_cache(maxsize=64)
def read(given: Given, *, tunnel: bool = False, agent: str = "") -> Proxy:
    """Read a proxy option. Raises DownloadError (28) when its host cannot be one."""
    scheme, _, rest = given.uri.partition("://")
    try:
        found = address.parse(f"http://{rest}")
    except SourceError as error:
        raise DownloadError(
            f"The proxy {address.redact(given.uri)} cannot be used. {error}", ErrorCode.OPTION
        ) from None
    user = (found.user or "") if given.user is None else given.user
    password = (found.password or "") if given.password is None else given.password
    http = scheme == "http"
    return Proxy(scheme, found.host, found.port, user, password, http and tunnel, agent if http and tunnel else "")


def exempt(host: str, entries: Iterable[str]) -> bool:
    """Whether ``host`` (of a Target) is reached without a proxy, as aria2 matches the entries of no-proxy.

    An entry is a name or an address; ``.domain`` for the names below it; ``network/bits`` for addresses. Names are not
    resolved. Ours: case does not matter, and ``*`` is everything.
    """
    packed = _packed(host)
    for entry in entries:
        network, slash, bits = entry.partition("/")
        if slash:
            if re.fullmatch("[0-9]{1,9}", bits) and _within(packed, _packed(network), int(bits)):
                return True
            continue
        name = _ascii(entry.strip("[]"))
        if name in (host, "*") or (packed and _packed(name) == packed):
            return True
        if name.startswith(".") and not packed and host.endswith(name):
            return True
    return False


def _packed(host: str) -> bytes:
    """The bytes of an IP address, none for a name."""
    family = address.is_address(host)
    return socket.inet_pton(socket.AddressFamily(family), host.partition("%")[0]) if family else b""


def _within(packed: bytes, network: bytes, bits: int) -> bool:
    if not packed or len(packed) != len(network):
        return False
    rest = 8 * len(packed) - min(bits, 8 * len(packed))
    return int.from_bytes(packed) >> rest == int.from_bytes(network) >> rest


@functools.lru_cache(maxsize=1024)
def _ascii(name: str) -> str:
    """A name as Targets have it."""
    if not name.isascii():
        dot = "." * name.startswith(".")
        try:
            return dot + address.parse(f"http://{name[len(dot) :]}").host
        except SourceError:
            pass  # it matches nothing
    return name.lower()


# ---- what is said


async def reach(sock: socket.socket, proxy: Proxy, target: Target, host: str) -> None:
    """Have the proxy at the other end of the non-blocking ``sock`` connect it to ``target``, called ``host`` there.

    Nothing is read past the proxy's answer: what the server says first is still in the socket. Raises SourceError
    (1), whose words name the proxy. No time-out of its own, and the caller closes the socket.
    """
    if proxy.tunnel:
        await _connect(sock, proxy, target)
    elif not proxy.answers:
        await _socks(sock, proxy, target, host)


def blamed(error: SourceError, proxy: Proxy) -> SourceError:
    """The same error, saying that it is the proxy's."""
    message = f"{error} ({proxy.place} is the proxy that was asked; look at it, or at the proxy options)"
    return ProxyFault(message, error.code, error.retry, error.retry_after, terse=error.terse)


def unauthorised(proxy: Proxy, start: str, code: int) -> SourceError:
    """The error for a 407 of ``proxy``; ``start`` is what aria2 says of it."""
    if proxy.user:
        reason = f"does not accept the user {proxy.user!r} with this password; check {_CREDENTIALS}"
    else:
        reason = f"wants a user name and a password; give {_CREDENTIALS}"
    return SourceError(f"{start} The proxy {proxy.place} {reason}.", code, Retry.NEXT_SOURCE, terse=start)


def _failed(proxy: Proxy, reason: str, retry: Retry) -> SourceError:
    start = "Proxy connection failed."
    return SourceError(f"{start} The proxy {proxy.place} {reason}.", ErrorCode.UNKNOWN, retry, terse=start)


async def _connect(sock: socket.socket, proxy: Proxy, target: Target) -> None:
    """CONNECT (RFC 9110 section 9.3.6), in aria2's form."""
    end = Target("", target.host, target.port)  # of no scheme, so that its authority always has the port
    head = build_head(
        Target("", target.host, target.port, end.authority),
        method="CONNECT",
        user_agent=proxy.agent or None,
        accept=None,
        proxy_authorization=proxy.authorization,
    )
    try:
        await asyncio.get_running_loop().sock_sendall(sock, head)
        answer = await _answer(sock)
    except TimeoutError:
        raise
    except OSError as error:
        raise _failed(proxy, f"broke the connection: {error.strerror or error}", Retry.SAME_SOURCE) from error
    except SourceError as error:
        raise blamed(error, proxy) from None
    if answer is None:
        start = "Got EOF from the server."
        message = f"{start} The proxy {proxy.place} hung up when it was asked for {target.place}."
        raise SourceError(message, ErrorCode.UNKNOWN, Retry.SAME_SOURCE, terse=start)
    status = answer.status
    if status == 407:
        raise unauthorised(proxy, "Proxy connection failed.", ErrorCode.UNKNOWN)
    if not 200 <= status < 300:
        said = f"{status} {re.sub(r'[^ -~]', '?', answer.reason)[:80]}".strip()
        again = status >= 500 or status in _LATER
        advice = "it may not reach that server" if again else "it does not allow this; another proxy, or no-proxy, may"
        retry = Retry.SAME_SOURCE if again else Retry.NEXT_SOURCE
        raise _failed(proxy, f"answered {said} when it was asked for {target.place}; {advice}", retry)


async def _answer(sock: socket.socket) -> ResponseHead | None:
    """The head of the proxy's answer, and not a byte beyond; None when the connection ends before."""
    reader = HeadReader()
    while True:
        try:
            data = sock.recv(16 << 10, socket.MSG_PEEK)
        except BlockingIOError:
            await readable(sock.fileno())
            continue
        if not data:
            return None
        head = reader.feed(data)
        sock.recv(len(data) - (len(head.leftover) if head else 0))
        if head is not None:
            return head


class _Dialled:
    """What python-socks takes for the proxy before the proxy: the connection that is there already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, dest_host: str, dest_port: int, timeout: float | None = None) -> socket.socket:
        """As ``python_socks.async_.asyncio.Proxy.connect``."""
        return self._sock


async def _socks(sock: socket.socket, proxy: Proxy, target: Target, host: str) -> None:
    """SOCKS 5 (RFC 1928, 1929), 4 or 4a."""
    from python_socks import ProxyError, ProxyType
    from python_socks.async_.asyncio import Proxy as Client

    four = proxy.scheme.startswith("socks4")
    if four and address.is_address(host) == socket.AF_INET6:
        raise _failed(
            proxy, f"speaks SOCKS 4, which has no IPv6 address such as {host}; socks5:// has", Retry.NEXT_SOURCE
        )
    if four and "\0" in proxy.user:  # which ends it there: the rest would be read as something else
        raise _failed(proxy, "cannot be asked: SOCKS 4 has no NUL in a user's name", Retry.NEXT_SOURCE)
    client = Client(
        ProxyType.SOCKS4 if four else ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        proxy.user or None,
        proxy.password or None,
        rdns=True,  # ``host`` is an address already where the proxy is not to resolve it
        forward=cast("Any", _Dialled(sock)),
    )
    try:
        await client.connect(host.partition("%")[0], target.port, timeout=86400.0)  # who dials has a time-out
    except ProxyError as error:
        said = str(error)
        if "auth" in said.lower():
            raise unauthorised(proxy, "Proxy connection failed.", ErrorCode.UNKNOWN) from error
        retry = Retry.NEXT_SOURCE if error.error_code in _FINAL else Retry.SAME_SOURCE
        raise _failed(proxy, f"(SOCKS) did not connect to {target.place}: {said}", retry) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise _failed(proxy, f"broke the connection: {error.strerror or error}", Retry.SAME_SOURCE) from error
    except ValueError:  # there are no bytes for it; the error itself may quote a password
        reason = "cannot be asked: SOCKS takes ASCII of up to 255 characters for user and password"
        raise _failed(proxy, reason, Retry.NEXT_SOURCE) from None
