"""What yt-dlp hears of the user's options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media import question as module
from slasshy_rpc.media.question import arguments, asked, proxy_for, way
from slasshy_rpc.net import address
from slasshy_rpc.net.cookies import Cookies
from slasshy_rpc.options.values import Layer, Normal, OptionSet, defaults

SECURE = "https://page.test/x"


def options(**own: Normal) -> OptionSet:
    return defaults(compat=False).derive({name.replace("_", "-"): value for name, value in own.items()}, Layer.OWN)


async def given(jar: Cookies | None = None, **own: Normal) -> dict[str, Any]:
    found: dict[str, Any] = (await asked(SECURE, options(**own), "", jar or Cookies()))["options"]
    return found


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


async def test_what_ffmpeg_would_have_to_make_is_not_asked_for_where_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody knows the digest of what it makes."""
    monkeypatch.setattr(module, "ffmpeg", lambda: "ffmpeg")
    assert (await given())["whole"] is False
    assert (await given(checksum=f"md5={'0' * 32}"))["whole"] is True
    monkeypatch.setattr(module, "ffmpeg", lambda: None)
    assert (await given())["whole"] is True
    assert (await given(media_merge="off"))["whole"] is False


async def test_only_headers_that_say_nothing_of_anybody_go_to_all_hosts() -> None:
    lines = ("Authorization: secret", "X-Tok: t", "accept-language: sv", "User-Agent: U", "Referer:  http://r.test/")
    found = await given(header=lines)
    assert found["headers"] == {"Accept-Language": "sv", "Referer": "http://r.test/"}
    assert found["user_agent"] == "U"
    assert (await given(header=lines, media_user_agent="M"))["user_agent"] == "M"
    assert (await given(user_agent="own"))["user_agent"] == "own"
    assert (await given())["user_agent"] is None
    assert (await given(referer="*"))["headers"] == {}


async def test_a_cookie_header_is_for_the_pages_own_host() -> None:
    cookies = (await given(header=("Cookie: a=b; c=d;e",)))["cookies"]
    assert [line.split("\t") for line in cookies.splitlines()[1:]] == [
        ["page.test", "FALSE", "/", "TRUE", "0", name, value] for name, value in (("a", "b"), ("c", "d"))
    ]


async def test_a_file_of_its_own_takes_the_place_of_all_cookies(tmp_path: Path) -> None:
    jar = Cookies()
    jar.store(address.parse(SECURE), ["all=1"])
    assert "all\t1" in (await given(jar))["cookies"]
    file = tmp_path / "cookies"
    file.write_bytes(b".tube.test\tTRUE\t/\tFALSE\t0\tmine\t\xff\n")
    cookies = (await given(jar, media_cookies=str(file)))["cookies"]
    assert "mine\t\ufffd" in cookies
    assert "all" not in cookies
    with pytest.raises(DownloadError, match="media-cookies"):
        await given(media_cookies=str(tmp_path / "none"))


async def test_runtimes_and_arguments_are_said_in_yt_dlps_shape() -> None:
    assert (await given())["runtimes"] is None
    assert (await given(media_js_runtime="deno, node:/opt/node"))["runtimes"] == {
        "deno": {},
        "node": {"path": "/opt/node"},
    }
    assert arguments(["YouTube:player-client=web, tv;lang=a\\,b", "youtube:lang=c", "x:y="]) == {
        "youtube": {"player_client": ["web", "tv"], "lang": ["c"]},
        "x": {"y": [""]},
    }


async def test_whom_the_engine_trusts_yt_dlp_trusts(tmp_path: Path) -> None:
    named: dict[str, Any] = {"ca_certificate": "/ca.pem", "certificate": "/me.pem", "private_key": "/me.key"}
    found = await given(**named, check_certificate="false")
    assert {name: found[name] for name in ("authority", "certificate", "private_key", "insecure")} == {
        "authority": "/ca.pem",
        "certificate": "/me.pem",
        "private_key": "/me.key",
        "insecure": True,
    }
    assert way(SECURE, options(**named, check_certificate="false")).items() <= found.items()
    found = await given()
    assert (found["authority"], found["certificate"], found["insecure"]) == (None, None, False)
