"""The session file: what is saved, in which order and form, and when."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import threading
from pathlib import Path

import pytest

from slasshy_rpc.errors import DownloadError, ErrorCode
from slasshy_rpc.options.files import read_input
from slasshy_rpc.options.values import Layer, OptionSet, defaults
from slasshy_rpc.protocols.base import Request
from slasshy_rpc.session import export
from slasshy_rpc.session.download import Download, Ending, Family
from slasshy_rpc.values import FileView, Snapshot, Status, UriView
from tests.support.fake_protocol import Stage, gids, options, turns, until

A, B = "http://127.0.0.1/a", "http://127.0.0.1/b"


def download(own: dict[str, str | tuple[str, ...]] | None = None, status: Status = Status.WAITING) -> Download:
    base = defaults(compat=True).derive({"split": "7"}, Layer.CONF).derive({"dir": "/d"}, Layer.COMMAND)
    return Download("00000000000000a1", Request((A, B), base.derive(own or {}, Layer.OWN)), status)


def test_an_entry_as_aria2_writes_it() -> None:
    made = download({"header": ("A: b", "C: d"), "out": "o", "split": "3"}, Status.PAUSED)
    assert export.text([made], {}) == (
        f"{A}\t{B}\t\n gid=00000000000000a1\n pause=true\n dir=/d\n out=o\n split=3\n header=A: b\n header=C: d\n"
    )


def test_defaults_and_the_conf_file_are_not_written() -> None:
    assert export.text([download()], {}) == f"{A}\t{B}\t\n gid=00000000000000a1\n dir=/d\n"


def test_remaining_uris_come_first_each_once() -> None:
    made = download()
    made.last = Snapshot(files=(FileView("", uris=(UriView(A, True), UriView(A, True), UriView(B, False))),))
    assert export.text([made], {}).startswith(f"{B}\t{A}\t\n")


def test_no_text_can_pass_for_an_option_line() -> None:
    made = download({"out": "x\n dir=/etc", "referer": "a\rb", "user-agent": "a\0b"})
    made.request = Request(("http://h/\r\n dir=/etc\n\tx\0",), made.options)
    assert export.text([made], {}) == ("http://h/%0D%0A%20dir=/etc%0A%09x%00\t\n gid=00000000000000a1\n dir=/d\n")


@pytest.mark.parametrize(
    ("status", "code", "own", "saved"),
    [
        (Status.WAITING, 0, {}, True),
        (Status.PAUSED, 0, {}, True),
        (Status.ACTIVE, 0, {}, True),
        (Status.ERROR, 2, {}, True),
        (Status.ERROR, 3, {}, True),
        (Status.ERROR, 3, {"save-not-found": "false"}, False),
        (Status.ERROR, 4, {"save-not-found": "false"}, False),
        (Status.ERROR, 2, {"save-not-found": "false"}, True),
        (Status.COMPLETE, 0, {}, False),
        (Status.REMOVED, 31, {}, False),
        (Status.COMPLETE, 0, {"force-save": "true"}, True),
        (Status.REMOVED, 31, {"force-save": "true"}, True),
    ],
)
def test_what_is_saved(status: Status, code: int, own: dict[str, str | tuple[str, ...]], saved: bool) -> None:
    made = download(own, status)
    made.ending = Ending(code)
    assert export.is_saved(made) is saved


def test_children_and_parents_are_not_saved() -> None:
    child, parent, empty = download(), download(), download()
    child.family = Family(belongs_to="b" * 16)
    parent.family = Family(followed_by=("c" * 16,))
    empty.request = Request((), empty.options)
    assert export.text([child, parent, empty], {}) == ""


def test_written_in_one_step_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    export.write(str(path), "text\ud800")
    assert path.read_bytes() == b"text?"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["s.txt"]


def test_no_file_that_somebody_else_has_put_there_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "s"
    os.mkfifo(f"{path}__temp")  # aria2's name for it; to open it would take for ever
    export.write(str(path), "text")
    assert path.read_text() == "text"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["s", "s__temp"]


def test_what_cannot_be_downloaded_is_kept_as_it_was_read(tmp_path: Path) -> None:
    lines = (
        "ftp://h/a b\tsftp://h/a\t\n gid=00000000000000A1\n pause=true\n header=A: b\n header=C: d\n split=3\n"
        "/d/x y.torrent\t\n select-file=1-3\n"
    )
    (tmp_path / "s").write_text(lines)
    kept = export.Kept()
    for read in read_input(str(tmp_path / "s"), compat=True, warn=print):
        kept.add(read.uris, read.options)
    assert kept.text() == lines
    assert "00000000000000a1" in kept
    assert "00000000000000a2" not in kept


async def test_what_is_kept_follows_and_its_gid_is_taken(tmp_path: Path) -> None:
    stage = Stage(options(save_session=str(tmp_path / "s")))
    stage.session.keep(("ftp://h/f",), {"gid": "00000000000000a1"})
    assert await stage.error("addUri", [A], {"gid": "00000000000000a1"}) == "No URI to download."
    gid = await stage.add(A, pause="true")
    await stage.session.save()
    assert (tmp_path / "s").read_text() == (
        f"{A}\t\n gid={gid}\n pause=true\n dir=/downloads\nftp://h/f\t\n gid=00000000000000a1\n"
    )


def test_compressed_by_its_name(tmp_path: Path) -> None:
    export.write(str(tmp_path / "s.gz"), "text")
    assert gzip.decompress((tmp_path / "s.gz").read_bytes()) == b"text"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "s" / "sub").mkdir(parents=True)  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        export.write(str(tmp_path / "s"), "text")
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


async def test_order_of_entries(tmp_path: Path) -> None:
    stage = Stage(options(max_concurrent_downloads="4", max_download_result="2", save_session=str(tmp_path / "s")))
    pushed_out, failed, complete, active = [await stage.add() for _ in range(4)]
    await stage.call("changeGlobalOption", {"max-concurrent-downloads": "1"})
    waiting = await stage.add()
    first = await stage.call("addUri", [A], {"pause": "true"}, 0)
    await stage.end(pushed_out, DownloadError("x", ErrorCode.TIMEOUT))
    await stage.end(failed, DownloadError("x", ErrorCode.NETWORK))
    await stage.end(complete)
    assert await stage.call("saveSession") == "OK"
    assert gids(tmp_path / "s") == [pushed_out, failed, active, first, waiting]


async def test_save_session_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options())
    assert await stage.error("saveSession") == "Filename is not given."
    path = tmp_path / "nowhere" / "s"
    await stage.call("changeGlobalOption", {"save-session": str(path)})
    assert await stage.error("saveSession") == f"Failed to serialize session to '{path}'."
    assert "No such file or directory" in caplog.text


async def test_saved_every_so_often_when_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    written = asyncio.Event()
    write, loop = export.write, asyncio.get_running_loop()

    def noticed(name: str, text: str) -> None:
        write(name, text)
        loop.call_soon_threadsafe(written.set)

    monkeypatch.setattr(export, "write", noticed)
    session_options: OptionSet = options(save_session=str(path), save_session_interval="1")
    stage = Stage(session_options)
    await stage.add(pause="true")
    stage.session.start()
    await asyncio.wait_for(written.wait(), 5)
    assert path.read_text().startswith("http://127.0.0.1/f.bin\t\n gid=")
    written.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(written.wait(), 1.3)  # nothing has changed
    await stage.session.close()
    assert written.is_set()  # the end always writes


async def test_saving_goes_on_after_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write, faults = export.write, ["a fault of the program"]

    def failing(name: str, text: str) -> None:
        if faults:
            raise LookupError(faults.pop())
        write(name, text)

    monkeypatch.setattr(export, "write", failing)
    stage = Stage(options(save_session=str(tmp_path / "s"), save_session_interval="1"))
    stage.session.start()
    await until((tmp_path / "s").exists)
    assert "a fault of the program" in caplog.text


async def test_writes_never_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, gate = 0, 0, threading.Event()
    lock = threading.Lock()

    def slow(name: str, text: str) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        gate.wait(5)
        with lock:
            inside -= 1

    monkeypatch.setattr(export, "write", slow)
    stage = Stage(options(save_session=str(tmp_path / "s")))
    first = asyncio.ensure_future(stage.session.save())
    second = asyncio.ensure_future(stage.session.save())
    await turns()
    first.cancel()  # its thread is still writing
    await turns()
    asyncio.get_running_loop().call_later(0.05, gate.set)
    await asyncio.wait_for(asyncio.gather(first, second, return_exceptions=True), 5)
    assert most == 1


async def test_saving_says_so(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.INFO):
        await Stage(options(save_session=str(tmp_path / "s"))).session.save()
    assert f"Serialized session to '{tmp_path / 's'}' successfully." in caplog.text
