"""Which command an event calls, with what, and that a bad one does no harm."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli.hooks import Hooks
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import Layer, Normal, defaults
from slasshy_rpc.values import Event, FileView, Snapshot, Status
from tests.support.fake_protocol import until

GID = "00000000000000ab"
ALL = (Event.START, Event.PAUSE, Event.STOP, Event.COMPLETE, Event.ERROR)


def with_files(*paths: str) -> Callable[[str], Row]:
    """A look-up that gives a Row with these."""
    return lambda gid: Row(gid, Snapshot(files=tuple(FileView(path) for path in paths)), Status.ACTIVE, None)


def script(folder: Path, name: str) -> str:
    """A command that leaves its name and arguments in a file of its own."""
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nprintf "%s|" {name} "$#" "$@" > {folder}/new-$$\nmv {folder}/new-$$ {folder}/said-$$\n'
    )
    path.chmod(0o700)
    return str(path)


def hooks(folder: Path, names: Sequence[str], row: Callable[[str], Row]) -> Hooks:
    own: dict[str, Normal] = {f"on-download-{name}": script(folder, name) for name in names}
    return Hooks(defaults(compat=True).derive(own, Layer.COMMAND), row)


async def said(folder: Path, count: int) -> list[str]:
    await until(lambda: len(read(folder)) == count)
    return read(folder)


def read(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.glob("said-*"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["start", "pause", "complete", "error"], ["complete", "error", "pause", "start"]),
        (["stop"], ["stop", "stop", "stop"]),
        (["stop", "complete"], ["complete", "stop", "stop"]),
        (["stop", "complete", "error"], ["complete", "error", "stop"]),
    ],
)
async def test_stop_stands_for_ends_without_a_command_of_their_own(
    tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    listener = hooks(tmp_path, names, with_files("/d/a b", "/d/c"))
    for event in ALL:
        listener(event, GID)
    listener.close()
    assert await said(tmp_path, len(expected)) == [f"{name}|3|{GID}|2|/d/a b|" for name in expected]


async def test_without_a_name_yet_there_is_one_file_with_none(tmp_path: Path) -> None:
    for row in (with_files(""), with_files()):
        listener = hooks(tmp_path, ["start"], row)
        listener(Event.START, GID)
        listener.close()
    assert await said(tmp_path, 2) == [f"start|3|{GID}|1||"] * 2


async def test_a_forgotten_download_still_has_its_gid(tmp_path: Path) -> None:
    def gone(gid: str) -> Row:
        raise RpcError(gid)

    listener = hooks(tmp_path, ["error"], gone)
    listener(Event.ERROR, GID)
    listener.close()
    assert await said(tmp_path, 1) == [f"error|3|{GID}|1||"]


async def test_no_shell_reads_a_name(tmp_path: Path) -> None:
    name = f"/d/$(touch {tmp_path}/pwned);`touch {tmp_path}/pwned` & \n'\""
    listener = hooks(tmp_path, ["complete"], with_files(name))
    listener(Event.COMPLETE, GID)
    listener.close()
    assert await said(tmp_path, 1) == [f"complete|3|{GID}|1|{name}|"]
    assert not (tmp_path / "pwned").exists()


async def test_one_that_cannot_be_started_is_said_and_harms_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "plain").write_text("no program")
    options = defaults(compat=True).derive(
        {
            "on-download-start": str(tmp_path / "nowhere"),
            "on-download-pause": str(tmp_path / "plain"),
            "on-download-stop": script(tmp_path, "stop"),
        },
        Layer.COMMAND,
    )
    listener = Hooks(options, with_files("/d/f"))
    for event in (Event.START, Event.PAUSE, Event.STOP):
        listener(event, GID)
    listener.close()
    assert await said(tmp_path, 1) == [f"stop|3|{GID}|1|/d/f|"]
    assert caplog.text.count("cannot be started") == 2


async def test_a_command_that_takes_long_holds_nobody_up(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 20\n")
    slow.chmod(0o700)
    own: dict[str, Normal] = {"on-download-start": str(slow), "on-download-stop": script(tmp_path, "stop")}
    listener = Hooks(defaults(compat=True).derive(own, Layer.COMMAND), with_files("/d/f"))
    before = time.monotonic()
    listener(Event.START, GID)
    listener(Event.STOP, GID)
    listener.close()
    assert await said(tmp_path, 1) == [f"stop|3|{GID}|1|/d/f|"]
    assert time.monotonic() - before < 15
