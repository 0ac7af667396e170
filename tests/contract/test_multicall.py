"""system.multicall, and big batches: in order, in slices that let other calls through."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.fake_api import GID, Served, serving
from tests.support.rpc_wire import Wire, post

COUNT = 10_000


def multicall(*entries: object) -> dict[str, object]:
    return {"id": 1, "method": "system.multicall", "params": [list(entries)]}


def fault(message: str) -> dict[str, object]:
    return {"code": 1, "message": message}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ([], "The parameter at 0 is required but missing."),
        (["token:s", []], "The parameter at 0 has wrong type."),
        ([{}], "The parameter at 0 has wrong type."),
        ([None], "The parameter at 0 has wrong type."),
    ],
)
async def test_wrong_parameters(params: list[object], message: str) -> None:
    async with serving() as server:
        reply = await post(server.host, server.port, {"id": 1, "method": "system.multicall", "params": params})
        assert (reply.status, reply.json()["error"]) == (400, fault(message))


async def test_entries() -> None:
    async with serving() as server:
        reply = await post(server.host, server.port, multicall(
            1,
            {},
            {"methodName": 5},
            {"methodName": "system.multicall", "params": [[]]},
            {"methodName": "nope"},
            {"methodName": "test.echo", "params": "x"},
            {"methodName": "test.echo"},
            {"methodName": "test.echo", "params": ["token:any", 1, None]},
            {"methodName": "aria2.addUri", "params": [["http://127.0.0.1/"]]},
            {"methodName": "aria2.tellStatus", "params": ["ab"]},
            {"methodName": "system.listNotifications"},
        ))  # fmt: skip
        assert reply.status == 200
        assert reply.json()["result"] == [
            fault("system.multicall expected struct."),
            fault("Missing methodName."),
            fault("Missing methodName."),
            fault("Recursive system.multicall forbidden."),
            fault("No such method: nope"),
            [[]],
            [[]],
            [[1, None]],
            [GID],
            fault("GID ab is not found"),
            [list(server.api.NOTIFICATIONS)],
        ]
        empty = await post(server.host, server.port, multicall())
        assert empty.json()["result"] == []


async def test_each_entry_brings_its_own_token() -> None:
    async with serving(secret="s") as server:
        reply = await post(server.host, server.port, multicall(
            {"methodName": "test.echo", "params": ["token:s", 1]},
            {"methodName": "test.echo", "params": [1]},
            {"methodName": "nope", "params": ["token:x"]},
        ))  # fmt: skip
        assert reply.json()["result"] == [[[1]], fault("Unauthorized"), fault("Unauthorized")]
        assert reply.status == 200


def big_batch() -> tuple[bytes, Any]:
    requests = [{"id": number, "method": "test.echo", "params": [number]} for number in range(COUNT)]
    return json.dumps(requests).encode(), [[number] for number in range(COUNT)]


def big_multicall() -> tuple[bytes, Any]:
    entries = [{"methodName": "test.echo", "params": [number]} for number in range(COUNT)]
    return json.dumps(multicall(*entries)).encode(), [[[number]] for number in range(COUNT)]


async def other_calls(server: Served, until: asyncio.Task[Any]) -> None:
    """Small calls, one after the other, while ``until`` is running."""
    async with Wire(server.host, server.port) as wire:
        while not until.done():
            assert (await wire.post({"id": 1, "method": "aria2.getVersion"})).status == 200


@pytest.mark.parametrize("kind", ["batch", "multicall"])
async def test_ten_thousand_calls_are_answered_in_order_and_let_others_through(kind: str) -> None:
    body, expected = big_batch() if kind == "batch" else big_multicall()
    assert len(body) < 2 << 20
    async with serving() as server:
        answer = asyncio.create_task(post(server.host, server.port, body))
        await other_calls(server, answer)
        reply = await answer
        assert reply.status == 200
        document = reply.json()
        assert ([entry["result"] for entry in document] if kind == "batch" else document["result"]) == expected
        names = [name for name, _ in server.api.called]
        assert [params for name, params in server.api.called if name == "test.echo"] == [[n] for n in range(COUNT)]
        first, last = names.index("test.echo"), len(names) - names[::-1].index("test.echo")
        assert "aria2.getVersion" in names[first:last]
