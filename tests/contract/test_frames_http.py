"""The HTTP around the frames: paths, headers, gzip, limits, slow and broken clients."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import gzip
import logging
import socket
import time

import pytest

from slasshy_rpc.errors import UsageError
from slasshy_rpc.rpc.server import RpcServer, RpcSettings
from tests.support.fake_api import FakeApi, serving
from tests.support.rpc_wire import Reply, Wire, head, post

ECHO = {"id": 1, "method": "test.echo"}


async def ask(host: str, port: int, method: str, path: str, *lines: str) -> Reply:
    async with Wire(host, port) as wire:
        await wire.send(head(method, path, *lines))
        return await wire.reply(no_body=method == "HEAD")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/jsonrpc/"), ("POST", "/"), ("POST", "/jsonrpc/"), ("PUT", "/jsonrpc"),
     ("HEAD", "/jsonrpc"), ("DELETE", "/jsonrpc"), ("GET", "/rpc"), ("POST", "//jsonrpc"),
     ("POST", "/%6Asonrpc"), ("POST", "/RPC")],
)  # fmt: skip
async def test_everything_else_is_not_found(method: str, path: str) -> None:
    async with serving() as server:
        reply = await ask(server.host, server.port, method, path, "Content-Length: 0")
        assert (reply.status, reply.body) == (404, b"")
        assert "connection" not in reply.headers
        assert server.api.called == []


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "", "x"])
async def test_any_content_type_and_query_string(kind: str) -> None:
    async with serving() as server:
        reply = await post(server.host, server.port, ECHO, f"Content-Type: {kind}", path="/jsonrpc?tok=%00&x")
        assert reply.json()["result"] == []


async def test_headers_are_aria2s() -> None:
    async with serving() as server:
        reply = await post(server.host, server.port, ECHO)
        assert reply.headers["cache-control"] == "no-cache"
        assert reply.headers["expires"] == reply.headers["date"]
        age = time.time() - email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()
        assert -2 < age < 10
        assert "access-control-allow-origin" not in reply.headers
        assert "connection" not in reply.headers


async def test_options_needs_nothing() -> None:
    async with serving(secret="s", allow_origin_all=True) as server:
        asked = ("Origin: null", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type")
        reply = await ask(server.host, server.port, "OPTIONS", "/any", "Host: evil.example", *asked)
        assert (reply.status, reply.body) == (200, b"")
        assert reply.headers["access-control-allow-origin"] == "*"
        assert reply.headers["access-control-allow-methods"] == "POST, GET, OPTIONS"
        assert reply.headers["access-control-allow-headers"] == "content-type"
        assert reply.headers["access-control-max-age"] == "1728000"
        for path in ("/jsonrpc", "/nowhere"):
            assert (await post(server.host, server.port, b"", path=path)).headers["access-control-allow-origin"] == "*"


async def test_gzip_when_asked_for_and_worth_it() -> None:
    async with serving() as server:
        long = {"id": 1, "method": "test.long", "params": [100, "text"]}
        for accepted in ("gzip", "deflate, gzip;q=1.0", "GZIP , br"):
            reply = await post(server.host, server.port, long, f"Accept-Encoding: {accepted}")
            assert reply.headers["content-encoding"] == "gzip"
            assert b'["text","text"' in gzip.decompress(reply.body)
        for refused in ("identity", "gzip;q=0", "xgzip", "*"):
            reply = await post(server.host, server.port, long, f"Accept-Encoding: {refused}")
            assert "content-encoding" not in reply.headers
            assert len(reply.json()["result"]) == 100
        assert "content-encoding" not in (await post(server.host, server.port, ECHO, "Accept-Encoding: gzip")).headers


@pytest.mark.parametrize("pause", [0.0, 0.1])
async def test_who_says_no_more_still_hears_the_answer(pause: float) -> None:
    """As `nc -N` does; aria2 answers it. What has not come whole is nothing to wait for."""
    async with serving() as server:
        for text in (b"{}", b'{"id":1,"method":"test.echo"}'):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(
                b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
            )
            await asyncio.sleep(pause)
            writer.write_eof()
            async with asyncio.timeout(5):
                assert (await reader.read()).startswith(b"HTTP/1.1 ")
            writer.close()
        begun = b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\n"
        for part in (b"", begun, begun + b"Content-Length: 9\r\n\r\n{"):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(part)
            await asyncio.sleep(pause)
            writer.write_eof()
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()


async def test_keep_alive_and_pipelining() -> None:
    async with serving() as server, Wire(server.host, server.port) as wire:
        one = head("POST", "/jsonrpc", "Content-Length: 30") + b'{"id":1,"method":"test.echo"} '
        await wire.send(one * 3)
        assert [(await wire.reply()).status for _ in range(3)] == [200, 200, 200]
        assert (await wire.post([])).status == 200
        await wire.send(head("POST", "/jsonrpc", "Content-Length: 2", "Connection: close") + b"[]")
        assert (await wire.reply()).headers["connection"] == "close"
        assert await wire.ended()


async def test_http_1_0_closes() -> None:
    async with serving() as server, Wire(server.host, server.port) as wire:
        await wire.send(b"POST /jsonrpc HTTP/1.0\r\nContent-Length: 2\r\n\r\n[]")
        assert (await wire.reply()).body == b"[]"
        assert await wire.ended()


async def test_size_limit_is_exact_and_answered() -> None:
    async with serving(max_request_size=1000) as server:
        fits = b'{"id":1,"method":"test.echo"}'.ljust(1000)
        assert (await post(server.host, server.port, fits)).status == 200
        reply = await post(server.host, server.port, fits + b" ")
        assert (reply.status, reply.closed) == (413, True)
        assert "--rpc-max-request-size" in reply.json()["error"]["message"]
        async with Wire(server.host, server.port) as wire:
            await wire.send(head("POST", "/jsonrpc", "Content-Length: 1001", "Expect: 100-continue"))
            assert (await wire.reply()).status == 413
        async with Wire(server.host, server.port) as wire:
            chunk = b"100\r\n" + bytes(0x100) + b"\r\n"
            await wire.send(head("POST", "/jsonrpc", "Transfer-Encoding: chunked") + chunk * 5)
            assert (await wire.reply()).status == 413
        assert len(server.api.called) == 1


async def test_a_big_body_within_the_limit_is_awaited_and_chunks_are_understood() -> None:
    async with serving() as server:
        body = b'{"id":1,"method":"test.echo","params":["' + b"x" * 2_000_000 + b'"]}'
        reply = await post(server.host, server.port, body)
        assert len(reply.json()["result"][0]) == 2_000_000
        async with Wire(server.host, server.port) as wire:
            await wire.send(head("POST", "/jsonrpc", "Transfer-Encoding: chunked") + b"2\r\n[]\r\n0\r\n\r\n")
            assert (await wire.reply()).body == b"[]"


async def test_a_long_error_keeps_its_status_and_ends_the_connection() -> None:
    async with serving() as server:
        reply = await post(server.host, server.port, {"id": 1, "method": "x" * 500_000})
        assert (reply.status, reply.json()["error"]["message"]) == (400, "No such method: " + "x" * 500_000)
        async with Wire(server.host, server.port) as wire:
            await wire.post({"id": 1, "method": "x" * 500_000})
            assert await wire.ended()


async def test_expect_continue() -> None:
    async with serving() as server, Wire(server.host, server.port) as wire:
        await wire.send(head("POST", "/jsonrpc", "Content-Length: 2", "Expect: 100-continue"))
        assert (await wire.reply()).status == 100
        await wire.send(b"[]")
        assert (await wire.reply()).body == b"[]"


async def test_silence_ends_the_connection() -> None:
    async with serving(idle_timeout=0.4) as server:
        async with Wire(server.host, server.port) as wire:
            assert await wire.ended(5)
        async with Wire(server.host, server.port) as wire:
            for piece in (b"POST /json", b"rpc HTTP/1.1\r\n", b"Host: a\r\n"):
                await wire.send(piece)
                await asyncio.sleep(0.1)
            assert await wire.ended(5)
        async with Wire(server.host, server.port) as wire:
            await wire.send(head("POST", "/jsonrpc", "Content-Length: 5") + b"[]")
            assert (await wire.reply()).status == 408
        async with Wire(server.host, server.port) as wire:
            assert (await wire.post([])).status == 200
            assert await wire.ended(5)


async def test_a_slow_body_with_signs_of_life_is_waited_for() -> None:
    async with serving(idle_timeout=0.5) as server, Wire(server.host, server.port) as wire:
        await wire.send(head("POST", "/jsonrpc", "Content-Length: 8"))
        for _ in range(6):
            await asyncio.sleep(0.15)
            await wire.send(b" ")
        await wire.send(b"[]")
        assert (await wire.reply()).body == b"[]"


async def test_a_receiver_that_stops_reading_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(idle_timeout=0.3) as server:
        loop = asyncio.get_running_loop()
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            await loop.sock_connect(raw, (server.host, server.port))
            body = b'{"id":1,"method":"test.long","params":[60000,"' + b"x" * 200 + b'"]}'
            await loop.sock_sendall(raw, head("POST", "/jsonrpc", f"Content-Length: {len(body)}") + body)
            await asyncio.sleep(1.5)
            received = 0
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(10):
                    while piece := await loop.sock_recv(raw, 1 << 20):
                        received += len(piece)
            assert 0 < received < 12_000_000
            assert (await post(server.host, server.port, ECHO)).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"nonsense\r\n\r\n",
        head("POST", "/jsonrpc", "Content-Length: x"),
        head("POST", "/jsonrpc", "Content-Length: 2", "Content-Length: 3"),
        head("POST", "/jsonrpc", "X: " + "a" * (1 << 20)),
    ],
)
async def test_broken_http_is_400_and_no_traceback(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        async with Wire(server.host, server.port) as wire:
            await wire.send(data)
            assert (await wire.reply()).status == 400
            assert await wire.ended()
        assert (await post(server.host, server.port, ECHO)).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_client_that_leaves_in_the_middle_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        async with Wire(server.host, server.port) as wire:
            await wire.send(head("POST", "/jsonrpc", "Content-Length: 500") + b"[")
            await asyncio.sleep(0.05)
        async with Wire(server.host, server.port) as wire:
            await wire.send(head("POST", "/jsonrpc", "Content-Length: 30") + b'{"id":1,"method":"test.wait"} ')
            await asyncio.sleep(0.05)
        server.api.gate.set()
        assert (await post(server.host, server.port, ECHO)).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_gzip_bodies_are_not_unpacked() -> None:
    async with serving() as server:
        reply = await post(server.host, server.port, gzip.compress(b"[]"), "Content-Encoding: gzip")
        assert reply.status == 500


async def test_connections_have_a_limit() -> None:
    async with serving(max_connections=3) as server, contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(server.host, server.port)) for _ in range(3)]
        for wire in wires:
            assert (await wire.post([])).status == 200
        assert await (await stack.enter_async_context(Wire(server.host, server.port))).ended()
        assert (await wires[0].post([])).status == 200
        wires[1].writer.transport.abort()
        await asyncio.sleep(0.05)
        assert (await post(server.host, server.port, ECHO)).status == 200


async def test_who_has_shown_nothing_good_makes_room_first_who_was_wrong(caplog: pytest.LogCaptureFixture) -> None:
    good = {**ECHO, "params": ["token:s"]}
    async with serving(max_connections=3, secret="s", hold=5.0) as server, contextlib.AsyncExitStack() as stack:

        async def another() -> Wire:
            return await stack.enter_async_context(Wire(server.host, server.port))

        known = await another()
        assert (await known.post(good)).status == 200
        silent, guesser = await another(), await another()
        await silent.send(head("POST", "/jsonrpc", "Content-Length: 9"))
        await guesser.send(head("POST", "/jsonrpc", "Content-Length: 2") + b"[]")
        assert (await guesser.reply()).status == 200
        await guesser.send(head("POST", "/jsonrpc", "Content-Length: 29") + b'{"id":1,"method":"test.echo"}')
        for _ in range(2):
            assert (await known.post(good)).status == 200
        first = await another()
        assert await guesser.ended()
        second = await another()
        assert await silent.ended()
        assert (await second.post(good)).status == 200
        await another()
        assert await first.ended()
        for wire in (known, second):
            assert (await wire.post(good)).status == 200
    assert caplog.text.count("make room") == 1


@pytest.mark.parametrize("here", [True, False])
async def test_the_last_places_are_for_programs_of_this_machine(here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slasshy_rpc.rpc.places.is_loopback", lambda peer: here)
    async with serving(max_connections=8) as server, contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(server.host, server.port)) for _ in range(7)]
        for wire in wires:
            assert (await wire.post([])).status == 200
        last = await stack.enter_async_context(Wire(server.host, server.port))
        if here:
            assert (await last.post([])).status == 200
            assert await (await stack.enter_async_context(Wire(server.host, server.port))).ended()
        else:
            assert await last.ended()
        assert (await wires[0].post([])).status == 200


async def test_both_loopbacks_are_served_and_a_taken_port_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        assert [host for host, _ in server.addresses] == ["127.0.0.1", "::1"]
        assert len({port for _, port in server.addresses}) == 1
        assert (await post("::1", server.port, ECHO)).status == 200
        with pytest.raises(UsageError, match=rf"port {server.port} .*--rpc-listen-port"):
            await RpcServer(FakeApi(), RpcSettings(port=server.port)).start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        second = RpcServer(FakeApi(), RpcSettings(port=port))
        assert await second.start() == [("::1", port)]
        await second.stop()
        assert f"127.0.0.1 port {port}" in caplog.text


async def test_listening_to_all_wants_a_secret() -> None:
    with pytest.raises(UsageError, match="--rpc-secret"):
        await RpcServer(FakeApi(), RpcSettings(port=0, listen_all=True)).start()
    for way in ({"secret": "s"}, {"open_without_secret": True}):
        async with serving(listen_all=True, **way) as server:
            assert [host for host, _ in server.addresses] == ["0.0.0.0", "::"]
            assert (await post("127.0.0.1", server.port, [])).status == 200


async def test_stop_lets_a_running_answer_arrive_and_then_nobody_in() -> None:
    async with serving() as server, Wire(server.host, server.port) as wire:
        await wire.send(head("POST", "/jsonrpc", "Content-Length: 30") + b'{"id":1,"method":"test.wait"} ')
        await server.api.waiting.wait()
        stopping = asyncio.create_task(server.server.stop())
        await asyncio.sleep(0.05)
        server.api.gate.set()
        assert (await wire.reply()).json()["result"] == "waited"
        await asyncio.wait_for(stopping, 5)
        assert server.api.events().callbacks == []
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(server.host, server.port)
