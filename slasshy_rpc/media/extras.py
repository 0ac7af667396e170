"""What is stored beside a media file: subtitles and a picture.

Owns: which of a worker's answer that is, under which names, and that none of it keeps the media from being had. Never:
how bytes come.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slasshy_rpc.disk import layout
from slasshy_rpc.disk.faults import printable
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media.headers import lines
from slasshy_rpc.net.address import is_web
from slasshy_rpc.plan import naming
from slasshy_rpc.protocols.base import Job, Request, Workplace
from slasshy_rpc.protocols.web import Errand, Web

log = logging.getLogger(__name__)

_SUBTITLES = frozenset(("ass", "dfxp", "lrc", "sbv", "srt", "ssa", "ttml", "vtt"))
_PICTURES = frozenset(("avif", "gif", "jpeg", "jpg", "png", "webp"))

_LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,40}")

#: Of one page.
MOST = 50

#: Seconds that one of them may take.
PATIENCE = 60.0

#: Whose place theirs is: behind those of video and sound.
_PLACE = 2


@dataclass(frozen=True, slots=True)
class Extra:
    """One file; ``ending`` follows the stem of the media file's name. ``headers`` are lines."""

    url: str
    ending: str
    headers: tuple[str, ...]


def extras(answer: Mapping[str, Any]) -> tuple[Extra, ...]:
    """What an answer has of them; entries that are of no known type, or are not on the web, are left out.

    Raises what a Mapping raises that lacks something.
    """
    found = []
    for one in answer.get("extras") or ():
        url, ext, language = str(one["url"]), str(one["ext"]).lower(), str(one["language"])
        if not is_web(url):
            continue
        headers = lines(one)
        if not language and ext in _PICTURES:
            found.append(Extra(url, f".{ext}", headers))
        elif ext in _SUBTITLES and _LANGUAGE.fullmatch(language):
            found.append(Extra(url, f".{language}.{ext}", headers))
    return tuple(found[:MOST])


def beside(path: str, extra: Extra) -> str:
    """Where one of a media file's lies."""
    folder, name = os.path.split(path)
    stem = name.rpartition(".")[0] or name
    return os.path.join(folder, naming.fit(stem, naming.NAME_LIMIT - len(extra.ending)) + extra.ending)


async def bring(extra: Extra, path: str, request: Request, place: Workplace, web: Web) -> str:
    """Store one beside ``path``; where it is, '' if it could not be had. One that is there already is left alone."""
    wanted = beside(path, extra)
    there, name = await asyncio.to_thread(_looked_up, wanted, request.options.folder())
    if there and not request.options.flag("allow-overwrite"):
        return wanted
    place = place.beside(_PLACE)
    job: Job = web.errand_job(request, place, Errand(extra.url, name, extra.headers, 0, ours=False))
    try:
        async with asyncio.timeout(PATIENCE):
            await job.run()
        return place.claims.path_of(place.gid)
    except (DownloadError, TimeoutError) as error:
        why = error if isinstance(error, DownloadError) else f"It took more than {PATIENCE:.0f} seconds."
        log.warning("%s could not be had. %s", printable(os.path.basename(wanted)), why)
        if mine := place.claims.path_of(place.gid):
            await asyncio.to_thread(layout.remove, [mine, layout.control_path(mine)])
        return ""
    finally:
        place.claims.release(place.gid)


def _looked_up(path: str, folder: str) -> tuple[bool, str]:
    """Whether something is there that is no beginning of ours, and what it is called below ``folder``."""
    there = layout.taken(path) and not layout.taken(layout.control_path(path))
    return there, os.path.relpath(path, folder)
