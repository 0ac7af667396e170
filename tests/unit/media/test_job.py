"""What a page's Job hands to yt-dlp beside the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from slasshy_rpc.disk.claims import Claims
from slasshy_rpc.errors import DiskError
from slasshy_rpc.media import job as module
from slasshy_rpc.media.job import MediaJob, proxy_for
from slasshy_rpc.media.plan import FINEST, WHOLE, Unsupported
from slasshy_rpc.media.pool import Workers
from slasshy_rpc.options.values import Layer, defaults
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.protocols.base import Request, Workplace
from slasshy_rpc.protocols.web import Web

SECURE = "https://page.test/x"


@pytest.mark.parametrize(
    ("own", "page", "proxy"),
    [
        ({}, SECURE, ""),
        ({"all-proxy": "http://p.test:81"}, SECURE, "http://p.test:81"),
        ({"all-proxy": "http://p.test:81", "no-proxy": "page.test"}, SECURE, ""),
        ({"http-proxy": "http://p.test:81"}, SECURE, ""),
        ({"all-proxy": "socks5h://[::1]:81"}, SECURE, "socks5h://[::1]:81"),
        (
            {"all-proxy": "http://p.test:81", "all-proxy-user": "u@", "all-proxy-passwd": "p/"},
            SECURE,
            "http://u%40:p%2F@p.test:81",
        ),
    ],
)
def test_the_page_is_asked_through_the_users_proxy(own: dict[str, str], page: str, proxy: str) -> None:
    nothing = {"http-proxy": "", "https-proxy": "", "all-proxy": "", "no-proxy": ""}
    options = defaults(compat=False).derive({**nothing, **own}, Layer.OWN)
    assert proxy_for(page, options) == proxy


class Child:
    """In the place of Workers: the same answer to everything, without one that the page is not known."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.answer = answer or {"kind": "unsupported", "text": "Unsupported URL"}
        self.asked: list[Mapping[str, Any]] = []

    async def ask(self, question: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        self.asked.append(question["options"])
        return self.answer


@pytest.mark.parametrize("checksum", ["", f"md5={'0' * 32}"])
async def test_an_unknown_page_is_not_stored_where_media_alone_is_wanted(
    checksum: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody knows the digest of what ffmpeg makes."""
    monkeypatch.setattr(module, "ffmpeg", lambda: "ffmpeg")
    own = {"media": "only", **({"checksum": checksum} if checksum else {})}
    workers = Child()
    request = Request((SECURE,), defaults(compat=False).derive(own, Layer.OWN))
    place = Workplace("0" * 16, lines=Lines([SECURE]))
    job = MediaJob(request, place, cast(Web, None), cast(Workers, workers), "", lambda formats: None)
    with pytest.raises(Unsupported):
        await job.run()
    assert [asked["format"] for asked in workers.asked] == [WHOLE if checksum else FINEST]


async def test_a_callers_merged_file_may_not_lie_where_the_server_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with any file that came over RPC."""
    monkeypatch.setattr(module, "ffmpeg", lambda: "ffmpeg")
    own = {"media": "only", "dir": str(tmp_path), "out": "state/x.mp4"}
    request = Request((SECURE,), defaults(compat=False).derive(own, Layer.OWN))
    part = {"url": f"{SECURE}/v", "protocol": "https", "format": "1", "ext": "mp4", "headers": {}, "cookie": ""}
    parts = [{**part, "size": 0, "chunk": 0}] * 2
    workers = Child({"kind": "video", "name": "x.mp4", "ext": "mp4", "parts": parts})
    place = Workplace("0" * 16, claims=Claims([str(tmp_path / "state")]), lines=Lines([SECURE]))
    job = MediaJob(request, place, cast(Web, Web), cast(Workers, workers), "", lambda formats: None)
    with pytest.raises(DiskError, match="folder of the server"):
        await job.run()
    assert place.claims.path_of("0" * 16) == ""
