"""One command line on one program: a folder of its own, the shared origin, and what there was to see afterwards.

Owns: how an invocation is laid out, run and noted as facts. Never: which command lines are tried (commands_*.py), or
whether facts are right (allowed.py).
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import importlib
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.differential.facts import Facts, Leaf
from tests.differential.scenes import OURS, programs
from tests.differential.sight import files_seen, requests_seen, said_on_stderr, said_on_stdout
from tests.support.behaviour import GOOD, Behaviour, Choose, Seen
from tests.support.origin import Origin, closed_port
from tests.support.process import PATIENCE, command_named

#: Invocations that run beside each other; most of one is waiting.
AT_ONCE = 6
_MODULES = ("answers", "callers", "console", "files", "lists", "names", "options", "refused", "starts", "tries")
_NOT_INHERITED = {"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "home", "xdg_config_home"}


@dataclass(frozen=True, slots=True)
class Served:
    """What the origin has at a path."""

    length: int = 100_000
    data: bytes | None = None
    behaviour: Behaviour | Choose = GOOD


@dataclass(frozen=True, slots=True)
class Case:
    """An invocation. In ``line`` and texts ``<o>`` stands for the origin, ``<dir>`` for the working folder, ``<home>``
    for the home folder, ``<closed>`` for a port that refuses.

    ``serves``: by path, beside ``/a.bin`` and ``/b.bin``, which are always there. ``files``: what lies in the working
    folder, or below ``~/``, before: a name that ends with ``/`` is a folder, one that ends with ``.gz`` compressed, and
    with a mode a text may be a program. ``headers``: request headers that are noted, ``*`` for all. ``interrupt``: sent
    once the origin has given that many bytes and there is a file; what is in it is a matter of luck then. ``wire``: how
    requests are noted: "ordered", "sorted", "paths" where their number is a matter of speed, or "" for not at all.
    ``ordered``: not where what comes first is a matter of luck, as with "sorted".
    ``readout``: the last readout line is noted.
    """

    name: str
    line: str
    serves: Mapping[str, Served] = field(default_factory=dict)
    files: Mapping[str, str | bytes | tuple[str, int]] = field(default_factory=dict)
    stdin: str | bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    interrupt: tuple[signal.Signals, int] | None = None
    wire: str = "ordered"
    ordered: bool = True
    readout: bool = False

    @property
    def group(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]


@functools.cache
def all_cases() -> dict[str, Case]:
    """Every invocation by its name, in order."""
    found: dict[str, Case] = {}
    for name in _MODULES:
        for case in importlib.import_module(f"tests.differential.commands_{name}").CASES:
            if case.name in found:
                raise ValueError(f"two invocations are called {case.name}")
            found[case.name] = case
    return found


class Bench:
    """The origin that all invocations share and the programs, while a with block lasts."""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()
        self._lock = threading.Lock()
        self._count = 0

    def __enter__(self) -> Bench:
        self.origin = self._open.enter_context(Origin())
        self.closed = self._open.enter_context(closed_port())
        self.folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="command-"))).resolve()
        self.ours = command_named("aria2c", self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def perform(self, program: str, case: Case) -> dict[str, Leaf]:
        """The facts of ``case`` on a program ("ours" or a version of aria2c)."""
        with self._lock:
            self._count += 1
            place = f"/{self._count:04}"
        return _Run(self, program, case, place).facts()


class _Run:
    """One program's run of one case; its URLs begin with ``place``, so that requests are told apart."""

    def __init__(self, bench: Bench, program: str, case: Case, place: str) -> None:
        self._bench, self._case, self._place = bench, case, place
        self._program = str(bench.ours) if program == OURS else programs()[program][0]
        folder = bench.folder / place[1:]
        self._files, self._home = folder / "files", folder / "home"
        self._places = {
            "<o>": f"http://127.0.0.1:{bench.origin.port}{place}",
            "<host>": f"127.0.0.1:{bench.origin.port}",
            "<closed>": f"http://127.0.0.1:{bench.closed}",
            "<dir>": str(self._files),
            "<home>": str(self._home),
        }

    def facts(self) -> dict[str, Leaf]:
        laid = self._lay()
        for path, served in {"/a.bin": Served(), "/b.bin": Served(60_000), **self._case.serves}.items():
            self._bench.origin.serve(
                self._place + path,
                length=served.length,
                seed=sum(path.encode()),
                data=None if served.data is None else self._put(served.data),
                behaviour=served.behaviour,
            )
        code, stdout, stderr = self._run()
        facts = Facts(self._case.name)
        facts.names.literal |= {place: name for name, place in self._places.items()}
        facts.names.literal[self._place] = "<place>"
        facts.names.literal[self._program] = "<program>"
        facts.note("exit", code)
        facts.note(
            "stdout",
            said_on_stdout(
                facts.names.normalised(stdout),
                failed=code != 0,
                readout=self._case.readout,
                ordered=self._case.ordered and self._case.wire != "sorted",
            ),
        )
        facts.note("stderr", said_on_stderr(facts.names.normalised(stderr)))
        facts.note("files", files_seen(self._files, laid, facts.names.normalised, whole=self._case.interrupt is None))
        if self._case.wire:
            facts.note("requests", requests_seen(self._seen(), self._place, self._case.wire, self._case.headers))
        return facts.seen

    def _seen(self) -> list[Seen]:
        return [seen for seen in self._bench.origin.requests() if seen.path.startswith(self._place + "/")]

    def _put(self, text: bytes) -> bytes:
        for name, place in self._places.items():
            text = text.replace(name.encode(), place.encode())
        return text

    def _lay(self) -> dict[Path, bytes]:
        """Make the folders and what lies in them; returns the files' contents."""
        for folder in (self._files, self._home):
            folder.mkdir(parents=True)
        laid = {}
        for name, content in self._case.files.items():
            path = self._home / name[2:] if name.startswith("~/") else self._files / name
            text, mode = content if isinstance(content, tuple) else (content, 0o644)
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            laid[path] = self._put(text if isinstance(text, bytes) else text.encode())
            if name.endswith(".gz"):
                laid[path] = gzip.compress(laid[path])
            path.write_bytes(laid[path])
            path.chmod(mode)
            os.utime(path, (86400 * 365, 86400 * 365))
        return laid

    def _run(self) -> tuple[int, str, str]:
        """Run it to its end: exit code, standard output and error."""
        case = self._case
        words = [self._put(word.encode()).decode() for word in shlex.split(case.line)]
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in _NOT_INHERITED}
        given = {name: self._put(value.encode()).decode() for name, value in case.environment.items()}
        stdin = self._put(case.stdin if isinstance(case.stdin, bytes) else case.stdin.encode())
        process = subprocess.Popen(
            [self._program, *words],
            cwd=self._files,
            env={**inherited, "HOME": str(self._home), "TZ": "UTC", "COLUMNS": "80", **given},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            if case.interrupt is not None:
                self._interrupt(process, *case.interrupt)
            out, err = process.communicate(stdin, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            return -99, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        finally:
            process.kill()
            process.wait()
        return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def _interrupt(self, process: subprocess.Popen[bytes], number: signal.Signals, sent: int) -> None:
        """Send the signal once the origin has given that many bytes and a file has appeared."""
        end = time.monotonic() + PATIENCE
        laid = len(list(self._files.iterdir()))
        while sum(seen.sent for seen in self._seen()) < sent or len(list(self._files.iterdir())) == laid:
            if process.poll() is not None or time.monotonic() > end:
                return
            time.sleep(0.02)
        process.send_signal(number)


_RECORDED: dict[tuple[str, str], dict[str, Leaf]] = {}


def recorded(wanted: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str, dict[str, Leaf]]]:
    """(program, name, facts) of each pair, performed once in this process and some at a time."""
    pairs = list(wanted)
    missing = [pair for pair in pairs if pair not in _RECORDED]
    if missing:
        with Bench() as bench, ThreadPoolExecutor(AT_ONCE) as pool:
            done = [pool.submit(bench.perform, program, all_cases()[name]) for program, name in missing]
            for pair, future in zip(missing, done, strict=True):
                _RECORDED[pair] = future.result()
    for program, name in pairs:
        yield program, name, _RECORDED[program, name]
