"""Where a URL points: scheme, host, port and what is put on the request line.

Owns: parsing, percent-encoding as aria2 sends it, joining a Location, redaction for logs. Never: names or sockets.
"""

from __future__ import annotations

import functools
import re
import socket
from dataclasses import dataclass, replace

from slasshy_rpc.errors import Retry, SourceError

#: Schemes that can be asked, with the port each has when the URL names none.
DEFAULT_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)", re.DOTALL)
_NAME = re.compile(r"(?!-)[a-z0-9_~-]+(\.[a-z0-9_~-]+)*\.?")
_NO_AUTHORITY = re.compile(r"[\\\x00-\x20\x7f]")
_REFUSED = re.compile(r"[\r\n\0]")
# What aria2 1.37 leaves alone on the request line: visible ASCII but for these three; "%" is taken as it stands.
_ENCODED = re.compile(rb'[^\x21-\x7e]|["<>]')
_REDACTED_URL = re.compile(r"([^:/?#]*:(?://)?)([^?#]*)(?:\?([^#]*))?", re.DOTALL)
_PLAIN_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:@\[\]]*)(:[0-9]*)?")


def is_web(url: str) -> bool:
    """Whether it is of http or https; whether it is a good one, ``parse`` says."""
    return url.lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Target:
    """One URL, ready to be asked.

    ``host`` is lower-case ASCII, an IPv6 address without brackets; ``path_query`` starts with ``/`` and is ASCII;
    ``userinfo`` is as it stood in the URL (percent-encoded) or None.
    """

    scheme: str
    host: str
    port: int
    path_query: str = "/"
    userinfo: str | None = None

    @property
    def origin(self) -> Origin:
        """(scheme, host, port): what credentials, cookies and idle connections belong to (RFC 6454)."""
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """The value of the Host header: no userinfo, no IPv6 zone, the port only if it is not the scheme's own."""
        host = self.host
        if ":" in host:
            host = f"[{host.partition('%')[0]}]"
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def place(self) -> str:
        """host:port for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The absolute URL without userinfo and fragment."""
        return f"{self.scheme}://{self.authority}{self.path_query}"

    @property
    def again(self) -> str:
        """``url`` for ourselves, not for the wire: with the IPv6 zone, without which the place is not found."""
        address, percent, zone = self.host.partition("%")
        return self.url.replace(f"[{address}]", f"[{address}%25{zone}]", 1) if percent else self.url

    @property
    def user(self) -> str | None:
        """The decoded user name of the URL, None without userinfo."""
        return None if self.userinfo is None else _decoded(self.userinfo.partition(":")[0])

    @property
    def password(self) -> str | None:
        """The decoded password of the URL ('' if it has a user only), None without userinfo."""
        return None if self.userinfo is None else _decoded(self.userinfo.partition(":")[2])


@functools.lru_cache(maxsize=64)  # an open reads what it asks several times
def parse(url: str) -> Target:
    """Read an absolute http or https URL; spaces and other bytes of path and query are percent-encoded as aria2 does.

    Raises SourceError when it is no such URL: unknown scheme, CR, LF or NUL anywhere, a host or port that cannot be.
    """
    if _REFUSED.search(url):
        raise _bad(url, "it contains a line break or a NUL; remove it")
    match = _URL.match(url)
    if match is None:
        raise _bad(url, "it is not of the form scheme://host/path")
    scheme = match[1].lower()
    if scheme not in DEFAULT_PORTS:
        raise _bad(url, f"{scheme} is not supported here; http and https are")
    if _NO_AUTHORITY.search(match[2]):
        # Browsers take a backslash for a slash: the host that a reader sees must be the one that is asked.
        raise _bad(url, "there is a backslash, a space or a control character before its path")
    userinfo, at, place = match[2].rpartition("@")
    host, port = _host_port(url, place)
    path_query = encode(match[3])
    if not path_query.startswith("/"):
        path_query = "/" + path_query
    return Target(scheme, host, port or DEFAULT_PORTS[scheme], path_query, userinfo if at else None)


def join(base: Target, location: str) -> Target:
    """Where a Location header leads (RFC 3986 section 5.2).

    ``location`` is the header value decoded as latin-1. A reference without a host of its own keeps the userinfo of
    ``base``; any other has only what it carries itself. The address of ``base`` keeps its zone, of which the server
    knows nothing. Raises SourceError as ``parse`` does.
    """
    from urllib.parse import urljoin

    if _REFUSED.search(location):
        raise _bad(location, "the server's Location contains a line break or a NUL")
    try:  # the bytes as sent: UTF-8 if they can be, for the sake of host names
        raw = location.encode("latin-1")
        location = raw.decode("utf-8")
    except UnicodeDecodeError:
        location = encode(location, "latin-1")
    except UnicodeEncodeError:
        pass  # not from the wire; text already
    location = location.strip(" \t").replace("\t", "%09")
    if not location:
        raise _bad(location, "the server's Location is empty")
    try:
        target = parse(urljoin(base.url, location))
    except ValueError as error:  # what urllib says of brackets that do not match
        raise _bad(location, str(error)) from None
    if target.host == base.host.partition("%")[0]:
        target = replace(target, host=base.host)
    if target.userinfo is None and target.origin == base.origin and not re.match(r"([^/?#]*:)?//", location):
        return replace(target, userinfo=base.userinfo)
    return target


def encode(text: str, charset: str = "utf-8") -> str:
    """Percent-encode what may not stand on a request line, and nothing else."""
    return _ENCODED.sub(lambda m: b"%%%02X" % m[0][0], text.encode(charset, "surrogateescape")).decode("ascii")


def redact(url: str) -> str:
    """The URL for logs: no userinfo, no query values, no fragment, no control characters. Takes any text."""
    match = _REDACTED_URL.match(url)
    if match is None:
        return re.sub(r"[^\x21-\x7e]", "?", url.partition("?")[0].rpartition("@")[2])
    place, slash, path = match[2].partition("/")
    place = place.rpartition("@")[2]
    if not _PLAIN_AUTHORITY.fullmatch(place) and "@" in path:  # a password with a bare "/" in it
        place, slash, path = path.rpartition("@")[2].partition("/")
    query = ""
    if match[3] is not None:
        pairs = (pair.partition("=") for pair in match[3].split("&"))
        query = "?" + "&".join(f"{name}=***" if value else "***" for name, _, value in pairs)
    return re.sub(r"[\x00-\x20\x7f]", "?", f"{match[1]}{place}{slash}{path}{query}")


def is_address(host: str) -> int:
    """The address family of an IP literal (AF_INET or AF_INET6), 0 for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return family
    return 0


def _host_port(url: str, place: str) -> tuple[str, int]:
    """Split and check ``host[:port]``; port 0 means none was given."""
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        host = host.lower().replace("%25", "%", 1)
        address, percent, zone = host.partition("%")
        if not bracket or is_address(address) != socket.AF_INET6 or (rest and not rest.startswith(":")):
            raise _bad(url, "the brackets do not hold an IPv6 address")
        if percent and not re.fullmatch(r"[0-9a-z_.-]+", zone):
            raise _bad(url, "the zone of the IPv6 address is not one")
        port = rest[1:]
    else:
        host, _, port = place.partition(":")
        if not host.isascii():
            host = _ascii_name(url, host)
        host = host.lower()
        if not _NAME.fullmatch(host) or len(host) > 254:
            raise _bad(url, "it has no host" if not host else "its host is not a name or an address")
    if not port:
        return host, 0
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise _bad(url, "its port is not a number from 1 to 65535")
    return host, int(port)


def _ascii_name(url: str, host: str) -> str:
    """An international name in the form that resolvers and servers know (IDNA 2008, UTS 46)."""
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise _bad(url, f"its host cannot be an international name: {error}") from None


def _decoded(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text, errors="surrogateescape")


def _bad(url: str, reason: str) -> SourceError:
    return SourceError(f"The URL {redact(url)[:200]} cannot be used: {reason}.", retry=Retry.NEXT_SOURCE)
