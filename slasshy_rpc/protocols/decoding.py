"""A compressed body on its way to the file: received into a file without a name, and unfolded from there.

Owns: both ends of that way. Never: the network or the loop: the methods block and are run off it.
"""

from __future__ import annotations

import os
import threading
import typing
from collections.abc import Iterator

from slasshy_rpc.disk.checksum import new_digest
from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.net.coding import Inflater

if typing.TYPE_CHECKING:
    from slasshy_rpc.disk.checksum import Hash

#: Bytes that are unfolded at a time; small, because each member of a gzip body copies what follows it.
CHUNK = 32 << 10
#: Bytes of the file that one call makes: a small body may unfold to very much, and others need the threads too.
TURN = 16 << 20


class Decoding:
    """From ``spool``, which takes the body as it comes, to ``fd``; ``written`` bytes are there.

    With an ``algorithm`` the body as it came has a digest too: a server may mean either.
    """

    def __init__(self, coding: str, fd: int, path: str, algorithm: str = "") -> None:
        self.written = 0
        self._file: typing.IO[bytes] | None = None
        self._fd = fd
        self._path = path
        self._read = 0
        self._stopped = threading.Event()
        self._inflater = Inflater(coding)
        self._pieces: Iterator[bytes] = iter(())
        self._hash: Hash | None = new_digest(algorithm) if algorithm else None

    def begin(self) -> None:
        """Make ``spool``. Raises DiskError."""
        import tempfile  # and with it several compressors

        try:
            self._file = tempfile.TemporaryFile(dir=os.path.dirname(self._path))  # noqa: SIM115 - ``close`` does
        except OSError as error:
            raise disk_error(error, "create a file beside", self._path) from error

    @property
    def spool(self) -> int:
        """The descriptor that the body is to be written to, from 0 on."""
        assert self._file is not None
        return self._file.fileno()

    @property
    def digest(self) -> str:
        """That of the body as it came, in lower-case hex; '' without an algorithm."""
        return self._hash.hexdigest() if self._hash is not None else ""

    def advance(self, upto: int) -> bool:
        """Unfold what has come, up to byte ``upto`` of the body; False if there is more to do.

        Raises SourceError and DiskError.
        """
        most = self.written + TURN
        while not self._stopped.is_set():
            if self.written >= most:
                return False
            piece = next(self._pieces, None)
            if piece is not None:
                self._write(piece)
            elif self._read < upto:
                self._pieces = self._inflater.feed(self._take(upto))
            else:
                break
        return True

    def finish(self) -> None:
        """The body is over. Raises SourceError if something is missing."""
        if not self._stopped.is_set():
            self._inflater.finish()

    def stop(self) -> None:
        """Let ``advance`` return soon, from any thread; what is in the file is of no use then."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of the body."""
        if self._file is not None:
            self._file.close()

    def _take(self, upto: int) -> bytes:
        try:
            data = os.pread(self.spool, min(CHUNK, upto - self._read), self._read)
        except OSError as error:
            raise disk_error(error, "read what belongs to", self._path) from error
        self._read += len(data)
        if self._hash is not None:
            self._hash.update(data)
        return data

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                count = os.pwrite(self._fd, view, self.written)
                self.written += count
                view = view[count:]
        except OSError as error:
            raise disk_error(error, "write", self._path) from error
