"""XML-RPC over POST /rpc: answers, faults, uploads, and the same limits, holds and guard that JSON-RPC has."""

from __future__ import annotations

import asyncio
import gzip
import xmlrpc.client
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from slasshy_rpc.rpc.call import Visit
from slasshy_rpc.rpc.xml_dialect import XmlDialect
from tests.support.fake_api import GID, FakeApi, Served, serving
from tests.support.rpc_wire import Reply, Wire, head, post

BINARY = xmlrpc.client.Binary(b"\xff")
VERSION = {"version": "1.37.0", "enabledFeatures": ["HTTPS"]}


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def call(method: str, *params: Any) -> bytes:
    return xmlrpc.client.dumps(params, method).encode()


def loaded(reply: Reply) -> Any:
    """The result, or the fault as (code, text)."""
    assert reply.headers["content-type"] == "text/xml"
    try:
        return xmlrpc.client.loads(reply.body)[0][0]
    except xmlrpc.client.Fault as fault:
        return fault.faultCode, fault.faultString


async def ask(server: Served, body: bytes, *lines: str) -> Reply:
    return await post(server.host, server.port, body, *lines, path="/rpc")


async def test_results(server: Served) -> None:
    assert loaded(await ask(server, call("aria2.getVersion"))) == VERSION
    assert loaded(await ask(server, call("test.echo", "a", 1, ["b", {"c": [2]}], {}))) == [
        "a",
        1,
        ["b", {"c": [2]}],
        {},
    ]
    assert loaded(await ask(server, call("aria2.addUri", ["http://127.0.0.1/"]))) == GID
    assert loaded(await ask(server, b"<methodCall><methodName>test.echo</methodName></methodCall>")) == []
    assert "aria2.addUri" in loaded(await ask(server, call("system.listMethods")))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (call("nope"), (1, "No such method: nope")),
        (b"<a/>", (1, "No such method: ")),
        (call("aria2.tellStatus", "<&>"), (1, "GID <&> is not found")),
        (call("test.option"), (1, "We encountered a problem while processing the option '--split'.")),
        (call("test.broken"), (-32603, "test.broken failed inside the server; its log says where.")),
        (call("test.echo", BINARY), (1, "A base64 value that is not an uploaded file must be UTF-8 text.")),
        (call("system.multicall"), (1, "The parameter at 0 is required but missing.")),
    ],
)  # fmt: skip
async def test_faults_have_status_200_and_keep_the_connection(
    body: bytes, fault: tuple[int, str], server: Served
) -> None:
    async with Wire(server.host, server.port) as wire:
        for _ in range(2):
            reply = await wire.post(body, path="/rpc")
            assert (reply.status, loaded(reply)) == (200, fault)
            assert "connection" not in reply.headers


async def test_what_is_no_xml_is_400_with_nothing_and_keeps_the_connection(server: Served) -> None:
    async with Wire(server.host, server.port) as wire:
        for body in (b"", b"x", b"{}", b"<a>", b"<!DOCTYPE a><a/>", gzip.compress(b"<a/>"), b"<a>" * 400):
            reply = await wire.post(body, path="/rpc")
            assert (reply.status, reply.body) == (400, b"")
            assert "content-type" not in reply.headers
        assert loaded(await wire.post(call("aria2.getVersion"), path="/rpc")) == VERSION
    assert len(server.api.called) == 1


async def test_multicall_has_faults_among_its_results(server: Served) -> None:
    entries = [
        {"methodName": "aria2.getVersion"},
        {"methodName": "nope", "params": []},
        {"methodName": "test.echo", "params": ["token:x", 1]},
        5,
        {"methodName": "system.multicall", "params": [[]]},
    ]
    assert loaded(await ask(server, call("system.multicall", entries))) == [
        [VERSION],
        {"faultCode": 1, "faultString": "No such method: nope"},
        [[1]],
        {"faultCode": 1, "faultString": "system.multicall expected struct."},
        {"faultCode": 1, "faultString": "Recursive system.multicall forbidden."},
    ]


async def test_pythons_own_client(server: Served) -> None:
    def talk() -> tuple[Any, ...]:
        with xmlrpc.client.ServerProxy(f"http://{server.host}:{server.port}/rpc") as proxy:
            calls: Any = xmlrpc.client.MultiCall(proxy)
            calls.aria2.getVersion()
            calls.aria2.tellStatus("x")
            several = calls()
            with pytest.raises(xmlrpc.client.Fault, match="GID x is not found"):
                several[1]
            with pytest.raises(xmlrpc.client.Fault, match="No such method: nope"):
                proxy.nope()
            return several[0], proxy.test.echo("é", [1], {"a": "b"})

    assert await asyncio.to_thread(talk) == (VERSION, ["é", [1], {"a": "b"}])


@pytest.mark.parametrize("method", ["aria2.addTorrent", "aria2.addMetalink"])
@pytest.mark.parametrize("token", [[], ["token:s"], [xmlrpc.client.Binary(b"token:s")]])
@pytest.mark.parametrize("inner", [False, True])
async def test_uploads_reach_the_api_as_json_has_them(method: str, token: list[Any], inner: bool) -> None:
    api = FakeApi()
    for upload in (xmlrpc.client.Binary(b"d\xff\0e"), "de"):
        params = [*token, upload, xmlrpc.client.Binary(b"u")]
        body = call("system.multicall", [{"methodName": method, "params": params}]) if inner else call(method, *params)
        async with serving() as server:
            server.api.called = api.called
            await ask(server, body)
    assert api.called == [(method, [b64encode(data).decode(), "u"]) for data in (b"d\xff\0e", b"de")]


async def test_wrong_tokens_wait_and_right_ones_do_not() -> None:
    async with serving(secret="s", hold=0.3) as server:
        loop = asyncio.get_running_loop()
        for body in (
            call("test.echo", 1),
            call("nope", "token:x"),
            call("system.multicall", [{"methodName": "test.echo"}]),
        ):
            start = loop.time()
            reply = await ask(server, body)
            assert "Unauthorized" in reply.body.decode()
            assert loop.time() - start >= 0.29
        assert loaded(await ask(server, call("test.echo", "token:s", 1))) == [1]
        assert loaded(await ask(server, call("test.echo", xmlrpc.client.Binary(b"token:s"), 1))) == [1]
        assert len(server.api.called) == 2


async def test_foreign_pages_are_turned_away() -> None:
    async with serving() as server:
        reply = await ask(server, call("aria2.getVersion"), "Origin: https://evil.example", "Content-Type: text/plain")
        assert reply.status == 403
        assert server.api.called == []
    async with serving(allow_origin_all=True) as server:
        reply = await ask(server, call("aria2.getVersion"), "Origin: https://page.example")
        assert reply.headers["access-control-allow-origin"] == "*"


async def test_sizes() -> None:
    async with serving(max_request_size=1000) as server:
        assert (await ask(server, call("aria2.getVersion").ljust(1000))).status == 200
        reply = await ask(server, call("aria2.getVersion").ljust(1001))
        assert (reply.status, reply.closed) == (413, True)
        assert "--rpc-max-request-size" in loaded(reply)[1]
        assert len(server.api.called) == 1


async def test_long_answers_arrive_whole_and_compressed(server: Served) -> None:
    for count in (300, 30_000):
        body = call("test.long", count, "x" * 30)
        assert loaded(await ask(server, body)) == ["x" * 30] * count
        reply = await ask(server, body, "Accept-Encoding: gzip")
        assert reply.headers["content-encoding"] == "gzip"
        assert xmlrpc.client.loads(gzip.decompress(reply.body))[0][0] == ["x" * 30] * count


async def test_names_that_xml_cannot_carry(server: Served) -> None:
    assert loaded(await ask(server, call("test.surrogate"))) == {"path": "a\ufffdb"}
    assert loaded(await ask(server, call("test.echo", xmlrpc.client.Binary(b"a\0\x1b\r\nb")))) == ["a\ufffd\ufffd\r\nb"]


async def test_other_calls_are_answered_between_the_parts_of_a_big_one(server: Served) -> None:
    entries = [{"methodName": "test.echo", "params": [number]} for number in range(5000)]
    async with Wire(server.host, server.port) as wire:
        answer = asyncio.create_task(ask(server, call("system.multicall", entries)))
        while not answer.done():
            assert (await wire.post({"id": 1, "method": "aria2.getVersion"})).status == 200
    assert loaded(await answer) == [[[number]] for number in range(5000)]
    names = [name for name, _ in server.api.called]
    first, last = names.index("test.echo"), len(names) - names[::-1].index("test.echo")
    assert "aria2.getVersion" in names[first:last]


async def test_an_answer_may_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slasshy_rpc.rpc.call.MOST_ANSWERED", 10_000)
    async with serving() as server:
        entry = {"methodName": "test.long", "params": [100, "x" * 30]}
        code, text = loaded(await ask(server, call("system.multicall", [entry] * 50)))
        assert code == 1
        assert "send fewer calls at a time" in text
        assert len(server.api.called) < 5


@pytest.mark.parametrize(
    "request_head",
    [head("GET", "/rpc"), head("POST", "/rpc/", "Content-Length: 0"), head("PUT", "/rpc", "Content-Length: 0")],
)
async def test_the_path_and_the_method_are_exact(request_head: bytes, server: Served) -> None:
    async with Wire(server.host, server.port) as wire:
        await wire.send(request_head)
        assert (await wire.reply()).status == 404


async def test_an_error_beyond_the_dialect_is_a_fault() -> None:
    """A result that XML-RPC has no form for is a mistake of ours, and still an answer."""
    api = FakeApi()

    async def odd(name: str, params: list[object]) -> object:
        return object()

    api.call = odd  # type: ignore[method-assign]  # a result that no other test wants
    answer = await XmlDialect(api, None).answer(call("test.odd"), Visit())
    with pytest.raises(xmlrpc.client.Fault, match="failed inside"):
        xmlrpc.client.loads(answer.text)
