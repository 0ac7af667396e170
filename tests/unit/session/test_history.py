"""The history in bad times: more changes than it can write, a file that is spoilt, rows that nobody can read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.session import history as history_module
from slasshy_rpc.session import store as store_module
from slasshy_rpc.session.history import History
from slasshy_rpc.session.store import NAME, EntryRow, HistoryFile, ResultRow, Visit
from tests.support.fake_protocol import Stage, options, turns, until


class Life:
    """One process whose history thread writes when ``go`` says so."""

    def __init__(self, folder: Path, given: OptionSet | None = None) -> None:
        given = given or options(max_concurrent_downloads="1")
        self.history = History(folder, given)
        self.history.open()
        self.stage = Stage(given, store=self.history, waiting=True)
        self.session = self.stage.session
        self.paths = self.history.load(self.session.restore).paths

    def go(self) -> None:
        claims = self.session.claims
        self.history.start(lambda: [(one, claims.path_of(one.gid)) for one in self.session.queue])

    def gids(self) -> list[str]:
        return [one.gid for one in self.session.queue]

    async def end(self) -> None:
        await asyncio.to_thread(self.history.close)


class FullDisk:
    """Takes nothing while it is ``full``; counts the ``tries``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self.tries = 0
        write = HistoryFile._write

        def may_write(file: HistoryFile, batch: list[store_module.Note]) -> None:
            self.tries += 1
            if self.full:
                raise sqlite3.OperationalError("database or disk is full")
            write(file, batch)

        monkeypatch.setattr(HistoryFile, "_write", may_write)


async def test_who_adds_faster_than_the_disk_writes_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "CROWD", 10)
    life = Life(tmp_path)
    stage = life.stage
    for _ in range(11):
        life.session.add(["http://127.0.0.1/f"], {})  # nobody writes yet
    assert life.history.crowded
    adding = asyncio.ensure_future(stage.call("addUri", ["http://127.0.0.1/f"]))
    assert len(await asyncio.wait_for(stage.call("tellWaiting", 0, 99), 1)) == 12  # looking need not wait
    assert not adding.done()
    life.go()
    assert len(await asyncio.wait_for(adding, 10)) == 16
    assert life.history._file.behind < 11
    await life.end()


async def test_nobody_waits_for_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "CROWD", 10)
    monkeypatch.setattr(store_module, "RETRY", 0.01)
    life, disk = Life(tmp_path), FullDisk(monkeypatch)
    life.go()
    gids = [await asyncio.wait_for(life.stage.call("addUri", ["http://127.0.0.1/f"]), 10) for _ in range(30)]
    disk.full = False
    await until(lambda: not life.history._file.behind)
    await life.end()
    assert Life(tmp_path).gids() == gids


async def test_a_file_spoilt_while_it_is_used_is_replaced_by_the_whole_queue(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    life = Life(tmp_path)
    life.go()
    gids = [await life.stage.add(out="x" * 300) for _ in range(200)]
    await life.stage.call("slasshy.getHistory", 0, 1)  # all is written
    db = sqlite3.connect(tmp_path / NAME)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    path = tmp_path / NAME
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    gids += [await life.stage.add(out="y" * 300) for _ in range(200)]
    await until(lambda: (tmp_path / f"{NAME}.damaged-1").exists() and not life.history._file.behind)
    await life.end()
    assert "a new one begins" in caplog.text
    assert Life(tmp_path).gids() == gids


async def test_what_could_be_read_of_a_damaged_file_is_in_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path)
    life.go()
    gids = [await life.stage.add() for _ in range(4)]
    await life.end()

    damage = sqlite3.DatabaseError("database disk image is malformed")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    read = HistoryFile.read

    def half(file: HistoryFile, visit: Visit, results: int) -> bool:
        def torn(entries: Iterator[EntryRow], ended: Iterator[ResultRow], settled: Iterator[tuple[str]]) -> None:
            def first() -> Iterator[EntryRow]:
                yield next(entries)
                yield next(entries)
                raise damage

            visit(first(), ended, settled)

        return read(file, torn, results)

    monkeypatch.setattr(HistoryFile, "read", half)
    life = Life(tmp_path)
    monkeypatch.undo()
    assert life.gids() == gids[:2]
    life.go()
    await life.end()
    assert Life(tmp_path).gids() == gids[:2]


@pytest.mark.parametrize(
    "data", ["", "{", "[]", '{"uris": []}', '{"uris": ["http://h/"], "options": {"split": "many"}}', "\x00"]
)
async def test_a_row_that_is_none_is_left_out(tmp_path: Path, data: str, caplog: pytest.LogCaptureFixture) -> None:
    life = Life(tmp_path)
    life.go()
    bad, good = await life.stage.add(), await life.stage.add()
    await life.end()
    db = sqlite3.connect(tmp_path / NAME)
    db.execute("UPDATE entries SET data = ? WHERE gid = ?", (data, bad))
    db.execute("INSERT INTO results (gid, ended, data) VALUES ('00000000000000ff', 9999999999, ?)", (data,))
    db.commit()
    db.close()
    life = Life(tmp_path)
    assert life.gids() == [good]
    assert caplog.text.count("cannot be read from the history") == 2
    life.go()
    await life.end()


async def test_names_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.go()
    name = b"caf\xe9.bin".decode("utf-8", "surrogateescape")
    life.session.add(["http://127.0.0.1/f"], {"out": name, "header": ("A: b", "C: d")}, trusted=True)
    await life.end()
    (again,) = Life(tmp_path).session.queue
    assert again.options.text("out") == name
    assert again.options.lines("header") == ("A: b", "C: d")
    assert again.request.trusted


async def test_a_paused_one_keeps_its_path(tmp_path: Path) -> None:
    given = options(max_concurrent_downloads="1", dir=str(tmp_path))
    life = Life(tmp_path, given)
    life.go()
    life.session.start()
    gid = await life.stage.add()
    path = str(tmp_path / "f.1.bin")
    assert life.session.claims.take(path, gid)
    await life.stage.call("pause", gid)
    await turns()
    await life.end()
    life = Life(tmp_path, given)
    assert life.paths == {gid: path}
    life.session.recall(life.paths)
    assert life.session.claims.path_of(gid) == path


async def test_what_a_job_has_learned_is_known_to_the_next_process(tmp_path: Path) -> None:
    """And to its own session at once, without a restart of the job."""
    life = Life(tmp_path)
    life.go()
    life.session.start()
    gid = await life.stage.add(split="3")
    life.stage.job(gid).place.learn({"media-format": "137+140/b"})
    await turns()
    assert life.session.find(gid).options.text("media-format") == "137+140/b"
    assert life.stage.events() == ["START"]
    await life.end()
    (again,) = Life(tmp_path).session.queue
    assert (again.options.text("media-format"), again.options.integer("split")) == ("137+140/b", 3)
