"""All scenes, how each is played on a program, and the recordings of this run.

Owns: the register of scenes, the programs of this machine, and one recording for each pair. Never: what a scene does.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.differential.facts import Facts, Leaf
from tests.differential.stage import Stage
from tests.support.daemon import Daemon
from tests.support.origin import Origin, closed_port
from tests.support.process import PATIENCE

#: Scenes that are played beside each other.
AT_ONCE = 4

Play = Callable[[Stage], None]
OURS = "ours"
_MODULES = (
    "calls", "options", "life", "queue", "uris", "looks", "ends", "frames", "sessions", "proxies", "heads", "files",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """One scene of an area; ``options`` are the server's command line beyond what all have."""

    area: str
    name: str
    play: Play
    options: tuple[str, ...]

    @property
    def key(self) -> str:
        """``area/name``."""
        return f"{self.area}/{self.name}"


SCENES: dict[str, Scene] = {}


def scene(area: str, name: str, *options: str) -> Callable[[Play], Play]:
    """Register a scene."""

    def register(play: Play) -> Play:
        found = Scene(area, name, play, options)
        if found.key in SCENES:
            raise ValueError(f"two scenes are called {found.key}")
        SCENES[found.key] = found
        return play

    return register


def all_scenes() -> dict[str, Scene]:
    """Every scene by its key, in order."""
    for name in _MODULES:
        importlib.import_module(f"tests.differential.scenes_{name}")
    return SCENES


@functools.cache
def programs() -> dict[str, tuple[str, ...]]:
    """The command of each aria2c of this machine by its version, the newest first."""
    candidates = [Path("/usr/bin/aria2c"), Path("/usr/local/bin/aria2c")]
    if spec := importlib.util.find_spec("aria2c"):  # the wheel; its own script would start a second process
        candidates.insert(0, Path(str(spec.origin)).parent / "bin" / "aria2c")
    found: dict[str, tuple[str, ...]] = {}
    for path in candidates:
        if path.is_file():
            said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True)
            found.setdefault(said.stdout.split()[2], (str(path),))
    return dict(sorted(found.items(), reverse=True))


def command(program: str) -> tuple[str, ...]:
    """How a program ("ours" or a version of aria2c) is started."""
    return (sys.executable, "-m", "slasshy_rpc", "--compat") if program == OURS else programs()[program]


@functools.cache
def record(program: str, key: str) -> dict[str, Leaf]:
    """The facts of a scene on a program ("ours" or a version of aria2c), played once in this run."""
    found = all_scenes()[key]
    facts = Facts(key)
    with tempfile.TemporaryDirectory(prefix="scene-") as name, Origin() as origin, closed_port() as closed:
        folder = Path(name).resolve()
        facts.names.literal |= {
            f"http://127.0.0.1:{origin.port}": "<origin>",
            f"127.0.0.1:{origin.port}": "<host>",
            f"http://127.0.0.1:{closed}": "<closed>",
            f"127.0.0.1:{closed}": "<closed host>",
            str(folder / "files"): "<dir>",
            str(folder / "home"): "<home>",
        }

        def start(options: Sequence[str]) -> Daemon:
            return Daemon(command(program), folder, ["--quiet", *options])

        stage = Stage(start, origin, facts, f"http://127.0.0.1:{closed}", _session_text)
        with contextlib.closing(stage):
            stage.restart(*(option.replace("<dir>", str(folder / "files")) for option in found.options))
            try:
                found.play(stage)
            except Exception as error:
                facts.note("raised", f"{type(error).__name__}: {error}")
    return facts.seen


def record_all(wanted: Iterable[tuple[str, str]]) -> None:
    """Play (program, scene) pairs that are wanted soon, some at a time: most of a scene is waiting."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(record, program, key) for program, key in wanted]:
            done.result()


def _session_text(program: str) -> str:
    """The session file that a program of that make saved, with names in place of what was this run's."""
    version = OURS if program == OURS else next(iter(programs()))
    lines = record(version, "sessions/a whole life")
    start = "sessions/a whole life/session text: "
    return "".join(f"{text}\n" for key, text in lines.items() if key.startswith(start))
