"""JSON-RPC over HTTP POST: which frame gets which answer, status and end of connection (observed on aria2c 1.37)."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.fake_api import GID, Served, serving
from tests.support.rpc_wire import Wire, post

PARSE_ERROR = (500, None, -32700, "Parse error.")


def invalid(request_id: object) -> tuple[int, object, int, str]:
    return (400, request_id, -32600, "Invalid Request.")


def bad_params(request_id: object) -> tuple[int, object, int, str]:
    return (500, request_id, -32602, "Invalid params.")


def unknown(request_id: object, name: str = "nope") -> tuple[int, object, int, str]:
    return (400, request_id, 1, f"No such method: {name}")


ERRORS = [
    (b"", PARSE_ERROR),
    (b"{x", PARSE_ERROR),
    (b"1", PARSE_ERROR),
    (b'[{"id":1,"method":"nope"},]', PARSE_ERROR),
    (b"1 ", invalid(None)),
    (b'"a"', invalid(None)),
    (b"null", invalid(None)),
    (b"true", invalid(None)),
    (b"{}", invalid(None)),
    (b'{"method":"nope"}', invalid(None)),
    (b'{"id":1,}', invalid(1)),
    (b'{"id":7}', invalid(7)),
    (b'{"id":1,"id":1,"method":"nope"}', invalid(None)),
    (b'{"id":1,"method":"nope","method":"nope"}', invalid(1)),
    (b'{"id":1,"method":5}', invalid(1)),
    (b'{"id":1,"method":null,"params":{}}', invalid(1)),
    (b'{"id":1,"method":"nope","params":null}', bad_params(1)),
    (b'{"id":1,"method":"nope","params":{}}', bad_params(1)),
    (b'{"id":1,"method":"nope","params":"x"}', bad_params(1)),
    (b'{"id":1,"method":"nope","params":5}', bad_params(1)),
    (b'{"id":null,"method":"nope"}', unknown(None)),
    (b'{"id":true,"method":"nope"}', unknown(True)),
    (b'{"id":"","method":""}', unknown("", "")),
    (b'{"id":0,"method":"nope"}', unknown(0)),
    (b'{"id":1.5,"method":"nope"}', unknown(1)),
    (b'{"id":[1,{"b":2}],"method":"nope"}', unknown([1, {"b": 2}])),
    (b'{"id":1,"method":"nope"} trailing', unknown(1)),
    (b'{"id":"a\nb","method":"nope"}', unknown("a\nb")),
    ('{"id":"é/\U0001f600","method":"nope"}'.encode(), unknown("é/\U0001f600")),
    (b'{"id":1,"method":"aria2.tellStatus","params":["ab"]}', (400, 1, 1, "GID ab is not found")),
]


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


@pytest.mark.parametrize(("body", "expected"), ERRORS)
async def test_errors_have_their_status_and_end_the_connection(
    body: bytes, expected: tuple[int, object, int, str], server: Served
) -> None:
    status, request_id, code, message = expected
    reply = await post(server.host, server.port, body)
    assert reply.json() == {"id": request_id, "jsonrpc": "2.0", "error": {"code": code, "message": message}}
    assert reply.status == status
    assert reply.closed
    assert reply.headers["content-type"] == "application/json-rpc"


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (b'{"id":1,"method":"test.echo"}', []),
        (b'{"id":1,"method":"test.echo","params":[],"params":[1]}', []),
        (b'{"id":1,"method":"test.echo","params":[1,{"a":null,}],}', [1, {"a": None}]),
        (b'{"jsonrpc":2.0,"id":1,"method":"test.echo","params":[1.5,"x"]}', [1, "x"]),
        (b'{"id":1,"jsonrpc":"1.0","method":"test.echo","params":["token:","token:"]}', ["token:"]),
        (b'{"id":1,"method":"test.echo","params":["TOKEN:"]}', ["TOKEN:"]),
        (b'{"id":1,"method":"test.echo","params":["x","token:a"]}', ["x", "token:a"]),
        (b'{"id":1,"method":"test.echo","params":[["token:a"]]}', [["token:a"]]),
    ],
)
async def test_calls(body: bytes, result: object, server: Served) -> None:
    reply = await post(server.host, server.port, body)
    assert (reply.status, reply.json()) == (200, {"id": 1, "jsonrpc": "2.0", "result": result})


async def test_text_has_aria2s_order_of_keys(server: Served) -> None:
    reply = await post(server.host, server.port, b'{"method":"aria2.getVersion","id":{"b":1,"a":2}}')
    expected = b'{"id":{"a":2,"b":1},"jsonrpc":"2.0","result":{"enabledFeatures":["HTTPS"],"version":"1.37.0"}}'
    assert reply.body == expected
    failed = await post(server.host, server.port, b'{"method":"nope","id":1}')
    assert failed.body == b'{"id":1,"jsonrpc":"2.0","error":{"code":1,"message":"No such method: nope"}}'


async def test_batch_keeps_its_order_and_skips_what_is_no_request(server: Served) -> None:
    entries: list[Any] = [
        {"method": "nope"},
        {"id": 2, "method": 3},
        5,
        {"id": "qwer", "method": "test.echo", "params": [1]},
        [{"id": 9, "method": "test.echo"}],
        {"id": "qwer", "method": "aria2.addUri", "params": [["http://127.0.0.1/"]]},
        {"id": 3, "method": "test.echo", "params": None},
        {"id": 4, "method": "nope"},
    ]
    reply = await post(server.host, server.port, entries)
    assert reply.status == 200
    assert not reply.closed
    assert reply.json() == [
        {"id": None, "jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request."}},
        {"id": 2, "jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request."}},
        {"id": "qwer", "jsonrpc": "2.0", "result": [1]},
        {"id": "qwer", "jsonrpc": "2.0", "result": GID},
        {"id": 3, "jsonrpc": "2.0", "error": {"code": -32602, "message": "Invalid params."}},
        {"id": 4, "jsonrpc": "2.0", "error": {"code": 1, "message": "No such method: nope"}},
    ]
    assert server.api.called[:2] == [("test.echo", [1]), ("aria2.addUri", [["http://127.0.0.1/"]])]


@pytest.mark.parametrize("body", [b"[]", b"[1,2]", b"[[]]", b"[] x", b"[[{}]]"])
async def test_batches_without_requests(body: bytes, server: Served) -> None:
    reply = await post(server.host, server.port, body)
    assert (reply.status, reply.body) == (200, b"[]")


async def test_an_unparsable_batch_calls_nothing(server: Served) -> None:
    reply = await post(server.host, server.port, b'[{"id":1,"method":"test.echo"},{"id":99999999999999999999}]')
    assert reply.status == 500
    assert server.api.called == []


async def test_failures_inside_are_answers_and_keep_their_details_in_the_log(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await post(server.host, server.port, {"id": 1, "method": "test.broken"})
    assert (broken.status, broken.json()["error"]["code"]) == (500, -32603)
    assert "secret detail" not in broken.body.decode()
    assert "secret detail" in caplog.text
    option = await post(server.host, server.port, {"id": 1, "method": "test.option"})
    text = "We encountered a problem while processing the option '--split'."
    assert (option.status, option.json()["error"]) == (400, {"code": 1, "message": text})
    assert "must be between 1 and 16." in caplog.text
    usage = await post(server.host, server.port, {"id": 1, "method": "test.usage"})
    assert usage.json()["error"] == {"code": 1, "message": "That cannot work."}


async def test_names_that_are_not_text_do_not_break_answers(server: Served) -> None:
    reply = await post(server.host, server.port, {"id": 1, "method": "test.surrogate"})
    assert reply.json()["result"] == {"path": "a\ufffdb"}


async def test_a_long_result_arrives_whole(server: Served) -> None:
    async with Wire(server.host, server.port) as wire:
        for count, extra in ((300, ()), (30_000, ()), (30_000, ("Accept-Encoding: gzip",))):
            reply = await wire.post({"id": 1, "method": "test.long", "params": [count, "x" * 30]}, *extra)
            body = reply.body if not extra else gzip.decompress(reply.body)
            assert json.loads(body)["result"] == ["x" * 30] * count
