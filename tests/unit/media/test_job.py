"""What a page's Job hands to yt-dlp beside the page."""

from __future__ import annotations

import pytest

from slasshy_rpc.media.job import proxy_for
from slasshy_rpc.options.values import Layer, defaults

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
