"""How transfers end when something goes wrong, what is on disk by then, and what the live map says about it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from slasshy_rpc._engine import BLOCK, CHUNKED, UNBOUNDED, Channel, LiveMap, Transfer
from tests.engine.rig import SENTINEL, Rig, Target, await_, feeding, pair, pattern, reset, tcp_pair

SIZE = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with Target(tmp_path / "file", SIZE) as made:
        yield made


def test_silence_is_a_stall(rig: Rig, target: Target) -> None:
    channel, peer = pair()
    began = time.monotonic()
    transfer = rig.receive(channel, target.fd, 0, 1000, timeout=0.3)
    peer.sendall(pattern(10))
    rig.settle(transfer)
    assert time.monotonic() - began >= 0.3
    assert (transfer.reason, transfer.position, transfer.flushed) == (_engine.STALLED, 10, 10)
    assert channel.body_left == 990
    channel.close()
    peer.close()


def test_each_byte_winds_the_clock_up(rig: Rig, target: Target) -> None:
    channel, peer = pair()
    transfer = rig.receive(channel, target.fd, 0, 8, timeout=0.5)
    for _ in range(8):
        time.sleep(0.12)
        peer.sendall(b"x")
    rig.settle(transfer)
    assert transfer.reason == _engine.COMPLETE
    channel.close()
    peer.close()


def test_framing_alone_does_not_wind_it_up(rig: Rig, target: Target) -> None:
    """A peer that sends an endless chunk extension byte by byte sends nothing."""
    channel, peer = pair()
    transfer = rig.receive(channel, target.fd, framing=CHUNKED, length=0, timeout=0.3)
    peer.sendall(b"1;")
    deadline = time.monotonic() + 5
    while transfer.reason == _engine.RUNNING and time.monotonic() < deadline:
        peer.sendall(b"x")
        time.sleep(0.02)
    assert transfer.reason == _engine.STALLED
    rig.settle(transfer)
    channel.close()
    peer.close()


@pytest.mark.parametrize("timeout", [0.0, -1.0, 1e30, float("inf")])
def test_no_time_out(rig: Rig, target: Target, timeout: float) -> None:
    channel, peer = pair()
    transfer = rig.receive(channel, target.fd, 0, 10, timeout=timeout)
    time.sleep(0.05)
    peer.sendall(b"x" * 10)
    rig.settle(transfer)
    assert transfer.reason == _engine.COMPLETE
    channel.close()
    peer.close()


def test_bytes_that_came_while_the_process_stood_still_are_no_stall(tmp_path: Path) -> None:
    """More transfers than one wait reports, all with bytes waiting when the process goes on after a long stop."""
    script = """
import os, signal, socket, sys, threading, time
sys.path.insert(0, sys.argv[1])
from tests.engine.rig import Rig, Target, pair
from pathlib import Path
with Rig() as rig, Target(Path(sys.argv[2]), 1000) as target:
    pairs = [pair() for _ in range(200)]
    transfers = [rig.receive(channel, target.fd, 0, 4, timeout=0.4) for channel, _ in pairs]
    time.sleep(0.1)
    print("ready", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGSTOP)
    rig.settle(*transfers)
    print(sorted({t.reason for t in transfers}), flush=True)
"""
    # The peers' ends must be written to while the process stands still: by a child that inherited them.
    script = script.replace(
        'print("ready", flush=True)',
        """
    if os.fork() == 0:
        time.sleep(0.2)
        for _, peer in pairs:
            peer.sendall(b"1234")
        os._exit(0)
    print("ready", flush=True)""",
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT), str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin
    assert child.stdout
    with child:
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("\n")
        child.stdin.flush()
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        time.sleep(0.8)
        os.kill(child.pid, signal.SIGCONT)
        out, _ = child.communicate(timeout=30)
    assert out == f"[{_engine.COMPLETE}]\n"


def test_peer_closes_before_the_end(rig: Rig, target: Target) -> None:
    channel, peer = pair()
    with feeding(peer, [pattern(600)]):
        transfer = rig.receive(channel, target.fd, 0, 1000)
        rig.settle(transfer)
    assert (transfer.reason, transfer.position, transfer.flushed) == (_engine.EOF, 600, 600)
    assert channel.body_left == -1, "a closed connection must not look reusable"
    assert channel.stale()
    channel.close()


def test_reset(rig: Rig, target: Target) -> None:
    ours, peer = tcp_pair()
    channel = Channel(ours.detach())
    transfer = rig.receive(channel, target.fd, 0, 1000)
    peer.sendall(pattern(600))
    await_(lambda: transfer.position == 600, "receiving")
    reset(peer)
    rig.settle(transfer)
    assert (transfer.reason, transfer.os_error) == (_engine.SOCKET_ERROR, errno.ECONNRESET)
    assert transfer.position == transfer.flushed == 600
    assert target.read(0, 600) == pattern(600)
    channel.close()


def test_not_a_socket(rig: Rig, target: Target) -> None:
    ends = os.pipe()
    channel = Channel(ends[0])
    transfer = rig.receive(channel, target.fd, 0, 1000)
    rig.settle(transfer)
    assert (transfer.reason, transfer.os_error) == (_engine.SOCKET_ERROR, errno.ENOTSOCK)
    channel.close()
    os.close(ends[1])


def failing(path: Path) -> tuple[int, int]:
    """(descriptor, error number) of a file that takes no bytes."""
    if path.name == "full":
        return os.open("/dev/full", os.O_WRONLY), errno.ENOSPC
    if path.name == "pipe":
        os.mkfifo(path)
        return os.open(path, os.O_RDWR), errno.ESPIPE
    path.touch()
    return os.open(path, os.O_RDONLY), errno.EBADF


@pytest.mark.parametrize("kind", ["full", "pipe", "readonly"])
@pytest.mark.parametrize("size", [10, 3 << 20])
def test_write_errors(rig: Rig, tmp_path: Path, kind: str, size: int) -> None:
    fd, number = failing(tmp_path / kind)
    channel, peer = pair()
    bitmap = bytearray(64)
    live = LiveMap(bitmap, 64 * 8 * BLOCK)
    with feeding(peer, [pattern(size)]):
        transfer = rig.receive(channel, fd, 5, 5 + size, live=live)
        rig.settle(transfer)
        channel.close()
    assert (transfer.reason, transfer.os_error) == (_engine.WRITE_ERROR, number)
    assert transfer.position == transfer.flushed == 5
    assert not any(bitmap)
    live.close()
    os.close(fd)


def test_the_disk_fills_up_in_the_middle(tmp_path: Path) -> None:
    """Where the file may grow no further: what was written before counts, and the map marks no block beyond it."""
    script = """
import os, resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from slasshy_rpc._engine import BLOCK, LiveMap
from tests.engine.rig import Rig, feeding, pair, pattern
limit = 700_001
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
size = 4 << 20
bitmap = bytearray(size // BLOCK // 8)
live = LiveMap(bitmap, size)
channel, peer = pair()
with Rig() as rig, feeding(peer, [pattern(size)]):
    transfer = rig.receive(channel, fd, 0, size, live=live)
    rig.settle(transfer)
    channel.close()
marked = "".join(f"{byte:08b}" for byte in bitmap)
whole = limit // BLOCK
print(transfer.reason, transfer.os_error, transfer.position, transfer.flushed,
      marked == "1" * whole + "0" * (size // BLOCK - whole), os.pread(fd, limit, 0) == pattern(limit))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT), str(tmp_path / "file")], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"{_engine.WRITE_ERROR} {errno.EFBIG} 700001 700001 True True\n", done.stderr


@pytest.mark.parametrize("paced", [False, True])
def test_no_byte_waits_longer_than_a_second(rig: Rig, target: Target, paced: bool) -> None:
    """A trickle reaches the file while the transfer goes on; generous: two seconds for the first, three for all."""
    channel, peer = pair()
    pace = _engine.Pace(40) if paced else None
    transfer = rig.receive(channel, target.fd, 0, 1000, pace=pace)
    began = time.monotonic()
    peer.sendall(pattern(1000 if paced else 50))
    await_(lambda: transfer.position > 0, "the first byte")
    first = time.monotonic()
    await_(lambda: transfer.flushed > 0, "the first flush")
    assert time.monotonic() - first < 2.0
    assert time.monotonic() - began < 3.0
    assert transfer.reason == _engine.RUNNING
    assert target.read(0, transfer.flushed) == pattern(1000)[: transfer.flushed]
    transfer.cancel()
    rig.settle(transfer)
    channel.close()
    peer.close()


def test_a_failed_aged_flush_ends_it(rig: Rig) -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    channel, peer = pair()
    transfer = rig.receive(channel, fd, 0, 1000)
    peer.sendall(b"x")
    rig.settle(transfer, seconds=5)
    assert (transfer.reason, transfer.os_error, transfer.position) == (_engine.WRITE_ERROR, errno.ENOSPC, 0)
    channel.close()
    peer.close()
    os.close(fd)


def marks(bitmap: bytearray) -> list[int]:
    return [block for block in range(len(bitmap) * 8) if bitmap[block // 8] & 0x80 >> block % 8]


@pytest.mark.parametrize(
    ("length", "solid_from", "offset", "end", "blocks"),
    [
        (10 * BLOCK, -1, 0, 10 * BLOCK, range(10)),
        (10 * BLOCK, -1, 1, 10 * BLOCK, range(1, 10)),
        (10 * BLOCK, -1, BLOCK, 3 * BLOCK, range(1, 3)),
        (10 * BLOCK, -1, BLOCK, 3 * BLOCK - 1, range(1, 2)),
        (10 * BLOCK, -1, 5, 5 + BLOCK, range(0)),
        (10 * BLOCK, 0, 5, 5 + BLOCK, range(1)),
        (10 * BLOCK, 3, 5, 5 + 3 * BLOCK, range(1, 3)),
        (10 * BLOCK, BLOCK, 2 * BLOCK + 9, 3 * BLOCK, range(1, 3)),
        (10 * BLOCK, 4 * BLOCK, 2 * BLOCK, 3 * BLOCK, range(2, 3)),  # nonsense is as good as not given
        (5 * BLOCK + 3, -1, 4 * BLOCK, 5 * BLOCK + 3, range(4, 6)),  # the short last block
        (5 * BLOCK + 3, -1, 4 * BLOCK, 5 * BLOCK + 2, range(4, 5)),
        (5 * BLOCK + 3, -1, 5 * BLOCK, 5 * BLOCK + 3, range(5, 6)),
        (5 * BLOCK + 3, 5 * BLOCK, 5 * BLOCK + 1, 5 * BLOCK + 3, range(5, 6)),
        (5 * BLOCK + 3, -1, 5 * BLOCK + 1, 5 * BLOCK + 3, range(0)),
        (3 * BLOCK, -1, 0, 6 * BLOCK, range(3)),  # more than the file was said to have
        (3 * BLOCK, -1, 4 * BLOCK, 6 * BLOCK, range(0)),
    ],
)
def test_live_map_marks_whole_blocks(
    rig: Rig, target: Target, length: int, solid_from: int, offset: int, end: int, blocks: range
) -> None:
    bitmap = bytearray(8)
    live = LiveMap(bitmap, length)
    channel, peer = pair()
    with feeding(peer, [pattern(end - offset)]):
        transfer = rig.receive(channel, target.fd, offset, end, solid_from=solid_from, live=live)
        rig.settle(transfer)
    assert transfer.reason == _engine.COMPLETE
    assert marks(bitmap) == list(blocks)
    live.close()
    channel.close()


def flushed_past(transfer: Transfer, position: int) -> bool:
    return transfer.flushed > position


def test_live_map_grows_with_the_flushes_only(rig: Rig, target: Target) -> None:
    """Never marks what is received and not written yet."""
    bitmap = bytearray(8)
    live = LiveMap(bitmap, SIZE)
    channel, peer = pair()
    transfer = rig.receive(channel, target.fd, 0, SIZE, live=live)
    for size in (BLOCK - 1, 5 * BLOCK + 8):
        peer.sendall(pattern(size))
        before = transfer.flushed
        await_(partial(flushed_past, transfer, before), "an aged flush", 5)
        assert len(marks(bitmap)) == transfer.flushed // BLOCK
    channel_position = transfer.position
    transfer.cancel()
    rig.settle(transfer)
    assert marks(bitmap) == list(range(channel_position // BLOCK))
    live.close()
    channel.close()
    peer.close()


def test_live_map_by_hand() -> None:
    bitmap = bytearray(2)
    live = LiveMap(bitmap, 9 * BLOCK + 1)
    live.mark(1, 2 * BLOCK)
    live.mark(8 * BLOCK, 9 * BLOCK + 1)
    live.mark(5, 5)
    live.mark(-5, BLOCK)
    live.mark(20 * BLOCK, UNBOUNDED)
    assert marks(bitmap) == [1, 8, 9]
    with pytest.raises(BufferError):
        bitmap.append(0)
    live.close()
    live.close()
    live.mark(0, BLOCK)
    bitmap.append(0)
    assert marks(bitmap) == [1, 8, 9]
    with pytest.raises(ValueError, match="too small"):
        LiveMap(bytearray(1), 8 * BLOCK + 1)
    with pytest.raises(ValueError, match="too small"):
        LiveMap(bytearray(1), -1)
    with pytest.raises(BufferError):
        LiveMap(b"\0", BLOCK)


def test_a_live_map_in_use_stays(rig: Rig, target: Target) -> None:
    live = LiveMap(bytearray(8), SIZE)
    channel, peer = pair()
    transfer = rig.receive(channel, target.fd, 0, SIZE, live=live)
    with pytest.raises(RuntimeError, match="using the live map"):
        live.close()
    transfer.cancel()
    rig.settle(transfer)
    live.close()
    channel.close()
    peer.close()


def test_interrupts_are_no_errors(rig: Rig, target: Target) -> None:
    """Signals all the while: they go to Python's thread, and calls that they interrupt go on."""
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        channel, peer = pair()
        with feeding(peer, [pattern(1000)] * 1000):
            transfer = rig.receive(channel, target.fd, 0, 1_000_000)
            rig.settle(transfer)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard
    assert transfer.reason == _engine.COMPLETE
    channel.close()


def test_urgent_data_and_half_closed_peers(rig: Rig, target: Target) -> None:
    """A peer that only stopped listening (SHUT_RD) or only stopped sending."""
    ours, peer = tcp_pair()
    channel = Channel(ours.detach())
    transfer = rig.receive(channel, target.fd, 0, 10)
    peer.shutdown(socket.SHUT_RD)
    peer.send(b"!", socket.MSG_OOB)
    peer.sendall(b"0123456789")
    rig.settle(transfer)
    assert transfer.reason == _engine.COMPLETE
    assert target.read(0, 10) == b"0123456789"
    peer.shutdown(socket.SHUT_WR)
    await_(channel.stale, "noticing the end")
    channel.close()
    peer.close()


def test_sentinel_is_not_in_the_pattern() -> None:
    """What the other tests rely on."""
    assert SENTINEL not in pattern(100_000)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
