"""XML-RPC as programs speak it, on a real server over a session: Sonarr and its kin, and Python's xmlrpc.client."""

from __future__ import annotations

import asyncio
import xmlrpc.client
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest
import pytest_asyncio

from slasshy_rpc.rpc.server import RpcServer, RpcSettings
from tests.support.fake_protocol import Stage, close_all, options
from tests.support.rpc_wire import post

URI = "http://127.0.0.1/f.bin?a=1&b=%3C2%3E"
Call = Callable[..., Any]


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    yield Stage(options())
    await close_all()


@asynccontextmanager
async def listening(stage: Stage, secret: str | None) -> AsyncIterator[tuple[str, int]]:
    server = RpcServer(stage.api, RpcSettings(port=0, secret=secret))
    try:
        yield (await server.start())[0]
    finally:
        await server.stop()


# -- what .NET's XDocument writes: indented, without a declaration, strings of a struct without a type ----------------


def element(name: str, *inner: str) -> str:
    if not inner:
        return f"<{name} />"
    lines = "\n".join(inner).replace("\n", "\n  ")
    return f"<{name}>\n  {lines}\n</{name}>"


def typed(value: object) -> str:
    match value:
        case int():
            return element("value", f"<int>{value}</int>")
        case list():
            return element("value", element("array", element("data", *(typed(each) for each in value))))
        case dict():
            members = [
                element("member", f"<name>{name}</name>", f"<value>{escape(text)}</value>")
                for name, text in value.items()
            ]
            return element("value", element("struct", *members))
    return element("value", f"<string>{escape(str(value))}</string>")


def written(method: str, *params: object) -> str:
    listed = element("params", *(element("param", typed(param)) for param in params))
    return element("methodCall", f"<methodName>{method}</methodName>", listed)


def read(value: ElementTree.Element) -> Any:
    """A value, where its type stands as an element inside it; anything else is None, as those clients have it."""
    if (text := value.find("string")) is not None:
        return text.text
    if (number := value.find("int")) is not None:
        return int(number.text or "")
    if (data := value.find("array/data")) is not None:
        return [read(each) for each in data]
    members = value.findall("struct/member")
    return {member.findtext("name"): read(member[1]) for member in members} or None


def test_the_form_of_a_request() -> None:
    assert written("aria2.addUri", [], {"dir": "/a&b"}, {}) == (
        "<methodCall>\n  <methodName>aria2.addUri</methodName>\n  <params>\n"
        "    <param>\n      <value>\n        <array>\n          <data />\n        </array>\n      </value>\n"
        "    </param>\n"
        "    <param>\n      <value>\n        <struct>\n          <member>\n            <name>dir</name>\n"
        "            <value>/a&amp;b</value>\n          </member>\n        </struct>\n      </value>\n    </param>\n"
        "    <param>\n      <value>\n        <struct />\n      </value>\n    </param>\n"
        "  </params>\n</methodCall>"
    )


@pytest.mark.parametrize("breaks", ["\n", "\r\n"])
@pytest.mark.parametrize("secret", ["s", None])
async def test_a_program_that_hands_over_and_looks_after_downloads(
    stage: Stage, breaks: str, secret: str | None
) -> None:
    """Sonarr, Radarr and Lidarr: a container's name as Host, the token always first, even an empty one."""
    async with listening(stage, secret) as (host, port):

        async def ask(method: str, *params: object) -> Any:
            body = written(method, f"token:{secret or ''}", *params).replace("\n", breaks).encode()
            lines = ("Host: aria2:6800", "Accept-Encoding: br", "Content-Type: text/xml")
            reply = await post(host, port, body, *lines, path="/rpc")
            assert (reply.status, reply.headers["content-type"]) == (200, "text/xml")
            answer = ElementTree.fromstring(reply.body)
            fault = answer.find("fault/value")
            found = answer.find("params/param/value") if fault is None else fault
            assert found is not None
            return read(found)

        assert (await ask("aria2.getVersion"))["version"] == "1.37.0"
        assert (await ask("aria2.getGlobalOption"))["dir"] == "/downloads"
        gid = await ask("aria2.addUri", [URI], {"dir": "/downloads/tv & films"})
        told = await ask("aria2.tellStatus", gid)
        assert (told["gid"], told["status"], told["files"][0]["uris"][0]["uri"]) == (gid, "active", URI)
        assert stage.job(gid).request.options.text("dir") == "/downloads/tv & films"
        assert {name: int(told[name]) for name in ("totalLength", "completedLength", "uploadLength")} == {
            "totalLength": 4 << 20,
            "completedLength": 0,
            "uploadLength": 0,
        }
        other = await ask("aria2.addUri", [URI], {})
        assert [each["gid"] for each in await ask("aria2.tellActive")] == [gid, other]
        assert [await ask(f"aria2.tell{which}", 0, 10240) for which in ("Waiting", "Stopped")] == [[], []]
        assert await ask("aria2.forceRemove", gid) == gid
        await stage.end(other)
        ended = await ask("aria2.tellStopped", 0, 10240)
        assert [(each["gid"], each["status"]) for each in ended] == [(gid, "removed"), (other, "complete")]
        assert [await ask("aria2.removeDownloadResult", each) for each in (gid, other)] == ["OK", "OK"]
        gone = {"faultCode": 1, "faultString": f"GID {gid} is not found"}
        assert [await ask(f"aria2.{name}", gid) for name in ("tellStatus", "forceRemove")] == [gone, gone]


# -- Python's own client ---------------------------------------------------------------------------------------------


def every_method(gid: str, waiting: str) -> dict[str, tuple[tuple[Any, ...], Any]]:
    """Parameters, in an order that makes sense, and what comes of them: a value, a type or a fault's text."""
    return {
        "system.listMethods": ((), list),
        "system.listNotifications": ((), list),
        "aria2.getVersion": ((), dict),
        "aria2.getSessionInfo": ((), dict),
        "aria2.getGlobalOption": ((), dict),
        "aria2.getGlobalStat": ((), dict),
        "aria2.addUri": (([xmlrpc.client.Binary(URI.encode())], {"pause": "true", "header": ["A: b"]}, 5), str),
        "aria2.tellStatus": ((gid, ["gid", "status"]), {"gid": gid, "status": "active"}),
        "aria2.tellActive": ((["gid"],), [{"gid": gid}]),
        "aria2.tellWaiting": ((0, 1, ["gid"]), [{"gid": waiting}]),
        "aria2.tellStopped": ((-1, 9, ["gid"]), []),
        "aria2.getUris": ((gid,), [{"uri": URI, "status": "used"}]),
        "aria2.getFiles": ((gid,), list),
        "aria2.getPeers": ((gid,), []),
        "aria2.getServers": ((gid,), list),
        "aria2.getOption": ((gid,), dict),
        "aria2.changeOption": ((waiting, {"split": "3"}), "OK"),
        "aria2.changeGlobalOption": (({"max-concurrent-downloads": "1"},), "OK"),
        "aria2.changeUri": ((waiting, 1, [URI], [URI, URI]), [1, 2]),
        "aria2.changePosition": ((waiting, 1, "POS_CUR"), 1),
        "aria2.unpause": ((waiting,), waiting),
        "aria2.pause": ((waiting,), waiting),
        "aria2.pauseAll": ((), "OK"),
        "aria2.forcePauseAll": ((), "OK"),
        "aria2.forcePause": (("ffff",), "GID ffff is not found"),
        "aria2.remove": ((waiting,), waiting),
        "aria2.forceRemove": ((waiting,), f"GID {waiting} is not found"),
        "aria2.unpauseAll": ((), "OK"),
        "aria2.removeDownloadResult": (("zz",), "Invalid GID zz"),
        "aria2.purgeDownloadResult": ((), "OK"),
        "aria2.saveSession": ((), "Filename is not given."),
        "slasshy.getVersion": ((), dict),
        "slasshy.getHistory": ((0, 1), "No history is kept here; --history=true turns it on."),
        "slasshy.getMedia": ((gid,), f"No media data is available for GID#{gid}"),
        "aria2.shutdown": ((), "OK"),
        "aria2.forceShutdown": ((), "OK"),
        "system.multicall": (([],), "Recursive system.multicall forbidden."),
    }


@pytest.mark.parametrize("secret", ["s", None])
async def test_every_method_in_one_multicall(stage: Stage, secret: str | None) -> None:
    gid = await stage.add(URI)
    waiting = await stage.add(URI, pause="true")
    table = every_method(gid, waiting)

    def named(root: Any, method: str) -> Call:
        for name in method.split("."):
            root = getattr(root, name)
        call: Call = root
        return call

    def talk(url: str) -> dict[str, Any]:
        with xmlrpc.client.ServerProxy(url) as proxy:
            assert sorted(named(proxy, "system.listMethods")()) == sorted(table)
            calls = xmlrpc.client.MultiCall(proxy)
            for method, (params, _) in table.items():
                token = [f"token:{secret}"] if secret and not method.startswith("system.") else []
                named(calls, method)(*token, *params)
            results = calls()
            answers: dict[str, Any] = {}
            for number, method in enumerate(table):
                try:
                    answers[method] = results[number]
                except xmlrpc.client.Fault as fault:
                    answers[method] = fault.faultString if fault.faultCode == 1 else fault
            return answers

    async with listening(stage, secret) as (host, port):
        answers = await asyncio.to_thread(talk, f"http://{host}:{port}/rpc")
    for method, (_, wanted) in table.items():
        answer = answers[method]
        assert isinstance(answer, wanted) if isinstance(wanted, type) else answer == wanted, (method, answer)
