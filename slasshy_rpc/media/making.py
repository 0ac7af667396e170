"""A file that is made out of what was downloaded: beside its place until it is whole, then in it.

Owns: the hidden name that it has until then, and the swap. Never: what is in it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from slasshy_rpc.disk import layout
from slasshy_rpc.disk.faults import disk_error, printable
from slasshy_rpc.errors import DiskError, DownloadError, ErrorCode
from slasshy_rpc.protocols.offloop import lastly, through


async def make(path: str, gid: str, work: Callable[[str], Awaitable[None]], *, overwrite: bool, sync: bool) -> int:
    """Put at ``path`` what ``work`` writes to the path that it is given, an empty file; its length in bytes.

    ``gid`` is whose it is; what a process that was killed had made of it is thrown away.

    If it fails, or is cancelled in time, all is as before. Raises what ``work`` does, and DiskError 13 if something
    else lies at ``path`` and ``overwrite`` is not set.
    """
    unready = os.path.join(os.path.dirname(path), f".{gid}.unready")
    try:
        await through(_prepare, unready)
        await work(unready)
        return await lastly(_publish, unready, path, overwrite, sync)  # once it is there, it is too late to go
    except BaseException:
        layout.remove([unready])
        raise


def _prepare(unready: str) -> None:
    """An empty file, ours: its hidden name is one that nobody else has, or is likely to foresee."""
    layout.remove([unready])
    os.close(layout.open_target(unready, create=True, exclusive=True))


def _publish(unready: str, path: str, overwrite: bool, sync: bool) -> int:
    if layout.taken(path) and not overwrite:
        raise DiskError(f"Something else lies at {printable(path)} by now. Give another out.", ErrorCode.FILE_EXISTS)
    try:
        if not os.path.getsize(unready):
            raise DownloadError(f"What was made for {printable(path)} is an empty file.")
        if sync:
            layout.finish(layout.open_target(unready, create=False), sync=True, path=unready)
        os.replace(unready, path)
        if sync:
            layout.sync_folder(os.path.dirname(path))
        return os.path.getsize(path)
    except OSError as error:
        raise disk_error(error, "rename to its final name", path, ErrorCode.RENAMING_FAILED) from error
