"""Servers to attack, the ordinary client that has to be answered meanwhile, and how long its answers took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.patron import Figures, Patron
from tests.support.process import Server

#: In every attack on a server with a secret; it must never be seen in a log.
SECRET = "geheim-und-lang"
#: Milliseconds: no answer may take longer. On a quiet machine few take 100; one that shares two processors with all who
#: attack, and others, must not fail for its noise. Where the server was at fault it was many times this.
LONGEST = 3000.0

FIGURES = pytest.StashKey[list[tuple[str, Figures]]]()

#: Watches a server while the with block attacks it.
Watch = Callable[..., AbstractContextManager[None]]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how long an ordinary client waited in each attack."""
    if config.stash[FIGURES]:
        terminalreporter.section("an ordinary client under attack")
        for name, figures in config.stash[FIGURES]:
            terminalreporter.write_line(f"{name:32} {figures}")


def settings(folder: Path, *options: str) -> tuple[str, ...]:
    """The options of a server that keeps everything below ``folder``."""
    for name in ("files", "home"):
        (folder / name).mkdir(exist_ok=True)
    return (f"--dir={folder / 'files'}", f"--state-dir={folder / 'state'}", "--console-log-level=info", *options)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A server with a secret."""
    with Server(*settings(tmp_path, f"--rpc-secret={SECRET}")) as server:
        yield server
        sound(server)


@pytest.fixture
def unguarded(tmp_path: Path) -> Iterator[Server]:
    """A server without one, for this machine only."""
    with Server(*settings(tmp_path)) as server:
        yield server
        sound(server)


def sound(server: Server) -> None:
    """It is still there, has said no secret, and nothing has failed inside."""
    assert server.running, server.said
    for word in ("Traceback", "please report", "never retrieved", SECRET):
        assert word not in server.said, server.said[-4000:]


@pytest.fixture
def watched(request: pytest.FixtureRequest) -> Watch:
    """``with watched(server): attack`` is an ordinary client that is answered meanwhile, each time, within bounds."""

    @contextmanager
    def watch(server: Server, secret: str = SECRET, authority: str = "") -> Iterator[None]:
        with Patron(server.port, secret, authority) as patron:
            yield
            figures = patron.leave()
        request.config.stash[FIGURES].append((request.node.name.removeprefix("test_")[:32], figures))
        assert figures.failed == (), server.said[-2000:]
        assert figures.answers >= 2
        assert figures.worst < LONGEST, str(figures)

    return watch
