"""rpc-user and rpc-passwd: HTTP Basic before everything but OPTIONS."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest

from slasshy_rpc.errors import UsageError
from slasshy_rpc.rpc.server import RpcServer, RpcSettings
from tests.support.fake_api import FakeApi, Served, serving
from tests.support.rpc_wire import Reply, Socket, Wire, head, post

ECHO = {"id": 1, "method": "test.echo"}


def login(text: str) -> str:
    return f"Authorization: Basic {b64encode(text.encode()).decode()}"


async def ask(server: Served, method: str, path: str, *lines: str) -> Reply:
    async with Wire(server.host, server.port) as wire:
        await wire.send(head(method, path, *lines))
        return await wire.reply(no_body=method == "HEAD")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/jsonrpc?id=1&method=test.echo"), ("HEAD", "/jsonrpc"), ("PUT", "/x"), ("GET", "/rpc")],
)
async def test_nobody_gets_anything_without_it(method: str, path: str) -> None:
    async with serving(user="me", password="p", allow_origin_all=True) as server:
        reply = await ask(server, method, path)
        assert (reply.status, reply.body) == (401, b"")
        assert reply.headers["www-authenticate"] == 'Basic realm="aria2"'
        assert reply.headers["connection"] == "close"
        assert reply.headers["access-control-allow-origin"] == "*"
        assert "content-type" not in reply.headers
        assert (await ask(server, "OPTIONS", path)).status == 200
        assert server.api.called == []


async def test_calls_and_sockets() -> None:
    async with serving(user="me", password="p:q") as server:
        for lines in ((), (login("me:p"),), (login("me:p:q").replace("Basic", "basic"),)):
            for path in ("/jsonrpc", "/rpc"):
                assert (await post(server.host, server.port, ECHO, *lines, path=path)).status == 401
            async with Socket(server.host, server.port) as socket:
                assert (await socket.open(*lines)).status == 401
        assert server.api.called == []
        assert (await post(server.host, server.port, ECHO, login("me:p:q"))).json()["result"] == []
        async with Socket(server.host, server.port) as socket:
            assert (await socket.open(login("me:p:q"))).status == 101
            await socket.call(1, "test.echo", "x")
            assert (await socket.message())["result"] == ["x"]


async def test_wrong_ones_wait_and_missing_ones_do_not_count() -> None:
    async with serving(user="me", password="p", hold=0.3) as server:
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert (await post(server.host, server.port, ECHO, login("me:x"))).status == 401
        assert loop.time() - start >= 0.29
    async with serving(user="me", password="p", hold=60.0) as server:
        assert (await post(server.host, server.port, ECHO)).status == 401


async def test_a_secret_is_asked_for_as_well() -> None:
    async with serving(user="me", password="p", secret="s") as server:
        assert (await post(server.host, server.port, {**ECHO, "params": ["token:s"]})).status == 401
        assert (await post(server.host, server.port, ECHO, login("me:p"))).json()["error"]["message"] == "Unauthorized"
        assert (await post(server.host, server.port, {**ECHO, "params": ["token:s"]}, login("me:p"))).status == 200


async def test_a_browser_that_knows_the_password_does_not_lend_it_to_other_sites() -> None:
    async with serving(user="me", password="p") as server:
        for lines in ((), (login("me:p"),)):
            reply = await post(server.host, server.port, ECHO, "Origin: https://evil.example", *lines)
            assert reply.status == 403
            assert "www-authenticate" not in reply.headers


async def test_a_user_without_a_password() -> None:
    with pytest.raises(UsageError, match="--rpc-passwd"):
        await RpcServer(FakeApi(), RpcSettings(port=0, user="me")).start()
    async with serving(user="me", open_without_secret=True) as server:
        assert (await post(server.host, server.port, ECHO, login("me:anything"))).status == 200
        assert (await post(server.host, server.port, ECHO, login("you:"))).status == 401


async def test_a_password_is_enough_to_listen_beyond_this_machine() -> None:
    async with serving(listen_all=True, user="me", password="p") as server:
        assert [host for host, _ in server.addresses] == ["0.0.0.0", "::"]
    with pytest.raises(UsageError, match="--rpc-listen-all"):
        await RpcServer(FakeApi(), RpcSettings(port=0, listen_all=True, password="p")).start()
