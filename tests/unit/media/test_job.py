"""A page's Job, with what yt-dlp would say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from slasshy_rpc.disk.claims import Claims
from slasshy_rpc.errors import DiskError, DownloadError
from slasshy_rpc.media import plan
from slasshy_rpc.media.job import MediaJob
from slasshy_rpc.media.plan import Media, Unsupported
from slasshy_rpc.media.pool import Workers
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.options.values import Layer, defaults
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.protocols.base import Request, Workplace
from slasshy_rpc.protocols.destination import Destination
from slasshy_rpc.protocols.web import Web

SECURE = "https://page.test/x"
PART = {"url": f"{SECURE}/v", "protocol": "https", "format": "1", "ext": "mp4", "headers": {}, "cookie": ""}
APART = {"kind": "video", "name": "x.mp4", "ext": "mp4", "parts": [{**PART, "size": 0, "chunk": 0}] * 2}
WEB = cast(Web, SimpleNamespace(cookies=Cookies(), fenced=Web.fenced))


class Child:
    """In the place of Workers: the same answer to everything, without one that the page is not known."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.answer = answer or {"kind": "unsupported", "text": "Unsupported URL"}
        self.asked: list[Mapping[str, Any]] = []

    async def ask(self, question: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        self.asked.append(question["options"])
        return self.answer


async def test_an_unknown_page_is_not_stored_where_media_alone_is_wanted() -> None:
    request = Request((SECURE,), defaults(compat=False).derive({"media": "only"}, Layer.OWN))
    place = Workplace("0" * 16, lines=Lines([SECURE]))
    with pytest.raises(Unsupported):
        await MediaJob(request, place, WEB, cast(Workers, Child())).run()


async def test_a_callers_merged_file_may_not_lie_where_the_server_keeps_its_own(
    tmp_path: Path,
) -> None:
    """As with any file that came over RPC."""
    own = {"media": "only", "dir": str(tmp_path), "out": "state/x.mp4"}
    request = Request((SECURE,), defaults(compat=False).derive(own, Layer.OWN))
    workers = Child(APART)
    place = Workplace("0" * 16, claims=Claims([str(tmp_path / "state")]), lines=Lines([SECURE]))
    job = MediaJob(request, place, WEB, cast(Workers, workers))
    with pytest.raises(DiskError, match="folder of the server"):
        await job.run()
    assert place.claims.path_of("0" * 16) == ""


async def test_an_answer_is_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have a hundred thousand fragments, which takes a second."""
    readers = []

    def understood(answer: Mapping[str, Any]) -> Media:
        readers.append(threading.current_thread())
        raise DownloadError("enough")

    monkeypatch.setattr(plan, "understood", understood)
    request = Request((SECURE,), defaults(compat=False))
    with pytest.raises(DownloadError, match="enough"):
        await MediaJob(request, Workplace("0" * 16, lines=Lines([SECURE])), WEB, cast(Workers, Child())).run()
    assert threading.main_thread() not in readers


async def test_told_to_go_no_claim_comes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session gives up what a Download has as soon as its Job has ended."""
    begun, go = threading.Event(), threading.Event()
    path = Destination.path

    def slow(self: Destination, name: str) -> str:
        begun.set()
        assert go.wait(10)
        return path(self, name)

    monkeypatch.setattr(Destination, "path", slow)
    request = Request((SECURE,), defaults(compat=False).derive({"dir": str(tmp_path)}, Layer.OWN))
    place = Workplace("0" * 16, lines=Lines([SECURE]))
    task = asyncio.create_task(MediaJob(request, place, WEB, cast(Workers, Child(APART))).run())
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, go.set)
    await asyncio.wait([task])
    place.claims.release(place.gid)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert (task.cancelled(), place.claims.path_of(place.gid)) == (True, "")
