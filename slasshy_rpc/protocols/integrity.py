"""Whether a file is what it should be: its digest, taken when its turn comes.

Owns: one such check at a time for all downloads, and how far it is. Never: what follows from the answer.
"""

from __future__ import annotations

import asyncio

from slasshy_rpc.disk.checksum import digest_file
from slasshy_rpc.protocols.offloop import finished, threaded


class Integrity:
    """One download's checks.

    ``turn`` is everybody's: one file at a time is read, in the order in which they came, as on aria2. ``pending`` until
    it has come; then ``verified`` bytes (else None).
    """

    def __init__(self, turn: asyncio.Lock) -> None:
        self._turn = turn
        self.pending = False
        self.verified: int | None = None
        self._cancelled = False

    async def holds(self, fd: int, wanted: tuple[str, str]) -> bool:
        """Whether the open file has the digest ``wanted``: (algorithm, lower hex). Raises DiskError."""
        algorithm, expected = wanted

        def progress(done: int) -> None:
            self.verified = done

        def cancel() -> None:
            self._cancelled = True

        self.pending = True
        try:
            async with self._turn:
                self.pending, self.verified = False, 0
                task = threaded(digest_file, fd, algorithm, progress, lambda: self._cancelled)
                await finished(task, cancel)
        finally:
            self.pending, self.verified = False, None
        return task.result() == expected
