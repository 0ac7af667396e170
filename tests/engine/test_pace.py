"""Rate limits: never more than the rate times the time and one burst, no bytes lost, shared fairly, changed live.

Bounds from above hold on any machine; bounds from below only ask that bytes flow at all.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from slasshy_rpc._engine import Pace, Transfer
from tests.engine.rig import Rig, Target, await_, feeding, pair, pattern

SIZE = 8 << 20


def burst(rate: int) -> float:
    """What a full bucket may let through at once: a tenth of a second, and the quantum beside it."""
    return rate * 0.12 + 65536


def watch(seconds: float, count: Callable[[], int], rate: int) -> float:
    """Rate seen over ``seconds``; fails at the first moment at which more has come than may have."""
    began, first = time.monotonic(), count()
    while True:
        got = count() - first
        elapsed = time.monotonic() - began
        assert got <= rate * elapsed * 1.02 + burst(rate), f"{got} bytes after {elapsed:.2f} s at {rate} a second"
        if elapsed > seconds:
            return got / elapsed
        time.sleep(0.01)


@pytest.mark.parametrize("rate", [20_000, 1_000_000])
def test_rate_is_kept(tmp_path: Path, rate: int) -> None:
    with Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        channel, peer = pair()
        with feeding(peer, [pattern(SIZE)]):
            pace = Pace(rate)
            transfer = rig.receive(channel, target.fd, 0, SIZE, pace=pace)
            seen = watch(1.5, lambda: transfer.position, rate)
            assert seen > rate * 0.5
            transfer.cancel()
            rig.settle(transfer)
            channel.close()
        assert target.read(0, transfer.flushed) == pattern(transfer.flushed)


def test_chunked_bodies_keep_the_rate_too(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        channel, peer = pair()
        piece = b"1000\r\n" + pattern(4096) + b"\r\n"
        with feeding(peer, [piece] * 500):
            transfer = rig.receive(channel, target.fd, framing=_engine.CHUNKED, length=0, pace=Pace(400_000))
            assert watch(0.7, lambda: transfer.position, 400_000) > 100_000
            transfer.cancel()
            rig.settle(transfer)
            channel.close()


@contextlib.contextmanager
def flooded(rig: Rig, target: Target, paces: list[Pace]) -> Iterator[list[Transfer]]:
    """A transfer for each pace, with more on its way than it takes; cancelled afterwards, if need be."""
    with contextlib.ExitStack() as stack:
        transfers = []
        for pace in paces:
            channel, peer = pair()
            stack.enter_context(feeding(peer, [pattern(SIZE)]))
            stack.callback(channel.close)
            transfers.append(rig.receive(channel, target.fd, 0, SIZE, pace=pace))
        try:
            yield transfers
        finally:
            for transfer in transfers:
                transfer.cancel()
            rig.settle(*transfers)


@pytest.mark.parametrize("threads", [1, 2])
def test_parent_limit_holds_for_all_together(tmp_path: Path, threads: int) -> None:
    """Four downloads without a limit of their own, or with a wide one, under one global limit: fair and in bounds."""
    rate = 800_000
    whole = Pace(rate)
    with Rig(threads=threads) as rig, Target(tmp_path / "file", SIZE) as target:
        paces = [Pace(0, whole), Pace(0, whole), Pace(10_000_000, whole), whole]
        with flooded(rig, target, paces) as transfers:
            seen = watch(1.5, lambda: sum(t.position for t in transfers), rate)
            assert seen > rate * 0.5
            shares = [t.position for t in transfers]
            # One thread serves them in turn; between threads it is chance who finds the bucket filled.
        assert min(shares) > sum(shares) / (20 if threads == 1 else 100), f"one of them starves: {shares}"


def test_own_limit_holds_below_a_wide_parent(tmp_path: Path) -> None:
    whole = Pace(50_000_000)
    paces = [Pace(300_000, whole), Pace(0, whole)]
    with Rig() as rig, Target(tmp_path / "file", SIZE) as target, flooded(rig, target, paces) as transfers:
        rig.settle(transfers[1])
        assert transfers[1].reason == _engine.COMPLETE
        watch(0.5, lambda: transfers[0].position, 300_000)


def test_rate_is_changed_live(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", SIZE) as target:
        pace = Pace(100_000)
        with flooded(rig, target, [pace]) as transfers:
            transfer = transfers[0]
            watch(0.4, lambda: transfer.position, 100_000)
            pace.rate = 1_000_000
            assert pace.rate == 1_000_000
            assert watch(0.5, lambda: transfer.position, 1_000_000) > 200_000
            pace.rate = 50_000
            watch(0.4, lambda: transfer.position, 50_000)
            pace.rate = 0
            rig.settle(transfer, seconds=10)
            assert transfer.reason == _engine.COMPLETE
            assert target.read() == pattern(SIZE)


def test_lifting_the_limit_while_it_is_used(tmp_path: Path) -> None:
    """The rate goes to 0 and back thousands of times under two threads that take from it."""
    with Rig(threads=2) as rig, Target(tmp_path / "file", SIZE) as target:
        whole = Pace(0)
        paces = [Pace(0, whole) for _ in range(4)]
        with flooded(rig, target, paces) as transfers:
            turn = 0
            while any(t.reason == _engine.RUNNING for t in transfers) and turn < 100_000:
                whole.rate = 3_000_000 if turn % 3 else 0
                paces[turn % 4].rate = 1_000_000 if turn % 2 else 0
                turn += 1
            for pace in (whole, *paces):
                pace.rate = 0
            rig.settle(*transfers)
            assert {t.reason for t in transfers} == {_engine.COMPLETE}
            assert target.read() == pattern(SIZE)


def test_the_lowest_rate_goes_on(tmp_path: Path) -> None:
    """A byte a second is slow, but it is neither nothing nor a storm."""
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        peer.sendall(b"x" * 100)
        transfer = rig.receive(channel, target.fd, 0, 100, pace=Pace(1), timeout=0.3)
        await_(lambda: transfer.position == 2, "the second byte")
        transfer.cancel()
        rig.settle(transfer)
        assert transfer.reason == _engine.CANCELLED, "waiting for its own pace is not the peer's silence"
        channel.close()
        peer.close()


def test_a_silent_peer_stalls_under_a_pace_as_well(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        transfer = rig.receive(channel, target.fd, 0, 100, pace=Pace(1000), timeout=0.2)
        rig.settle(transfer, seconds=5)
        assert transfer.reason == _engine.STALLED
        channel.close()
        peer.close()


def test_what_a_pace_is() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Pace(-1)
    pace = Pace()
    assert pace.rate == 0
    with pytest.raises(ValueError, match="0 or more"):
        pace.rate = -5
    Pace.__init__(pace, 5, pace)  # a pace that is its own parent would never end
    assert pace.rate == 0
