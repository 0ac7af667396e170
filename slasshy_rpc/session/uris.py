"""URIs as they come from users: brought into one spelling, the unusable ones left out.

Owns: which texts count as URIs when a Download is added, as aria2 decides it. Never: whether a scheme can
be served, which the protocols say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from slasshy_rpc.errors import RpcError

#: URIs that one Download may have when it was asked for over RPC.
MOST = 10_000

#: scheme://[user@]host[:port]..., where the host must not be empty.
_FORM = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]/?#]+\]|[^/?#:\[\]]+)(?::([0-9]{1,9}))?(?=[/?#]|\Z)"
)
_MAGNET = "magnet:?"
#: As its programs copy links; what it leads to, only who can serve it knows.
_SPOTIFY = re.compile(r"spotify:[a-z]+:[A-Za-z0-9]+")
#: What aria2 encodes when a URI is added: blanks, controls, quotation marks, angle brackets, all beyond ASCII.
_FOREIGN = re.compile(r"[^!#-;=?-~]+")
_LAST_PORT = 65535


def normalised(uri: str) -> str | None:
    """The URI with everything foreign percent-encoded, or None if it is no absolute URI with a host.

    Blanks around it, which come with pasted text, are dropped.
    """
    uri = _FOREIGN.sub(_encoded, uri.strip(" \t"))
    found = _FORM.match(uri)
    if found is None:
        return uri if uri.startswith(_MAGNET) or _SPOTIFY.fullmatch(uri) else None
    return uri if int(found[2] or 0) <= _LAST_PORT else None


def usable(uris: Iterable[str]) -> tuple[str, ...]:
    """The usable ones, in order; one that is there twice stays so, for it is listed twice."""
    return tuple([known for uri in uris if (known := normalised(uri)) is not None])


def added(given: Iterable[str]) -> list[str]:
    """What aria2.changeUri counts as added: every URI of a file, also of a scheme that nobody can serve."""
    kept = (normalised(uri) for uri in given)
    return [uri for uri in kept if uri is not None and not uri.startswith(_MAGNET)]


def too_many() -> RpcError:
    """What is said of more than ``MOST`` URIs for one Download."""
    return RpcError(f"A download may have {MOST} URIs at most.")


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "replace"))
