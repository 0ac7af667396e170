"""Downloads as the console shows them: one Row each.

Owns: the shape that the readout and the table of results are printed from. Never: text forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from slasshy_rpc.net.address import redact
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.session.download import Download
from slasshy_rpc.values import MEDIA, Snapshot, Status


@dataclass(frozen=True, slots=True)
class Row:
    """One Download. ``average`` is bytes a second over the time that it was active in this process, None without any.

    One that the end of the process stopped midway is still ACTIVE here. ``code`` and ``message`` say why one failed;
    ``uri`` is its first, without what only the user should know (passwords, query values).
    """

    gid: str
    snapshot: Snapshot
    status: Status
    average: int | None
    code: int = 0
    message: str = ""
    uri: str = ""


def rows(downloads: Iterable[Download]) -> list[Row]:
    """A Row for each."""
    return [row(download) for download in downloads]


def row(download: Download) -> Row:
    """The Row of one."""
    snapshot = download.snapshot()
    seconds = download.active_seconds()
    average = int(snapshot.completed_length / seconds) if seconds > 0 else None
    status = download.status if download.stopped else Status.ACTIVE
    uri = redact(download.request.uris[0]) if download.request.uris else ""
    if snapshot.files and snapshot.files[0].path.startswith(MEDIA):
        snapshot = replace(snapshot, files=(replace(snapshot.files[0], path=f"{MEDIA}{uri}"),))
    if download.options.flag("compat"):
        snapshot = _as_given(snapshot, download.options)
    return Row(download.gid, snapshot, status, average, download.ending.code, download.ending.message, uri)


def _as_given(snapshot: Snapshot, options: OptionSet) -> Snapshot:
    """``snapshot`` with paths that begin as the user wrote ``dir``, as aria2 shows them and gives them to commands."""
    given, folder = options.text("dir") or "", options.folder()
    if given in ("", folder):
        return snapshot
    files = tuple(
        replace(file, path=given + file.path.removeprefix(folder)) if file.path.startswith(f"{folder}/") else file
        for file in snapshot.files
    )
    return replace(snapshot, files=files)
