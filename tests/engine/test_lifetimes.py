"""Misuse and odd orders: nothing here may crash, hang or write where it must not."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from slasshy_rpc._engine import CHUNKED, CLOSE, LENGTH, UNBOUNDED, Channel, Engine, LiveMap, Pace, Transfer
from tests.engine.rig import SENTINEL, Rig, Target, await_, feeding, pair, pattern

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, *arguments: str) -> str:
    """A child that must end by itself, soon and well; returns what it said."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script, str(ROOT), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_lent_channel_is_not_yours(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        transfer = rig.receive(channel, target.fd, 0, 10)
        assert [channel.lent] == [True]  # in a list: mypy would believe it to stay so
        for use in (
            channel.close,
            channel.handshake,
            lambda: channel.send(b"x"),
            lambda: channel.recv(1),
            lambda: channel.recv_into(bytearray(1)),
            lambda: channel.begin_body(LENGTH, 5),
            lambda: rig.engine.receive(channel, target.fd, 0, 10),
        ):
            with pytest.raises(RuntimeError, match="lent"):
                use()
        assert channel.stale()
        peer.sendall(b"x" * 10)
        rig.settle(transfer)
        assert not channel.lent
        channel.close()
        peer.close()


def test_a_closed_channel(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        channel.close()
        channel.close()
        assert (channel.closed, channel.fd, channel.stale()) == (True, -1, True)
        for use in (
            lambda: channel.send(b"x"),
            lambda: channel.recv(1),
            lambda: channel.begin_body(LENGTH, 5),
            lambda: rig.engine.receive(channel, target.fd, 0, 10),
            channel.handshake,
        ):
            with pytest.raises(OSError, match="closed"):
                use()
        peer.close()


def test_close_does_not_touch_a_number_that_is_used_again() -> None:
    channel, peer = pair()
    number = channel.fd
    channel.close()
    again = os.dup(peer.fileno())
    channel.close()
    del channel
    gc.collect()
    assert again == number
    os.fstat(again)
    os.close(again)
    peer.close()


@pytest.mark.parametrize(("offset", "end"), [(0, 0), (10, 10), (10, 5), (-1, 5), (0, -1), (UNBOUNDED, UNBOUNDED)])
def test_ranges_without_bytes(tmp_path: Path, offset: int, end: int) -> None:
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        channel.begin_body(LENGTH, 10)
        with pytest.raises(ValueError, match="not a range"):
            rig.engine.receive(channel, target.fd, offset, end)
        assert not channel.lent
        with pytest.raises(ValueError, match="number of seconds"):
            rig.engine.receive(channel, target.fd, 0, 5, timeout=float("nan"))
        with pytest.raises(OSError, match="Bad file descriptor"):
            rig.engine.receive(channel, -1, 0, 5)
        assert not channel.lent
        channel.close()
        peer.close()


def test_bodies_without_bytes(tmp_path: Path) -> None:
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        channel, peer = pair()
        assert channel.body_left == 0
        for framing, end, reason in (
            (LENGTH, UNBOUNDED, _engine.COMPLETE),
            (LENGTH, 10, _engine.EOF),
            (CHUNKED, UNBOUNDED, _engine.COMPLETE),
            (CHUNKED, 10, _engine.EOF),
        ):
            prefix = b"0\r\n\r\n" if framing == CHUNKED else b""
            transfer = rig.receive(channel, target.fd, 0, end, framing=framing, length=0, prefix=prefix)
            rig.settle(transfer)
            assert (transfer.reason, transfer.position, channel.body_left) == (reason, 0, 0)
        assert not channel.stale()
        transfer = rig.engine.receive(channel, target.fd, 0, 10)
        rig.settle(transfer)
        assert transfer.reason == _engine.EOF, "no body was announced"
        peer.close()
        transfer = rig.receive(channel, target.fd, framing=CLOSE, length=0)
        rig.settle(transfer)
        assert transfer.reason == _engine.COMPLETE
        assert target.read() == bytes((SENTINEL,)) * 100
        channel.close()


def test_announcing_a_body() -> None:
    channel, peer = pair()
    for framing, length in ((7, 5), (-1, 5), (LENGTH, -1)):
        with pytest.raises(ValueError, match="framing"):
            channel.begin_body(framing, length)
    channel.begin_body(LENGTH, 0, b"more")
    assert channel.body_left == -1
    assert channel.stale()
    channel.begin_body(LENGTH, 10, memoryview(b"abc"))
    with pytest.raises(RuntimeError, match="before"):
        channel.begin_body(LENGTH, 10)
    assert channel.recv(2) == b"ab"
    assert channel.recv(100) == b"c"
    assert channel.recv(100) is None
    with pytest.raises(ValueError, match="positive"):
        channel.recv(0)
    assert channel.send(b"") == 0
    with pytest.raises(TypeError):
        channel.send("text")  # type: ignore[arg-type]  # on purpose
    channel.close()
    peer.close()


def test_receiving_into_a_buffer() -> None:
    channel, peer = pair()
    channel.begin_body(LENGTH, 10, b"abc")
    room = bytearray(b"........")
    assert channel.recv_into(memoryview(room)[1:3]) == 2
    assert channel.recv_into(room) == 1
    assert bytes(room) == b"cab....."
    assert channel.recv_into(room) == -1
    for nothing in (b"", bytearray()):
        with pytest.raises((ValueError, BufferError)):
            channel.recv_into(nothing)
    with pytest.raises(BufferError):
        channel.recv_into(b"is constant")
    peer.sendall(b"0123456789")
    assert channel.recv_into(room) == 8
    assert channel.recv_into(room) == 2
    assert bytes(room) == b"89234567"
    peer.close()
    assert channel.recv_into(room) == 0
    channel.close()


def test_a_prefix_longer_than_a_turn(tmp_path: Path) -> None:
    """No poll reports bytes that are in memory already."""
    size = (4 << 20) + 100_000
    with Rig() as rig, Target(tmp_path / "file", size) as target:
        channel, peer = pair()
        transfer = rig.receive(channel, target.fd, 0, size, prefix=pattern(size), timeout=5)
        rig.settle(transfer)
        assert transfer.reason == _engine.COMPLETE
        assert target.read() == pattern(size)
        channel.close()
        peer.close()


def test_a_closed_engine(tmp_path: Path) -> None:
    engine = Engine()
    fd = engine.wakeup_fd
    os.fstat(fd)
    assert engine.close() == []
    assert engine.close() == []
    assert engine.drain() == []
    assert engine.wakeup_fd == -1
    channel, peer = pair()
    with Target(tmp_path / "file", 100) as target, pytest.raises(RuntimeError, match="closed"):
        engine.receive(channel, target.fd, 0, 10)
    assert not channel.lent
    channel.close()
    peer.close()


def test_things_are_set_up_once(tmp_path: Path) -> None:
    engine = Engine()
    fd = engine.wakeup_fd
    channel, peer = pair()
    live = LiveMap(bytearray(1), 8)
    repeats: tuple[Callable[[], None], ...] = (
        lambda: Engine.__init__(engine, 2),
        lambda: Channel.__init__(channel, 0),
        lambda: LiveMap.__init__(live, bytearray(1), 8),
    )
    for again in repeats:
        with pytest.raises(ValueError, match="set up once"):
            again()
    assert (engine.wakeup_fd, channel.closed) == (fd, False)
    engine.close()
    channel.close()
    peer.close()


def test_things_that_were_never_set_up(tmp_path: Path) -> None:
    """Made without __init__: empty, and harmless."""
    engine = Engine.__new__(Engine)
    assert (engine.wakeup_fd, engine.drain(), engine.close()) == (-1, [], [])
    channel, peer = pair()
    with Target(tmp_path / "file", 100) as target, pytest.raises(RuntimeError, match="closed"):
        engine.receive(channel, target.fd, 0, 10)
    channel.close()
    peer.close()
    with pytest.raises(ValueError, match="at least"):
        Engine(0)
    with pytest.raises(ValueError, match="at least"):
        Engine(1, 1000)
    assert Channel.__new__(Channel).closed
    transfer = Transfer()
    assert not transfer.shrink(5)
    transfer.cancel()
    assert (transfer.message, transfer.os_error) == ("", 0)
    live = LiveMap.__new__(LiveMap)
    live.mark(0, 1 << 20)
    live.close()


@pytest.mark.parametrize("first", ["channel", "transfer", "engine", "all"])
def test_dropping_what_runs(tmp_path: Path, first: str) -> None:
    """The collector may find engine, transfer and channel in a cycle: the threads end before anything is freed."""
    with Target(tmp_path / "file", 1 << 20) as target:
        for i in range(12):
            engine = Engine(1 + i % 2)
            channel, peer = pair()
            channel.begin_body(LENGTH, 1 << 20)
            with feeding(peer, [pattern(1 << 20)]):
                transfer = engine.receive(channel, target.fd, 0, 1 << 20, pace=Pace(0, Pace(0)))
                names = {"engine": engine, "channel": channel, "transfer": transfer}
                gone = weakref.ref(engine)
                held = [thing for name, thing in names.items() if first not in (name, "all")]
                del engine, channel, transfer, names
                gc.collect()
                if first == "all":
                    assert gone() is None, "nobody holds the engine, and it lives on"
                assert bool(held) == (first != "all")
                for left in [thing for thing in held if isinstance(thing, Engine)]:
                    left.close()
                del held
                gc.collect()
        written = target.read()
        same = sum(a == b for a, b in zip(written, pattern(1 << 20), strict=True))
        assert same + written.count(SENTINEL) == 1 << 20


def test_a_transfer_outlives_its_engine(tmp_path: Path) -> None:
    with Target(tmp_path / "file", 100) as target:
        engine = Engine()
        channel, peer = pair()
        channel.begin_body(LENGTH, 100)
        transfer = engine.receive(channel, target.fd, 0, 100)
        peer.sendall(pattern(30))
        await_(lambda: transfer.position == 30, "receiving")
        assert engine.close() == [transfer]
        del engine
        gc.collect()
        assert (transfer.reason, transfer.flushed, transfer.shrink(50)) == (_engine.CANCELLED, 30, False)
        transfer.cancel()
        peer.sendall(pattern(70, 30))
        second = Engine()
        rest = second.receive(channel, target.fd, 30, 100)
        await_(second.drain, "the rest")
        assert rest.reason == _engine.COMPLETE
        assert target.read() == pattern(100)
        second.close()
        channel.close()
        peer.close()


def test_cancel_and_shrink_while_the_engine_closes(tmp_path: Path) -> None:
    """The threads are gone, the transfers not yet drained: nothing may reach for what was freed."""
    with Target(tmp_path / "file", 1 << 16) as target:
        for _ in range(60):
            engine = Engine(3)
            pairs = [pair() for _ in range(6)]
            transfers = []
            for channel, _ in pairs:
                channel.begin_body(LENGTH, 1 << 16)
                transfers.append(engine.receive(channel, target.fd, 0, 1 << 16))
            over = threading.Event()

            def pester(transfers: list[Transfer] = transfers, over: threading.Event = over) -> None:
                end = 1 << 16
                while not over.is_set():
                    end = max(end - 1, 1)
                    for transfer in transfers:
                        transfer.shrink(end)
                        transfer.cancel()

            threads = [threading.Thread(target=pester) for _ in range(2)]
            for thread in threads:
                thread.start()
            ended = engine.drain()
            ended += engine.close()
            over.set()
            for thread in threads:
                thread.join()
            # What another thread's drain could not have taken has come out here.
            assert set(ended) == set(transfers)
            for channel, peer in pairs:
                channel.close()
                peer.close()


def test_a_number_used_again_at_once(tmp_path: Path) -> None:
    """A channel's descriptor is closed and given to the next connection: events never reach the wrong transfer."""
    with Rig(threads=2) as rig, Target(tmp_path / "file", 4000) as target:
        for i in range(200):
            one, peer = pair()
            transfer = rig.receive(one, target.fd, 0, 100)
            peer.sendall(b"x" * 50)
            if i % 2:
                peer.close()
            else:
                transfer.cancel()
            rig.settle(transfer)
            number = one.fd
            one.close()
            other, second = pair()
            assert number in (other.fd, second.fileno()) or i % 2
            again = rig.receive(other, target.fd, 1000, 1100)
            second.sendall(pattern(100, i))
            rig.settle(again)
            assert again.reason == _engine.COMPLETE
            assert target.read(1000, 1100) == pattern(100, i)
            other.close()
            second.close()
            peer.close()


RUNNING = """
import os, sys, threading, time
sys.path.insert(0, sys.argv[1])
from tests.engine.rig import *
def flood(peer):
    try:
        while True:
            peer.sendall(b"x" * 65536)
    except OSError:
        pass
def begin(path, threads=1):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    rig = Rig(threads)
    transfers = []
    for i in range(4):
        channel, peer = pair()
        transfers.append(rig.receive(channel, fd, 0, 1 << 40, pace=Pace(5_000_000)))
        threading.Thread(target=flood, args=(peer,), daemon=True).start()
    while min(t.position for t in transfers) < 100_000:
        time.sleep(0.005)
    return rig, transfers
"""


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "sys.exit(0)",
        "del rig, transfers",
        "del rig",
        "transfers.append(transfers)",
        "sys.modules['kept'] = rig",
        "threading.Thread(target=lambda r=rig: threading.Event().wait(), daemon=True).start()",
        "os._exit(0)",
        "rig.close()",
    ],
)
def test_the_interpreter_ends_with_transfers_running(tmp_path: Path, ending: str) -> None:
    script = f"{RUNNING}\nrig, transfers = begin(sys.argv[2], 2)\nprint('going', flush=True)\n{ending}\n"
    assert run(script, str(tmp_path / "file")) == "going\n"


def test_what_was_received_is_on_disk_after_the_exit(tmp_path: Path) -> None:
    script = f"{RUNNING}\nrig, transfers = begin(sys.argv[2])\nprint(max(t.position for t in transfers))\n"
    position = int(run(script, str(tmp_path / "file")))
    assert (tmp_path / "file").stat().st_size >= position


@pytest.mark.parametrize("threads", [1, 2])
def test_a_forked_child_has_no_engine(tmp_path: Path, threads: int) -> None:
    """It may end, close and collect; the parent's transfers go on as if nothing had been."""
    script = f"""{RUNNING}
rig, transfers = begin(sys.argv[2], {threads})
import gc, signal
signal.alarm(20)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        transfers[0].cancel()
        transfers[0].shrink(transfers[0].end - 1)
        assert rig.engine.drain() == []
        if number == 0:
            assert rig.engine.close() == []
        if number == 1:
            del rig, transfers
            gc.collect()
        sys.exit(7)
    children.append(child)
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
before = [t.position for t in transfers]
await_(lambda: all(t.position > b for t, b in zip(transfers, before)), "going on after the forks")
for transfer in transfers:
    transfer.cancel()
rig.settle(*transfers)
print({{t.reason for t in transfers}} == {{4}})
"""
    assert run(script, str(tmp_path / "file")) == "True\n"


def test_not_the_engine_of_another_process(tmp_path: Path) -> None:
    """A forked child cannot start transfers on the parent's engine."""
    script = f"""{RUNNING}
rig = Rig()
channel, peer = pair()
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
child = os.fork()
if child == 0:
    try:
        rig.receive(channel, fd, 0, 10)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    assert run(script, str(tmp_path / "file")) == "the engine is closed\n"


def test_sockets_of_any_kind(tmp_path: Path) -> None:
    """A datagram, a listening socket and a closed number: errors, never a busy thread."""
    with Rig() as rig, Target(tmp_path / "file", 100) as target:
        listening = socket.create_server(("127.0.0.1", 0))
        channel = Channel(listening.detach())
        transfer = rig.receive(channel, target.fd, 0, 10)
        rig.settle(transfer)
        assert transfer.reason == _engine.SOCKET_ERROR
        channel.close()
        gone, peer = pair()
        os.close(gone.fd)
        transfer = rig.receive(gone, target.fd, 0, 10)
        rig.settle(transfer)
        assert transfer.reason == _engine.SOCKET_ERROR
        gone.close()
        peer.close()
