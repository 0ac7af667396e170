"""Disks that are full, read-only or asked for the impossible: a clear error, no byte lost, and the server lives on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.disk.bits import BLOCK
from slasshy_rpc.errors import ErrorCode
from tests.support import namespace
from tests.support.behaviour import Behaviour
from tests.support.namespace import Volume, volume
from tests.support.origin import Origin
from tests.support.process import Refused, Server, run
from tests.support.remains import asked, files, overlap, same_blocks

MIB = 1 << 20
LENGTH = 12 * MIB + 4321
SIZE = 16 * MIB
HELD = 500_000  # of each of the eight connections
HALF = 8 * HELD
NAME = "file.bin"

no_namespaces = namespace.missing()
small_disk = pytest.mark.skipif(bool(no_namespaces), reason=no_namespaces or "there are")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the downloads go."""
    path = tmp_path / "files"
    path.mkdir()
    return path


@pytest.fixture
def disk(folder: Path) -> Iterator[Volume]:
    """A file system of SIZE bytes at ``folder``."""
    with volume(folder, SIZE) as one:
        yield one


def options(folder: Path) -> list[str]:
    return [f"--dir={folder}", f"--state-dir={folder.parent / 'state'}", "--split=8", "--rpc-path-policy=any"]


def failed(server: Server, gid: str, code: ErrorCode, *words: str) -> None:
    """The download ended with that error, in these words, and the server still answers."""
    status = server.finished(gid)
    assert status["status"] == "error"
    assert int(status["errorCode"]) == code, status["errorMessage"]
    for word in words:
        assert word in status["errorMessage"]
    assert server.call("aria2.getVersion")["version"] == "1.37.0"


def lives(server: Server, origin: Origin, elsewhere: Path) -> None:
    """The server still brings files."""
    url = origin.serve("/other.bin", length=2 * MIB, seed=9)
    server.completed(server.add(url, dir=str(elsewhere)))
    assert origin.content("/other.bin").difference(elsewhere / "other.bin") is None


# ---- read-only


@small_disk
def test_a_read_only_folder(origin: Origin, folder: Path) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    small = origin.serve("/small.bin", length=1000)
    with volume(folder, SIZE, read_only=True) as disk, Server(*options(folder), prefix=disk.prefix) as server:
        failed(server, server.add(url), ErrorCode.CREATE_FAILED, str(folder / NAME), "read-only", "another dir")
        failed(server, server.add(small), ErrorCode.CREATE_FAILED, "small.bin", "read-only")
        failed(server, server.add(url, out="a/b"), ErrorCode.MKDIR_FAILED, str(folder / "a"), "read-only")
        lives(server, origin, folder.parent)
        assert run(*options(folder), "--state-dir=", url, prefix=disk.prefix)[0] == ErrorCode.CREATE_FAILED


# ---- full


@small_disk
@pytest.mark.parametrize("allocation", ["none", "trunc", "falloc", "prealloc"])
def test_too_little_space_from_the_beginning(origin: Origin, folder: Path, disk: Volume, allocation: str) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    ballast = disk.outside / "ballast"
    ballast.write_bytes(bytes(8 * MIB))
    with Server(*options(folder), f"--file-allocation={allocation}", prefix=disk.prefix) as server:
        failed(server, server.add(url), ErrorCode.DISK_FULL, NAME, "12.0 MiB needed", "8.0 MiB available")
        code, said = run(*options(folder), "--state-dir=", url, prefix=disk.prefix)
        assert code == ErrorCode.DISK_FULL, said
        lives(server, origin, folder.parent)
        ballast.unlink()
        server.completed(server.add(url))
        assert origin.content(f"/{NAME}").difference(disk.outside / NAME) is None
        assert list(files(disk.outside)) == [NAME]


@small_disk
@pytest.mark.parametrize("allocation", ["none", "trunc"])
def test_full_in_the_middle(origin: Origin, folder: Path, disk: Volume, allocation: str) -> None:
    """Somebody else takes the space. What came is kept, known, and not fetched again once there is room."""
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(hold_at=HELD))
    content = origin.content(f"/{NAME}")
    with Server(*options(folder), f"--file-allocation={allocation}", prefix=disk.prefix) as server:
        gid = server.add(url)
        origin.wait(lambda one: one.sent() >= HALF)
        server.until(gid, lambda status: int(status["completedLength"]) >= HALF)
        _fill(disk, leave=MIB)
        origin.release(f"/{NAME}")
        failed(server, gid, ErrorCode.DISK_FULL, str(folder / NAME), "full", "Free some space")
        count, on_disk = len(origin.requests()), same_blocks(disk.outside / NAME, content)
        assert on_disk.total > 0
        failed(server, server.add(url), ErrorCode.DISK_FULL, NAME)
        lives(server, origin, folder.parent)
        (disk.outside / "ballast").unlink()
        server.completed(server.add(url))
        assert content.difference(disk.outside / NAME) is None
        again = overlap(asked([one for one in origin.requests(f"/{NAME}") if one.number > count + 1], LENGTH), on_disk)
        assert again <= 16 * BLOCK
        assert list(files(disk.outside)) == [NAME]


@small_disk
def test_what_falloc_has_reserved_nobody_takes_away(origin: Origin, folder: Path, disk: Volume) -> None:
    """The disk is full to the brim, even for control files, and the download ends well."""
    url = origin.serve(f"/{NAME}", length=LENGTH, behaviour=Behaviour(hold_at=HELD))
    with Server(*options(folder), "--file-allocation=falloc", prefix=disk.prefix) as server:
        gid = server.add(url)
        origin.wait(lambda one: one.sent() >= HALF)
        _fill(disk, leave=0)
        server.hears("aria2")  # the control file could not be saved, which is told
        origin.release(f"/{NAME}")
        server.completed(gid)
        assert origin.content(f"/{NAME}").difference(disk.outside / NAME) is None


def _fill(disk: Volume, leave: int) -> None:
    """Write until ``leave`` bytes are free."""
    with (disk.outside / "ballast").open("wb", buffering=0) as file:
        while (room := disk.free() - leave) > 0:
            file.write(bytes(min(room, MIB)))


@small_disk
def test_no_room_for_live_maps(origin: Origin, folder: Path, tmp_path: Path) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    state = tmp_path / "state"
    state.mkdir()
    with volume(state, 64 * 1024) as disk:
        _fill(disk, leave=0)
        with Server(*options(folder), prefix=disk.prefix) as server:
            server.completed(server.add(url))
            server.hears("live map")
    assert origin.content(f"/{NAME}").difference(folder / NAME) is None


def test_a_limit_on_the_size_of_files(origin: Origin, folder: Path) -> None:
    """What `ulimit -f` and old file systems say; needs no namespace."""
    url = origin.serve(f"/{NAME}", length=LENGTH)
    limit = ("sh", "-c", 'ulimit -f 8192 && exec "$@"', "limited")  # 4 MiB, or 8 where it counts KiB
    with Server(*options(folder), "--file-allocation=none", prefix=limit) as server:
        failed(server, server.add(url), ErrorCode.IO_ERROR, NAME, "files this large", "ulimit -f")
        lives(server, origin, folder.parent)
    count, on_disk = len(origin.requests()), same_blocks(folder / NAME, origin.content(f"/{NAME}"))
    assert on_disk.total > 0
    assert run(*options(folder), url)[0] == 0
    assert origin.content(f"/{NAME}").difference(folder / NAME) is None
    assert overlap(asked(origin.requests()[count:], LENGTH), on_disk) <= 16 * BLOCK


# ---- names and folders

ESCAPES = ["../evil", "a/../../evil", "..", "../", "/", "/evil", "a/", "link/evil", "a\0b", "a\nb", "\ud800"]


def test_an_out_that_leads_out_of_dir_over_rpc(origin: Origin, folder: Path) -> None:
    """Refused by addUri, or later with an error of the download's own."""
    url = origin.serve(f"/{NAME}", length=LENGTH)
    (folder / "link").symlink_to(folder.parent)
    with Server(*options(folder)) as server:
        before = sorted(os.listdir(folder.parent))
        for out in ESCAPES:
            with contextlib.suppress(Refused):
                failed(server, server.add(url, out=out), ErrorCode.CREATE_FAILED, "out")
        lives(server, origin, folder)
    assert sorted(os.listdir(folder.parent)) == before
    assert sorted(os.listdir(folder)) == ["link", "other.bin"]


def test_an_out_with_dots_on_the_command_line_is_meant(origin: Origin, folder: Path) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    code, said = run(f"--dir={folder}", "--state-dir=", "--out=../meant", url)
    assert code == 0, said
    assert origin.content(f"/{NAME}").difference(folder.parent / "meant") is None


def test_a_dir_that_is_a_file(origin: Origin, folder: Path) -> None:
    url = origin.serve(f"/{NAME}", length=LENGTH)
    (folder / "notes").write_text("mine")
    with Server(*options(folder)) as server:
        for place in (folder / "notes", folder / "notes" / "below"):
            failed(server, server.add(url, dir=str(place)), ErrorCode.MKDIR_FAILED, str(place), "not a folder")
        failed(server, server.add(url, out="notes/x"), ErrorCode.MKDIR_FAILED, "not a folder")
        lives(server, origin, folder)
    assert (folder / "notes").read_text() == "mine"
    assert run(f"--dir={folder / 'notes'}", "--state-dir=", url)[0] == ErrorCode.MKDIR_FAILED


@pytest.mark.parametrize("length", [1000, LENGTH], ids=["small", "large"])
def test_long_names(origin: Origin, folder: Path, length: int) -> None:
    """A name from the network is made to fit, with room for the records beside it; a user's is taken or refused."""
    sizes = (243, 244, 249, 250, 255, 256, 300)
    given = {size: "o" * size for size in sizes}
    with Server(*options(folder)) as server:
        for size in sizes:
            name = "n" * (size - 4) + ".bin"
            url = origin.serve(f"/{name}", length=length, seed=size)
            status = server.completed(server.add(url))
            path = Path(status["files"][0]["path"])
            assert path.suffix == ".bin"
            assert origin.content(f"/{name}").difference(path) is None
            status = server.finished(server.add(url, out=given[size]))
            if status["status"] == "complete":
                assert origin.content(f"/{name}").difference(folder / given[size]) is None
            else:
                assert size > 243
                assert "name is too long" in status["errorMessage"]
                assert int(status["errorCode"]) == ErrorCode.CREATE_FAILED
        lives(server, origin, folder)
    assert not [name for name in os.listdir(folder) if "aria2" in name]
