"""Nothing stays behind: descriptors, threads, memory, and the budget of the buffers.

Bounds on memory are wide; what they catch grows with the number of transfers.
"""

from __future__ import annotations

import gc
import os
import resource
from functools import partial
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from slasshy_rpc._engine import BLOCK, Engine, LiveMap, Pace, Transfer
from tests.engine.rig import Rig, Target, await_, feeding, pair, pattern

SANITIZED = bool(os.environ.get("SLASSHY_SANITIZED"))  # a sanitizer keeps freed memory back on purpose


def resident() -> int:
    """Bytes of memory in use."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd")) - 1  # but for the one that looks


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def received_past(transfers: list[Transfer], count: int) -> bool:
    return all(t.position >= t.offset + count for t in transfers)


def test_thousands_of_short_transfers(tmp_path: Path) -> None:
    whole = Pace(0)

    def some(rig: Rig, target: Target, count: int) -> None:
        for i in range(count):
            channel, peer = pair()
            live = LiveMap(bytearray(8), 64 * BLOCK)
            peer.sendall(b"5\r\nhello\r\n" + (b"0\r\n\r\n", b"broken", b"")[i % 3])
            peer.close()
            transfer = rig.receive(
                channel,
                target.fd,
                framing=_engine.CHUNKED,
                length=0,
                live=live,
                pace=Pace(0, whole),
                prefix=b"1\r\nx\r\n" if i % 2 else b"",
            )
            rig.settle(transfer)
            assert transfer.reason == (_engine.COMPLETE, _engine.BAD_CHUNK, _engine.EOF)[i % 3]
            rig.ended.clear()
            if i % 7:
                channel.close()

    with Rig(threads=2) as rig, Target(tmp_path / "file", 100) as target:
        some(rig, target, 500)
        open_, memory = descriptors(), resident()
        some(rig, target, 3000)
        assert descriptors() <= open_
        if not SANITIZED:
            assert resident() - memory < 8 << 20


def test_thousands_of_engines(tmp_path: Path) -> None:
    """Closed, dropped, or dropped with a transfer running: each lets go of its threads and descriptors."""
    with Target(tmp_path / "file", 100) as target:
        open_, running = descriptors(), threads()
        for i in range(600):
            engine = Engine(1 + i % 3)
            if i % 4:
                channel, peer = pair()
                channel.begin_body(_engine.LENGTH, 10)
                engine.receive(channel, target.fd, 0, 10)
                del channel
                peer.close()
            if i % 2:
                engine.close()
            del engine
            if i % 50 == 0:
                gc.collect()
        assert descriptors() == open_
        assert threads() == running


def test_engines_without_descriptors() -> None:
    """Where none is left, an engine says so, and what it had got is given back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = descriptors()
    highest = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
    holes = [os.open("/dev/null", os.O_RDONLY) for _ in range(highest - before)]
    try:
        for spare in range(7):
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + spare, hard))
            with pytest.raises(OSError, match="descriptor"):
                Engine(3)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in holes:
            os.close(fd)
    assert descriptors() == before


def test_many_transfers_share_the_budget(tmp_path: Path) -> None:
    """64 transfers with full buffers keep to the budget: the early ones give back what is more than their share."""
    count, size, budget = 64, 2 << 20, 24 << 20
    with Rig(buffer_budget=budget) as rig, Target(tmp_path / "file", count * size) as target:
        before = resident()
        pairs = [pair() for _ in range(count)]
        transfers = [rig.receive(channel, target.fd, i * size, (i + 1) * size) for i, (channel, _) in enumerate(pairs)]
        data = pattern(count * size)
        highest = 0
        for step in range(4):
            for i, (_, peer) in enumerate(pairs):
                start = i * size + step * size // 4
                with feeding(peer, [data[start : start + size // 4]], close=step == 3):
                    pass
            await_(partial(received_past, transfers, (step + 1) * size // 4), "a round")
            highest = max(highest, resident())
        rig.settle(*transfers)
        assert {t.reason for t in transfers} == {_engine.COMPLETE}
        assert target.read() == data
        if not SANITIZED:
            # The test's own copy of the data is in there, too.
            assert highest - before < budget + len(data) + (16 << 20)
        for channel, _ in pairs:
            channel.close()


def test_buffers_are_given_back(tmp_path: Path) -> None:
    """An engine that has nothing to do holds no buffers."""
    count, size = 32, 4 << 20
    with Rig() as rig, Target(tmp_path / "file", size) as target:
        before = 0
        for round_ in range(4):
            pairs = [pair() for _ in range(count)]
            transfers = [rig.receive(channel, target.fd, 0, size) for channel, _ in pairs]
            for _, peer in pairs:
                with feeding(peer, [bytes(700_000)]):
                    pass
            rig.settle(*transfers)
            for channel, _ in pairs:
                channel.close()
            if round_ == 0:
                before = resident()
        if not SANITIZED:
            assert resident() - before < 8 << 20
