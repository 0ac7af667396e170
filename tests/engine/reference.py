"""The engine's meaning in plain Python: one blocking thread a transfer, every byte written as it comes.

Owns: what the counters and the reason of one transfer must be in the end. Never: speed, pace, TLS or the live map.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

from slasshy_rpc import _engine

OVERHEAD = 16384  # bytes of framing that are put up with between two bytes of payload
HEXADECIMAL = b"0123456789abcdefABCDEF"
DIGITS = 15  # a longer chunk size is refused


class _EndedError(Exception):
    """Why it ended: (reason, os_error)."""


class Reference(threading.Thread):
    """One transfer of the body on ``sock`` (``prefix`` was read before) to ``fd``: the face of ``_engine.Transfer``."""

    def __init__(
        self,
        sock: socket.socket,
        fd: int,
        offset: int,
        end: int,
        *,
        framing: int,
        length: int = 0,
        prefix: bytes = b"",
        timeout: float = 60.0,
    ) -> None:
        super().__init__(daemon=True)
        sock.settimeout(timeout)
        self._sock, self._fd, self._framing, self._length, self._held = sock, fd, framing, length, prefix
        self._lock = threading.Lock()
        self._framed = 0
        self._cancelled = False
        self.offset = self.position = self.flushed = offset
        self.end = end
        self.reason, self.os_error = _engine.RUNNING, 0

    def shrink(self, end: int) -> bool:
        with self._lock:
            done = self.reason == _engine.RUNNING and self.position <= end < self.end and end > self.offset
            self.end = end if done else self.end
            return done

    def cancel(self) -> None:
        self._cancelled = True
        self._sock.shutdown(socket.SHUT_RD)

    def run(self) -> None:
        try:
            for data in self._payload():
                with self._lock:
                    kept = data[: self.end - self.position]
                    self.position += len(kept)
                self._write(kept)
                if self.position == self.end:
                    whole = self._framing == _engine.LENGTH and self.position - self.offset == self._length
                    raise _EndedError(_engine.COMPLETE if whole else _engine.BOUND, 0)
            raise _EndedError(_engine.COMPLETE if self.end == _engine.UNBOUNDED else _engine.EOF, 0)
        except _EndedError as ended:
            reason, os_error = ended.args
        with self._lock:
            self.position = self.flushed
            self.reason, self.os_error = (_engine.CANCELLED, 0) if self._cancelled else (reason, os_error)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                written = os.pwrite(self._fd, data, self.flushed)
            except OSError as error:
                raise _EndedError(_engine.WRITE_ERROR, error.errno) from error
            self.flushed += written
            data = data[written:]

    def _some(self, most: int) -> bytes:
        """Between 1 and ``most`` bytes of the stream, b'' where the peer closed it."""
        if not self._held:
            try:
                self._held = self._sock.recv(65536)
            except TimeoutError as error:
                raise _EndedError(_engine.STALLED, 0) from error
            except OSError as error:
                raise _EndedError(_engine.SOCKET_ERROR, error.errno) from error
        data, self._held = self._held[:most], self._held[most:]
        return data

    def _payload(self) -> Iterator[bytes]:
        """The body's bytes without framing; returns where the body is over."""
        if self._framing == _engine.LENGTH:
            yield from self._exactly(self._length)
        elif self._framing == _engine.CHUNKED:
            while size := self._chunk_size():
                yield from self._exactly(size)
                self._expect(b"\r\n")
            self._trailers()
        else:
            while data := self._some(65536):
                yield data

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._some(size)
            if not data:
                raise _EndedError(_engine.EOF, 0)
            self._framed = 0
            size -= len(data)
            yield data

    def _byte(self) -> bytes:
        """One byte of framing."""
        byte = self._some(1)
        if not byte:
            raise _EndedError(_engine.EOF, 0)
        self._framed += 1
        if self._framed > OVERHEAD:
            raise _EndedError(_engine.BAD_CHUNK, 0)
        return byte

    def _expect(self, text: bytes) -> None:
        for wanted in text:
            if self._byte() != bytes((wanted,)):
                raise _EndedError(_engine.BAD_CHUNK, 0)

    def _chunk_size(self) -> int:
        digits = b""
        while (byte := self._byte()) in HEXADECIMAL:
            digits += byte
            if len(digits) > DIGITS:
                raise _EndedError(_engine.BAD_CHUNK, 0)
        if not digits or byte not in b"\r; \t":
            raise _EndedError(_engine.BAD_CHUNK, 0)
        while byte != b"\r":  # an extension
            byte = self._byte()
            if byte == b"\n":
                raise _EndedError(_engine.BAD_CHUNK, 0)
        self._expect(b"\n")
        return int(digits, 16)

    def _trailers(self) -> None:
        while (byte := self._byte()) != b"\r":
            if byte == b"\n":
                raise _EndedError(_engine.BAD_CHUNK, 0)
            while byte != b"\r":
                byte = self._byte()
            self._expect(b"\n")
        self._expect(b"\n")
