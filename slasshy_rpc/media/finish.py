"""From the parts that have come to the file that was asked for: made by ffmpeg if it has to be, with tags if it may be.

Owns: the order of these steps, and that a file is as good without tags. Never: what is fetched, or the file's name.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media import child
from slasshy_rpc.media.labels import NO_LABELS, TAGGED, Labels, is_picture
from slasshy_rpc.media.making import make
from slasshy_rpc.media.merge import Track, clear, produce
from slasshy_rpc.media.plan import Media
from slasshy_rpc.media.recipe import Recipe
from slasshy_rpc.net.address import redact
from slasshy_rpc.protocols.offloop import lastly

log = logging.getLogger(__name__)

SCRIBE = str(Path(__file__).with_name("scribe.py"))

#: Asks for the picture behind a URL; raises DownloadError.
Look = Callable[[str], Awaitable[bytes]]


async def finish(
    tracks: Sequence[Track],
    path: str,
    gid: str,
    ext: str,
    recipe: Recipe | None,
    labels: Labels | None,
    look: Look,
    *,
    overwrite: bool,
    sync: bool,
    keep: bool = False,
) -> int:
    """Make ``path``, of type ``ext``, of the ``tracks``; the file's length in bytes.

    ``gid`` as in ``make``. The tracks are deleted then, as ``clear`` does. Raises what ``produce`` and ``make`` do.
    """
    if ext not in TAGGED:  # what there is no ffmpeg for is of another type than it was to be
        labels = None
    cover = await _cover(labels.covers, look) if labels is not None else b""

    async def work(unready: str) -> None:
        await produce(tracks, recipe, unready)
        if labels is not None and not await _label(unready, path, ext, labels, cover):
            await asyncio.to_thread(os.truncate, unready, 0)  # what it is by now, nobody knows
            await produce(tracks, recipe, unready)

    length = await make(path, gid, work, overwrite=overwrite, sync=sync)
    await lastly(clear, tracks, keep=keep)
    return length


def writable(media: Media, *, checked: bool) -> Labels | None:
    """What may be written into the file, None for nothing. ``checked``: it has a digest that somebody knows."""
    if media.labels == NO_LABELS:
        return None
    if media.ext in TAGGED and not checked:
        return media.labels
    why = "they would change its checksum" if checked else f"a file of type {media.ext} takes none here"
    log.warning("%s gets no tags: %s.", printable(media.name), why)
    return None


async def _cover(urls: Sequence[str], look: Look) -> bytes:
    """The first picture that can be had, b"" without one."""
    for url in urls:
        try:
            data = await look(url)
        except DownloadError as error:
            log.info("No cover from %s: %s", redact(url), error)
            continue
        if is_picture(data):
            return data
        log.info("What is at %s is no JPEG or PNG, and no cover.", redact(url))
    if urls:
        log.warning("There is no cover that could be had.")
    return b""


async def _label(unready: str, path: str, ext: str, labels: Labels, cover: bytes) -> bool:
    """Whether the tags are in it; why not is a warning."""
    told = {"path": unready, "ext": ext, "tags": dict(labels.tags), "cover": base64.b64encode(cover).decode()}
    seconds = child.patience(await asyncio.to_thread(os.path.getsize, unready))
    try:
        arguments = [sys.executable, "-P", SCRIBE]
        # json, for a path may be no UTF-8.
        await child.run(arguments, seconds, "mutagen", "write the tags", json.dumps(told).encode())
    except DownloadError as error:
        log.warning("%s stays without tags: %s", printable(path), error)
        return False
    return True
