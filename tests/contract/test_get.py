"""JSON-RPC in the query of a GET: statuses, callbacks, and the same holds and guard that POST has."""

from __future__ import annotations

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.fake_api import GID, Served, serving
from tests.support.rpc_wire import Reply, Socket, Wire, head

JSON, SCRIPT = "application/json-rpc", "text/javascript"


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def coded(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return quote(b64encode(text).decode(), safe="")


async def ask(server: Served, query: str, *lines: str) -> Reply:
    async with Wire(server.host, server.port) as wire:
        await wire.send(head("GET", f"/jsonrpc{query}", *lines))
        return await wire.reply()


def error(request_id: object, code: int, message: str) -> dict[str, object]:
    return {"id": request_id, "jsonrpc": "2.0", "error": {"code": code, "message": message}}


INVALID = error(None, -32600, "Invalid Request.")


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("?id=1&method=test.echo", []),
        ("?method=test.echo&id=1", []),
        (f"?id=1&method=test.echo&params={coded([1, {'a': 'é'}])}", [1, {"a": "é"}]),
        (f"?id=1&method=aria2.addUri&params={coded([['http://127.0.0.1/']])}", GID),
        ("?id=1&method=test.echo&params=", []),
        (f"?id=0&id=1&method=nope&method=test.echo&params={coded([1])}#x", [1]),
        (f"?id=1&method=test.echo&params={coded(['token:', 'x' * 7000])}", ["x" * 7000]),
    ],
)
async def test_results_have_an_id_that_is_text(query: str, result: object, server: Served) -> None:
    reply = await ask(server, query)
    assert (reply.status, reply.json()) == (200, {"id": "1", "jsonrpc": "2.0", "result": result})
    assert reply.headers["content-type"] == JSON
    assert "connection" not in reply.headers


@pytest.mark.parametrize(
    ("query", "status", "answer"),
    [
        ("", 400, INVALID),
        ("?id=1", 400, INVALID),
        ("?method=test.echo", 400, INVALID),
        ("?id=&method=test.echo", 400, INVALID),
        ("?id=1&method=test.echo&params=!!!", 400, INVALID),
        (f"?id=1&method=test.echo&params={coded(b'[1,]')}", 400, INVALID),
        ("?id=1&method=nope", 400, error("1", 1, "No such method: nope")),
        ("?id=%20&method=test%2Eecho", 400, error("%20", 1, "No such method: test%2Eecho")),
        (f"?id=1&method=test.echo&params={coded({})}", 500, error("1", -32602, "Invalid params.")),
        (f"?params={coded({'id': 7})}", 400, error(7, -32600, "Invalid Request.")),
        (f"?params={coded(b'{')}", 400, INVALID),
    ],
)
async def test_errors_have_their_status_and_end_the_connection(
    query: str, status: int, answer: object, server: Served
) -> None:
    reply = await ask(server, query)
    assert (reply.status, reply.json()) == (status, answer)
    assert reply.headers["connection"] == "close"
    callback = await ask(server, f"{query}&jsoncallback=cb" if query else "?jsoncallback=cb")
    assert (callback.status, callback.headers["content-type"]) == (status, SCRIPT)
    assert callback.body == b"cb(" + reply.body + b")"


async def test_params_alone_are_the_whole_message(server: Served) -> None:
    echo = {"id": 7, "method": "test.echo"}
    answer = {"id": 7, "jsonrpc": "2.0", "result": []}
    assert (await ask(server, f"?params={coded(echo)}")).json() == answer
    reply = await ask(server, f"?params={coded([echo, 5, echo])}&jsoncallback=cb")
    assert (reply.status, reply.headers["content-type"]) == (200, SCRIPT)
    assert json.loads(reply.body.removeprefix(b"cb(").removesuffix(b")")) == [answer, answer]


@pytest.mark.parametrize("name", ["cb", "$", "_1", "jQuery17_55", "angular.callbacks._0"])
async def test_callbacks(name: str, server: Served) -> None:
    reply = await ask(server, f"?id=1&method=test.echo&jsoncallback={name}")
    assert reply.headers["content-type"] == SCRIPT
    assert reply.body == name.encode() + b'({"id":"1","jsonrpc":"2.0","result":[]})'


@pytest.mark.parametrize(
    "name",
    ["a(b", "a%20b", "1a", "a.", ".a", "a..b", "a[0]", "alert(1)//", "a;b", "a-b", "a" * 201, "%3Cscript%3E", "a.1"],
)
async def test_other_callbacks_are_refused_and_nothing_is_called(name: str, server: Served) -> None:
    reply = await ask(server, f"?id=1&method=test.echo&jsoncallback={name}")
    assert (reply.status, reply.headers["content-type"]) == (400, JSON)
    assert reply.json()["error"]["code"] == -32600
    assert "jsoncallback" in reply.json()["error"]["message"]
    assert server.api.called == []


@pytest.mark.parametrize("field", ["jsonp", "callback", "jsonCallback"])
async def test_no_other_field_names_a_callback(field: str, server: Served) -> None:
    assert (await ask(server, f"?id=1&method=test.echo&{field}=cb")).headers["content-type"] == JSON


async def test_wrong_tokens_wait() -> None:
    async with serving(secret="s", hold=0.3) as server:
        start = asyncio.get_running_loop().time()
        reply = await ask(server, f"?id=1&method=test.echo&params={coded(['token:x'])}")
        assert asyncio.get_running_loop().time() - start >= 0.29
        assert (reply.status, reply.json()) == (400, error("1", 1, "Unauthorized"))
        assert (await ask(server, f"?id=1&method=test.echo&params={coded(['token:s'])}")).json()["result"] == []


@pytest.mark.parametrize(
    "line",
    [
        "Sec-Fetch-Site: cross-site",
        "Referer: https://evil.example/",
        "Origin: https://evil.example",
        "Host: evil.example",
    ],
)
async def test_pages_of_other_sites_are_turned_away(line: str, server: Served) -> None:
    assert (await ask(server, "?id=1&method=test.echo&jsoncallback=cb", line)).status == 403
    assert server.api.called == []


async def test_gzip(server: Served) -> None:
    reply = await ask(
        server, f"?id=1&method=test.long&params={coded([100, 'text'])}&jsoncallback=cb", "Accept-Encoding: gzip"
    )
    assert gzip.decompress(reply.body).startswith(b'cb({"id":"1"')


async def test_a_websocket_has_no_query(server: Served) -> None:
    async with Socket(server.host, server.port) as socket:
        assert (await socket.open(path="/jsonrpc?id=1&method=test.echo")).status == 404
    assert server.api.called == []


async def test_a_request_line_may_be_16_kib_long(server: Served) -> None:
    assert (await ask(server, "?id=1&method=test.echo&x=" + "a" * 16_000)).status == 200
    assert (await ask(server, "?id=1&method=test.echo&x=" + "a" * 17_000)).status == 400
