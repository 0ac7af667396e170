"""Downloads as the console shows them: one Row each, in plain numbers.

Owns: the shape that the readout and the table of results are printed from. Never: text forms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slasshy_rpc.session.download import Download
from slasshy_rpc.values import Status


@dataclass(frozen=True, slots=True)
class Row:
    """One Download: bytes, bytes a second, counts.

    ``path`` is empty until the first file has a name; ``uri`` is the first one given. ``interrupted``: stopped midway
    by the end of the process. ``average_speed`` is over the time that it was active in this process.
    """

    gid: str
    status: Status
    path: str
    uri: str
    files: int
    total_length: int
    completed_length: int
    upload_length: int
    download_speed: int
    upload_speed: int
    connections: int
    average_speed: int
    verified_length: int | None
    error_code: int
    error_message: str
    interrupted: bool = False


def rows(downloads: Iterable[Download], *, interrupted: bool = False) -> list[Row]:
    """A Row for each."""
    return [_row(download, interrupted) for download in downloads]


def _row(download: Download, interrupted: bool) -> Row:
    snapshot = download.snapshot()
    seconds = download.active_seconds()
    return Row(
        gid=download.gid,
        status=download.status,
        path=snapshot.files[0].path if snapshot.files else "",
        uri=next(iter(download.request.uris), ""),
        files=len(snapshot.files),
        total_length=snapshot.total_length,
        completed_length=snapshot.completed_length,
        upload_length=snapshot.upload_length,
        download_speed=snapshot.download_speed,
        upload_speed=snapshot.upload_speed,
        connections=snapshot.connections,
        average_speed=int(snapshot.completed_length / seconds) if seconds > 0 else 0,
        verified_length=snapshot.verified_length,
        error_code=download.error_code,
        error_message=download.error_message,
        interrupted=interrupted,
    )
