"""A server that looks into media pages of the loop-back, and where it stores files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.media import OPTIONS, decoded, streams
from tests.support.process import Server


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """One for all tests of a module that says STANDING = True, and the folder below which they have theirs."""
    root = tmp_path_factory.mktemp("standing")
    with Server(f"--dir={root}", f"--state-dir={root}.state", *OPTIONS) as started:
        yield started, root


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Its --dir."""
    if not getattr(request.module, "STANDING", False):
        return tmp_path / "files"
    root: Path = request.getfixturevalue("standing")[1]
    return root / f"{len(list(root.iterdir()))}-{request.node.originalname}"


@pytest.fixture
def options(folder: Path, tmp_path: Path) -> list[str]:
    """How it is started."""
    return [f"--dir={folder}", f"--state-dir={tmp_path / 'state'}", *OPTIONS]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One of those."""
    if not getattr(request.module, "STANDING", False):
        with Server(*request.getfixturevalue("options")) as started:
            yield started
        return
    shared: Server = request.getfixturevalue("standing")[0]
    folder: Path = request.getfixturevalue("folder")
    folder.mkdir()
    shared.call("aria2.changeGlobalOption", {"dir": str(folder)})
    yield shared
    active, waiting = gids(shared, "Active"), gids(shared, "Waiting", 0, 9999)
    shared.call("system.multicall", [{"methodName": "aria2.remove", "params": [gid]} for gid in active + waiting])
    for gid in active:
        shared.finished(gid)
    shared.call("aria2.purgeDownloadResult")


def gids(server: Server, which: str, *window: int) -> list[str]:
    """Of all that are active or waiting."""
    return [one["gid"] for one in server.call(f"aria2.tell{which}", *window, ["gid"])]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``streams`` lie."""
    folder = tmp_path_factory.mktemp("streams")
    streams(folder)
    return folder


@pytest.fixture(scope="session")
def files(made: Path) -> dict[str, bytes]:
    """All of them, by name."""
    return {path.name: path.read_bytes() for path in made.iterdir()}


@pytest.fixture(scope="session")
def source(made: Path) -> list[str]:
    """What is ``decoded`` of them."""
    return decoded(made / "source.mp4")
