"""A folder of fragments: whose it is, and which fragments count after a crash."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from slasshy_rpc.disk import fragments as module
from slasshy_rpc.disk import layout
from slasshy_rpc.disk.fragments import Folder, remove, scratch
from slasshy_rpc.errors import DiskError, ErrorCode

RECORD = "slasshy-rpc.fragments"


def opened(target: Path, identity: str = "this", count: int = 10, *, sync: bool = True) -> Folder:
    return Folder.open(str(target), identity, count, lambda path: True, sync=sync)


def bring(folder: Folder, number: int, data: bytes = b"data") -> None:
    fd = folder.begin(number)
    os.write(fd, data)
    folder.finish(number, fd)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "f.mp4"


def test_the_longest_names_have_a_folder_too(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".mp4", "\u00e9" * 127, "x" * 247):
        folder = opened(tmp_path / name)
        assert Path(folder.path).is_dir()
        folder.close()
        other = Folder.open(str(tmp_path / name), "this", 1, lambda path: path.endswith(".99.part"), sync=False)
        other.close()  # nor is the last name that is tried too long


def test_a_crash_of_the_process_takes_no_whole_fragment(target: Path) -> None:
    folder = opened(target)
    bring(folder, 3, b"three")
    bring(folder, 0, b"")
    os.write(folder.begin(5), b"a half")
    Path(scratch(folder.path, 0)).write_bytes(b"of a merge")
    again = opened(target)
    assert (again.path, again.sizes) == (f"{target}.part", {3: 5, 0: 0})
    assert Path(again.path_of(3)).read_bytes() == b"three"
    assert sorted(os.listdir(again.path)) == ["00000", "00003", RECORD]


def test_after_a_crash_of_the_machine_only_what_was_written_down_counts(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others may have a name, and nothing in them."""
    folder = opened(target)
    bring(folder, 1)
    synced: list[str] = []
    monkeypatch.setattr(layout, "sync_data", lambda fd, path: synced.append(path))
    folder.save()
    assert len(synced) == 2  # the fragment, and the record that claims it
    bring(folder, 2)
    monkeypatch.setattr(module, "boot_id", lambda: "another")
    again = opened(target)
    assert again.sizes == {1: 4}
    assert sorted(os.listdir(again.path)) == ["00001", RECORD]
    bring(again, 2)
    assert opened(target).sizes == {1: 4, 2: 4}
    monkeypatch.setattr(module, "boot_id", lambda: "")
    assert opened(target).sizes == {1: 4}  # a system that does not tell


def test_without_sync_nothing_is_waited_for(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "sync_data", lambda fd, path: pytest.fail("waits for the disk"))
    folder = opened(target, sync=False)
    bring(folder, 1)
    folder.save()
    monkeypatch.setattr(module, "boot_id", lambda: "another")
    assert opened(target, sync=False).sizes == {1: 4}


def test_fragments_of_something_else_go_and_files_of_the_users_stay(target: Path) -> None:
    folder = opened(target)
    for number in range(3):
        bring(folder, number)
    mine = Path(folder.path, "note.txt")
    mine.write_bytes(b"mine")
    for identity, count in (("that", 10), ("this", 11)):
        again = opened(target, identity, count)
        assert (again.path, again.sizes) == (folder.path, {})
        assert sorted(os.listdir(folder.path)) == ["note.txt", RECORD]
        bring(again, 1)
    remove([folder.path, f"{target}.none"])
    assert os.listdir(folder.path) == ["note.txt"]


def test_what_is_not_ours_is_passed_by(target: Path, tmp_path: Path) -> None:
    theirs = [Path(f"{target}.part"), *(Path(f"{target}.{n}.part") for n in range(1, 6))]
    theirs[0].mkdir(parents=True)
    (theirs[0] / "00000").write_bytes(b"mine")
    theirs[1].write_bytes(b"a file")
    theirs[2].symlink_to(tmp_path)
    theirs[3].symlink_to(tmp_path / "nowhere")
    theirs[4].mkdir()
    (theirs[4] / RECORD).write_bytes(b"no record of ours")
    theirs[5].mkdir()
    (theirs[5] / RECORD).symlink_to("/etc/passwd")
    refused: list[str] = []

    def take(path: str) -> bool:
        refused.append(path)
        return len(refused) != 7

    folder = Folder.open(str(target), "this", 10, take, sync=False)
    assert refused == [*map(str, theirs), f"{target}.6.part", f"{target}.7.part"]
    assert folder.path == f"{target}.7.part"
    assert (theirs[0] / "00000").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_name_that_a_fragment_would_have_is_no_way_out(target: Path, tmp_path: Path) -> None:
    folder = opened(target)
    os.symlink(tmp_path / "victim", Path(folder.path, "00004.new"))
    with pytest.raises(DiskError):
        folder.begin(4)
    assert not (tmp_path / "victim").exists()
    again = opened(target)  # and it goes with what is not whole
    bring(again, 4)
    os.symlink(tmp_path / "victim", Path(folder.path, "00005"))
    assert opened(target).sizes == {4: 4}


@pytest.mark.parametrize(
    "record",
    [
        {},
        [],
        {"version": 2, "identity": "this", "count": 10, "boot": "", "solid": "ffff"},
        {"version": 1, "identity": "this", "count": 10, "boot": "", "solid": "no hex"},
        {"version": 1, "identity": "this", "count": 10, "boot": "", "solid": None},
    ],
)
def test_a_record_that_cannot_be_read_is_not_ours(target: Path, record: object) -> None:
    Path(f"{target}.part").mkdir(parents=True)
    Path(f"{target}.part", RECORD).write_text(json.dumps(record))
    assert opened(target).path == f"{target}.1.part"


def test_a_disk_that_refuses(target: Path) -> None:
    folder = opened(target)
    bring(folder, 1)
    fd = folder.begin(2)
    for name in os.listdir(folder.path):
        os.unlink(Path(folder.path, name))
    os.rmdir(folder.path)
    with pytest.raises(DiskError) as caught:
        folder.finish(2, fd)
    assert caught.value.code == ErrorCode.IO_ERROR
    with pytest.raises(DiskError):
        folder.begin(3)
    with pytest.raises(DiskError):
        folder.save()
    folder.drop(3, -1)
    folder.close()
    folder.close()
    target.parent.rmdir()
    target.parent.write_bytes(b"a file")
    with pytest.raises(DiskError) as caught:
        opened(target)
    assert caught.value.code == ErrorCode.MKDIR_FAILED
