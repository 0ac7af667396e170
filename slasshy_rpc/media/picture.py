"""What the parts of a page look like as the one download that they are.

Owns: that sum. Never: asks a Job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slasshy_rpc.media.plan import Media
from slasshy_rpc.values import Snapshot, UriView


def as_one(media: Media, parts: Sequence[Snapshot], uris: tuple[UriView, ...]) -> Snapshot:
    """``parts`` are what has been begun of them; all their files have the ``uris``."""
    files = tuple(replace(file, uris=uris) for part in parts for file in part.files)
    if len(media.parts) == 1:
        return replace(parts[0], files=files)
    expected = sum(one.size for one in media.parts[len(parts) :])
    return Snapshot(
        total_length=sum(part.total_length for part in parts) + expected,
        completed_length=sum(part.completed_length for part in parts),
        download_speed=sum(part.download_speed for part in parts),
        connections=sum(part.connections for part in parts),
        piece_length=parts[0].piece_length,
        files=files,
        had=sum(part.had for part in parts),
    )
