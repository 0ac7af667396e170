"""What an answer's head says about the file beyond its framing: digests and mirrors (Metalink/HTTP, RFC 6249).

Owns: the grammar of Digest, Repr-Digest and Link, and which of their members are of use. Never: what follows from them.
"""

from __future__ import annotations

import base64
import binascii
import re

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.net import address
from slasshy_rpc.net.head import Headers

#: An algorithm as --checksum names it, and a digest in lower-case hexadecimal digits.
Digest = tuple[str, str]

#: What is asked for, as aria2 1.37 does.
WANT_DIGEST = "SHA-512;q=1, SHA-256;q=1, SHA;q=0.1"

#: The algorithms, weakest first, with the bytes of their digests.
_SIZES = {"adler32": 4, "md5": 16, "sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
#: RFC 3230's name for SHA-1; what is asked for is understood.
_ALIASES = {"sha": "sha-1"}

_MEMBER = re.compile(r"[ \t]*([A-Za-z0-9-]+)[ \t]*=[ \t]*:?([A-Za-z0-9+/]+={0,2}):?[ \t]*")
#: Linear in the length of the line, whatever a server sends: a quote that is never closed takes the rest with it.
_LINK = re.compile(r'<([^<>]*)>((?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\\?$))*)')
_PARAMETER = re.compile(r';[ \t]*([^\s=;"]+)[ \t]*(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*)))?')
_LOWEST = 999_999
#: Mirrors that are taken from one head: each may be tried several times, and the server has chosen whom that reaches.
MOST_MIRRORS = 100


def digests(headers: Headers, *, whole: bool) -> list[Digest]:
    """The digests of the whole file, strongest first; an algorithm with two different values has none.

    Digest (RFC 3230) counts in every answer. Repr-Digest (RFC 9530) speaks of the file only where the answer is a
    representation of it: ``whole``, which a redirect is not.
    """
    found: dict[str, set[bytes]] = {}
    for line in (*headers.all("digest"), *(headers.all("repr-digest") if whole else ())):
        for member in line.split(","):
            match = _MEMBER.fullmatch(member)
            if match is None:
                continue
            name = match[1].lower()
            name = _ALIASES.get(name, name)
            try:
                value = base64.b64decode(match[2], validate=True)
            except binascii.Error:
                continue
            if len(value) == _SIZES.get(name):
                found.setdefault(name, set()).add(value)
    return [(name, values.pop().hex()) for name in reversed(_SIZES) if len(values := found.get(name, set())) == 1]


def mirrors(headers: Headers) -> list[str]:
    """The URLs that hold the same file (``Link: <…>; rel=duplicate``), those to be asked first in front.

    Absolute http and https URLs only: a server has no say over files and other protocols of ours.
    """
    found: list[tuple[bool, int, str]] = []
    for line in headers.all("link"):
        for match in _LINK.finditer(line):
            parameters = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(match[2])}
            url = match[1].strip(" \t")
            if "duplicate" in parameters.get("rel", "").lower().split() and _usable(url):
                rank = parameters.get("pri", "")
                number = int(rank) if rank.isascii() and rank.isdigit() and len(rank) <= 6 else 0
                found.append(("pref" not in parameters, number or _LOWEST, url))
    found.sort(key=lambda one: one[:2])
    return list(dict.fromkeys(url for _, _, url in found))[:MOST_MIRRORS]


def _usable(url: str) -> bool:
    try:
        address.parse(url)
    except DownloadError:
        return False
    return True
