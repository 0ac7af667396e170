"""The Downloads that have ended, and what they mean for the exit code.

Owns: the bounded list of results and what is remembered of those that no longer fit.
Never: taking a GID out of the Session's table, which the Session does with what this hands back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.session.download import Download
from slasshy_rpc.values import Status


class Results:
    """Stopped Downloads, oldest first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Download] = OrderedDict()
        self._unfinished: dict[str, Download] = {}
        self._pushed_out_code: int = ErrorCode.OK
        self.total = 0  # all that ever ended, purged ones included

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Download]:
        return iter(self._kept.values())

    @property
    def pushed_out(self) -> tuple[Download, ...]:
        """Failed ones that no longer fit but are still to be saved (keep-unfinished-download-result)."""
        return tuple(self._unfinished.values())

    def remembers(self, gid: str) -> bool:
        """Whether one that was pushed out is still to be saved under this GID, which is not free then."""
        return gid in self._unfinished

    def add(self, download: Download, room: int, keep_unfinished: bool) -> list[Download]:
        """Put it last; returns those that ``room`` (a count) no longer holds, now forgotten here."""
        self.total += 1
        self._kept[download.gid] = download
        gone = []
        while len(self._kept) > room:
            old = self._kept.popitem(last=False)[1]
            gone.append(old)
            if old.status is not Status.COMPLETE:
                self._pushed_out_code = old.error_code
                if keep_unfinished and old.status is Status.ERROR:
                    self._unfinished[old.gid] = old
        return gone

    def remove(self, download: Download) -> bool:
        """Forget one; False if it is not here."""
        return self._kept.pop(download.gid, None) is not None

    def clear(self) -> list[Download]:
        """Forget all that are listed; those pushed out long ago still count and are still saved."""
        gone = list(self._kept.values())
        self._kept.clear()
        return gone

    def exit_code(self) -> int:
        """The code of the last one that failed (aria2 manual, EXIT STATUS), or 0. Removed ones do not count,
        but do once they have been pushed out, as in aria2."""
        code = self._pushed_out_code
        for download in self._kept.values():
            if download.status is Status.ERROR:
                code = download.error_code
        return code
