"""A whole new file in the place of another, in one step.

Owns: that readers see the old one or the new one, and that nobody else can read it. Never: what is in it.
"""

from __future__ import annotations

import contextlib
import os


def swap(path: str, data: bytes, *, durable: bool = False) -> None:
    """Put ``data`` at ``path``; only its owner may read it. ``durable``: on the disk before it has the name.

    It has a hidden name at first, which nobody can have foreseen. Raises OSError, and all is as before then.
    """
    import tempfile  # and with it several compressors: not at the start

    folder = os.path.dirname(os.path.abspath(path))
    fd, temporary = tempfile.mkstemp(dir=folder, prefix=".slasshy-rpc.")  # O_EXCL, mode 0600
    try:
        with open(fd, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
