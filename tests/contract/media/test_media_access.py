"""The user's cookies, headers, proxies, certificates and limits reach yt-dlp and what it found, and nobody else."""

from __future__ import annotations

import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it has no types of its own
import pytest

from tests.support.behaviour import Behaviour
from tests.support.certs import Certificates
from tests.support.media import page, whole
from tests.support.origin import Origin
from tests.support.process import Server, run
from tests.support.proxy import HttpProxy

COOKIES = """# Netscape HTTP Cookie File
127.0.0.1\tFALSE\t/\tFALSE\t0\tpage\tse-cret
127.0.0.2\tFALSE\t/\tFALSE\t0\tmedia\tse-cret
other.test\tFALSE\t/\tFALSE\t0\tother\tse-cret
"""

#: Their server is one for all of them.
STANDING = True


@pytest.fixture
def cookies(tmp_path: Path) -> Path:
    """A file with cookies of three hosts."""
    path = tmp_path / "cookies.txt"
    path.write_text(COOKIES)
    return path


@pytest.mark.parametrize("option", ["media-cookies", "load-cookies"])
def test_each_host_gets_its_own_cookies_of_a_file(
    options: list[str], origin: Origin, cookies: Path, tmp_path: Path, option: str
) -> None:
    """And neither a command line, a log nor the state has any of them."""
    with Origin(host="127.0.0.2") as other:
        url = page(
            origin,
            "one",
            whole(other.serve("/v.mp4", length=5)),
            behaviour=Behaviour(need_cookie="page=se-cret", hold_at=0),
        )
        log = f"--log={tmp_path / 'log'}"
        with Server(*options, f"--{option}={cookies}", log, "--log-level=debug") as server:
            gid = server.add(url)
            origin.wait(lambda o: bool(o.requests("/watch/one")))
            (child,) = psutil.Process(server.pid).children()
            assert "se-cret" not in " ".join(child.cmdline())
            assert "se-cret" not in str(child.environ())
            origin.release("/watch/one")
            server.completed(gid)
            server.stop()
            said = server.said
        (asked,) = origin.requests("/watch/one")
        assert asked.header("cookie") == "page=se-cret"
        assert [seen.header("cookie") for seen in other.requests("/v.mp4")] == ["media=se-cret"]
    said += (tmp_path / "log").read_text()
    said += "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert "se-cret" not in said
    assert cookies.read_text() == COOKIES


def test_a_cookie_file_that_is_none_is_an_error(options: list[str], origin: Origin, tmp_path: Path) -> None:
    code, said = run(*options, f"--media-cookies={tmp_path / 'none'}", page(origin, "one", whole(origin.url("/v.mp4"))))
    assert code == 1
    assert "--media-cookies is no use" in said
    assert origin.requests("/watch/one") == []


def test_what_a_caller_gives_for_the_page_stays_with_its_host(server: Server, origin: Origin) -> None:
    """As browsers' extensions do, which hand over the headers of the page."""
    with Origin(host="127.0.0.2") as other:
        url = page(origin, "one", whole(other.serve("/v.mp4", length=5)))
        lines = ["Cookie: a=b; c=d", "User-Agent: Browser/1", "Authorization: Basic x", "Accept-Language: sv"]
        server.completed(server.call("aria2.addUri", [url], {"header": lines, "referer": "http://r.test/"}))
        (asked,) = origin.requests("/watch/one")
        assert (asked.header("cookie"), asked.header("user-agent")) == ("a=b; c=d", "Browser/1")
        assert (asked.header("referer"), asked.header("accept-language")) == ("http://r.test/", "sv")
        assert asked.header("authorization") is None
        for seen in other.requests("/v.mp4"):
            assert (seen.header("cookie"), seen.header("authorization")) == (None, None)
            assert seen.header("user-agent") == "Browser/1"


def test_the_proxy_and_the_limit_are_also_for_media(server: Server, origin: Origin) -> None:
    kib = 1 << 10
    url = page(origin, "one", whole(origin.serve("/v.mp4", length=600 * kib)))
    with HttpProxy() as proxy:
        began = time.monotonic()
        server.completed(server.add(url, all_proxy=proxy.place, max_download_limit="400K"))
        assert time.monotonic() - began > 0.5  # a slow machine can only take longer
        assert {asked.target.rpartition("/")[2] for asked in proxy.asked} == {"one", "v.mp4"}


def test_certificates_are_checked_unless_the_user_wants_otherwise(
    options: list[str], secure_origin: Origin, certificates: Certificates
) -> None:
    url = page(secure_origin, "one", whole(secure_origin.serve("/v.mp4", length=5)))
    code, said = run(*options, url)
    assert code == 1, said
    assert "certificate" in said.lower()
    for more in ("--check-certificate=false", f"--ca-certificate={certificates.authority}"):
        code, said = run(*options, more, url)
        assert code == 0, said
