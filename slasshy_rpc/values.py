"""Plain values that floors hand each other: states, events and the pulled snapshot.

Owns: shapes only. Never: behaviour, I/O, or anything that changes after it was made.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

#: The log level of what everybody should see, between INFO and WARNING (aria2's console default).
NOTICE = 25


class Status(enum.Enum):
    """The life of a Download; the values are aria2's ``status`` strings."""

    ACTIVE = "active"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETE = "complete"
    ERROR = "error"
    REMOVED = "removed"


class Event(enum.Enum):
    """What happened to a Download; the values are aria2's notification names."""

    START = "aria2.onDownloadStart"
    PAUSE = "aria2.onDownloadPause"
    STOP = "aria2.onDownloadStop"
    COMPLETE = "aria2.onDownloadComplete"
    ERROR = "aria2.onDownloadError"
    BT_COMPLETE = "aria2.onBtDownloadComplete"


#: Before the URI of a page, which is shown as the path of what is behind it until that is known.
MEDIA = "[MEDIA]"


@dataclass(frozen=True, slots=True)
class UriView:
    """One URI of a file; ``used`` when it was, or is being, asked."""

    uri: str
    used: bool


@dataclass(frozen=True, slots=True)
class FileView:
    """One file of a Download; lengths in bytes, ``path`` empty until it is known."""

    path: str
    length: int = 0
    completed: int = 0
    selected: bool = True
    uris: tuple[UriView, ...] = ()


@dataclass(frozen=True, slots=True)
class MediaView:
    """What is known of a media page: what is being done about it (or was, when it ended), and what it has.

    ``stage`` is searching (for a song), extracting, downloading, merging, converting, tagging, extras (what lies beside
    the file, whose paths are ``extras``), list or done. ``formats`` are yt-dlp's names.
    """

    page: str
    stage: str
    title: str = ""
    formats: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerView:
    """One open connection: the URI asked, the URI after redirects, bytes a second.

    It brings the bytes from ``start`` to ``end`` and has come to ``position``; all are -1 where that is not known.
    """

    uri: str
    current_uri: str
    speed: int
    start: int = -1
    position: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a Download looks like at one moment: bytes, bytes a second, counts.

    ``bitfield`` holds one bit a piece, high bit first, or None while there are no pieces.
    ``verified_length`` is None unless a hash check is running. ``had`` counts the bytes that were there before it began
    to run. ``media``: it is that of a media page.
    """

    total_length: int = 0
    completed_length: int = 0
    upload_length: int = 0
    download_speed: int = 0
    upload_speed: int = 0
    connections: int = 0
    piece_length: int = 1 << 20
    num_pieces: int = 0
    bitfield: bytes | None = None
    files: tuple[FileView, ...] = field(default=())
    verified_length: int | None = None
    verify_pending: bool = False
    had: int = 0
    media: MediaView | None = None
