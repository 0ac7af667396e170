"""Any bytes at all to a running server: an answer or an end, nothing in the log, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_api import Served, serving
from tests.support.rpc_wire import Wire, handshake, post

GOOD = {"id": 1, "method": "test.echo", "params": ["token:s"]}
LINES = st.sampled_from(
    [
        b"POST /jsonrpc HTTP/1.1\r\n", b"GET /jsonrpc HTTP/1.1\r\n", b"POST /rpc HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\n",
        b"CONNECT h:1 HTTP/1.1\r\n", b"Host: h\r\n", b"Content-Length: 2\r\n", b"Content-Length: -1\r\n",
        b"Content-Length: 2, 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x, chunked\r\n",
        b"Transfer-Encoding : chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
        b"Connection: upgrade\r\n",
        b"Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", b"Sec-WebSocket-Version: 13\r\n",
        b"Accept-Encoding: gzip;q=\r\n",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"Sec-WebSocket-Extensions: permessage-deflate\r\n",
        b"Authorization: Basic \xff\r\n", b" folded\r\n", b"\r\n", b"\n", b"2\r\n[]\r\n", b"0\r\n\r\n", b"[]", b"{}",
        b"ffffffffffffffffff\r\n", b"\x81\x82\0\0\0\0[]", b"\x16\x03\x01\x02", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)  # fmt: skip
FRAMES = st.builds(
    lambda first, second, rest: bytes([first, second]) + rest,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=20),
)
HANDSHAKE = handshake()


async def said(server: Served, data: bytes) -> bytes:
    """What comes back, up to the end."""
    async with Wire(server.host, server.port) as wire:
        with contextlib.suppress(ConnectionError):
            await wire.send(data)
            wire.writer.write_eof()
        answer = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while piece := await wire.reader.read(1 << 16):
                    answer += piece
        return answer


async def told(server: Served, messages: list[bytes], start: bytes = b"") -> None:
    for data in messages:
        answer = await said(server, start + data)
        assert re.match(rb"HTTP/1\.[01] [1-5][0-9][0-9] |\Z", answer), answer
    assert (await post(server.host, server.port, GOOD)).status == 200


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING)
    return caplog


def check(messages: list[bytes], start: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def attack() -> None:
        async with serving(secret="s", idle_timeout=0.5) as server:
            await told(server, messages, start)

    asyncio.run(attack())
    noise = [record.getMessage() for record in caplog.records if "wrong or missing token" not in record.getMessage()]
    assert noise == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(LINES | st.binary(max_size=6), max_size=12).map(b"".join) | st.binary(max_size=60), max_size=12)
)
def test_to_the_http_server(quiet: pytest.LogCaptureFixture, messages: list[bytes]) -> None:
    check(messages, b"", quiet)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(FRAMES, max_size=6).map(b"".join) | st.binary(max_size=60), max_size=12))
def test_to_a_websocket(quiet: pytest.LogCaptureFixture, messages: list[bytes]) -> None:
    check(messages, HANDSHAKE, quiet)
