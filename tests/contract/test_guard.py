"""The guard and the token on a real server: 403 with a reason, one second for wrong tokens, CORS on every answer."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from tests.support.fake_api import serving
from tests.support.rpc_wire import Socket, Wire, head, post

ECHO = {"id": 1, "method": "test.echo"}
UNAUTHORIZED = {"id": 1, "jsonrpc": "2.0", "error": {"code": 1, "message": "Unauthorized"}}


@pytest.mark.parametrize(
    ("lines", "option"),
    [
        (("Host: evil.example",), "--rpc-allow-host"),
        (("Origin: https://evil.example",), "--rpc-allow-origin"),
        (("Origin: null",), "--rpc-secret=TOKEN and --rpc-allow-origin-all"),
        (("Sec-Fetch-Site: cross-site",), "--rpc-allow-origin-all"),
    ],
)
async def test_foreign_pages_get_a_reason_and_nothing_else(
    lines: tuple[str, ...], option: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        for _ in range(2):
            reply = await post(server.host, server.port, ECHO, *lines)
            assert (reply.status, reply.closed) == (403, True)
            assert option.partition("=")[0] in reply.body.decode()
            assert reply.headers["content-type"].startswith("text/plain")
        async with Socket(server.host, server.port) as socket:
            assert (await socket.open(*lines)).status == 403
        assert server.api.called == []
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
        assert option in caplog.text


async def test_front_ends_with_the_secret_may_come_from_anywhere() -> None:
    async with serving(secret="s") as server:
        for line in ("Host: evil.example", "Origin: null", "Origin: file://", "Sec-Fetch-Site: cross-site"):
            reply = await post(server.host, server.port, {**ECHO, "params": ["token:s"]}, line)
            assert reply.status == 200
            async with Socket(server.host, server.port) as socket:
                assert (await socket.open(line)).status == 101


async def test_origin_lists() -> None:
    async with serving(allow_origins=("https://page.example", "null")) as server:
        for origin in ("https://page.example", "null"):
            reply = await post(server.host, server.port, ECHO, f"Origin: {origin}")
            assert reply.headers["access-control-allow-origin"] == origin
            assert reply.headers["vary"] == "Origin"
        assert (await post(server.host, server.port, ECHO, "Origin: https://evil.example")).status == 403


@pytest.mark.parametrize(
    "params",
    [[], ["token:"], ["token:S"], ["token:s "], ["TOKEN:s"], [["token:s"]], [1, "token:s"], ["token:ß\U0001f600"]],
)
async def test_wrong_tokens(params: list[object]) -> None:
    async with serving(secret="s") as server:
        reply = await post(server.host, server.port, {**ECHO, "params": params})
        assert (reply.status, reply.json(), reply.closed) == (400, UNAUTHORIZED, True)
        assert server.api.called == []


async def test_token_comes_before_everything_else_but_system() -> None:
    async with serving(secret="s") as server:
        reply = await post(server.host, server.port, {"id": 1, "method": "nope"})
        assert reply.json() == UNAUTHORIZED
        methods = await post(server.host, server.port, {"id": 1, "method": "system.listMethods", "params": [5]})
        system = ["system.multicall", "system.listMethods", "system.listNotifications"]
        assert methods.json()["result"] == [*server.api.METHODS, *system]
        notes = await post(
            server.host, server.port, {"id": 1, "method": "system.listNotifications", "params": ["token:x"]}
        )
        assert notes.json()["result"] == list(server.api.NOTIFICATIONS)
        good = await post(server.host, server.port, {**ECHO, "params": ["token:s", "token:s"]})
        assert good.json()["result"] == ["token:s"]


async def test_a_wrong_token_waits_a_second_and_nobody_waits_with_it() -> None:
    async with serving(secret="s", hold=1.0) as server:
        started = time.monotonic()
        wrong = [asyncio.create_task(post(server.host, server.port, ECHO)) for _ in range(3)]
        batch = asyncio.create_task(post(server.host, server.port, [{**ECHO, "params": ["token:s"]}, ECHO]))
        await asyncio.sleep(0.1)
        good = await post(server.host, server.port, {**ECHO, "params": ["token:s"]})
        assert good.status == 200
        assert time.monotonic() - started < 0.8
        assert [(await task).status for task in wrong] == [400, 400, 400]
        mixed = await batch
        assert mixed.status == 200
        assert [("error" in entry) for entry in mixed.json()] == [False, True]
        assert time.monotonic() - started >= 0.99


async def test_guessing_gets_slower_until_a_right_token_comes() -> None:
    async with serving(secret="s", hold=0.05) as server:
        guess = {"id": 1, "method": "system.multicall", "params": [
            [{"methodName": "test.echo", "params": [f"token:{number}"]} for number in range(6)]
        ]}  # fmt: skip
        started = time.monotonic()
        await post(server.host, server.port, guess)
        assert time.monotonic() - started >= 0.35
        started = time.monotonic()
        assert (await post(server.host, server.port, {**ECHO, "params": ["token:s"]})).status == 200
        assert (await post(server.host, server.port, ECHO)).json() == UNAUTHORIZED
        assert time.monotonic() - started < 0.3


async def test_secrets_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(secret="geheim") as server:
        for token in ("token:geheim", "token:geheimnis"):
            for method in ("test.echo", "test.broken", "nope"):
                await post(server.host, server.port, {"id": 1, "method": method, "params": [token]})
        async with Wire(server.host, server.port) as wire:
            await wire.send(head("POST", "/jsonrpc", "X token:geheim") + b"\x00")
            await wire.ended(1)
    assert "test.broken" in caplog.text
    assert "geheim" not in caplog.text
