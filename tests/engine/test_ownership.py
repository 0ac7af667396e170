"""Who owns which bytes while shrink, cancel and close come at any moment from another thread.

A True shrink is a promise: from then on nothing at or past the new end is written by that transfer.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from slasshy_rpc._engine import BLOCK, LiveMap
from tests.engine.reference import Reference
from tests.engine.rig import PATIENCE, SENTINEL, Rig, Target, feeding, pair, pattern

SIZE = 4 << 20
TAIL = 0x5A


class Flood:
    """Pours the pattern into a channel in pieces of random size until it is closed."""

    def __init__(self, seed: int, data: bytes) -> None:
        self.channel, self._peer = pair()
        self._random = random.Random(seed)
        self._data = data
        self._thread = threading.Thread(target=self._pour, daemon=True)
        self._thread.start()

    def _pour(self) -> None:
        at = 0
        with contextlib.suppress(OSError):
            while at < len(self._data):
                size = self._random.choice((1, 100, 4096, 65536, 300_000))
                self._peer.sendall(self._data[at : at + size])
                at += size
                if self._random.random() < 0.05:
                    time.sleep(0.0005)

    def close(self) -> None:
        self.channel.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._peer.close()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_shrink_race(tmp_path: Path, seed: int, threads: int) -> None:
    """Hundreds of shrinks against a flood: what was given up is written by another at once, and stays as it is."""
    choose = random.Random(seed)
    data = pattern(SIZE)
    with Rig(threads=threads, buffer_size=256 << 10) as rig, Target(tmp_path / "file", SIZE) as target:
        floods = [Flood(seed * 10 + i, data) for i in range(2)]
        half = SIZE // 2
        transfers = [
            rig.receive(flood.channel, target.fd, i * half, (i + 1) * half, length=half)
            for i, flood in enumerate(floods)
        ]
        given = [0, 0]
        asked = 0
        while any(t.reason == _engine.RUNNING for t in transfers) and asked < 4000:
            i = choose.randrange(2)
            transfer = transfers[i]
            position, end = transfer.position, transfer.end
            wanted = choose.randint(max(position - 100, 0), end + 10) if end - position < 50_000 else end - 20_000
            asked += 1
            if transfer.shrink(wanted):
                # From now on [wanted, end) is ours: the transfer must never touch it again.
                os.pwrite(target.fd, bytes((TAIL,)) * (end - wanted), wanted)
                given[i] += end - wanted
                assert transfer.end == wanted
                assert transfer.position <= wanted
            elif end - position < 50_000:
                time.sleep(0)
        rig.settle(*transfers)
        content = target.read()
        for i, transfer in enumerate(transfers):
            start, stop = i * half, (i + 1) * half
            assert transfer.reason in (_engine.BOUND, _engine.COMPLETE)
            assert (transfer.reason == _engine.COMPLETE) == (transfer.end == stop)
            assert transfer.position == transfer.flushed == transfer.end == stop - given[i]
            assert content[start : transfer.end] == data[: transfer.end - start], "received bytes differ"
            assert content[transfer.end : stop] == bytes((TAIL,)) * given[i], "written past a given up end"
        for flood in floods:
            flood.close()
    assert any(given)


def test_shrink_is_all_or_nothing(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        channel, peer = pair()
        transfer = rig.receive(channel, target.fd, 100, 1000)
        peer.sendall(pattern(200))
        while transfer.position < 300:
            time.sleep(0)
        refused = [0, 100, 299, 1000, 1001, _engine.UNBOUNDED, -1]
        assert [end for end in refused if transfer.shrink(end)] == []
        assert transfer.end == 1000
        assert transfer.shrink(600)
        assert not transfer.shrink(600), "nothing was given up"
        assert transfer.shrink(300), "all that was not received yet"
        rig.settle(transfer)
        assert (transfer.reason, transfer.position, transfer.flushed) == (_engine.BOUND, 300, 300)
        assert not transfer.shrink(299)
        assert target.read(100, 300) == pattern(200)
        assert target.read(300, 301) == bytes((SENTINEL,))
        assert channel.body_left == 700
        channel.close()
        peer.close()


def test_the_first_byte_cannot_be_given_up(tmp_path: Path) -> None:
    """A transfer never becomes empty, so its end stays past its offset."""
    with Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        channel, peer = pair()
        transfer = rig.receive(channel, target.fd, 100, 1000)
        assert not transfer.shrink(100)
        assert transfer.shrink(101)
        transfer.cancel()
        rig.settle(transfer)
        channel.close()
        peer.close()


def test_a_twin_agrees_about_shrink(tmp_path: Path) -> None:
    """The plain Python loop obeys the same rule, so that it can stand for the engine's meaning."""
    ours, peer = socket.socketpair()
    with Target(tmp_path / "file", SIZE) as target, ours:
        twin = Reference(ours, target.fd, 100, 1000, framing=_engine.LENGTH, length=900)
        twin.start()
        peer.sendall(pattern(200))
        while twin.position < 300:
            time.sleep(0)
        assert not twin.shrink(299)
        assert twin.shrink(400)
        peer.sendall(pattern(200, 200))
        twin.join(PATIENCE)
        assert (twin.reason, twin.position) == (_engine.BOUND, 400)
        assert target.read(100, 401) == pattern(300) + bytes((SENTINEL,))
        peer.close()


def test_cancel_at_any_moment_flushes_what_was_received(tmp_path: Path) -> None:
    choose = random.Random(3)
    data = pattern(SIZE)
    with Rig(buffer_size=512 << 10) as rig:
        for round_ in range(25):
            bitmap = bytearray(SIZE // BLOCK // 8)
            live = LiveMap(bitmap, SIZE)
            flood = Flood(round_, data)
            with Target(tmp_path / "file", SIZE) as target:
                transfer = rig.receive(flood.channel, target.fd, 0, SIZE, live=live)
                stop = choose.randrange(SIZE)
                while transfer.position < stop and transfer.reason == _engine.RUNNING:
                    time.sleep(0)
                transfer.cancel()
                rig.settle(transfer)
                assert transfer.reason in (_engine.CANCELLED, _engine.COMPLETE)
                assert transfer.position == transfer.flushed
                content = target.read()
                assert content[: transfer.position] == data[: transfer.position]
                assert content[transfer.position :].count(SENTINEL) == SIZE - transfer.position
                whole = transfer.flushed // BLOCK
                assert "".join(f"{byte:08b}" for byte in bitmap) == "1" * whole + "0" * (SIZE // BLOCK - whole)
            flood.close()
            live.close()


def test_ten_thousand_cancels(tmp_path: Path) -> None:
    """None is lost: each comes out at once, though nothing else ever wakes the engine."""
    with Rig(threads=2) as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        began = time.monotonic()
        for _ in range(10_000):
            transfer = rig.receive(channel, target.fd, 0, 10)
            transfer.cancel()
            transfer.cancel()
            rig.settle(transfer)
            assert transfer.reason == _engine.CANCELLED
            transfer.cancel()  # after its end: nothing happens
        assert time.monotonic() - began < PATIENCE
        channel.close()
        peer.close()


def test_cancels_from_many_threads(tmp_path: Path) -> None:
    """All transfers are idle; cancels and submissions race for the engine's attention."""
    with Rig(threads=2) as rig, Target(tmp_path / "file", 100) as target:
        pairs = [pair() for _ in range(8)]
        for _ in range(150):
            transfers = [rig.receive(channel, target.fd, 0, 10) for channel, _ in pairs]
            threads = [threading.Thread(target=transfer.cancel) for transfer in transfers]
            for thread in threads:
                thread.start()
            rig.settle(*transfers, seconds=10)
            for thread in threads:
                thread.join()
        for channel, peer in pairs:
            channel.close()
            peer.close()


def test_close_in_the_middle_returns_all(tmp_path: Path) -> None:
    data = pattern(SIZE)
    for round_ in range(5):
        rig = Rig(threads=1 + round_ % 2)
        floods = [Flood(i, data) for i in range(6)]
        targets = [Target(tmp_path / str(i), SIZE) for i in range(6)]
        transfers = [
            rig.receive(flood.channel, target.fd, 0, SIZE) for flood, target in zip(floods, targets, strict=True)
        ]
        while all(t.position < round_ * 50_000 for t in transfers):
            time.sleep(0)
        rig.close()
        assert set(rig.ended) == set(transfers)
        assert rig.engine.close() == []
        for transfer, target, flood in zip(transfers, targets, floods, strict=True):
            assert transfer.reason in (_engine.CANCELLED, _engine.COMPLETE)
            assert transfer.position == transfer.flushed
            assert target.read(0, transfer.flushed) == data[: transfer.flushed]
            assert not flood.channel.lent
            target.close()
            flood.close()


def test_close_takes_what_was_never_admitted(tmp_path: Path) -> None:
    """Transfers that were submitted in the moment of the close come back as well."""
    for _ in range(50):
        rig = Rig()
        pairs = [pair() for _ in range(5)]
        with Target(tmp_path / "file", 100) as target:
            transfers = [rig.receive(channel, target.fd, 0, 10) for channel, _ in pairs]
            rig.close()
        assert [t.reason for t in transfers] == [_engine.CANCELLED] * 5
        for channel, peer in pairs:
            channel.close()
            peer.close()


def test_reuse_after_each_end(tmp_path: Path) -> None:
    """One connection, hundreds of bodies in a row."""
    data = pattern(3000)
    with Rig() as rig, Target(tmp_path / "file", 3000) as target:
        channel, peer = pair()
        with feeding(peer, [data] * 300, close=False):
            for _ in range(300):
                transfer = rig.receive(channel, target.fd, 0, 3000)
                rig.settle(transfer)
                assert transfer.reason == _engine.COMPLETE
                assert channel.body_left == 0
        assert not channel.stale()
        assert target.read() == data
        channel.close()
        peer.close()


def test_the_rest_of_a_body_can_be_received_by_another_transfer(tmp_path: Path) -> None:
    """After BOUND the channel goes on in the same body: what a shrink gave up, or an extension."""
    data = pattern(9000)
    with Rig() as rig, Target(tmp_path / "file", 9000) as target:
        channel, peer = pair()
        with feeding(peer, [data], close=False):
            channel.begin_body(_engine.LENGTH, 9000, b"")
            for start in range(0, 9000, 3000):
                transfer = rig.engine.receive(channel, target.fd, start, start + 3000)
                rig.settle(transfer)
                assert transfer.reason == (_engine.BOUND if start < 6000 else _engine.COMPLETE)
        assert target.read() == data
        channel.close()
        peer.close()
