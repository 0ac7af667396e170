"""kill -9 at random moments: what is on disk is known, the rest is fetched, and the file is exact in the end.

SLASSHY_KILLS is how often each scheme is killed in the middle (2), besides five times in a row; SLASSHY_SEED says where
the moments come from.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from slasshy_rpc.disk.bits import BLOCK
from slasshy_rpc.plan.ranges import Ranges
from tests.support.behaviour import Behaviour, Seen
from tests.support.certs import Certificates
from tests.support.origin import Origin
from tests.support.process import PATIENCE, Command, Server, run
from tests.support.remains import asked, controlled, marked, overlap, same_blocks

MIB = 1 << 20
KILLS = int(os.environ.get("SLASSHY_KILLS", "2"))
SEED = int(os.environ.get("SLASSHY_SEED", "20"))
CONNECTIONS = 16

LENGTH = 32 * MIB + 5000
RATE = 24 * MIB // CONNECTIONS

#: Where control files are all that counts, downloads are killed after more than the two seconds that may be lost.
SLOW_RATE = 7 * MIB // CONNECTIONS

#: The engine's thread is somewhere in one pwrite when it dies: its bytes may be on disk and not yet marked.
SLICE = 512 * 1024


@dataclass(slots=True)
class Figures:
    """What came of the kills of a test, in bytes; printed at its end (pytest -rP)."""

    arrived: list[int] = field(default_factory=list)  # sent by the origin before the kill
    lost: list[int] = field(default_factory=list)  # of it not on disk in whole blocks: it was in buffers
    again: list[int] = field(default_factory=list)  # on disk in whole blocks and yet asked for after the kill
    bounds: list[int] = field(default_factory=list)  # what ``again`` may be at most
    vain: list[int] = field(default_factory=list)  # sent beyond what was missing: segments split in flight

    def __str__(self) -> str:
        lines = [f"{len(self.again)} kills. KiB a kill, median and most:"]
        for text, values in (
            ("arrived before it", self.arrived),
            ("arrived and lost in buffers", self.lost),
            ("on disk and yet fetched again", self.again),
            ("   its bound", self.bounds),
            ("sent in vain by splits after it", self.vain),
        ):
            ordered = sorted(values)
            lines.append(f"  {text:32} {ordered[len(ordered) // 2] >> 10:8} {ordered[-1] >> 10:8}")
        return "\n".join(lines)


class Faucet:
    """An origin's chooser: ``rate`` bytes a second for each answer that begins from now on, 0 for all it can."""

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def __call__(self, seen: Seen) -> Behaviour:
        return Behaviour(rate=self.rate)


@pytest.fixture(params=["http", "https"])
def served(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Origin]:
    """An origin of either scheme."""
    with Origin(certificates.server() if request.param == "https" else None) as one:
        yield one


@pytest.fixture
def options(tmp_path: Path, certificates: Certificates) -> list[str]:
    """How the command is started in these tests."""
    return [
        f"--dir={tmp_path / 'files'}",
        f"--state-dir={tmp_path / 'state'}",
        f"--ca-certificate={certificates.authority}",
        f"--split={CONNECTIONS}",
    ]


def assert_true(path: Path, live_dir: Path, on_disk: Ranges) -> None:
    """Nothing is recorded as done that is not in the file."""
    for name, ranges in (("control file", controlled(path)), ("live map", marked(path, live_dir, LENGTH))):
        for start, end in ranges:
            assert overlap([(start, end)], on_disk) == end - start, f"the {name} claims {start}-{end} in vain"


@contextmanager
def sampled(origin: Origin, path: str) -> Iterator[list[tuple[float, int]]]:
    """(time, bytes sent of ``path``) again and again while the block runs."""
    samples: list[tuple[float, int]] = []
    enough = threading.Event()

    def take() -> None:
        while not enough.wait(0.01):
            samples.append((time.monotonic(), origin.sent(path)))
        samples.append((time.monotonic(), origin.sent(path)))

    thread = threading.Thread(target=take, name="samples", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        enough.set()
        thread.join(10)


def arrived_since(samples: list[tuple[float, int]], moment: float) -> int:
    """Bytes sent after ``moment``."""
    before = [count for at, count in samples if at <= moment]
    return samples[-1][1] - (before[-1] if before else 0)


def kill_and_resume(
    origin: Origin, options: list[str], tmp_path: Path, seed: int, figures: Figures, *, power_cut: bool
) -> None:
    """One download, killed once and finished by another server."""
    name = f"f{seed}.bin"
    path, live_dir = tmp_path / "files" / name, tmp_path / "state" / "live"
    faucet = Faucet(SLOW_RATE if power_cut else RATE)
    url = origin.serve(f"/{name}", length=LENGTH, seed=seed, behaviour=faucet)
    content = origin.content(f"/{name}")
    lasts = LENGTH / (faucet.rate * CONNECTIONS)
    moment = random.Random(seed).uniform(2.0 if power_cut else 0.0, 0.95 * lasts)
    with Server(*options) as server, sampled(origin, f"/{name}") as samples:
        gid = server.add(url)
        origin.wait(requested(name, 0))
        time.sleep(moment)
        killed = time.monotonic()
        server.kill()
    before = origin.requests(f"/{name}")
    arrived = samples[-1][1]
    on_disk = same_blocks(path, content)
    assert_true(path, live_dir, on_disk)
    if power_cut:
        for live in live_dir.iterdir():
            live.unlink()
    faucet.rate = 0
    with Server(*options) as server:
        server.completed(gid)  # the history has begun it again
        assert server.stop() == 0
    assert content.difference(path) is None
    assert [one.name for one in path.parent.iterdir()] == [name]
    assert list(live_dir.iterdir()) == []

    again = overlap(asked(origin.requests(f"/{name}")[len(before) :], LENGTH), on_disk)
    figures.arrived.append(arrived)
    figures.lost.append(arrived - on_disk.total)
    figures.again.append(again)
    figures.vain.append(origin.sent(f"/{name}") - arrived - (LENGTH - on_disk.total) - again)
    bound = arrived_since(samples, killed - 2) if power_cut else CONNECTIONS * BLOCK + SLICE
    figures.bounds.append(bound)
    assert again <= bound, f"seed {seed}, killed after {moment:.2f} s"
    path.unlink()


@pytest.mark.timeout(30 + KILLS * 20)
def test_only_what_was_not_on_disk_is_fetched_again(served: Origin, options: list[str], tmp_path: Path) -> None:
    figures = Figures()
    for seed in range(SEED, SEED + KILLS):
        kill_and_resume(served, options, tmp_path, seed, figures, power_cut=False)
    print(f"{served.url('/')}: {figures}")


@pytest.mark.timeout(30 + KILLS * 20)
def test_without_live_maps_the_last_two_seconds_are_lost(origin: Origin, options: list[str], tmp_path: Path) -> None:
    """As after a power cut, when the control files are all that counts."""
    figures = Figures()
    for seed in range(SEED + 1000, SEED + 1000 + max(1, KILLS // 2)):
        kill_and_resume(origin, options, tmp_path, seed, figures, power_cut=True)
    print(f"without live maps: {figures}")


def requested(name: str, count: int) -> Callable[[Origin], bool]:
    """Whether the origin has seen more than ``count`` requests for ``name``."""
    return lambda one: len(one.requests(f"/{name}")) > count


def begun(path: Path, mark: str) -> bool:
    """Whether a download has come as far as ``mark``: something that one of its first steps makes."""
    if mark == "control file":
        return Path(f"{path}.aria2").exists()
    return path.exists() and (mark == "target" or path.stat().st_size == LENGTH)


@pytest.mark.parametrize("pause", [0.0, 0.002], ids=["at once", "a moment later"])
@pytest.mark.parametrize("mark", ["request", "control file", "target", "allocation", "others' requests"])
def test_killed_at_the_very_start(origin: Origin, options: list[str], tmp_path: Path, mark: str, pause: float) -> None:
    """As soon as a step is seen to be taken, or a moment after it."""
    path, live_dir = tmp_path / "files" / "f.bin", tmp_path / "state" / "live"
    faucet = Faucet(RATE)
    url = origin.serve("/f.bin", length=LENGTH, behaviour=faucet)
    with Command(*options, url) as command:
        if mark == "request":
            origin.wait(requested("f.bin", 0))
        elif mark == "others' requests":
            origin.wait(requested("f.bin", 2))
        else:
            watch(command, lambda: begun(path, mark))
        time.sleep(pause)
        command.kill()
    on_disk = same_blocks(path, origin.content("/f.bin"))
    assert_true(path, live_dir, on_disk)
    count = len(origin.requests())
    faucet.rate = 0
    code, said = run(*options, url)
    assert code == 0, said
    assert origin.content("/f.bin").difference(path) is None
    assert [one.name for one in path.parent.iterdir()] == ["f.bin"]
    assert overlap(asked(origin.requests()[count:], LENGTH), on_disk) <= CONNECTIONS * BLOCK + SLICE


def test_a_small_file_that_comes_slowly(origin: Origin, options: list[str], tmp_path: Path) -> None:
    """There is a record of the part, so that it does not pass for the whole."""
    path = tmp_path / "files" / "f.bin"
    faucet = Faucet(100_000)
    url = origin.serve("/f.bin", length=MIB // 2, behaviour=faucet)
    with Command(*options, url) as command:
        watch(command, lambda: bool(same_blocks(path, origin.content("/f.bin"))))
        command.kill()
    assert begun(path, "control file")
    faucet.rate = 0
    code, said = run(*options, url)
    assert code == 0, said
    assert origin.content("/f.bin").difference(path) is None
    assert [one.name for one in path.parent.iterdir()] == ["f.bin"]


def test_killed_again_and_again(served: Origin, options: list[str], tmp_path: Path) -> None:
    """Each one continues what the one before it left, and is killed in turn, soon after one of its first requests."""
    chance = random.Random(SEED)
    path, live_dir = tmp_path / "files" / "f.bin", tmp_path / "state" / "live"
    faucet = Faucet(SLOW_RATE)
    url = served.serve("/f.bin", length=LENGTH, seed=SEED, behaviour=faucet)
    content = served.content("/f.bin")
    on_disk = Ranges()
    for _ in range(5):
        count = len(served.requests())
        with Command(*options, url) as command:
            served.wait(requested("f.bin", count + chance.randrange(CONNECTIONS)))
            time.sleep(chance.uniform(0.0, 0.4))
            command.kill()
        assert overlap(asked(served.requests()[count:], LENGTH), on_disk) <= CONNECTIONS * BLOCK + SLICE
        before, on_disk = on_disk, same_blocks(path, content)
        assert overlap(before, on_disk) == before.total, "bytes that were there are gone"
        assert_true(path, live_dir, on_disk)
    faucet.rate = 0
    code, said = run(*options, url)
    assert code == 0, said
    assert content.difference(path) is None
    assert [one.name for one in path.parent.iterdir()] == ["f.bin"]


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.016, 0.06])
def test_killed_at_the_very_end(origin: Origin, options: list[str], tmp_path: Path, delay: float) -> None:
    """When the last byte has been sent: the file is complete or continued, and never there twice."""
    path = tmp_path / "files" / "f.bin"
    url = origin.serve("/f.bin", length=LENGTH, behaviour=Behaviour(hold_at=100_000))
    content = origin.content("/f.bin")
    with Command(*options, "--file-sync=always", url) as command:
        origin.wait(lambda one: one.sent() >= CONNECTIONS * 100_000)
        origin.release("/f.bin")
        origin.wait(lambda one: one.sent() >= LENGTH)
        time.sleep(delay)
        command.kill()
    assert_true(path, tmp_path / "state" / "live", same_blocks(path, content))
    code, said = run(*options, "--continue", url)
    assert code == 0, said
    assert content.difference(path) is None
    assert [one.name for one in path.parent.iterdir()] == ["f.bin"]


def watch(command: Command, ready: Callable[[], bool]) -> None:
    """Return as soon as ``ready`` holds or the command has ended: looks without a pause, for moments that are short."""
    end = time.monotonic() + PATIENCE
    while not ready():
        if not command.running or time.monotonic() > end:
            raise TimeoutError(f"it never came so far:\n{command.said}")
