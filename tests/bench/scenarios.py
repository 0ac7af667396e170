"""What the bench measures: each scenario's server side, connections and contenders, and the alternated rounds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.contenders import NAMES, Contender, Task
from tests.bench.machine import MIB, warm
from tests.bench.measure import Run, digest, emptied, environment, timed
from tests.bench.nginx import Nginx

SMALL_COUNT, SMALL_SIZE = 2000, 100 * 1024
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A download to be repeated. `share` divides the bench's size; `base` is whom ratios are taken to."""

    name: str
    title: str
    path: str  # folder on the server, with slashes
    connections: int
    tls: bool = False
    share: int = 1
    paced: bool = False
    many: bool = False
    base: str = "aria2c"
    contenders: tuple[str, ...] = ("slasshy", "aria2c", "curl", "aria2-next", "axel", "c-loop")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("http-1", "HTTP, 1 connection", "/", 1),
        Scenario("http-16", "HTTP, 16 connections", "/", 16),
        Scenario("https-1", "HTTPS (TLS 1.3), 1 connection", "/", 1, tls=True),
        Scenario("https-16", "HTTPS (TLS 1.3), 16 connections", "/", 16, tls=True),
        Scenario("throttle-16", "2 MB/s a connection, 16 connections", "/limited/", 16, share=4, paced=True),
        Scenario("throttle-64", "2 MB/s a connection, 64 connections", "/limited/", 64, share=4, paced=True),
        Scenario("slow-fifth", "every fifth connection 20 times slower, 16", "/fifth/", 16, share=4, paced=True),
        Scenario("small-files", f"{SMALL_COUNT} files of 100 KiB from a list, 16 at once", "/small/", 16, many=True),
        Scenario(
            "loop-in-c",
            "the engine alone beside the same loop in C, 16 connections",
            "/",
            16,
            base="c-loop",
            contenders=("c-loop", "engine", "slasshy"),
        ),
    )
}


@dataclass(slots=True)
class Result:
    """The runs of one scenario by contender, in order; `total` is the bytes that one run moves."""

    name: str
    title: str
    base: str
    total: int
    runs: dict[str, list[Run]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """For the results file."""
        runs = {name: [run.as_json() for run in all_runs] for name, all_runs in self.runs.items()}
        return {"title": self.title, "base": self.base, "total": self.total, "runs": runs, "skipped": self.skipped}


class Field:
    """The served files in `root` and the place for what is fetched."""

    def __init__(self, root: Path, out: Path, size: int, small_count: int = SMALL_COUNT) -> None:
        self.root, self.out, self.size, self.small_count = root, out, size, small_count
        self._digests: dict[tuple[Path, ...], str] = {}

    def whole(self, share: int = 1) -> Path:
        """The big file of size / share random bytes, made when first asked for."""
        path = self.root / f"{self.size // share // MIB}m.bin"
        if not path.exists():
            source = random.Random(share)
            with path.open("wb") as file:
                for _ in range(self.size // share // MIB):
                    file.write(source.randbytes(MIB))
        return path

    def small(self) -> list[Path]:
        """The small files, made when first asked for."""
        folder = self.root / "small"
        paths = [folder / f"{number:04}.bin" for number in range(self.small_count)]
        if not folder.exists():
            folder.mkdir()
            source = random.Random(0)
            for path in paths:
                path.write_bytes(source.randbytes(SMALL_SIZE))
        return paths

    def digest(self, paths: Sequence[Path]) -> str:
        """SHA-256 of served files, computed once."""
        key = tuple(paths)
        if key not in self._digests:
            self._digests[key] = digest(list(paths))
        return self._digests[key]


@dataclass(frozen=True, slots=True)
class Course:
    """All that runs have in common. `warmth` is the bytes of memory to warm before each."""

    nginx: Nginx
    field: Field
    scratch: Path
    stopwatch: Path
    floor: Path | None
    warmth: int
    rounds: int
    say: Say

    def run(self, scenario: Scenario, contenders: Sequence[Contender]) -> Result:
        """All rounds of one scenario: everybody once a round, each round beginning with another one."""
        paths = self.field.small() if scenario.many else [self.field.whole(scenario.share)]
        names = [f"{scenario.path}{path.name}" for path in paths]
        task = self._task(scenario, tuple(self.nginx.url(name, tls=scenario.tls) for name in names), paths[0])
        result = Result(scenario.name, scenario.title, scenario.base, sum(path.stat().st_size for path in paths))
        able: list[tuple[Contender, list[str]]] = []
        for contender in contenders:
            if contender.name not in scenario.contenders:
                continue
            command = contender.command(task)
            if isinstance(command, str):
                result.skipped[contender.name] = command
            else:
                able.append((contender, command))
                result.runs[contender.name] = []
        wanted = self.field.digest(paths)
        for number in range(self.rounds):
            turn = number % len(able) if able else 0
            for contender, command in able[turn:] + able[:turn]:
                run = self._once(contender, command, task, paths, wanted)
                result.runs[contender.name].append(run)
                cpu = f"{run.wall:8.3f} s wall {run.cpu:8.3f} s CPU {run.peak_kib / 1024:6.0f} MiB"
                self.say(f"  {scenario.name} {number + 1}/{self.rounds} {contender.name:11}{cpu}  {run.note}")
        return result

    def _task(self, scenario: Scenario, urls: tuple[str, ...], first: Path) -> Task:
        listing = self.scratch / "list.txt"
        listing.write_text("".join(f"{url}\n" for url in urls))
        listing.with_suffix(".curl").write_text("".join(f'url = "{url}"\n' for url in urls))
        return Task(
            urls=urls,
            folder=self.field.out,
            connections=scenario.connections,
            length=first.stat().st_size,
            paced=scenario.paced,
            listing=listing,
            authority=self.nginx.authority,
            floor=self.floor,
        )

    def _once(self, contender: Contender, command: list[str], task: Task, paths: list[Path], wanted: str) -> Run:
        emptied(self.field.out)
        env = environment(emptied(self.scratch / "home"), self.nginx.authority)
        warm(self.warmth, *paths)
        log = self.scratch / "log.txt"
        # The working folder is the project's, so that `python -m slasshy_rpc` is this tree's.
        run, told = timed(self.stopwatch, command, cwd=Path.cwd(), env=env, seconds=180, log=log)
        if run.ok:
            found = digest([self.field.out / path.name for path in paths] if task.many else [self.field.out / task.out])
            if found != wanted:
                return Run(run.wall, run.user, run.sys, run.peak_kib, False, f"wrong bytes: {found}")
        if contender.name in ("engine", "c-loop") and run.ok:
            loop = json.loads(told)
            return Run(run.wall, run.user, run.sys, run.peak_kib, True, loop_cpu=loop["user"] + loop["sys"])
        return run


def chosen(names: Sequence[str]) -> list[str]:
    """The contenders' names to run, in the order of the table; all when none are named."""
    return [name for name in NAMES if not names or name in names]
