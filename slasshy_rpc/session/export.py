"""The session as text: what --save-session writes and --input-file reads, byte for byte as aria2 does it.

Owns: which Downloads are saved, in the form of an input file, what an input file listed and nobody can download yet,
and the safe way of writing it.
Never: when to save. Nothing here needs the event loop, so it may run in a thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.options.values import Normal
from slasshy_rpc.session.download import Download
from slasshy_rpc.swap import swap
from slasshy_rpc.values import Snapshot, Status

#: What would end a line, or a URI within its line.
_BREAKS = re.compile(r"[\x00-\x20\x7f]")
_LINE_BREAKS = re.compile(r"[\x00\r\n]")
_NOT_FOUND = (ErrorCode.NOT_FOUND, ErrorCode.MAX_FILE_NOT_FOUND)


def is_saved(download: Download) -> bool:
    """Whether it belongs in the file: unfinished ones, and what its own options ask for."""
    if download.family.belongs_to or download.family.followed_by:
        return False
    match download.status:
        case Status.COMPLETE | Status.REMOVED:
            return download.options.flag("force-save")
        case Status.ERROR if download.ending.code in _NOT_FOUND:
            return download.options.flag("save-not-found")
    return True


def remaining_uris(download: Download, snapshot: Snapshot | None) -> list[str]:
    """Its URIs, each once: those still to be asked, then those that were, then what the Job never listed."""
    views = snapshot.files[0].uris if snapshot is not None and snapshot.files else ()
    fresh = [view.uri for view in views if not view.used]
    spent = [view.uri for view in views if view.used]
    return list(dict.fromkeys([*fresh, *spent, *download.request.uris]))


def entry(download: Download, uris: Iterable[str]) -> str:
    """The lines of one Download, empty if there is nothing to ask for.

    A URI or a value can never pass for another option's line: breaks in URIs are percent-encoded, and a value with
    one (which no front lets in) is left out.
    """
    line = "".join(_BREAKS.sub(_encoded, uri) + "\t" for uri in uris)
    if not line:
        return ""
    options = [("gid", download.gid)]
    if download.status is Status.PAUSED:
        options.append(("pause", "true"))
    return _lines(line, [*options, *download.options.items_for_session()])


def text(downloads: Iterable[Download], live: dict[str, Snapshot]) -> str:
    """The whole file. ``live`` holds, by GID, the Snapshots of those that run."""
    return "".join(
        entry(download, remaining_uris(download, live.get(download.gid, download.last)))
        for download in downloads
        if is_saved(download)
    )


class Kept:
    """Entries of an input file that cannot be downloaded here: they stay in the session file as they were read."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._gids: set[str] = set()

    def __contains__(self, gid: object) -> bool:
        """Whether one of them has this GID (in its one spelling)."""
        return gid in self._gids

    def add(self, uris: Sequence[str], options: Mapping[str, Normal]) -> None:
        """Keep one; ``options`` are its own, normalised."""
        flat = []
        for name, value in options.items():
            flat += [(name, value)] if isinstance(value, str) else [(name, line) for line in value]
        self._lines.append(_lines("\t".join(uris) + "\t", flat))  # they stood on one line, so they fit on one
        if isinstance(gid := options.get("gid"), str):
            self._gids.add(gid.lower())

    def text(self) -> str:
        """Their lines, in the order in which they were read."""
        return "".join(self._lines)


def write(path: str, content: str) -> None:
    """Replace the file at ``path`` in one step, gzip-compressed if its name ends in ``.gz``. Raises OSError.

    Only the owner may read it, for it can hold passwords; and it does not go through aria2's ``path__temp``, which a
    download might have.
    """
    try:
        data = content.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character that came as a JSON escape
        data = content.encode("utf-8", "replace")
    if path.endswith(".gz"):
        import gzip

        data = gzip.compress(data, mtime=0)
    swap(path, data, durable=True)


def _lines(first: str, options: Iterable[tuple[str, str]]) -> str:
    lines = [f" {name}={value}" for name, value in options if not _LINE_BREAKS.search(value)]
    return "\n".join([first, *lines]) + "\n"


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
