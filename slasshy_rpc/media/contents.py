"""From what a server has sent of a fragment to what it stands for: unfolded and decrypted where it lies.

Owns: both of these, in bounded memory. Never: keys' ways here, or which fragment it is. Every function may block.
"""

from __future__ import annotations

import os
import re

from slasshy_rpc.disk import layout
from slasshy_rpc.disk.fragments import Folder
from slasshy_rpc.errors import ErrorCode, SourceError
from slasshy_rpc.net.coding import Inflater
from slasshy_rpc.protocols.small import too_much

#: The largest fragment that a server has compressed, unfolded; and how much is decrypted at a time (bytes).
LARGEST_CODED = 64 << 20
_STEP = 1 << 20

#: How what servers say instead of sending media begins: no fragment does, and ffmpeg would pass over it.
_FEW = 32
_WORDS = re.compile(rb"\s*[<{][\t\n\r\x20-\x7e]+")


def finish(folder: Folder, number: int, fd: int, coding: str, key: bytes | None, iv: bytes) -> None:
    """The body of a fragment is in ``fd``: make it what it stands for, and call it whole."""
    try:
        if coding:
            _unfold(fd, coding)
        if key is not None:
            _decrypt(fd, key, iv)
        if _WORDS.fullmatch(os.pread(fd, _FEW, 0)):
            raise SourceError("The server has sent a text in the place of a fragment.", ErrorCode.BAD_RESPONSE)
    except BaseException:
        folder.drop(number, fd)
        raise
    folder.finish(number, fd)


def _unfold(fd: int, coding: str) -> None:
    """Undo the coding where the bytes lie. What they unfold to is not kept: many fragments come at once."""
    size, at, inflater = os.fstat(fd).st_size, 0, Inflater(coding)
    data = os.pread(fd, min(size, LARGEST_CODED), 0)
    layout.cut(fd, 0)
    for piece in inflater.feed(data):
        if max(size, at + len(piece)) > LARGEST_CODED:
            raise too_much(LARGEST_CODED)
        layout.write(fd, piece, at=at)
        at += len(piece)
    inflater.finish()


def _decrypt(fd: int, key: bytes, iv: bytes) -> None:
    """AES-128 in CBC mode with the padding of PKCS #7, where the bytes lie (RFC 8216 section 4.3.2.4)."""
    from Cryptodome.Cipher import AES

    size, at = os.fstat(fd).st_size, 0
    cipher = AES.new(key, AES.MODE_CBC, iv)
    plain = b""
    if not size % AES.block_size:
        while at < size:
            plain = cipher.decrypt(os.pread(fd, _STEP, at))
            layout.write(fd, plain, at=at)
            at += len(plain)
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= AES.block_size or plain[-padding:] != bytes([padding]) * padding:
        raise SourceError("A fragment cannot be decrypted: it is damaged, or its key is another.")
    layout.cut(fd, size - padding)
