"""How a proxy is written as an option's value, and what aria2 makes of it.

Owns: the form of proxy URIs. Never: which server is asked through which proxy (``net.proxy`` has that).
"""

from __future__ import annotations

import re

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.kinds import Kind

_PROXY_PORTS = {"http": 80, "https": 443, "ftp": 21, **dict.fromkeys(("socks4", "socks4a", "socks5", "socks5h"), 1080)}
# A user without a password may contain "@"; what follows the first ":" is a password only if there is an "@" behind it.
# A text: few starts have a proxy, and compiling takes a millisecond.
_PROXY = (
    r"(?:(?P<login>[^:@/?#\[][^:/?#\[]*):(?P<password>(?:[^@/][^@/?#\[]*)?)@|(?P<user>[^:@/?#\[][^:/?#\[]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[^\s:@/?#\[\]\\\x00-\x1f\x7f]+)"
    r"(?::(?P<port>[0-9]{1,99}))?(?P<path>[/?][^#]*)?(?:#.*)?"
)


class Proxy(Kind):
    """``[SCHEME://][USER:PASSWORD@]HOST[:PORT]``; empty means no proxy. aria2 has no SOCKS."""

    __slots__ = ()
    values = "[http://|socks5://|socks5h://|socks4://|socks4a://][USER:PASSWORD@]HOST[:PORT]"

    def parse(self, name: str, raw: str) -> str:
        """``http://[USER:PASSWORD@]HOST[:PORT]/``: https and ftp become http and keep their default port by number,
        user and password are percent-encoded. The schemes of SOCKS stay, and their port is always there.
        """
        text = super().parse(name, raw)
        if not text:
            return text
        scheme, mark, rest = text.partition("://")
        scheme = scheme.lower()
        if not mark or scheme not in _PROXY_PORTS:
            scheme, rest = "http", text
        match = re.fullmatch(_PROXY, rest)
        port = -1 if match is None else int(match["port"] or 0) or _PROXY_PORTS[scheme]
        if match is None or port > 65535:
            raise OptionError(name, "unrecognized proxy format")
        user = match["login"] or match["user"]
        login = f"{_percent(user)}{':' + _percent(match['password'] or '') if match['login'] else ''}@" if user else ""
        path = match["path"] or "/"
        socks = scheme.startswith("socks")
        place = match["host"] + (f":{port}" if socks or port != 80 else "")
        return f"{scheme if socks else 'http'}://{login}{place}{'' if path.startswith('/') else '/'}{path}"


def _percent(text: str) -> str:
    """Decoded, and encoded again as aria2 does it: all but RFC 3986's unreserved characters."""
    from urllib.parse import quote, unquote_to_bytes  # only where there is a proxy

    return quote(unquote_to_bytes(text.encode("utf-8", "surrogateescape")), safe="")
