"""Small bodies: taken into memory and written in one step, or as any other body when they do not come at once."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import os
from pathlib import Path

import pytest

from slasshy_rpc._engine import Pace
from slasshy_rpc.disk import layout
from slasshy_rpc.disk.claims import Claims
from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.net import http1
from slasshy_rpc.net.receive import Receiver
from slasshy_rpc.protocols import atonce
from slasshy_rpc.protocols.base import Workplace
from slasshy_rpc.protocols.localfile import LocalFile
from tests.support.behaviour import Behaviour, first
from tests.support.fake_protocol import until
from tests.support.fetcher import Fetcher
from tests.support.origin import Origin

KIB, MIB = 1 << 10, 1 << 20
LENGTH = 300 * KIB


@pytest.fixture
def _never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be taken into memory."""

    async def fail(*_: object) -> bytes:
        raise AssertionError("a body was taken into memory")

    monkeypatch.setattr(atonce.AtOnce, "_read", fail)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.parametrize("length", [0, 1, LENGTH, atonce.MOST])
async def test_in_one_step(fetcher: Fetcher, origin: Origin, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher._receiver, "start", None)  # no use of the engine
    for name in ("/a.bin", "/b.bin"):
        url = origin.serve(name, length=length)
        done = await fetcher.fetch(url)
        assert done.error is None
        assert done.path.read_bytes() == origin.content(name).whole()
        assert done.snapshot.completed_length == done.snapshot.total_length == length
    assert left(fetcher.folder) == ["a.bin", "b.bin"]
    assert [seen.connection for seen in origin.requests()] == [1, 1]


async def test_one_that_is_to_be_durable_is_made_so(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(layout, "sync_data", lambda fd, path: synced.append(path))
    fetcher.folder.mkdir()
    done = await fetcher.fetch(origin.serve("/a.bin", length=LENGTH), file_sync="always")
    assert done.error is None
    assert synced == [str(done.path)]


async def test_a_record_that_is_to_be_kept_is_made(fetcher: Fetcher, origin: Origin) -> None:
    fetcher.folder.mkdir()
    done = await fetcher.fetch(origin.serve("/a.bin", length=LENGTH), force_save="true")
    assert done.error is None
    assert left(fetcher.folder) == ["a.bin", "a.bin.aria2"]


async def test_a_stop_before_all_has_come_is_heard(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PATIENCE", "GAP"):
        monkeypatch.setattr(atonce, name, 30.0)
    url = origin.serve("/a.bin", length=LENGTH, behaviour=Behaviour(hold_at=100 * KIB))
    job = fetcher.job(url)
    task = asyncio.create_task(job.run())
    await until(lambda: job.snapshot().completed_length == 100 * KIB)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert left(fetcher.folder) == ["a.bin", "a.bin.aria2"]


async def test_what_stands_still_goes_on_as_any_other(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atonce, "PATIENCE", 0.05)
    url = origin.serve("/a.bin", length=LENGTH, behaviour=Behaviour(hold_at=100 * KIB))
    job = fetcher.job(url, split="1")
    task = asyncio.create_task(job.run())
    await until(lambda: (fetcher.folder / "a.bin").exists() and job.snapshot().completed_length == 100 * KIB)
    await until(lambda: [view.end for view in job.servers()] == [LENGTH])  # the crew's
    origin.release("/a.bin")
    await task
    assert (fetcher.folder / "a.bin").read_bytes() == origin.content("/a.bin").whole()
    assert len(origin.requests()) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_what_breaks_off_is_continued(fetcher: Fetcher, origin: Origin, how: str) -> None:
    broken = Behaviour(fail_after=100 * KIB, fail_how="close" if how == "close" else "reset")
    url = origin.serve("/a.bin", length=LENGTH, behaviour=first(1, broken))
    done = await fetcher.fetch(url, split="1")
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/a.bin").whole()
    if how == "close":  # a reset may overtake what was sent before it
        assert [seen.range for seen in origin.requests()] == [None, (100 * KIB, LENGTH - 1)]


async def test_more_than_was_told_is_not_waited_for(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "discard", None)  # no rest is read
    url = origin.serve("/a.bin", length=100, behaviour=Behaviour(surplus=b"more"))
    for name in ("a.bin", "a.1.bin"):
        done = await fetcher.fetch(url)
        assert done.error is None
        assert done.path.name == name
        assert done.path.read_bytes() == origin.content("/a.bin").whole()
    assert [seen.connection for seen in origin.requests()] == [1, 2]


async def test_what_is_there_stays(fetcher: Fetcher, origin: Origin) -> None:
    fetcher.folder.mkdir()
    (fetcher.folder / "a.bin").write_bytes(b"somebody's")
    done = await fetcher.fetch(origin.serve("/a.bin", length=LENGTH), **{"continue": "false"})
    assert done.path == fetcher.folder / "a.1.bin"
    assert done.path.read_bytes() == origin.content("/a.bin").whole()
    assert (fetcher.folder / "a.bin").read_bytes() == b"somebody's"


async def test_a_whole_file_is_not_touched(fetcher: Fetcher, origin: Origin) -> None:
    """The body came although it was not needed; the connection is good for the next."""
    url = origin.serve("/a.bin", length=LENGTH)
    fetcher.folder.mkdir()
    path = fetcher.folder / "a.bin"
    path.write_bytes(bytes(LENGTH))
    done = await fetcher.fetch(url, **{"continue": "true"})
    assert done.error is None
    assert path.read_bytes() == bytes(LENGTH)


@pytest.mark.parametrize("right", [True, False])
async def test_a_digest(fetcher: Fetcher, origin: Origin, right: bool) -> None:
    url = origin.serve("/a.bin", length=LENGTH)
    digest = origin.content("/a.bin").sha256() if right else "0" * 64
    done = await fetcher.fetch(url, checksum=f"sha-256={digest}")
    assert done.error is None if right else done.error is not None and done.error.code == ErrorCode.CHECKSUM
    assert len(origin.requests()) == 1


@pytest.mark.parametrize("right", [True, False])
async def test_a_digest_that_the_server_tells(fetcher: Fetcher, origin: Origin, right: bool) -> None:
    fetcher.folder.mkdir()
    told = base64.b64encode(hashlib.sha256(b"hello" if right else b"other").digest()).decode()
    headers = Behaviour(headers=(("Digest", f"SHA-256={told}"),))
    done = await fetcher.fetch(origin.serve("/a.bin", data=b"hello", behaviour=headers))
    assert (done.error.code if done.error else 0) == (0 if right else ErrorCode.CHECKSUM)


@pytest.mark.usefixtures("_never")
async def test_a_speed_limit_holds(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/a.bin", length=LENGTH)
    done = await fetcher.fetch(url, max_download_limit="10000000")
    assert done.error is None
    everybodys = Workplace("0" * 16, pace=Pace(10_000_000))
    await fetcher._job(everybodys, [url], {}).run()


@pytest.mark.usefixtures("_never")
async def test_not_too_much_together(fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atonce, "MOST_TOGETHER", LENGTH + 9)
    monkeypatch.setattr(atonce.AtOnce, "_together", 10)
    done = await fetcher.fetch(origin.serve("/a.bin", length=LENGTH))
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/a.bin").whole()


async def test_it_counts_until_it_is_written(fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atonce.AtOnce, "_spare", [])
    held: list[int] = []
    write = LocalFile.write

    def written(self: LocalFile, body: memoryview) -> None:
        held.append(atonce.AtOnce._together)
        write(self, body)

    monkeypatch.setattr(LocalFile, "write", written)
    assert (await fetcher.fetch(origin.serve("/a.bin", length=LENGTH))).error is None
    assert held == [sum(map(len, atonce.AtOnce._spare))] >= [LENGTH]
    assert atonce.AtOnce._together == 0


def not_done(self: Receiver, *order: object) -> asyncio.Future[bool]:
    """The engine could not."""
    answer = asyncio.get_running_loop().create_future()
    answer.set_result(False)
    return answer


async def test_a_full_disk(fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        if offset:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[:4096], offset)

    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(Receiver, "put", not_done)
    done = await fetcher.fetch(origin.serve("/a.bin", length=LENGTH))
    assert done.error is not None
    assert done.error.code == ErrorCode.DISK_FULL
    assert atonce.AtOnce._together == 0
    assert done.path.stat().st_size == 0
    assert left(done.path.parent) == ["a.bin", "a.bin.aria2"]


@pytest.mark.parametrize("date", [f"Thu, {'9' * 20} Jan 2020 00:00:00 GMT", "Thu, 01 Jan 2020 00:00:00 +" + "9" * 30])
async def test_a_date_that_cannot_be(fetcher: Fetcher, origin: Origin, date: str) -> None:
    url = origin.serve("/a.bin", length=LENGTH, behaviour=Behaviour(last_modified=date))
    done = await fetcher.fetch(url, remote_time="true")
    assert done.error is None
    assert done.path.read_bytes() == origin.content("/a.bin").whole()


async def test_what_is_another_ones_place_is_left_free(fetcher: Fetcher, origin: Origin) -> None:
    """Nothing lies there as yet, so that only the claims know."""
    url, folder = origin.serve("/a.bin", length=LENGTH), fetcher.folder
    folder.mkdir(exist_ok=True)  # else it would not be as simple as that anyway
    claims = Claims([str(folder / "a.bin")])
    assert claims.take(str(folder / "a.1.bin"), "f" * 16)
    await fetcher._job(Workplace("0" * 16, claims=claims), [url], {}).run()
    assert left(folder) == ["a.2.bin"]


async def test_room_is_used_again_but_by_nobody_else_meanwhile(fetcher: Fetcher, origin: Origin) -> None:
    sizes = [LENGTH, LENGTH - 1, 70 * KIB, 1, 1 * MIB] * 4
    for _ in range(2):
        names = [(f"/{at}.bin", size) for at, size in enumerate(sizes)]
        done = await asyncio.gather(*(fetcher.fetch(origin.serve(name, length=size)) for name, size in names))
        for (name, _), one in zip(names, done, strict=True):
            assert one.error is None
            assert one.path.read_bytes() == origin.content(name).whole()
            one.path.unlink()
        spare = atonce.AtOnce._spare
        assert spare
        assert len({id(room) for room in spare}) == len(spare)
        assert sum(map(len, spare)) <= atonce.MOST_SPARE
        assert atonce.AtOnce._together == 0


async def test_room_that_is_too_small_gives_way(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [bytearray(atonce.GRAIN) for _ in range(atonce.MOST_SPARE // atonce.GRAIN)]
    monkeypatch.setattr(atonce.AtOnce, "_spare", small)
    assert (await fetcher.fetch(origin.serve("/a.bin", length=LENGTH))).error is None
    large = small[-1]
    assert len(large) >= LENGTH
    assert (await fetcher.fetch(origin.serve("/b.bin", length=LENGTH))).error is None
    assert small[-1] is large
    assert sum(map(len, small)) <= atonce.MOST_SPARE


async def test_no_more_than_the_room_that_it_needs(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atonce.AtOnce, "_spare", [])
    assert (await fetcher.fetch(origin.serve("/a.bin", length=(MIB >> 1) + 1))).error is None
    assert sum(map(len, atonce.AtOnce._spare)) <= (MIB >> 1) + atonce.GRAIN
