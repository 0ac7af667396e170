"""The start as a user sees it: what an input file may hold, what is done about what it may not, and what is said."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.origin import Origin, closed_port
from tests.support.process import PATIENCE, Command, Server, free_port, run

GID = "00000000000000a1"


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    return [f"--dir={tmp_path / 'files'}", f"--state-dir={tmp_path / 'state'}"]


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that somebody listens on, over IPv6 too where that is there."""
    with socket.socket() as one, contextlib.ExitStack() as stack:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = int(one.getsockname()[1])
        with contextlib.suppress(OSError):
            other = stack.enter_context(socket.socket(socket.AF_INET6))
            other.bind(("::1", port))
            other.listen()
        yield port


def paused(port: int, *gids: str) -> str:
    """A session file."""
    return "".join(f"http://127.0.0.1:{port}/{gid}\t\n gid={gid}\n pause=true\n" for gid in gids)


def test_a_bad_value_in_the_session_file_costs_none_of_it(folders: list[str], tmp_path: Path) -> None:
    session = tmp_path / "s"
    with closed_port() as port:
        text = paused(port, GID) + " split=x\n" + paused(port, "00000000000000a2")
    session.write_text(text)
    rpc = ("--enable-rpc", f"--rpc-listen-port={free_port()}")
    code, said = run(*folders, *rpc, f"-i{session}", f"--save-session={session}")
    assert code == 28
    assert "Bad number x" in said
    assert "RPC: listening" not in said
    assert session.read_text() == text


def test_a_start_that_fails_saves_no_session(folders: list[str], tmp_path: Path, taken_port: int) -> None:
    session = tmp_path / "s"
    text = "# mine\n" + paused(taken_port, GID)
    session.write_text(text)
    rpc = ("--enable-rpc", f"--rpc-listen-port={taken_port}")
    code, said = run(*folders, *rpc, f"-i{session}", f"--save-session={session}")
    assert (code, "cannot listen" in said) == (1, True), said
    assert session.read_text() == text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("server", [False, True])
def test_signals_end_it_while_it_reads(
    folders: list[str], tmp_path: Path, number: signal.Signals, server: bool
) -> None:
    pipe = tmp_path / "list"
    os.mkfifo(pipe)
    rpc = ("--enable-rpc", f"--rpc-listen-port={free_port()}") if server else ()
    with Command(*folders, *rpc, f"--input-file={pipe}") as command:
        writer = opened(pipe)  # it reads now, and nobody will write
        if (status := Path(f"/proc/{command.pid}/status")).exists():
            caught = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("SigCgt"))
            assert not int(caught, 16) >> (number - 1) & 1  # a handler of Python's would only run after the read
        os.kill(command.pid, number)
        assert command.wait() == -number, command.said
        assert "Traceback" not in command.said
        os.close(writer)


def opened(pipe: Path) -> int:
    """The pipe's writing end, once somebody reads."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > end:
                raise
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ("no address", 0),
        ("/some/path", 0),
        ("http:///nobody", 0),
        (f"http://127.0.0.1:1/again\n gid={GID}", 0),
        ("http://127.0.0.1:1/x\n gid=none", 0),
        ("foo://127.0.0.1/x", 1),
        ("ftp://127.0.0.1/x", 1),
        ("/some/file.torrent", 1),
    ],
)
def test_entries_that_are_no_downloads(
    origin: Origin, folders: list[str], tmp_path: Path, entry: str, wanted: int
) -> None:
    """aria2's exit codes; all that is good is downloaded."""
    listed = tmp_path / "list"
    listed.write_text(f"{origin.serve('/a', length=10)}\n gid={GID}\n{entry}\n{origin.serve('/b', length=10)}\n")
    code, said = run(*folders, f"--input-file={listed}")
    assert code == wanted, said
    assert said.count("[ERROR]") == 1
    assert sorted(each.name for each in (tmp_path / "files").iterdir()) == ["a", "b"]


def test_what_cannot_be_downloaded_yet_stays_in_the_session_file(folders: list[str], tmp_path: Path) -> None:
    session = tmp_path / "s"
    others = (
        f"ftp://127.0.0.1:1/a\t\n gid={GID}\n pause=true\n"
        "magnet:?xt=urn:btih:248d0a1cd08284299de78d5c1ed359bb46717d8c\t\n gid=00000000000000b1\n pause=true\n"
    )
    with closed_port() as port:
        mine = paused(port, "00000000000000c1") + f" dir={tmp_path / 'files'}\n"
    session.write_text(others + mine)
    for _ in range(2):
        files = (f"--input-file={session}", f"--save-session={session}")
        with Server(*folders, "--compat", "--enable-rpc", *files) as server:
            assert server.call("aria2.getGlobalStat")["numWaiting"] == "1"
            assert server.stop() == 0  # as for all that is paused
        assert "ftp://127.0.0.1:1/a (FTP is not there yet); it stays in the session file" in server.said
        assert "magnet:?xt=*** (BitTorrent is not there yet); it stays" in server.said
        assert session.read_text() == mine + others


def test_no_secret_is_said(folders: list[str], tmp_path: Path) -> None:
    log, conf, listed = tmp_path / "log", tmp_path / "conf", tmp_path / "list"
    conf.write_text("rpc-secert=HUNTER1\n")
    listed.write_text(
        "ftp://user:HUNTER2@127.0.0.1/x?token=HUNTER3\n http-password=HUNTER4\nno\x1b[2Jthing user:HUNTER5@x\n"
    )
    said = ""
    for compat in ([], ["--compat"]):
        with Command(*folders, *compat, f"--log={log}", f"--conf-path={conf}", f"--input-file={listed}") as command:
            assert command.wait() == 1
            said += command.said + log.read_text()
    assert "Unknown option: http-password" in said
    assert "ftp://127.0.0.1/x?token=***" in said
    assert "HUNTER" not in said
    assert "\x1b[2J" not in said


def test_a_log_that_nobody_reads_is_refused(folders: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    code, said = run(*folders, f"--log={tmp_path / 'log'}")
    assert (code, said.splitlines()[0]) == (
        1,
        f"slasshy-rpc: Cannot write the log to {tmp_path / 'log'}: It is neither a regular file nor a terminal. "
        "Give another --log.",
    )
