"""From what a caller gives to a Request: URIs expanded and in one spelling, options on top of the global ones.

Owns: which of the URIs count, and which protocol serves a Request. Never: a Download, or a GID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slasshy_rpc.options.values import Layer, Normal, OptionSet
from slasshy_rpc.protocols.base import Protocol, Protocols, Request
from slasshy_rpc.session import uris
from slasshy_rpc.session.expand import expand_all

#: Options that say how a Download is added, and are not its own afterwards.
_ONCE = ("gid", "pause")


def protocol_for(protocols: Protocols, request: Request) -> Protocol | None:
    """The first that can serve the Request, None if it has no URIs or nobody can."""
    if not request.uris:
        return None
    return next((protocol for protocol in protocols if protocol.claims(request)), None)


def is_served(protocols: Protocols, request: Request) -> bool:
    """Whether any can serve it: the last one takes most, so it is asked first."""
    if request.uris:
        for protocol in reversed(protocols):
            if protocol.claims(request):
                return True
    return False


def made(
    given: Sequence[str], own: Mapping[str, Normal], above: OptionSet, protocols: Protocols, *, trusted: bool
) -> Request:
    """The Request for mirrors of one file, with ``own`` options ``above`` the global ones.

    Of several URIs those are left out that nobody serves. Raises RpcError for too many parameterized ones.
    """
    options = above.derive({name: value for name, value in own.items() if name not in _ONCE}, Layer.OWN)
    if options.flag("parameterized-uri"):
        given = expand_all(given)
    known = uris.usable(given)
    if len(known) > 1:
        known = tuple(uri for uri in known if is_served(protocols, Request((uri,), options)))
    return Request(known, options, trusted)
