"""The files of --server-stat-if and --server-stat-of: aria2's server performance profile.

Owns: reading and writing them whole. Never: what their lines mean (plan/origin.py).
"""

from __future__ import annotations

from slasshy_rpc.disk.faults import disk_error
from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.swap import swap

#: Bytes that are read: far more than as many servers need as are kept.
_LARGEST = 16 << 20


def load(path: str) -> str:
    """The text of a profile. Raises DiskError."""
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise disk_error(error, "read the server statistics in", path, ErrorCode.OPEN_FAILED) from error


def save(path: str, text: str) -> None:
    """Replace the profile in one step; only its owner may read it. Raises DiskError, and leaves it as it was then."""
    try:
        swap(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise disk_error(error, "write the server statistics to", path) from error
