"""What a foreign page makes a browser send to a server without a secret: refused, said once, and nothing is done."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from urllib.parse import quote

import pytest

from tests.hostile.conftest import SECRET, Watch
from tests.support.process import Server
from tests.support.rpc_wire import Socket, Wire, head

#: What the page wants: its own options and a query that no log may show.
CALL = {"id": 1, "method": "aria2.addUri", "params": [[f"http://127.0.0.1:9/f?key={SECRET}"], {"pause": "true"}]}
BODY = json.dumps(CALL).encode()
XML = (
    "<methodCall><methodName>aria2.addUri</methodName><params><param><value><array><data>"
    f"<value>http://127.0.0.1:9/f?key={SECRET}</value></data></array></value></param></params></methodCall>"
).encode()
JSONP = "/jsonrpc?" + "&".join(
    (
        "method=aria2.addUri",
        "id=1",
        f"params={quote(b64encode(json.dumps(CALL['params']).encode()))}",
        "jsoncallback=cb",
    )
)
EVIL = "https://evil.example"
FETCH = ("Sec-Fetch-Mode: no-cors", f"Referer: {EVIL}/page?{SECRET}")


def posts(*lines: str, path: str = "/jsonrpc", body: bytes = BODY) -> bytes:
    return head("POST", path, f"Content-Length: {len(body)}", *lines) + body


def gets(*lines: str, path: str = JSONP) -> bytes:
    return head("GET", path, *lines)


#: Name, request, and the option that the answer and the log name.
REQUESTS = [
    ("a name that was made to point here", posts("Host: evil.example"), "rpc-allow-host"),
    ("the same, and its own origin", posts("Host: evil.example", "Origin: http://evil.example"), "rpc-allow-host"),
    ("the same, seen by an old browser", gets("Host: evil.example:6800"), "rpc-allow-host"),
    ("another origin", posts(f"Origin: {EVIL}", "Content-Type: application/json"), "rpc-allow-origin"),
    ("a simple request", posts(f"Origin: {EVIL}", "Content-Type: text/plain"), "rpc-allow-origin"),
    ("a form", posts(f"Origin: {EVIL}", "Content-Type: multipart/form-data; boundary=x"), "rpc-allow-origin"),
    ("XML-RPC", posts(f"Origin: {EVIL}", path="/rpc", body=XML), "rpc-allow-origin"),
    ("another port of this machine", posts("Origin: http://127.0.0.1:1"), "rpc-allow-origin"),
    ("a sandboxed frame", posts("Origin: null"), "rpc-secret"),
    ("a file", posts("Origin: file://"), "rpc-secret"),
    ("JSONP", gets("Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: script", *FETCH), "rpc-allow-origin-all"),
    ("an image", gets("Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image", *FETCH), "rpc-allow-origin-all"),
    ("a sibling site", gets("Sec-Fetch-Site: same-site", "Sec-Fetch-Dest: image"), "rpc-allow-origin-all"),
    ("a page with no word on where it is", gets("Sec-Fetch-Site: nonsense"), "rpc-allow-origin-all"),
    ("JSONP in an old browser", gets(f"Referer: {EVIL}/page?{SECRET}"), "rpc-allow-origin"),
    ("an image on a page with a user in its address", gets(f"Referer: https://u:{SECRET}@evil.example/"), "rpc-allow"),
    ("a POST that hides its origin", posts("Sec-Fetch-Site: cross-site"), "rpc-allow-origin-all"),
]
SOCKETS = [
    ("another origin", (f"Origin: {EVIL}",)),
    ("a sandboxed frame", ("Origin: null",)),
    ("a name that was made to point here", ("Host: evil.example", "Origin: http://evil.example")),
]


def asked(server: Server) -> int:
    """How many downloads there are."""
    return sum(len(server.call(*call)) for call in (("aria2.tellActive",), ("aria2.tellWaiting", 0, 10)))


async def test_no_page_gets_in(unguarded: Server, watched: Watch) -> None:
    with watched(unguarded, ""):
        for _ in range(3):
            for name, request, option in REQUESTS:
                async with Wire("127.0.0.1", unguarded.port) as wire:
                    await wire.send(request)
                    reply = await wire.reply()
                    assert reply.status == 403, name
                    assert option in reply.body.decode(), name
                    assert not any(field.startswith("access-control-allow") for field in reply.headers), name
                    assert await wire.ended(), name
            for name, lines in SOCKETS:
                async with Socket("127.0.0.1", unguarded.port) as socket:
                    assert (await socket.open(*lines)).status == 403, name
    assert asked(unguarded) == 0
    refused = re.findall(r"RPC request refused: (.*)", unguarded.said)
    assert len(refused) == len(set(refused)) > 5
    assert SECRET not in unguarded.said


async def test_no_page_is_told_that_it_may_read(unguarded: Server) -> None:
    for origin in (EVIL, "null", "file://"):
        async with Wire("127.0.0.1", unguarded.port) as wire:
            lines = (f"Origin: {origin}", "Access-Control-Request-Method: POST")
            await wire.send(head("OPTIONS", "/jsonrpc", *lines, "Access-Control-Request-Private-Network: true"))
            reply = await wire.reply()
            assert not any(field.startswith("access-control-allow") for field in reply.headers)


@pytest.mark.parametrize("origin", [EVIL, "null", ""])
async def test_no_page_without_the_token_does_or_hears_anything(origin: str, guarded: Server, watched: Watch) -> None:
    """With a secret the token decides alone; a page that has none is kept waiting, and events are not for it."""
    line = (f"Origin: {origin}",) if origin else ("Sec-Fetch-Site: cross-site",)
    frame = json.dumps(CALL).encode()
    with watched(guarded):
        async with Socket("127.0.0.1", guarded.port) as socket:
            assert (await socket.open(*line)).status == 101
            await socket.frame(frame)
            async with Wire("127.0.0.1", guarded.port) as wire:
                reply = await wire.post(BODY, *line)
                assert (reply.status, reply.json()["error"]["message"]) == (400, "Unauthorized")
            assert (await socket.message())["error"]["message"] == "Unauthorized"
            gid = guarded.call("aria2.addUri", f"token:{SECRET}", ["http://127.0.0.1:9/"])
            guarded.call("aria2.forceRemove", f"token:{SECRET}", gid)
            if origin:
                await socket.call("last", "system.listMethods")
                assert (await socket.message())["id"] == "last"
    assert len(guarded.call("aria2.tellWaiting", f"token:{SECRET}", 0, 10)) == 0
