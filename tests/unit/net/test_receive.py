"""The engine's ends as futures: results, cancels that wait, and closing with transfers under way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from slasshy_rpc._engine import BOUND, CANCELLED, COMPLETE, EOF, LENGTH, Channel, Engine
from slasshy_rpc.net.receive import Receiver
from tests.unit.net.peer import eventually, pair

pytestmark = pytest.mark.usefixtures("no_descriptor_left")


@contextlib.contextmanager
def receiving(path: Path) -> Iterator[tuple[Receiver, Channel, socket.socket, int]]:
    """A Receiver, one connection with a body of ten bytes, and a file for it."""
    channel, theirs = pair()
    receiver = Receiver(Engine())
    try:
        with (path / "file").open("w+b") as file, theirs:
            channel.begin_body(LENGTH, 10)
            yield receiver, channel, theirs, file.fileno()
    finally:
        receiver.close()
        channel.close()


async def test_a_whole_body(tmp_path: Path) -> None:
    with receiving(tmp_path) as (receiver, channel, theirs, fd):
        asyncio.get_running_loop().call_later(0.01, theirs.send, b"56789")
        theirs.send(b"01234")
        transfer = await receiver.receive(channel, fd, 2, 12)
        assert (transfer.reason, transfer.flushed) == (COMPLETE, 12)
        assert not channel.lent
        assert receiver.running == 0
        assert (tmp_path / "file").read_bytes() == b"\0\x000123456789"


async def test_many_at_once(tmp_path: Path) -> None:
    receiver = Receiver(Engine())
    pairs = [pair() for _ in range(20)]
    try:
        with (tmp_path / "file").open("w+b") as file:
            waiting = []
            for number, (channel, _) in enumerate(pairs):
                channel.begin_body(LENGTH, 1)
                waiting.append(asyncio.create_task(receiver.receive(channel, file.fileno(), number, number + 1)))
            await asyncio.sleep(0)
            assert receiver.running == 20
            for number, (_, theirs) in enumerate(pairs):
                theirs.send(bytes((65 + number,)))
            ended = await asyncio.gather(*waiting)
        assert [transfer.offset for transfer in ended] == list(range(20))
        assert {transfer.reason for transfer in ended} == {COMPLETE}
        assert (tmp_path / "file").read_bytes() == bytes(range(65, 85))
    finally:
        receiver.close()
        for channel, theirs in pairs:
            channel.close()
            theirs.close()


async def test_shrinking_a_started_one(tmp_path: Path) -> None:
    with receiving(tmp_path) as (receiver, channel, theirs, fd):
        transfer, future = receiver.start(channel, fd, 0, 10)
        assert transfer.shrink(4)
        theirs.send(b"0123456789")
        assert (await receiver.settle(transfer, future)) is transfer
        assert (transfer.reason, transfer.flushed) == (BOUND, 4)


async def test_the_peer_goes(tmp_path: Path) -> None:
    with receiving(tmp_path) as (receiver, channel, theirs, fd):
        theirs.send(b"012")
        theirs.shutdown(socket.SHUT_WR)
        transfer = await receiver.receive(channel, fd, 0, 10)
        assert (transfer.reason, transfer.flushed) == (EOF, 3)


async def test_a_cancel_waits_for_the_engine(tmp_path: Path) -> None:
    with receiving(tmp_path) as (receiver, channel, theirs, fd):
        theirs.send(b"012")
        transfer, future = receiver.start(channel, fd, 0, 10)
        task = asyncio.create_task(receiver.settle(transfer, future))
        await asyncio.sleep(0)
        await eventually(lambda: transfer.position == 3)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # impatience changes nothing
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
        assert not channel.lent
        assert (transfer.reason, transfer.flushed) == (CANCELLED, 3)
        channel.close()


async def test_a_cancelled_receive_gives_the_channel_back(tmp_path: Path) -> None:
    with receiving(tmp_path) as (receiver, channel, _, fd):
        task = asyncio.create_task(receiver.receive(channel, fd, 0, 10))
        await asyncio.sleep(0.01)
        assert channel.lent
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
        assert not channel.lent


async def test_close_ends_what_runs(tmp_path: Path) -> None:
    with receiving(tmp_path) as (receiver, channel, theirs, fd):
        theirs.send(b"012")
        transfer, future = receiver.start(channel, fd, 0, 10)
        await eventually(lambda: transfer.position == 3)
        receiver.close()
        receiver.close()
        assert await future is transfer
        assert (transfer.reason, transfer.flushed) == (CANCELLED, 3)
        assert not channel.lent
        with pytest.raises(RuntimeError):
            receiver.start(channel, fd, 3, 10)


async def test_small_files(tmp_path: Path) -> None:
    receiver = Receiver(Engine())
    try:
        path = os.fsencode(tmp_path / "f")
        first = receiver.put(path, path + b".aria2", memoryview(b"body"), 10**9)
        assert receiver.running == 1
        assert await first is True
        assert receiver.running == 0
        assert ((tmp_path / "f").read_bytes(), (tmp_path / "f").stat().st_mtime) == (b"body", 10**9)
        assert await receiver.put(path, path + b".aria2", b"other", None) is False
        assert (tmp_path / "f").read_bytes() == b"body"
        left = receiver.put(path + b"2", path + b"2.aria2", b"made all the same", None)
        left.cancel()
    finally:
        receiver.close()
    assert (tmp_path / "f2").read_bytes() == b"made all the same"


async def test_without_a_thread_a_small_file_is_not_made() -> None:
    reader, writer = os.pipe()

    class Without:
        wakeup_fd = reader

        def put(self, *order: object) -> None:
            raise OSError(errno.EAGAIN, "no engine thread can be started")

        def drain(self) -> list[object]:
            return []

        close = drain

    receiver = Receiver(cast(Engine, Without()))
    try:
        assert await receiver.put(b"/f", b"/f.aria2", b"body", None) is False
        assert receiver.running == 0
    finally:
        receiver.close()
        os.close(reader)
        os.close(writer)
