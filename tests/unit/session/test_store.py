"""The history: what a session told it is there after a restart, in order; a bad file or disk stops nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slasshy_rpc import clock
from slasshy_rpc.errors import DownloadError, ErrorCode, RpcError
from slasshy_rpc.options.values import Layer, OptionSet
from slasshy_rpc.session import queue as queue_module
from slasshy_rpc.session import store as store_module
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.history import History
from slasshy_rpc.session.store import NAME, HistoryFile, Kind
from tests.support.fake_protocol import Stage, close_all, gids, options, turns, until

SIGNED = "http://user:word@127.0.0.1/f?token=abc"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "GROUP", 0.001)
    monkeypatch.setattr(store_module, "RETRY", 0.01)


class Life:
    """One process: a Stage above a History in ``folder``."""

    def __init__(self, folder: Path, given: OptionSet) -> None:
        self.history = History(folder, given)
        self.history.open()
        self.stage = Stage(given, store=self.history)
        session = self.stage.session
        self.paths = self.history.load(session.restore).paths
        self.history.start(lambda: [(one, "") for one in [*session.active, *session.queue]])

    def queued(self) -> list[tuple[str, str, tuple[str, ...], object]]:
        return [(d.gid, d.status.value, d.request.uris, d.options.own()) for d in self.stage.session.queue]

    async def end(self) -> None:
        """As after kill -9, once all is committed: the session is not told to end."""
        await asyncio.to_thread(self.history.close)


async def test_queue_options_and_results_come_back(tmp_path: Path) -> None:
    given = options(max_concurrent_downloads="2")
    life = Life(tmp_path, given)
    stage = life.stage
    first, second = await stage.add(SIGNED, http_passwd="pw"), await stage.add(out="second")
    third, fourth = await stage.add(out="third"), await stage.add(out="fourth", pause="true")
    await stage.call("changePosition", fourth, 0, "POS_SET")
    await stage.call("changeOption", third, {"split": "3"})
    await stage.call("changeUri", third, 1, [], ["http://127.0.0.1/mirror"])
    await life.end()

    life = Life(tmp_path, given)
    queue = list(life.stage.session.queue)
    assert [one.gid for one in queue] == [first, second, fourth, third]
    assert [one.status.value for one in queue] == ["waiting", "waiting", "paused", "waiting"]
    assert queue[0].request.uris == (SIGNED,)
    assert queue[0].options.text("http-passwd") == "pw"
    assert queue[3].options.integer("split") == 3
    assert queue[3].request.uris[1:] == ("http://127.0.0.1/mirror",)
    life.stage.session.start()
    await turns()
    job = life.stage.job(first)
    job.state = replace(job.state, bitfield=b"\xa0")
    await life.stage.end(first, DownloadError("Timeout.", ErrorCode.TIMEOUT))
    told = await life.stage.call("tellStatus", first)
    await life.end()

    life = Life(tmp_path, given)
    again = await life.stage.call("tellStatus", first)
    assert again == told
    result = life.stage.session.find(first)
    assert result.request.uris == (SIGNED,)  # it may be tried again
    assert result.options.text("http-passwd") == "pw"
    assert life.stage.session.exit_code() == ErrorCode.OK
    assert (await life.stage.call("getGlobalStat"))["numStoppedTotal"] == "0"
    await life.stage.call("removeDownloadResult", first)
    await life.end()
    life = Life(tmp_path, given)
    assert not len(life.stage.session.results)
    await life.end()


async def test_secrets_of_a_finished_one_are_nowhere_in_the_table(tmp_path: Path) -> None:
    life = Life(tmp_path, options())
    gid = await life.stage.add(SIGNED, http_passwd="hush", header="X: hush", referer="http://h/?q=hush")
    await life.stage.end(gid)
    await life.end()
    with sqlite3.connect(tmp_path / NAME) as db:
        ((text,),) = db.execute("SELECT data FROM results").fetchall()
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (0,)
    db.close()
    assert not [word for word in ("hush", "word", "abc") if word in text]


async def test_force_save_keeps_results_in_the_session_file(tmp_path: Path) -> None:
    saved = tmp_path / "session"
    given = options(save_session=str(saved))
    life = Life(tmp_path, given)
    await life.stage.end(await life.stage.add(SIGNED))
    kept = await life.stage.add(SIGNED, force_save="true")
    await life.stage.end(kept)
    await life.end()
    for _ in range(2):
        life = Life(tmp_path, given)
        await life.stage.call("saveSession")
        assert gids(saved) == [kept]
        assert SIGNED in saved.read_text()
        await life.end()
    await life.stage.call("removeDownloadResult", kept)
    await life.stage.call("saveSession")
    assert gids(saved) == []


async def test_urls_are_kept_when_asked_for(tmp_path: Path) -> None:
    given = options(history_keep_urls="true")
    life = Life(tmp_path, given)
    gid = await life.stage.add(SIGNED)
    await life.stage.end(gid)
    await life.end()
    life = Life(tmp_path, given)
    assert life.stage.session.find(gid).request.uris == (SIGNED,)
    await life.end()


async def test_pages_are_newest_first_and_hold_what_was_pushed_out(tmp_path: Path) -> None:
    life = Life(tmp_path, options(max_download_result="1"))
    ended = []
    for _ in range(4):
        ended.append(await life.stage.add())
        await life.stage.end(ended[-1])
    page = await life.stage.call("slasshy.getHistory", 1, 2)
    assert [one["gid"] for one in page] == [ended[2], ended[1]]
    assert all(one["status"] == "complete" and int(one["endTime"]) > 0 for one in page)
    assert [one["gid"] for one in await life.stage.call("tellStopped", 0, 9)] == [ended[3]]
    await life.end()
    life = Life(tmp_path, options(max_download_result="1"))
    assert [one["gid"] for one in await life.stage.call("tellStopped", 0, 9)] == [ended[3]]
    await life.stage.call("purgeDownloadResult")
    assert await life.stage.call("slasshy.getHistory", 0, 9) == []
    await life.end()


async def test_without_a_history_there_is_no_page() -> None:
    assert "--history=true" in await Stage(options()).error("slasshy.getHistory", 0, 1)


async def test_finished_rows_are_bounded_by_number_and_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = options(history_count="2", history_days="1")
    life = Life(tmp_path, given)
    for _ in range(3):
        await life.stage.end(await life.stage.add())
    assert len(await life.stage.call("slasshy.getHistory", 0, 9)) == 2
    await life.end()
    later = clock.wall() + 3 * store_module.DAY
    monkeypatch.setattr(store_module, "wall", lambda: later)
    life = Life(tmp_path, given)
    assert not len(life.stage.session.results)
    await life.end()


def private(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["text", "newer", "page"])
async def test_a_file_that_cannot_be_used_is_moved_aside(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path, options(max_concurrent_downloads="1"))
    for _ in range(50):
        await life.stage.add(out="x" * 200)
    await life.end()
    path = tmp_path / NAME
    assert private(path)
    if damage == "newer":
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version=99")
        db.close()
    elif damage == "page":
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
    else:
        path.write_bytes(b"no database at all" * 100)
    life = Life(tmp_path, options())
    assert "a new one begins" in caplog.text
    assert (tmp_path / f"{NAME}.damaged-1").exists()
    gid = await life.stage.add(pause="true")
    await life.end()
    life = Life(tmp_path, options())
    assert [row[0] for row in life.queued()] == [gid]
    await life.end()


def test_migrations_run_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made() -> HistoryFile:
        file = HistoryFile(tmp_path, lambda note: note[1:])
        file.open()
        return file

    made().close()
    more = (*store_module.MIGRATIONS, ("ALTER TABLE entries ADD COLUMN extra",))
    monkeypatch.setattr(store_module, "MIGRATIONS", more)
    made().close()
    made().close()
    db = sqlite3.connect(tmp_path / NAME)
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    assert db.execute("SELECT extra FROM entries").fetchall() == []
    db.close()


class Disk:
    """Makes connections whose commits fail while it is ``full``."""

    def __init__(self) -> None:
        self.full = False
        self.refused = 0

    def connect(self, *arguments: Any, **named: Any) -> sqlite3.Connection:
        disk = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
                if disk.full and sql == "COMMIT":
                    disk.refused += 1
                    raise sqlite3.OperationalError("database or disk is full")
                return super().execute(sql, parameters)

        return sqlite3.connect(*arguments, factory=Connection, **named)


async def on_a_full_disk(tmp_path: Path, number: int) -> tuple[HistoryFile, list[bool]]:
    """``number`` notes while the disk is full, and room again after some attempts."""
    disk, lost = Disk(), list[bool]()
    file = HistoryFile(tmp_path, lambda note: note[1:], connect=disk.connect)
    file.open()
    file.start(lambda: lost.append(True), lambda: None)
    disk.full = True
    for at in range(number):
        file.note((Kind.QUEUE, f"{at:016x}", "waiting", float(at), "{}"))
    await until(lambda: disk.refused > 2)
    disk.full = False
    await until(lambda: not file.behind)
    await asyncio.to_thread(file.close)
    return file, lost


def rows(tmp_path: Path) -> int:
    db = sqlite3.connect(tmp_path / NAME)
    (count,) = db.execute("SELECT count(*) FROM entries").fetchone()
    db.close()
    return int(count)


async def test_a_full_disk_is_said_once_and_written_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        _, lost = await on_a_full_disk(tmp_path, 10)
    assert caplog.text.count("cannot be written") == 1
    assert "written again" in caplog.text
    assert (rows(tmp_path), lost) == (10, [])


async def test_too_many_notes_for_a_full_disk_ask_for_the_whole_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MOST_BEHIND", 5)
    monkeypatch.setattr(store_module, "BATCH", 4)
    _, lost = await on_a_full_disk(tmp_path, 40)
    assert lost == [True]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["add", "insert", "pause", "unpause", "move", "remove", "option", "uri", "end", "fail", "forget"]
        ),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_life_is_there_again(steps: list[tuple[str, int, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    asyncio.run(_lived(steps, tmp_path_factory.mktemp("h")))


def act(stage: Stage, kind: str, chosen: Download, number: int) -> None:
    session = stage.session
    match kind:
        case "pause":
            session.pause(chosen)
        case "unpause":
            session.unpause(chosen)
        case "move":
            session.move(chosen, number, queue_module.Whence.START)
        case "remove":
            session.remove(chosen)
        case "option":
            session.change_options(chosen, {"split": str(number % 9 + 1)})
        case "uri":
            session.change_uris(chosen, [], [f"http://127.0.0.1/{number}"])
        case "end" | "fail" if chosen.run is not None:
            stage.job(chosen.gid).end(DownloadError("no") if kind == "fail" else None)


async def _lived(steps: list[tuple[str, int, int]], folder: Path) -> None:
    given = options(max_concurrent_downloads="2")
    life = Life(folder, given)
    stage = life.stage
    session = stage.session
    for kind, a, b in steps:
        live = [*session.active, *session.queue]
        chosen = live[a % len(live)] if live else None
        if kind == "add":
            await stage.add(out=f"{a}")
        elif kind == "insert":
            await stage.call("addUri", ["http://127.0.0.1/i"], {"pause": "true"}, a)
        elif kind == "forget" and len(session.results):
            session.forget(next(iter(session.results)))
        elif chosen is not None:
            with contextlib.suppress(RpcError):  # not now, says the session, and nothing has changed
                act(stage, kind, chosen, b)
        await turns()
    expected = [(d.gid, "waiting", d.request.uris, d.options.own()) for d in session.active] + life.queued()
    ended = [(d.gid, d.status) for d in session.results]
    await life.end()
    await close_all()
    life = Life(folder, given)
    assert life.queued() == expected
    assert [(d.gid, d.status) for d in life.stage.session.results] == ended
    await life.end()
    await close_all()


async def test_ranks_that_run_out_are_numbered_anew(tmp_path: Path) -> None:
    life = Life(tmp_path, options())
    session = life.stage.session
    for _ in range(4):
        await life.stage.add(pause="true")
    for _ in range(150):  # the last one to the second place, again and again
        session.move(session.queue.slice(3, 4)[0], 1, queue_module.Whence.START)
    expected = life.queued()
    await life.end()
    life = Life(tmp_path, options())
    assert life.queued() == expected
    await life.end()


async def test_global_options_and_the_folder_are_those_it_was_added_under(tmp_path: Path) -> None:
    life = Life(tmp_path, options(dir="/first", max_concurrent_downloads="1"))
    plain = await life.stage.add(pause="true")
    await life.stage.call("changeGlobalOption", {"split": "3", "dir": "/second", "max-concurrent-downloads": "2"})
    changed = await life.stage.add(pause="true", out="o")
    told = [await life.stage.call("getOption", gid) for gid in (plain, changed)]
    await life.end()
    for folder in ("/first", "/third"):
        life = Life(tmp_path, options(dir=folder, max_concurrent_downloads="1"))
        assert [await life.stage.call("getOption", gid) for gid in (plain, changed)] == told
        assert "max-concurrent-downloads" not in life.stage.session.find(changed).options.own()
        assert (life.stage.session.find(plain).options.layer is Layer.OWN) is (folder == "/third")
        await life.end()


async def test_all_that_did_not_fail_are_settled_also_those_that_are_not_listed(tmp_path: Path) -> None:
    given = options(max_download_result="1")
    life = Life(tmp_path, given)
    gids = []
    for error in (None, DownloadError("no"), None, None):
        gids.append(await life.stage.add())
        await life.stage.end(gids[-1], error)
    await life.end()
    db = sqlite3.connect(tmp_path / NAME)
    db.execute("INSERT INTO results (gid, ended, data) VALUES ('00000000000000ff', 9999999999, '{')")
    db.commit()
    db.close()
    history, listed = History(tmp_path, given), list[str]()
    history.open()
    found = history.load(lambda unfinished, results: listed.extend(one.gid for one in results))
    history.close()
    assert found.settled == {gids[0], gids[2], gids[3]}
    assert listed == []  # the newest one is the row that nobody can read
