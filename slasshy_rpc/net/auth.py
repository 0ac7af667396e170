"""Basic authentication: from the URL, the options or a netrc file.

Owns: which credentials a request carries. Never: following redirects, which decides what origin they are for.
"""

from __future__ import annotations

import logging
import os
import stat
from base64 import b64encode
from collections.abc import Mapping

from slasshy_rpc.net.address import Target

#: Machine name → (login, password).
Netrc = Mapping[str, tuple[str, str]]

_log = logging.getLogger(__name__)


def authorization(
    target: Target, user: str | None = None, passwd: str | None = None, netrc: Netrc | None = None
) -> str | None:
    """The value of an Authorization header, or None.

    The URL's own credentials come first, then ``user`` and ``passwd`` (http-user, http-passwd), then netrc, as aria2
    does it. Percent-encoding in the URL is undone.
    """
    if target.userinfo is not None:
        return basic(target.user or "", target.password or "")
    if user:
        return basic(user, passwd or "")
    if netrc is not None and (entry := netrc.get(target.host)) is not None:
        return basic(*entry)
    return None


def basic(user: str, password: str) -> str:
    """``Basic …`` of RFC 7617, in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")


def load_netrc(path: str) -> Netrc:
    """Read a netrc file; empty, with one notice in the log, if it cannot be used.

    As in aria2 (manual, netrc-path) a file that others may read is not used, and neither is its ``default`` entry.
    A file that does not exist is no reason for a notice.
    """
    import netrc

    try:
        if stat.S_IMODE(os.stat(path).st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
            _log.warning("%s is not used: others may read or write it; chmod 600 allows it", path)
            return {}
        hosts = netrc.netrc(path).hosts
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        _log.warning("%s is not used: %s", path, error)
        return {}
    return {name.lower(): (entry[0] or "", entry[2] or "") for name, entry in hosts.items() if name != "default"}
