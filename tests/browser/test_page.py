"""A front end's page in a real Chromium: another origin or a file, POST with preflight or WebSocket, polling, events.

What web front ends do on the wire, and what a browser makes of the server's answers.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import Server

MIB = 1 << 20
LENGTH = 32 * MIB
SECRET = "s3cret ü"
HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PLACES = ("/Applications/Chromium.app/Contents/MacOS", "/Applications/Google Chrome.app/Contents/MacOS")

#: For a browser that talks to nobody but the test.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Every answer stops after so many bytes until it is released: with 16 connections 16 pieces are there, 16 are not.
HELD = Behaviour(hold_at=MIB + MIB // 2)

WAYS = [(scheme, home) for scheme in ("http", "ws") for home in ("web", "file")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [str(path) for place in PLACES for path in Path(place).glob("*") if path.is_file()]
    if not found:
        pytest.skip("needs a Chromium browser (Debian: apt-get install chromium; macOS: brew install --cask chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found[0], args=QUIET)
        yield chromium
        chromium.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # the name that the base class gave it
        """Print nothing."""


@pytest.fixture(scope="module")
def homes() -> Iterator[dict[str, str]]:
    """Where the page can come from: a server on another port, or a file."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HERE)) as server:
        thread = threading.Thread(target=server.serve_forever, name="page")
        thread.start()
        yield {"web": f"http://127.0.0.1:{server.server_port}/page.html", "file": (HERE / "page.html").as_uri()}
        server.shutdown()
        thread.join(10)


class Front:
    """The page in a tab of its own, with what it has complained of."""

    def __init__(self, browser: Browser, home: str, server: Server, scheme: str, secret: str = "") -> None:
        self.page: Page = browser.new_context().new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(home)
        url = f"{scheme}://127.0.0.1:{server.port}/jsonrpc"
        self.page.evaluate("([url, secret]) => { window.front = new Front(url, secret); }", [url, secret])

    def connect(self) -> str:
        """Connect and ask for the version. Raises Error when the browser or the server will not have it."""
        self.page.evaluate("front.connect()")
        return str(self.call("getVersion")["version"])

    def call(self, name: str, *params: object) -> Any:
        return self.page.evaluate("([name, params]) => front.call(name, ...params)", [f"aria2.{name}", params])

    def until(self, ready: str) -> dict[str, Any]:
        """The first look at all downloads of which the JavaScript expression ``ready`` holds."""
        seen = self.page.evaluate(f"front.until(({{ active, waiting, stopped, stat }}) => {ready})")
        assert isinstance(seen, dict)
        return seen

    def events(self, gid: str) -> list[str]:
        """The notifications about ``gid``, in order."""
        heard = self.page.evaluate("front.events")
        return [method.removeprefix("aria2.on") for method, about in heard if about == gid]


@pytest.mark.parametrize(("scheme", "home"), WAYS)
def test_with_a_secret_a_page_does_all_that_front_ends_do(
    browser: Browser, homes: dict[str, str], origin: Origin, tmp_path: Path, scheme: str, home: str
) -> None:
    urls = [origin.serve(f"/{name}.bin", length=LENGTH, seed=seed, behaviour=HELD) for seed, name in enumerate("ab")]
    options = (f"--dir={tmp_path}", f"--state-dir={tmp_path}/state", f"--rpc-secret={SECRET}", "--rpc-allow-origin-all")
    with Server(*options) as server:
        front = Front(browser, homes[home], server, scheme, SECRET)
        assert front.connect() == "1.37.0"

        a, b = [front.call("addUri", [url], {"split": "16"}) for url in urls]
        begun = "each => each.connections === '16' && /[1-9a-f]/.test(each.bitfield)"
        seen = front.until(f"stat.numActive === '2' && active.every({begun})")
        for each in seen["active"]:
            assert (each["totalLength"], each["numPieces"], len(each["bitfield"])) == (str(LENGTH), "32", 8)
            assert 0 < int(each["completedLength"]) < LENGTH

        assert front.call("changeOption", a, {"max-download-limit": "300K"}) == "OK"
        assert front.call("getOption", a)["max-download-limit"] == "307200"
        assert front.call("changeGlobalOption", {"max-concurrent-downloads": "3"}) == "OK"
        assert front.call("getGlobalOption")["max-concurrent-downloads"] == "3"

        for gid in (a, b):
            assert front.call("forcePause", gid) == gid
        seen = front.until("waiting.filter(each => each.status === 'paused').length === 2")
        last = seen["waiting"][1]["gid"]
        assert front.call("changePosition", last, 0, "POS_SET") == 0
        assert front.until("true")["waiting"][0]["gid"] == last
        origin.release("/b.bin")  # while the limit keeps the other from its end
        for gid in (a, b):
            assert front.call("unpause", gid) == gid
        front.until("active.length === 1 && stopped.length === 1")
        assert front.call("forceRemove", a) == a
        seen = front.until("stopped.length === 2")
        assert [(each["gid"], each["status"]) for each in seen["stopped"]] == [(a, "removed"), (b, "complete")]
        assert origin.content("/b.bin").difference(tmp_path / "b.bin") is None

        assert front.call("removeDownloadResult", b) == "OK"
        assert [each["gid"] for each in front.until("stopped.length === 1")["stopped"]] == [a]
        assert front.call("purgeDownloadResult") == "OK"
        front.until("stopped.length === 0")
        assert front.complaints == []
        if scheme == "ws":
            begin = ["DownloadStart", "DownloadPause", "DownloadStart"]
            assert front.events(a) == [*begin, "DownloadStop"]
            assert front.events(b) == [*begin, "DownloadComplete"]


def test_without_a_secret_no_page_comes_in(browser: Browser, homes: dict[str, str], tmp_path: Path) -> None:
    with Server(f"--dir={tmp_path}", f"--state-dir={tmp_path}/state") as server:
        for scheme, home in WAYS:
            front = Front(browser, homes[home], server, scheme)
            with pytest.raises(Error, match=r"Failed to fetch|no WebSocket"):
                front.connect()
        server.hears("RPC request refused: the web page null")
        server.hears("To allow it: --rpc-allow-origin=http://127.0.0.1:")
        # What the browser would send without asking first.
        for home in homes.values():
            page = Front(browser, home, server, "http").page
            body = '{"jsonrpc": "2.0", "id": "1", "method": "aria2.addUri", "params": [["http://127.0.0.1:1/"]]}'
            forged = 'body => fetch(front.url, { method: "POST", mode: "no-cors", body }).then(() => "sent")'
            assert page.evaluate(forged, body) == "sent"
        stat = server.call("aria2.getGlobalStat")
        assert (stat["numActive"], stat["numWaiting"], stat["numStopped"]) == ("0", "0", "0")


def test_without_a_secret_all_pages_come_in_when_told_so(
    browser: Browser, homes: dict[str, str], tmp_path: Path
) -> None:
    with Server(f"--dir={tmp_path}", f"--state-dir={tmp_path}/state", "--rpc-allow-origin-all") as server:
        for scheme, home in WAYS:
            front = Front(browser, homes[home], server, scheme)
            assert front.connect() == "1.37.0"
            assert front.until("true")["stat"]["numActive"] == "0"
            assert front.complaints == []


def test_a_secret_alone_lets_sockets_in_but_no_answer_be_read(
    browser: Browser, homes: dict[str, str], tmp_path: Path
) -> None:
    """As with aria2: reading answers over HTTP is what rpc-allow-origin-all is for; a WebSocket has no such rule."""
    with Server(f"--dir={tmp_path}", f"--state-dir={tmp_path}/state", f"--rpc-secret={SECRET}") as server:
        for home in homes.values():
            with pytest.raises(Error, match="Failed to fetch"):
                Front(browser, home, server, "http", SECRET).connect()
            front = Front(browser, home, server, "ws", SECRET)
            assert front.connect() == "1.37.0"


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_wrong_token_is_told_and_hears_nothing(
    browser: Browser, homes: dict[str, str], origin: Origin, tmp_path: Path, scheme: str
) -> None:
    options = (f"--dir={tmp_path}", f"--state-dir={tmp_path}/state", f"--rpc-secret={SECRET}", "--rpc-allow-origin-all")
    with Server(*options) as server:
        stranger, friend = (Front(browser, homes["web"], server, scheme, secret) for secret in ("guess", SECRET))
        with pytest.raises(Error, match="Unauthorized"):
            stranger.connect()
        friend.connect()
        gid = friend.call("addUri", [origin.serve("/small", length=1000)])
        friend.until("stopped.length === 1")
        assert stranger.events(gid) == []
        assert friend.events(gid) == (["DownloadStart", "DownloadComplete"] if scheme == "ws" else [])
        with pytest.raises(Error, match="GID 00000000000000ff is not found"):
            friend.call("tellStatus", "00000000000000ff")
