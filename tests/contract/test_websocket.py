"""JSON-RPC over WebSocket: handshake, order, events, and what one slow or wrong socket may cost others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
import time

import pytest

from slasshy_rpc.rpc.guard import Guard
from slasshy_rpc.values import Event
from tests.support.fake_api import GID, Served, serving
from tests.support.rpc_wire import Socket, Wire, head, post

START = {"jsonrpc": "2.0", "method": "aria2.onDownloadStart", "params": [{"gid": GID}]}
COMPLETE = {"jsonrpc": "2.0", "method": "aria2.onDownloadComplete", "params": [{"gid": GID}]}
UNAUTHORIZED = {"code": 1, "message": "Unauthorized"}


async def silent(socket: Socket, within: float = 0.15) -> bool:
    try:
        await socket.heard(within)
    except TimeoutError:
        return True
    return False


async def test_handshake() -> None:
    async with serving(allow_origin_all=True) as server:
        async with Socket(server.host, server.port) as socket:
            reply = await socket.open()
            assert (reply.status, reply.headers["sec-websocket-accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            assert reply.headers["access-control-allow-origin"] == "*"
            assert "sec-websocket-protocol" not in reply.headers
        async with Socket(server.host, server.port) as socket:
            assert (await socket.open("Sec-WebSocket-Protocol: a, b")).headers["sec-websocket-protocol"] == "a"
        for path in ("/", "/jsonrpc?x=1", "/jsonrpc/"):
            async with Socket(server.host, server.port) as socket:
                assert (await socket.open(path=path)).status == 404


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Sec-WebSocket-Version: 13",), 400),
        (("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: short"), 400),
        (("Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 426),
        (("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",), 426),
    ],
)
async def test_bad_handshakes(lines: tuple[str, ...], status: int) -> None:
    async with serving() as server, Wire(server.host, server.port) as wire:
        await wire.send(head("GET", "/jsonrpc", "Upgrade: websocket", "Connection: Upgrade", *lines))
        reply = await wire.reply()
        assert reply.status == status
        assert (reply.headers.get("sec-websocket-version") == "13") is (status == 426)


@pytest.mark.parametrize("opcode", [1, 2])
async def test_calls_and_errors_leave_the_socket_open(opcode: int) -> None:
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        for text, code in ((b"{x", -32700), (b"", -32700), (b"null", -32600), (b'{"id":1,"method":"nope"}', 1)):
            await socket.frame(text, opcode)
            assert (await socket.message())["error"]["code"] == code
        await socket.frame(b"[]", opcode)
        assert await socket.message() == []
        await socket.frame(b'{"id":0,"method":"test.echo","params":["a\nb"],} x', opcode)
        assert await socket.message() == {"id": 0, "jsonrpc": "2.0", "result": ["a\nb"]}
        big = json.dumps({"id": 2, "method": "test.echo", "params": ["x" * 3_000_000]}).encode()
        await socket.frame(big, opcode)
        assert len((await socket.message())["result"][0]) == 3_000_000


async def test_ping_is_only_answered_by_pong() -> None:
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        await socket.frame(b"hi", 9)
        assert await socket.heard() == (10, b"hi")
        await socket.call(1, "test.echo")
        assert (await socket.message())["id"] == 1
        await socket.frame(struct.pack(">H", 1000), 8)
        assert (await socket.heard())[0] == 8
        assert await socket.ended()


async def test_answers_keep_the_order_of_the_messages() -> None:
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        await socket.call("slow", "test.wait")
        for number in range(50):
            await socket.call(number, "test.echo", number)
        assert await silent(socket)
        server.api.gate.set()
        assert [(await socket.message())["id"] for _ in range(51)] == ["slow", *range(50)]


async def test_the_answer_comes_before_the_event_it_caused_and_others_hear_it_too() -> None:
    async with (
        serving() as server,
        Socket(server.host, server.port) as caller,
        Socket(server.host, server.port) as listener,
    ):
        await caller.open()
        await listener.open()
        await caller.call("a", "aria2.addUri", ["http://127.0.0.1/"])
        assert await caller.message() == {"id": "a", "jsonrpc": "2.0", "result": GID}
        assert await caller.message() == START
        assert await listener.message() == START
        batch = [{"id": 1, "method": "aria2.addUri"}, {"id": 2, "method": "aria2.addUri"}]
        await caller.frame(json.dumps(batch).encode())
        assert [entry["id"] for entry in await caller.message()] == [1, 2]
        assert [await caller.message(), await caller.message()] == [START, START]
        await post(server.host, server.port, {"id": 1, "method": "aria2.addUri"})
        assert await caller.message() == START


async def test_all_six_events() -> None:
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        for event in Event:
            server.api.events().emit(event)
        assert [(await socket.message())["method"] for _ in Event] == list(server.api.NOTIFICATIONS)


async def test_a_program_that_gives_the_servers_own_address_as_its_origin_hears_events_at_once() -> None:
    """As Python's websocket-client does for aria2p; a name that was made to point here does not count."""
    async with (
        serving(secret="s") as server,
        Socket(server.host, server.port) as program,
        Socket(server.host, server.port) as rebound,
    ):
        await program.open("Host: localhost:6800", "Origin: http://localhost:6800")
        await rebound.open("Host: evil.example:6800", "Origin: http://evil.example:6800")
        server.api.events().emit(Event.COMPLETE)
        assert await program.message() == COMPLETE
        assert await silent(rebound)


async def test_events_wait_for_the_first_good_token_unless_a_program_of_this_machine_listens() -> None:
    async with (
        serving(secret="s") as server,
        Socket(server.host, server.port) as page,
        Socket(server.host, server.port) as program,
    ):
        await page.open("Origin: https://page.example")
        await program.open()
        server.api.events().emit(Event.COMPLETE)
        assert await program.message() == COMPLETE
        await page.call(1, "system.listMethods")
        assert (await page.message())["id"] == 1
        await page.call(2, "aria2.getVersion", "token:x")
        assert (await page.message())["error"] == UNAUTHORIZED
        server.api.events().emit(Event.COMPLETE)
        assert await silent(page)
        await page.call(3, "aria2.addUri", "token:s", ["http://127.0.0.1/"])
        assert (await page.message())["id"] == 3
        assert await page.message() == START
        server.api.events().emit(Event.COMPLETE)
        assert await page.message() == COMPLETE


async def test_programs_of_other_machines_need_the_token_for_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slasshy_rpc.rpc.guard.is_loopback", lambda peer: peer != "127.0.0.1")
    async with serving(secret="s") as server, Socket(server.host, server.port) as socket:
        await socket.open()
        server.api.events().emit(Event.COMPLETE)
        assert await silent(socket)
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        server.api.events().emit(Event.COMPLETE)
        assert await socket.message() == COMPLETE


async def test_a_wrong_token_waits_a_second_while_other_calls_go_on() -> None:
    async with serving(secret="s", hold=1.0) as server, Socket(server.host, server.port) as socket:
        await socket.open()
        started = time.monotonic()
        await socket.call("bad", "aria2.getVersion")
        await socket.call("good", "test.echo", "token:s", 1)
        assert await socket.message() == {"id": "good", "jsonrpc": "2.0", "result": [1]}
        assert time.monotonic() - started < 0.8
        assert await socket.message() == {"id": "bad", "jsonrpc": "2.0", "error": UNAUTHORIZED}
        assert time.monotonic() - started >= 0.99


async def test_only_a_right_token_ends_the_growing_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    holds: list[float] = []
    hold = Guard.hold

    def noted(self: Guard, peer: str, refused: int) -> float:
        holds.append(hold(self, peer, refused))
        return 0.0

    monkeypatch.setattr(Guard, "hold", noted)
    async with serving(secret="s", hold=0.5) as server, Socket(server.host, server.port) as socket:
        await socket.open()
        for number in range(6):
            for harmless in (b"x", b"[]", b'{"id":1,"method":"system.listMethods"}'):
                await socket.frame(harmless)
                await socket.message()
            await socket.call(number, "test.echo", f"token:{number}")
            assert (await socket.message())["error"] == UNAUTHORIZED
        assert holds == [0.5, 0.5, 0.5, 1.0, 2.0, 4.0]
        await socket.call(1, "test.echo", "token:s")
        assert (await socket.message())["result"] == []
        await socket.call(2, "test.echo")
        assert (await socket.message())["error"] == UNAUTHORIZED
        assert holds[-1] == 0.5


async def test_before_the_first_good_token_messages_are_short() -> None:
    long = {"id": 1, "method": "system.multicall", "params": [[{"methodName": "system.listMethods"}] * 2000]}
    with_token = {"id": 2, "method": "test.echo", "params": ["token:s", "x" * 100_000]}
    async with serving(secret="s") as server, Socket(server.host, server.port) as socket:
        await socket.open("Origin: https://page.example")
        for message in (long, with_token):
            await socket.frame(json.dumps(message).encode())
            assert "65536 bytes" in (await socket.message())["error"]["message"]
        assert server.api.called == []
        await socket.call(3, "test.echo", "token:s")
        assert (await socket.message())["result"] == []
        await socket.frame(json.dumps(with_token).encode())
        assert (await socket.message())["result"] == ["x" * 100_000]
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        await socket.frame(json.dumps(long).encode())
        assert len((await socket.message())["result"]) == 2000


async def test_sockets_that_never_show_the_token_are_hung_up_on() -> None:
    """But for programs of this machine, which may only listen."""
    async with (
        serving(secret="s", idle_timeout=0.3) as server,
        Socket(server.host, server.port) as page,
        Socket(server.host, server.port) as talker,
        Socket(server.host, server.port) as known,
        Socket(server.host, server.port) as program,
    ):
        for socket in (page, talker, known):
            await socket.open("Origin: https://page.example")
        await program.open()
        await known.call(1, "test.echo", "token:s")
        assert (await known.message())["result"] == []
        await talker.call(2, "system.listNotifications")
        assert (await talker.message())["id"] == 2
        assert await page.ended()
        assert await talker.ended()
        server.api.events().emit(Event.COMPLETE)
        assert await known.message() == COMPLETE
        assert await program.message() == COMPLETE
    async with serving(idle_timeout=0.1) as server, Socket(server.host, server.port) as socket:
        await socket.open()
        assert await silent(socket, 0.4)
        server.api.events().emit(Event.COMPLETE)
        assert await socket.message() == COMPLETE


async def test_held_answers_are_bounded() -> None:
    async with serving(secret="s", hold=0.5) as server, Socket(server.host, server.port) as socket:
        await socket.open()
        for number in range(40):
            await socket.call(number, "test.echo", "token:x")
        await socket.call("last", "test.echo", "token:s")
        first = await socket.message()
        assert first["error"] == UNAUTHORIZED
        assert server.api.called == []


async def test_a_listener_that_does_not_read_is_closed_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        serving(max_waiting_events=2000) as server,
        Socket(server.host, server.port) as slow,
        Socket(server.host, server.port) as quick,
    ):
        await slow.open()
        await quick.open()
        for _ in range(300):
            for _ in range(200):
                server.api.events().emit(Event.COMPLETE, "g" * 4000)
            for _ in range(200):
                assert (await quick.heard())[0] == 1
            if "did not take" in caplog.text:
                break
        assert "did not take 2000 events" in caplog.text
        await quick.call(1, "test.echo")
        assert (await quick.message())["id"] == 1


async def test_a_socket_that_breaks_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as server:
        for _ in range(5):
            async with Socket(server.host, server.port) as socket:
                await socket.open()
                await socket.call(1, "test.wait")
        server.api.gate.set()
        await asyncio.sleep(0.05)
        server.api.events().emit(Event.START)
        async with Socket(server.host, server.port) as socket:
            await socket.open()
            await socket.frame(b"x", 7)  # no such opcode
            assert (await socket.heard())[0] == 8
        assert await answers(server)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def answers(server: Served) -> bool:
    return (await post(server.host, server.port, {"id": 1, "method": "test.echo"})).status == 200


async def test_a_message_too_long_closes_only_its_socket() -> None:
    async with serving() as server:
        async with Socket(server.host, server.port) as socket:
            await socket.open()
            await socket.send(b"\x81\xff" + struct.pack(">Q", 1 << 40) + b"\0\0\0\0")
            opcode, payload = await socket.heard()
            assert (opcode, payload[:2]) == (8, struct.pack(">H", 1009))
        assert await answers(server)


async def test_stop_delivers_the_last_events_and_hangs_up_without_a_closing_frame() -> None:
    """As aria2c 1.37: aria2p's listener would take the frame for an event and fail."""
    async with serving() as server, Socket(server.host, server.port) as socket:
        await socket.open()
        server.api.events().emit(Event.STOP)
        stopping = asyncio.create_task(server.server.stop())
        assert (await socket.message())["method"] == "aria2.onDownloadStop"
        assert await socket.ended()
        await asyncio.wait_for(stopping, 5)


@pytest.mark.parametrize("between", [b"", b"\x89\x80\0\0\0\0" * 2000, b"\x8a\0" * 2000, b"\x89\0" * 2000])
async def test_before_the_first_good_token_no_long_message_is_even_awaited(
    between: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor one in parts with pings between them, masked or not, which may come at any time."""
    part = b"\x80" + b"\xff" + struct.pack(">Q", 50_000) + b"\0\0\0\0" + b" " * 50_000
    async with serving(secret="s") as server, Socket(server.host, server.port) as socket:
        await socket.open("Origin: https://page.example")
        await socket.send(b"\x01" + part[1:])
        sent = 1
        with contextlib.suppress(ConnectionError):
            while sent < 100 and not socket.reader.at_eof():
                await socket.send(between + b"\x00" + part[1:])
                sent += 1
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.01):  # pongs, perhaps
                        while await socket.reader.read(1 << 20):
                            pass
        assert sent < 20
        good = await post(server.host, server.port, {"id": 1, "method": "test.echo", "params": ["token:s"]})
        assert good.status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_after_it_messages_may_be_long_and_pings_many() -> None:
    long = json.dumps({"id": 1, "method": "test.echo", "params": ["token:s", "x" * 3_000_000]}).encode()
    async with serving(secret="s") as server, Socket(server.host, server.port) as socket:
        await socket.open("Origin: https://page.example")
        for _ in range(200):
            await socket.frame(b"hi", 9)
            assert await socket.heard() == (10, b"hi")
        for number in range(5):
            await socket.call(number, "system.listNotifications", "x" * 60_000)
            assert (await socket.message())["id"] == number
        await socket.call(1, "test.echo", "token:s")
        assert (await socket.message())["result"] == []
        await socket.frame(long)
        assert len((await socket.message())["result"][0]) == 3_000_000


async def test_nothing_is_done_any_more_for_one_who_has_left() -> None:
    request = b'{"id":1,"method":"test.wait"}'
    async with serving() as server:
        async with Socket(server.host, server.port) as socket:
            await socket.open()
            await socket.send((b"\x81" + bytes([0x80 | len(request)]) + b"\0\0\0\0" + request) * 1000)
            await server.api.waiting.wait()
        for _ in range(3):
            assert await answers(server)  # by then the end has been seen
        server.api.gate.set()
        for _ in range(3):
            assert await answers(server)
        assert [name for name, _ in server.api.called].count("test.wait") == 1
