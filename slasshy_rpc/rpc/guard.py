"""Who may talk to this server: Host, Origin and Sec-Fetch-Site, CORS, and patience with bad tokens.

Owns: these rules and their one line in the log. Never: the token itself (call) or sockets (server).
A page in a browser can reach any server of its user's machine; without a secret nothing but these headers tells its
requests from the user's own.
"""

from __future__ import annotations

import logging
import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from slasshy_rpc.clock import monotonic
from slasshy_rpc.rpc.settings import RpcSettings

log = logging.getLogger("slasshy_rpc.rpc")

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_ANYBODY = ("null", "file://")
_OWN_FETCH = ("none", "same-origin")
_LONGEST_NAME = 200
_MOST_LOGGED = 256
_MOST_PEERS = 1024
_PEER_FORGOTTEN = 600.0
_FREE_FAILURES = 3
_LONGEST_HOLD = 8.0


class Guard:
    """The rules for one server; ``now`` reads the clock in seconds."""

    def __init__(self, settings: RpcSettings, now: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._now = now
        self._all_origins = settings.allow_origin_all or "*" in settings.allow_origins
        self._origins = frozenset(map(_canonical_origin, settings.allow_origins))
        own_name = socket.gethostname().lower()
        self._hosts = {host.lower().rstrip(".") for host in settings.allow_hosts}
        self._hosts |= {"localhost", own_name, f"{own_name}.local"}
        self._good_hosts: set[str] = set()
        self._logged: set[tuple[str, str]] = set()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def refusal(self, method: str, headers: Mapping[str, str]) -> str | None:
        """Why a request is turned away, in one line for its sender, or None to let it in.

        With a secret everybody is let in here: the token decides. Otherwise a page of a foreign site is refused,
        whether it says so (Origin), its browser does (Sec-Fetch-Site, Referer), or it took a name that points here
        (Host). The first refusal of a kind is logged with the option that would allow it.
        """
        if self._settings.secret is not None:
            return None
        host = headers.get("Host")
        if host is not None and not self._all_origins and not self._is_own_host(host):
            name = _shown(host)
            return self._refuse("host", name, f"the name {name} is not one of this server's", "rpc-allow-host")
        origin = headers.get("Origin")
        if origin is not None:
            if self._may_come_from(origin, host):
                return None
            name = _shown(origin)
            return self._refuse("origin", name, f"the web page {name} may not use this server", "rpc-allow-origin")
        if self._all_origins:
            return None
        site = headers.get("Sec-Fetch-Site")
        if site is not None and site.lower() not in _OWN_FETCH:
            return self._refuse("site", "", "a page of another site may not use this server", "rpc-allow-origin-all")
        referer = headers.get("Referer") if method == "GET" else None
        if referer and site is None and not self._may_come_from(_origin_of(referer), host):
            name = _shown(_origin_of(referer))
            return self._refuse("origin", name, f"the web page {name} may not use this server", "rpc-allow-origin")
        return None

    def cors(self, method: str, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that let a page read the answer: aria2's ``*`` for all, or the listed origin given back."""
        origin = headers.get("Origin")
        if self._all_origins:
            answer = {"Access-Control-Allow-Origin": "*"}
        elif not self._origins:
            answer = {}
        elif origin is None or _canonical_origin(origin) not in self._origins:
            answer = {"Vary": "Origin"}
        else:
            answer = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if method == "OPTIONS" and origin is not None and "Access-Control-Request-Method" in headers:
            if "Access-Control-Allow-Origin" in answer:
                answer["Access-Control-Allow-Methods"] = "POST, GET, OPTIONS"
                answer["Access-Control-Max-Age"] = "1728000"
                wanted = headers.get("Access-Control-Request-Headers")
                if wanted:
                    answer["Access-Control-Allow-Headers"] = wanted
            elif not self._is_same_origin(origin, headers.get("Host")):
                name = _shown(origin)
                self._refuse(
                    "cors", name, f"the web page {name} may not read this server's answers", "rpc-allow-origin"
                )
        return answer

    def is_program_here(self, peer: str, headers: Mapping[str, str]) -> bool:
        """Whether a program of this machine asks, and not a web page of somebody else.

        It sends no Origin, or this server's own address, as Python's websocket-client does for aria2p.
        """
        origin, host = headers.get("Origin"), headers.get("Host")
        own = origin is None or (host is not None and self._is_own_host(host) and self._is_same_origin(origin, host))
        return own and is_loopback(peer)

    def hold(self, peer: str, refused: int) -> float:
        """Seconds to keep back an answer to ``peer``, which just tried ``refused`` (1 or more) wrong tokens.

        The first few failures cost ``settings.hold`` each, as in aria2; further ones double it, up to 8 seconds.
        """
        key, now = _peer_key(peer), self._now()
        failures, last = self._failures.pop(key, (0, now))
        failures = refused + (failures if now - last < _PEER_FORGOTTEN else 0)
        self._failures[key] = (failures, now)
        if len(self._failures) > _MOST_PEERS:
            self._failures.popitem(last=False)
        if failures - refused < _FREE_FAILURES <= failures:
            log.warning("%s called with a wrong or missing token %d times; its answers are now delayed", key, failures)
        base = self._settings.hold
        return min(base * 2.0 ** min(max(0, failures - _FREE_FAILURES), 10), max(base, _LONGEST_HOLD))

    def forgive(self, peer: str) -> None:
        """Forget the failures of ``peer``, which has just shown the right token."""
        if self._failures:
            self._failures.pop(_peer_key(peer), None)

    def _is_own_host(self, host: str) -> bool:
        if host in self._good_hosts:
            return True
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        single_label = bool(name) and "." not in name and ":" not in name
        good = single_label or name in self._hosts or _is_address(name)
        if good and len(self._good_hosts) < _MOST_LOGGED:
            self._good_hosts.add(host)
        return good

    def _may_come_from(self, origin: str, host: str | None) -> bool:
        if self._all_origins or _canonical_origin(origin) in self._origins:
            return True
        return origin.partition("://")[0].lower().endswith("-extension") or self._is_same_origin(origin, host)

    @staticmethod
    def _is_same_origin(origin: str, host: str | None) -> bool:
        scheme, _, place = _canonical_origin(origin).partition("://")
        if host is None or scheme not in _DEFAULT_PORTS:
            return False
        return place == host.lower().removesuffix(f":{_DEFAULT_PORTS[scheme]}")

    def _refuse(self, kind: str, name: str, reason: str, option: str) -> str:
        way = f"--{option}={name}" if name and option != "rpc-allow-origin-all" else f"--{option}"
        if kind != "cors":
            way += ", or set --rpc-secret"
        if name in _ANYBODY:
            # Any site can send this from a sandboxed frame: by itself it tells nobody apart.
            option, way = "rpc-secret", "--rpc-secret=TOKEN and --rpc-allow-origin-all together"
        if (kind, name) not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add((kind, name))
            log.warning("RPC request refused: %s. To allow it: %s.", reason, way)
        return f"Refused: {reason}. The option --{option} of the server allows it.\n"


@lru_cache(maxsize=256)
def is_loopback(peer: str) -> bool:
    """Whether ``peer``, an address without port, is on this machine."""
    try:
        return ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _peer_key(peer: str) -> str:
    """The address, or for IPv6 its /64, which belongs to one household."""
    if ":" not in peer:
        return peer
    return str(ip_network((peer.partition("%")[0], 64), strict=False))


def _canonical_origin(origin: str) -> str:
    """Lower case, without a slash at the end or the scheme's own port."""
    origin = origin.lower().rstrip("/") if origin.lower() != "file://" else "file://"
    scheme, _, _ = origin.partition("://")
    return origin.removesuffix(f":{_DEFAULT_PORTS[scheme]}") if scheme in _DEFAULT_PORTS else origin


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "null"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _shown(name: str) -> str:
    """``name`` fit for a line of a log or an answer: it was written by a stranger."""
    return "".join(character if character.isprintable() else "?" for character in name[:_LONGEST_NAME])
