"""More than one engine thread, and a device whose writes stall: it gets a thread of its own, the others go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from slasshy_rpc import _engine
from tests.engine.rig import Rig, Target, feeding, pair, pattern

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def threads_now() -> int:
    """Threads of this process, without those that have been joined and are on their way out."""
    counts = []
    for _ in range(20):
        counts.append(len(os.listdir("/proc/self/task")))
        time.sleep(0.002)
    return min(counts)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_share_the_work(tmp_path: Path, threads: int) -> None:
    size = 200_000
    before = threads_now()
    with Rig(threads=threads) as rig, Target(tmp_path / "file", 12 * size) as target:
        assert threads_now() == before + threads
        pairs = [pair() for _ in range(12)]
        transfers = [rig.receive(channel, target.fd, i * size, (i + 1) * size) for i, (channel, _) in enumerate(pairs)]
        for i, (_, peer) in enumerate(pairs):
            with feeding(peer, [pattern(size, i * size)]):
                pass
        rig.settle(*transfers)
        assert {t.reason for t in transfers} == {_engine.COMPLETE}
        assert target.read() == pattern(12 * size)
        for channel, _ in pairs:
            channel.close()
    assert threads_now() == before


SLOW = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from slasshy_rpc._engine import COMPLETE, RUNNING
from tests.engine.rig import *

def threads():
    return len(os.listdir("/proc/self/task"))

slow = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT, 0o600)
quick = os.memfd_create("quick")
assert os.fstat(slow).st_dev != os.fstat(quick).st_dev
os.putenv("SLOW_DEVICE", str(os.fstat(slow).st_dev))
os.putenv("SLOW_MILLISECONDS", "400")

def transfer(rig, fd, size):
    channel, peer = pair()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.sendall(b"x" * size)
    peer.close()
    return rig.receive(channel, fd, 0, size)

with Rig(threads=1) as rig:
    alone = threads()
    first = transfer(rig, slow, 1000)
    rig.settle(first)
    assert first.reason == COMPLETE, first.reason
    assert threads() == alone + 1, "a slow device got no thread of its own"
    # The slow write of the second runs on that thread: the quick ones need not wait for it.
    second = transfer(rig, slow, 1000)
    for _ in range(20):
        rig.settle(transfer(rig, quick, 1000))
        assert second.reason == RUNNING, "the quick device waited for the slow one"
    rig.settle(second)
    rig.settle(transfer(rig, slow, 1000))
    assert threads() == alone + 1, "one thread a device"
print("done")
"""


SLOW_FILES = """
import os, select, sys, time
from slasshy_rpc._engine import Engine

folder, count = sys.argv[2], 16
os.putenv("SLOW_DEVICE", str(os.stat(folder).st_dev))
os.putenv("SLOW_MILLISECONDS", "1000")
engine = Engine()
for at in range(count):
    engine.put(os.fsencode(f"{folder}/{at}"), os.fsencode(f"{folder}/{at}.aria2"), b"x" * 100)
while len(os.listdir(folder)) < count:
    assert not engine.drain(), "one waited for another"
    time.sleep(0.002)
print(all(one.done for one in engine.close()))
"""


def slowly(script: str, tmp_path: Path, *arguments: str) -> str:
    """What ``script`` says, which tells by its environment whose writes are slow."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    compiler = next(name for name in (os.environ.get("CC", ""), compiler, "cc", "gcc") if name and shutil.which(name))
    library = tmp_path / "slow_pwrite.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, HERE / "slow_pwrite.c", "-ldl"], check=True, timeout=60
    )
    preloaded = " ".join(filter(None, (os.environ.get("LD_PRELOAD"), str(library))))
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "LD_PRELOAD": preloaded},
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memfd, /proc and preloading are Linux's")
def test_a_slow_device_gets_a_thread_of_its_own(tmp_path: Path) -> None:
    assert slowly(SLOW, tmp_path, str(tmp_path / "slow")) == "done\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="preloading is Linux's")
def test_small_files_do_not_wait_for_those_of_a_slow_device(tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    folder.mkdir()
    assert slowly(SLOW_FILES, tmp_path, str(folder)) == "True\n"
