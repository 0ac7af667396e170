"""The end as a user sees it: signals, the session file, the table of results, cookies, and a console that is gone."""

from __future__ import annotations

import os
import pty
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from slasshy_rpc.app import App
from slasshy_rpc.cli.arguments import parse
from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import Command, Server, run

MIB = 1 << 20
HELD = Behaviour(hold_at=MIB)


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [f"--dir={tmp_path / 'files'}", f"--state-dir={tmp_path / 'state'}"]


def sent(count: int) -> Callable[[Origin], bool]:
    return lambda origin: origin.sent() >= count


@pytest.mark.parametrize("numbers", [("SIGINT", "SIGTERM"), ("SIGTERM", "SIGHUP", "SIGINT")])
def test_signals_close_together_lose_nothing(
    origin: Origin, folders: list[str], tmp_path: Path, numbers: tuple[str, ...]
) -> None:
    session = tmp_path / "s"
    url = origin.serve("/f", length=40 * MIB, behaviour=HELD)
    with Server(*folders, f"--save-session={session}") as server:
        waiting = server.add(url, pause="true", out="other")
        active = server.add(url)
        origin.wait(sent(4 * MIB))
        for number in numbers:
            os.kill(server.pid, signal.Signals[number])
        assert server.wait() == 7
    lines = session.read_text().splitlines()
    assert [line for line in lines if line.startswith(" gid=")] == [f" gid={active}", f" gid={waiting}"]
    assert sorted(each.name for each in (tmp_path / "files").iterdir()) == ["f", "f.aria2"]
    assert "[ERROR]" not in server.said
    assert "Traceback" not in server.said


async def test_only_a_second_signal_or_a_forced_shutdown_is_in_a_hurry() -> None:
    start = parse(["--no-conf"], compat=False)
    told = App(start, [])
    told._halt(False)  # aria2.shutdown
    told._signalled()
    assert not told._force.is_set()
    told._signalled()
    assert told._force.is_set()
    forced = App(start, [])
    forced._halt(True)  # aria2.forceShutdown
    assert (forced._stop.is_set(), forced._force.is_set()) == (True, True)


def test_compat_tells_what_became_of_the_downloads_in_a_server_too(origin: Origin, folders: list[str]) -> None:
    with Server(*folders, "--compat", "--enable-rpc") as server:
        gid = server.add(origin.serve("/f", length=10))
        server.completed(gid)
        assert server.stop() == 0
    assert "Download Results:" in server.said
    assert f"{gid[:6]}|OK  |" in server.said


def test_what_was_changed_over_rpc_counts_at_the_end(origin: Origin, folders: list[str], tmp_path: Path) -> None:
    url = origin.serve("/f", length=10, behaviour=Behaviour(set_cookies=("a=b",)))
    (tmp_path / "files").mkdir()
    jar = tmp_path / "files" / "jar"
    with Server(*folders, "--compat", "--enable-rpc") as server:
        server.completed(server.add(url))
        server.call("aria2.changeGlobalOption", {"save-cookies": str(jar), "download-result": "hide"})
        assert server.stop() == 0
    assert "\ta\tb\n" in jar.read_text()
    assert "Download Results:" not in server.said


def test_cookies_that_cannot_be_saved_leave_the_exit_code(origin: Origin, folders: list[str], tmp_path: Path) -> None:
    jar = tmp_path / "none" / "jar"
    code, said = run(*folders, f"--save-cookies={jar}", origin.serve("/f", length=10))
    assert code == 0, said
    assert f"[ERROR] The cookie file {jar} cannot be written" in said
    assert "Download Results:" in said


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "<&- >&-"])
def test_a_console_that_takes_nothing_is_no_failure(origin: Origin, folders: list[str], redirection: str) -> None:
    """What is printed here is standard error alone."""
    url = origin.serve("/f", length=10)
    code, said = run(*folders, url, prefix=["sh", "-c", f'exec "$@" {redirection}', "sh"])
    assert (code, said) == (0, "")


def test_standard_error_may_be_closed_too(origin: Origin, folders: list[str], tmp_path: Path) -> None:
    """No file gets a number that something may print to."""
    url = origin.serve("/f", data=b"the content")
    code, _ = run(*folders, "--console-log-level=debug", url, prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    assert code == 0
    assert (tmp_path / "files" / "f").read_bytes() == b"the content"


def test_a_terminal_may_vanish(origin: Origin, folders: list[str]) -> None:
    url = origin.serve("/f", length=2 * MIB, behaviour=HELD)
    master, slave = pty.openpty()
    prefix = ["sh", "-c", f'exec "$@" >{os.ttyname(slave)}', "sh"]
    with Command(*folders, "--split=1", url, prefix=prefix) as command:
        origin.wait(sent(MIB))
        os.close(master)
        os.close(slave)
        origin.release("/f")
        assert command.wait() == 0
        assert command.said == ""


def test_a_log_that_cannot_be_changed_is_no_failure_of_the_call(folders: list[str], tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    first, bad, pipe = tmp_path / "log", tmp_path / "files" / "none" / "log", tmp_path / "files" / "pipe"
    os.mkfifo(pipe)
    with Server(*folders, f"--log={first}") as server:
        for path in (bad, pipe):
            assert server.call("aria2.changeGlobalOption", {"log": str(path)}) == "OK"
            assert server.call("aria2.changeGlobalOption", {"split": "3"}) == "OK"
            assert server.call("aria2.getGlobalOption")["log"] == str(path)  # as aria2 shows it
        assert server.stop() == 0
    for text in (first.read_text(), server.said):
        assert text.count(f"Cannot write the log to {bad}: No such file or directory") == 1
        assert text.count(f"Cannot write the log to {pipe}: It is neither") == 1


def test_a_session_file_is_saved_beside_a_pipe_of_aria2s_name(folders: list[str], tmp_path: Path) -> None:
    session = tmp_path / "s"
    os.mkfifo(f"{session}__temp")
    with Server(*folders, f"--save-session={session}") as server:
        assert server.call("aria2.saveSession") == "OK"
        assert server.stop() == 0
    assert session.read_text() == ""
