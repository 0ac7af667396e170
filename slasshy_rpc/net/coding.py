"""Content codings of bodies (RFC 9110 section 8.4): which are undone, and how.

Owns: gzip and deflate as they come in practice. Never: files, or whether a body should be decoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from slasshy_rpc.errors import ErrorCode, Retry, SourceError
from slasshy_rpc.net.head import Headers

#: What is asked for, as aria2 does.
ACCEPT_ENCODING = "deflate, gzip"

_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
#: The most that comes out in one piece (bytes): a body may unfold to a thousand times its size.
PIECE = 1 << 20

_GZIP, _ZLIB, _RAW = 31, 15, -15
_GZIP_MAGIC = b"\x1f\x8b"


def coding_of(headers: Headers) -> str:
    """``gzip`` or ``deflate`` if that is the one coding of the body, else ''; any other is left as it is."""
    codings = headers.tokens("content-encoding")
    return _CODINGS.get(codings[0], "") if len(codings) == 1 else ""


class Inflater:
    """Undoes one coding, whatever it was called: gzip of several members (RFC 1952), zlib, and raw deflate.

    What follows the last member and is no other is ignored, as in aria2.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: zlib._Decompress | None = None
        self._start = b""  # of a member, until it can be told what it is
        self._members = 0
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unfolds to, in pieces of at most PIECE bytes. Raises SourceError for what is no such coding."""
        while data and not self._over:
            if self._stream is None:
                data = self._start + data
                self._start = data if len(data) < 2 else b""
                if self._start:
                    return
                self._stream = self._begin(data)
                if self._stream is None:
                    self._over = True
                    return
            stream, piece = self._stream, b""
            while (data or len(piece) == PIECE) and not stream.eof:  # a full piece may have left something inside
                try:
                    piece = stream.decompress(data, PIECE)
                except zlib.error as error:
                    raise _corrupt(str(error)) from None
                data = stream.unconsumed_tail
                if piece:
                    yield piece
            if stream.eof:
                data, self._stream = stream.unused_data, None
                self._members += 1

    def finish(self) -> None:
        """The body has ended: raises SourceError if the coding has not. An empty body holds an empty file."""
        if self._stream is not None or (self._start and (not self._members or _GZIP_MAGIC.startswith(self._start))):
            text = f"The server's {self._coding} body ended before the file was complete."
            raise SourceError(text, ErrorCode.UNKNOWN, Retry.SAME_SOURCE, terse="Got EOF from the server.")

    def _begin(self, data: bytes) -> zlib._Decompress | None:
        """For the member that begins with ``data``, of two bytes or more; None if what follows a member is none."""
        if data.startswith(_GZIP_MAGIC):
            return zlib.decompressobj(_GZIP)
        if self._members:
            return None
        if data[0] & 15 == 8 and int.from_bytes(data[:2], "big") % 31 == 0:
            return zlib.decompressobj(_ZLIB)
        if self._coding == "deflate":  # RFC 9110 section 8.4.1.2: some leave the zlib wrapper out
            return zlib.decompressobj(_RAW)
        raise _corrupt("incorrect header check")


def _corrupt(cause: str) -> SourceError:
    cause = cause.rpartition(": ")[2]
    return SourceError(
        f"The server's compressed body is corrupt: {cause}. --http-accept-gzip=false asks for the file as it is.",
        ErrorCode.UNKNOWN,
        Retry.NEXT_SOURCE,
        terse=f"libz::inflate() failed. cause:{cause}",
    )
