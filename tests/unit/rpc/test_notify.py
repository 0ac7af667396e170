"""Outbox: what waits for one WebSocket, in which order, and how much."""

from __future__ import annotations

import asyncio

import pytest

from slasshy_rpc.rpc.notify import Listeners, Outbox, notification
from slasshy_rpc.values import Event
from tests.support.fake_api import GID, FakeApi


class Far:
    """The other end: takes messages while ``open`` is set."""

    def __init__(self, outbox: Outbox) -> None:
        self.got: list[bytes | bytearray] = []
        self.open = asyncio.Event()
        self.open.set()
        self.task = asyncio.create_task(outbox.drain(self.send))

    async def send(self, text: bytes | bytearray) -> None:
        await self.open.wait()
        self.got.append(text)


def _never() -> None:
    raise AssertionError("overrun")


async def test_answers_come_before_the_events_they_caused() -> None:
    outbox = Outbox(10, _never)
    outbox.listening = True
    far = Far(outbox)
    outbox.notify(b"before")
    with outbox.answering():
        outbox.notify(b"caused")
        await asyncio.sleep(0)
        outbox.answer(b"answer")
    outbox.notify(b"after")
    await outbox.emptied()
    assert far.got == [b"before", b"answer", b"caused", b"after"]
    outbox.close()
    await far.task


async def test_a_message_that_makes_a_listener_brings_its_own_events() -> None:
    outbox = Outbox(1, _never)
    far = Far(outbox)
    outbox.notify(b"unheard")
    for listening in (False, False, True):
        with outbox.answering():
            outbox.notify(b"caused")
            outbox.listening = listening
            outbox.answer(b"answer")
    await outbox.emptied()
    assert far.got == [b"answer", b"answer", b"answer", b"caused"]
    outbox.close()
    await far.task


async def test_a_listener_too_slow_is_reported_once_and_keeps_nothing() -> None:
    reports: list[None] = []
    outbox = Outbox(3, lambda: reports.append(None))
    outbox.listening = True
    far = Far(outbox)
    far.open.clear()
    for _ in range(10):
        outbox.notify(b"event")
    assert len(reports) == 1
    far.open.set()
    await far.task
    assert len(far.got) <= 1


async def test_a_listener_that_keeps_up_may_hear_any_number() -> None:
    outbox = Outbox(3, _never)
    outbox.listening = True
    far = Far(outbox)
    for _ in range(5):
        for _ in range(3):
            outbox.notify(b"event")
        await outbox.emptied()
    assert len(far.got) == 15
    outbox.close()
    await far.task


async def test_many_answers_make_room_wait_until_they_are_taken() -> None:
    outbox = Outbox(1, _never)
    far = Far(outbox)
    far.open.clear()
    outbox.answer(b"small")
    await outbox.room()
    outbox.answer(bytes(2 << 20))
    waiting = asyncio.create_task(outbox.room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    far.open.set()
    await asyncio.wait_for(waiting, 5)
    outbox.close()
    await far.task


async def test_an_error_of_the_socket_ends_everything() -> None:
    async def broken(text: bytes | bytearray) -> None:
        raise ConnectionResetError

    outbox = Outbox(5, _never)
    outbox.listening = True
    outbox.notify(b"event")
    with pytest.raises(ConnectionResetError):
        await outbox.drain(broken)
    assert not outbox.listening
    outbox.answer(b"late")
    await asyncio.wait_for(outbox.emptied(), 5)


async def test_listeners_share_one_text_and_stop_when_closed() -> None:
    api = FakeApi()
    listeners = Listeners(api)
    listeners.open()
    boxes = [Outbox(5, _never) for _ in range(3)]
    for box in boxes:
        listeners.add(box)
    boxes[0].listening = boxes[1].listening = True
    listeners.discard(boxes[1])
    fars = [Far(box) for box in boxes]
    api.events().emit(Event.COMPLETE)
    await asyncio.wait_for(listeners.emptied(5), 6)
    assert [far.got for far in fars] == [[notification(Event.COMPLETE, GID)], [], []]
    listeners.close()
    assert api.events().callbacks == []
    for box, far in zip(boxes, fars, strict=True):
        box.close()
        await far.task


def test_notification_is_aria2s() -> None:
    expected = b'{"jsonrpc":"2.0","method":"aria2.onDownloadStart","params":[{"gid":"2089b05ecca3d829"}]}'
    assert notification(Event.START, GID) == expected
