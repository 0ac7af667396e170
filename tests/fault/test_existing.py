"""Files that are there already: checked and fetched anew, finished in the last moment, devices, and others' files."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from slasshy_rpc.disk import layout
from slasshy_rpc.errors import DiskError, ErrorCode
from slasshy_rpc.protocols.localfile import LocalFile
from tests.support.behaviour import Behaviour, after, first
from tests.support.fetcher import Fetcher, interrupt
from tests.support.origin import Origin
from tests.support.remains import controlled, files

MIB = 1 << 20
LENGTH = 4 * MIB + 4321
NAME = "file.bin"


def leave(fetcher: Fetcher, data: bytes) -> Path:
    """A file that another program left."""
    path = fetcher.folder / NAME
    path.parent.mkdir()
    path.write_bytes(data)
    return path


# ---- checked


@pytest.mark.parametrize("rule", ["continue", "check_integrity"])
async def test_a_digest_that_nothing_has_fails_after_the_fetch_too(fetcher: Fetcher, origin: Origin, rule: str) -> None:
    leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    done = await fetcher.fetch(url, checksum=f"sha-256={'1' * 64}", **{rule: "true"})
    assert done.error is not None
    assert done.error.code == ErrorCode.CHECKSUM


async def test_a_file_that_is_fetched_anew_has_its_records(fetcher: Fetcher, origin: Origin) -> None:
    """Stopped in the middle, it is known what came; nothing of what was there before is taken for it."""
    path = leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(rate=MIB))
    wanted = origin.content(f"/{NAME}")
    digest = f"sha-256={wanted.sha256()}"
    await interrupt(fetcher.job(url, checksum=digest, split="2", **{"continue": "true"}), 2 * MIB)
    assert MIB < controlled(path).total < LENGTH
    origin.serve(f"/{NAME}", length=LENGTH)
    done = await fetcher.fetch(url)
    assert done.error is None
    assert wanted.difference(path) is None
    assert sorted(files(fetcher.folder)) == [NAME]


async def test_records_are_there_before_the_old_content_is_gone(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in that moment, the next start does not take the file for a finished one."""
    path = leave(fetcher, b"x" * LENGTH)
    url = origin.serve(f"/{NAME}", length=LENGTH)
    seen = []
    cut = layout.cut

    def watched(fd: int, length: int, where: str = "the file") -> None:
        seen.append((length, os.fstat(fd).st_size, Path(f"{path}.aria2").exists()))
        cut(fd, length, where)

    monkeypatch.setattr(layout, "cut", watched)
    await fetcher.fetch(url, checksum=f"sha-256={origin.content(f'/{NAME}').sha256()}", **{"continue": "true"})
    assert seen[0] == (0, LENGTH, True)


# ---- finished in the last moment


async def test_told_to_stop_while_the_finished_file_is_made_durable(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records are gone by then: it is complete, whatever it was told."""
    loop = asyncio.get_running_loop()
    finish = LocalFile.finish

    def told_meanwhile(self: LocalFile, length: int, modified: float | None) -> None:
        loop.call_soon_threadsafe(task.cancel)
        finish(self, length, modified)

    monkeypatch.setattr(LocalFile, "finish", told_meanwhile)
    task = asyncio.create_task(fetcher.job(origin.serve(f"/{NAME}", length=LENGTH)).run())
    await task
    assert list(files(fetcher.folder)) == [NAME]
    assert origin.content(f"/{NAME}").difference(fetcher.folder / NAME) is None


# ---- what is no file of ours


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        after(1, Behaviour(version=1)),
        first(1, Behaviour(fail_after=MIB, fail_how="reset", ranges=False), Behaviour(ranges=False)),
        first(1, Behaviour(framing="chunked", fail_after=MIB, fail_how="reset"), Behaviour(framing="chunked")),
    ],
    ids=["plain", "changed", "no ranges", "chunked"],
)
async def test_the_null_device_takes_everything_and_stays(
    origin: Origin, fetcher: Fetcher, behaviour: Behaviour
) -> None:
    """People measure their line with ``-d /dev -o null``."""
    path = fetcher.folder / "null"
    path.parent.mkdir()
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.stat(os.devnull).st_rdev)
    except PermissionError:
        pytest.skip("only root may make a device: this test needs root")
    done = await fetcher.fetch(
        origin.serve(f"/{NAME}", length=LENGTH, behaviour=behaviour), out="null", allow_overwrite="true"
    )
    assert done.error is None
    assert stat.S_ISCHR(path.stat().st_mode)
    assert sorted(name for name in os.listdir(fetcher.folder) if name != "live") == ["null"]


async def test_no_record_stays_beside_what_cannot_be_opened(fetcher: Fetcher, origin: Origin) -> None:
    path = leave(fetcher, b"data")
    target = path.rename(path.with_name("data"))
    path.symlink_to(target)
    done = await fetcher.fetch(origin.serve(f"/{NAME}", length=LENGTH), allow_overwrite="true")
    assert isinstance(done.error, DiskError)
    assert sorted(name for name in os.listdir(fetcher.folder) if name != "live") == ["data", NAME]
    assert target.read_bytes() == b"data"
