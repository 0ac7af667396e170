"""Who runs in the bench, and the command line with which each does a task. Starts nothing.

Peers get the settings that were fastest for them here (aria2c: falloc; measured against none, trunc and prealloc).
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Task:
    """One download run: `urls` into `folder`. A single URL becomes the file `out`."""

    urls: tuple[str, ...]
    folder: Path
    connections: int
    length: int  # of one file
    paced: bool  # the server limits each connection
    listing: Path  # urls, one a line, for -i; beside it the same for curl -K
    authority: Path  # CA file for https
    floor: Path | None = None  # the compiled floor.c
    out: str = "out.bin"

    @property
    def tls(self) -> bool:
        """Whether the URLs are https."""
        return self.urls[0].startswith("https:")

    @property
    def many(self) -> bool:
        """Whether this is a list of small files."""
        return len(self.urls) > 1


Command = list[str] | str  # a string is the reason for not taking part
Build = Callable[[str, Task], Command]


@dataclass(frozen=True, slots=True)
class Contender:
    """A program: `binary` is where it was found, `command(task)` how it is run."""

    name: str
    binary: str
    version: str
    build: Build

    def command(self, task: Task) -> Command:
        """The command line for `task`, or the reason for not taking part."""
        return self.build(self.binary, task)


def _aria2_like(task: Task, connections: int) -> list[str]:
    common = ["--no-conf", "-q", f"-d{task.folder}"]
    if task.tls:
        common.append(f"--ca-certificate={task.authority}")
    if task.many:
        return [*common, f"-j{connections}", f"-i{task.listing}"]
    return [*common, f"-x{connections}", f"-s{connections}", f"-o{task.out}", task.urls[0]]


def _slasshy(python: str, task: Task) -> Command:
    # Without -k1M: it is the default, and given by a user it forbids all smaller cuts, those at the end too.
    return [python, "-m", "slasshy_rpc", *_aria2_like(task, task.connections)]


def _aria2c(binary: str, task: Task) -> Command:
    # 16 connections to one server are aria2c's own limit, and its min-split-size cannot go below 1 MiB.
    return [binary, "--file-allocation=falloc", "-k1M", *_aria2_like(task, min(task.connections, 16))]


def _aria2_next(binary: str, task: Task) -> Command:
    return [binary, "-k1M", *_aria2_like(task, task.connections)]


def _axel(binary: str, task: Task) -> Command:
    if task.many:
        return "axel takes one file at a time"
    trust = ["-k"] if task.tls else []  # it cannot verify addresses; the cipher's work is the same
    return [binary, "-q", *trust, "-n", str(task.connections), "-o", str(task.folder / task.out), task.urls[0]]


def _curl(binary: str, task: Task) -> Command:
    common = [binary, "-q", "-sS", "--fail"]
    if task.many:
        parallel = ["--parallel", "--parallel-max", str(task.connections), "--remote-name-all"]
        return [*common, *parallel, "--output-dir", str(task.folder), "-K", str(task.listing.with_suffix(".curl"))]
    if task.paced:
        return "curl has one connection a file, which the server limits"
    return [*common, "-o", str(task.folder / task.out), task.urls[0]]


def _loop(program: list[str], task: Task) -> Command:
    if task.many or task.tls or task.paced:
        return "the bare loop knows plain http and unlimited servers alone"
    server, path = task.urls[0].removeprefix("http://").split("/", 1)
    port = server.rpartition(":")[2]
    return [*program, port, "/" + path, str(task.length), str(task.connections), str(task.folder / task.out)]


def _floor(_: str, task: Task) -> Command:
    return "floor.c needs Linux" if task.floor is None else _loop([str(task.floor)], task)


def _engine(python: str, task: Task) -> Command:
    return _loop([python, "-m", "tests.bench.engine_alone"], task)


BUILDS: dict[str, Build] = {
    "slasshy": _slasshy,
    "aria2c": _aria2c,
    "curl": _curl,
    "aria2-next": _aria2_next,
    "axel": _axel,
    "engine": _engine,
    "c-loop": _floor,
}
NAMES = tuple(BUILDS)


def find(name: str, binary: str | None = None) -> Contender | str:
    """The contender, or one line that says why it cannot run. `binary` overrides where it is looked for."""
    if name not in BUILDS:
        return f"{name}: no such contender; there are {', '.join(NAMES)}"
    if name == "c-loop":
        return Contender(name, "floor", "tests/bench/floor.c", BUILDS[name])
    if name in ("slasshy", "engine"):
        module = "slasshy_rpc.__main__" if name == "slasshy" else "slasshy_rpc._engine"
        if importlib.util.find_spec(module) is None:
            return f"{name}: {module} is not built; run `make build`"
        version = __import__("slasshy_rpc").__version__
        return Contender(name, binary or sys.executable, f"slasshy-rpc {version}", BUILDS[name])
    found = binary or _which(name)
    if found is None:
        return f"{name}: not installed, so not measured"
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    return Contender(name, found, " ".join(told.split()[:3]) or "unknown version", BUILDS[name])


def _which(name: str) -> str | None:
    """A native program of that name: a wheel's Python launcher would bill its own start to the peer."""
    found = shutil.which(name)
    if found is not None:
        with open(found, "rb") as file:
            if file.read(2) != b"#!":
                return found
    if name == "aria2c":
        later = [shutil.which(name, path=folder) for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")]
        wheel = importlib.util.find_spec("aria2c")
        inside = Path(wheel.origin).parent / "bin" / "aria2c" if wheel and wheel.origin else None
        return next(filter(None, later), str(inside) if inside and inside.exists() else found)
    return found
