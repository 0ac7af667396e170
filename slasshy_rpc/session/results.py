"""The Downloads that have ended, and what they mean for the exit code.

Owns: the bounded list of results, what is remembered of those that no longer fit, and what a failure is called.
Never: taking a GID out of the Session's table, which the Session does with what this hands back.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator

from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.session.download import Download, Ending
from slasshy_rpc.values import Status

log = logging.getLogger(__name__)


class Results:
    """Stopped Downloads, oldest first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Download] = OrderedDict()
        self._restored: set[str] = set()  # those of an earlier process: neither in the exit code nor saved again
        self._unfinished: dict[str, Download] = {}
        self._pushed_out_code: int = ErrorCode.OK
        self.total = 0  # all that ever ended, purged ones included

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Download]:
        return iter(self._kept.values())

    @property
    def own(self) -> list[Download]:
        """Those that ended in this process."""
        return [download for download in self if download.gid not in self._restored]

    @property
    def lasting(self) -> list[Download]:
        """Those that the session file may hold: also of an earlier process what stays in it by force-save."""
        return [one for one in self if one.gid not in self._restored or one.options.flag("force-save")]

    @property
    def pushed_out(self) -> tuple[Download, ...]:
        """Failed ones that no longer fit but are still to be saved (keep-unfinished-download-result)."""
        return tuple(self._unfinished.values())

    def remembers(self, gid: str) -> bool:
        """Whether one that was pushed out is still to be saved under this GID, which is not free then."""
        return gid in self._unfinished

    def restore(self, download: Download) -> None:
        """Put last what an earlier process has left."""
        self._kept[download.gid] = download
        self._restored.add(download.gid)

    def add(self, download: Download, room: int, keep_unfinished: bool) -> list[Download]:
        """Put it last; returns those that ``room`` (a count) no longer holds, now forgotten here."""
        self.total += 1
        self._kept[download.gid] = download
        gone = []
        while len(self._kept) > room:
            old = self._kept.popitem(last=False)[1]
            gone.append(old)
            if old.gid in self._restored:
                self._restored.remove(old.gid)
            elif old.status is not Status.COMPLETE:
                self._pushed_out_code = old.ending.code
                if keep_unfinished and old.status is Status.ERROR:
                    self._unfinished[old.gid] = old
        return gone

    def remove(self, download: Download) -> bool:
        """Forget one; False if it is not here."""
        self._restored.discard(download.gid)
        return self._kept.pop(download.gid, None) is not None

    def clear(self) -> list[Download]:
        """Forget all that are listed; those pushed out long ago still count and are still saved."""
        gone = list(self._kept.values())
        self._kept.clear()
        self._restored.clear()
        return gone

    def exit_code(self) -> int:
        """The code of the last one that failed (aria2 manual, EXIT STATUS), or 0. Removed ones do not count,
        but do once they have been pushed out, as in aria2."""
        code = self._pushed_out_code
        for download in self.own:
            if download.status is Status.ERROR:
                code = download.ending.code
        return code


def verdict(gid: str, error: BaseException) -> Ending:
    """What a failure is called; anything but a DownloadError is a fault of ours, and goes to the log in full."""
    if isinstance(error, DownloadError):
        return Ending(error.code, str(error), error.terse)
    log.error("GID#%s ended by a fault in the program; please report it.", gid, exc_info=error)
    message = f"The program made a mistake ({type(error).__name__}: {error}); its log says where."
    return Ending(ErrorCode.UNKNOWN, message)
