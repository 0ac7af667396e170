"""Base64 as aria2 reads it, wherever RPC carries some: queries, XML, Basic credentials.

Owns: what counts as Base64 here. Never: what the bytes mean.
"""

from __future__ import annotations

import re
from binascii import a2b_base64

_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=]+")
_WHOLE = re.compile(rb"(?:[A-Za-z0-9+/]{4})*+")
_PADDED = re.compile(rb"[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=)")


def decode(text: bytes) -> bytes:
    """The bytes that ``text`` stands for, empty for what is no Base64; never raises.

    Characters outside the alphabet do not count, and nothing after the first padding is read (observed on 1.37).
    """
    text = _FOREIGN.sub(b"", text)
    whole = _WHOLE.match(text)
    end = whole.end() if whole else 0
    if end != len(text):
        padded = _PADDED.match(text, end)
        if padded is None:
            return b""
        end = padded.end()
    return a2b_base64(text[:end])
