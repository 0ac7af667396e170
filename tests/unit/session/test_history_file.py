"""A history whose file is taken away, spoilt, or holds what nobody can read: no queue is lost, and no server ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from slasshy_rpc.session import store as store_module
from slasshy_rpc.session.download import Download
from slasshy_rpc.session.queue import Whence
from slasshy_rpc.session.store import NAME, HistoryFile, Note
from slasshy_rpc.values import Status
from tests.support.fake_protocol import until
from tests.unit.session.test_history import FullDisk, Life


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "GROUP", 0.001)
    monkeypatch.setattr(store_module, "RETRY", 0.01)


async def committed(life: Life) -> None:
    await life.stage.call("slasshy.getHistory", 0, 1)


async def filled(life: Life, number: int) -> list[str]:
    life.go()
    gids = [await life.stage.add(out="x" * 300, pause="true") for _ in range(number)]
    await committed(life)
    return gids


def spoil(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def change(folder: Path, sql: str, *values: object) -> None:
    db = sqlite3.connect(folder / NAME)
    db.execute(sql, values)
    db.commit()
    db.close()


REPLACEMENTS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "link": lambda path: path.symlink_to("/dev/null"),
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "text": lambda path: path.write_text("no database"),
}


@pytest.mark.parametrize("name", REPLACEMENTS)
@pytest.mark.parametrize("log_too", [False, True])
async def test_a_file_taken_away_while_it_is_used_is_written_anew(tmp_path: Path, name: str, log_too: bool) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 5)
    for suffix in ("", "-wal", "-shm") if log_too else ("",):
        (tmp_path / f"{NAME}{suffix}").unlink()
    REPLACEMENTS[name](tmp_path / NAME)
    gids += [await life.stage.add(pause="true") for _ in range(3)]
    await committed(life)
    await life.end()
    assert Life(tmp_path).gids() == gids


async def test_a_folder_taken_away_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    life = Life(folder)
    gids = await filled(life, 5)
    shutil.rmtree(folder)
    await life.end()  # nothing has changed since
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Life(folder).gids() == gids


async def test_damage_that_shows_at_the_end_costs_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 200)
    spoil(tmp_path / NAME)
    await life.stage.call("unpause", gids[0])
    life.session.change_options(life.session.find(gids[199]), {"out": "y"})
    await life.end()
    life = Life(tmp_path)
    assert life.gids() == gids
    assert life.session.find(gids[0]).status is Status.WAITING
    assert life.session.find(gids[199]).options.text("out") == "y"


async def test_a_disk_that_spoils_every_file_does_not_fill_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path)
    tries = 0

    def write(file: HistoryFile, batch: list[Note]) -> None:
        nonlocal tries
        tries += 1
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    life.go()
    monkeypatch.setattr(HistoryFile, "_write", write)
    await life.stage.add()
    await until(lambda: tries > 40)
    await life.end()
    assert len([name for name in os.listdir(tmp_path) if name[-1].isdigit()]) == store_module.MOST_DAMAGED


async def test_a_caller_who_has_gone_costs_no_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life(tmp_path)
    disk = FullDisk(monkeypatch)
    gids = [await life.stage.add() for _ in range(3)]
    asking = asyncio.ensure_future(committed(life))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.sleep(0)
    life.go()
    await until(lambda: disk.tries > 2)
    disk.full = False
    await until(lambda: not life.history._file.behind)
    await life.end()
    assert Life(tmp_path).gids() == gids


async def test_removed_results_stay_removed_whatever_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MOST_BEHIND", 5)
    life = Life(tmp_path)
    life.go()
    life.session.start()
    await life.stage.end(await life.stage.add())
    await committed(life)
    disk = FullDisk(monkeypatch)
    await life.stage.call("purgeDownloadResult")
    gids = [await life.stage.add(pause="true") for _ in range(30)]
    await until(lambda: disk.tries > 5)
    disk.full = False
    await until(lambda: not life.history._file.behind)
    assert await life.stage.call("slasshy.getHistory", 0, 9) == []
    await life.end()
    assert Life(tmp_path).gids() == gids


ENTRY = '{"uris": ["http://h/"], "options": %s}'


@pytest.mark.parametrize(
    "spoilt",
    [
        "data = CAST(x'ff7b' AS TEXT)",
        "rank = 'first'",
        "rank = x'00'",
        "rank = 9e300",
        "status = 5",
        "data = '" + ENTRY % "[]" + "'",
        "data = '" + ENTRY % '{"dir": ["a", "b"]}' + "'",
        "data = '" + ENTRY % '{}, "last": null' + "'",
        "data = '" + ENTRY % '{}, "last": {"total": 1e400}' + "'",
        'data = \'{"uris": "http://h/", "options": {}}\'',
        'data = \'{"uris": [1], "options": {}}\'',
    ],
)
async def test_a_spoilt_row_costs_no_other(tmp_path: Path, spoilt: str) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 4)
    await life.end()
    change(tmp_path, f"UPDATE entries SET {spoilt} WHERE gid = ?", gids[1])
    del gids[1]
    life = Life(tmp_path)
    assert life.gids() == gids
    life.go()
    await life.end()
    assert Life(tmp_path).gids() == gids


async def test_a_row_without_a_gid_is_left_out(tmp_path: Path) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 2)
    await life.end()
    change(tmp_path, "UPDATE entries SET gid = 'nobody' WHERE gid = ?", gids[0])
    assert Life(tmp_path).gids() == gids[1:]


async def test_what_only_the_disk_kept_from_being_read_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 3)
    await life.end()

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(HistoryFile, "_tidy", fails)
    life = Life(tmp_path)
    monkeypatch.undo()
    assert life.gids() == []
    life.go()
    await life.end()
    (tmp_path / NAME).unlink()
    (tmp_path / f"{NAME}.damaged-1").rename(tmp_path / NAME)
    assert Life(tmp_path).gids() == gids


@pytest.mark.parametrize("sql", ["DROP TABLE entries", "PRAGMA user_version = 0", "PRAGMA user_version = -1"])
async def test_another_database_is_moved_aside(tmp_path: Path, sql: str) -> None:
    life = Life(tmp_path)
    await filled(life, 1)
    await life.end()
    change(tmp_path, sql)
    life = Life(tmp_path)
    gids = await filled(life, 2)
    await life.end()
    assert (tmp_path / f"{NAME}.damaged-1").exists()
    assert Life(tmp_path).gids() == gids


async def same_after_moves(life: Life, folder: Path, source: int, target: int) -> None:
    """Move one as often as it takes to number all anew, and stop at the first that comes after it."""
    told: list[str] = []
    into = life.history.renumbered

    def tell(newcomer: Download) -> None:
        told.append(newcomer.gid)
        into(newcomer)

    life.session.queue._renumbered = tell
    for _ in range(200):
        life.session.move(life.session.queue.slice(source, source + 1)[0], target, Whence.START)
        if told:
            break
    expected = life.gids()
    await life.end()
    assert Life(folder).gids() == expected


@pytest.mark.parametrize(("source", "target"), [(0, 1), (0, 2), (4, 2), (2, 1)])
async def test_one_that_moves_is_not_numbered_in_its_old_place(tmp_path: Path, source: int, target: int) -> None:
    life = Life(tmp_path)
    await filled(life, 5)
    await same_after_moves(life, tmp_path, source, target)


async def test_one_that_cannot_be_read_has_no_number(tmp_path: Path) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 6)
    await life.end()
    change(tmp_path, "UPDATE entries SET data = '' WHERE gid = ?", gids[1])
    life = Life(tmp_path)
    life.go()
    await same_after_moves(life, tmp_path, 4, 2)
    change(tmp_path, "UPDATE entries SET data = ? WHERE gid = ?", ENTRY % "{}", gids[1])
    assert gids[1] in Life(tmp_path).gids()  # it was not thrown away


async def test_no_password_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "WIPE", 0.01)
    life = Life(tmp_path)
    life.go()
    life.session.start()
    for _ in range(20):
        gid = await life.stage.add("http://127.0.0.1/f?token=hush", http_passwd="hush", header="X: hush")
        await life.stage.end(gid)
    await committed(life)
    await until(lambda: not any(b"hush" in path.read_bytes() for path in tmp_path.iterdir()))
    assert life.history._file._ready().execute("PRAGMA secure_delete").fetchone() == (1,)
    await life.end()


async def test_a_gid_that_is_there_twice_is_one_download(tmp_path: Path) -> None:
    life = Life(tmp_path)
    gids = await filled(life, 3)
    await life.end()
    twice = "CREATE TABLE copy AS SELECT * FROM entries"
    for sql in (twice, "DROP TABLE entries", "ALTER TABLE copy RENAME TO entries"):
        change(tmp_path, sql)
    change(tmp_path, "INSERT INTO entries SELECT * FROM entries WHERE gid = ?", gids[1])
    life = Life(tmp_path)
    assert life.gids() == gids
    assert len(life.session.queue) == 3
