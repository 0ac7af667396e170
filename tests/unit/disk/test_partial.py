"""A partial file of another program: its zeros, its final name, and that nothing is ever overwritten."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from slasshy_rpc.disk import control, layout
from slasshy_rpc.disk.bits import BLOCK
from slasshy_rpc.disk.control import Control
from slasshy_rpc.disk.partial import final_name, open_partial, settle
from slasshy_rpc.errors import DiskError

RECORD = Control(1 << 20, 10 * BLOCK, 0, ((0, 2 * BLOCK),))


def zeros(path: Path, data: bytes) -> tuple[tuple[int, int], ...]:
    path.write_bytes(data)
    found = open_partial(str(path))
    found.look()
    found.close()
    return found.zeros


def test_runs_of_zeros_are_found(tmp_path: Path) -> None:
    path, full, empty = tmp_path / "f", b"\0" * (BLOCK - 1) + b"x", bytes(BLOCK)
    assert zeros(path, full * 3) == ()
    assert zeros(path, b"") == ()
    assert zeros(path, empty + full + empty * 3 + full + empty + b"tail") == (
        (0, BLOCK),
        (2 * BLOCK, 5 * BLOCK),
        (6 * BLOCK, 7 * BLOCK),
    )
    assert zeros(path, b"x" * BLOCK + bytes(9 << 20)) == ((BLOCK, BLOCK + (9 << 20)),)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("d/a.iso.part", "a.iso"),
        ("d/a.zip.crdownload", "a.zip"),
        ("d/a.dmg.download", "a.dmg"),
        ("a.iso", "a.iso"),
        ("Unconfirmed 12345.crdownload", ""),
        (".part", ""),
        ("Unconfirmed report.pdf", "Unconfirmed report.pdf"),
    ],
)
def test_final_names(path: str, name: str) -> None:
    assert final_name(path) == name


def test_it_gets_its_name_and_a_record(tmp_path: Path) -> None:
    path, target = tmp_path / "f.part", tmp_path / "f"
    path.write_bytes(b"x" * 40000)
    found = open_partial(str(path))
    settle(found, str(target), RECORD)
    found.close()
    assert sorted(os.listdir(tmp_path)) == ["f", "f.aria2"]
    assert control.load(str(target) + ".aria2") == RECORD


@pytest.mark.parametrize("taken", ["f", "f.aria2"])
def test_nothing_is_overwritten(tmp_path: Path, taken: str) -> None:
    path = tmp_path / "f.part"
    path.write_bytes(b"x")
    (tmp_path / taken).write_bytes(b"mine")
    found = open_partial(str(path))
    with pytest.raises(DiskError, match="is there already"):
        settle(found, str(tmp_path / "f"), RECORD)
    found.close()
    assert (tmp_path / taken).read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == sorted(["f.part", taken])


def test_who_comes_first_keeps_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something appears under the name after it was looked for; without hard links, too."""
    path, target = tmp_path / "f.part", tmp_path / "f"
    path.write_bytes(b"x")
    real = control.save

    def late(records: str, record: Control) -> None:
        target.write_bytes(b"mine")
        real(records, record)

    def no_links(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(control, "save", late)
    for link in (os.link, no_links):
        monkeypatch.setattr(os, "link", link)
        target.unlink(missing_ok=True)
        found = open_partial(str(path))
        with pytest.raises(DiskError):
            settle(found, str(target), RECORD)
        found.close()
        assert target.read_bytes() == b"mine"
        assert sorted(os.listdir(tmp_path)) == ["f", "f.part"]


def test_without_hard_links_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    path = tmp_path / "f.part"
    path.write_bytes(b"x")
    found = open_partial(str(path))
    settle(found, str(tmp_path / "f"), RECORD)
    found.close()
    assert sorted(os.listdir(tmp_path)) == ["f", "f.aria2"]


def test_what_a_record_claims_is_on_the_disk_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    monkeypatch.setattr(layout, "sync_data", lambda fd, path: steps.append("data"))
    monkeypatch.setattr(control, "save", lambda records, record: steps.append("record"))
    monkeypatch.setattr(layout, "sync_folder", lambda folder: steps.append("names"))
    path = tmp_path / "f.part"
    path.write_bytes(b"x")
    found = open_partial(str(path))
    settle(found, str(tmp_path / "f"), RECORD)
    found.close()
    assert steps == ["data", "record", "names"]


def test_a_name_that_cannot_go_keeps_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.part"
    path.write_bytes(b"x")
    real = os.unlink

    def unlink(name: str) -> None:
        if name == str(path):
            raise OSError(errno.EACCES, "it stays")
        real(name)

    monkeypatch.setattr(os, "unlink", unlink)
    found = open_partial(str(path))
    with pytest.raises(DiskError, match=r"give .* the name"):
        settle(found, str(tmp_path / "f"), RECORD)
    found.close()
    assert os.listdir(tmp_path) == ["f.part"]


def test_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EXDEV, "another device")

    monkeypatch.setattr(os, "link", elsewhere)
    path = tmp_path / "f.part"
    path.write_bytes(b"x")
    found = open_partial(str(path))
    with pytest.raises(DiskError, match="another file system"):
        settle(found, str(tmp_path / "f"), RECORD)
    found.close()
    assert os.listdir(tmp_path) == ["f.part"]


def test_what_cannot_be_adopted(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with pytest.raises(DiskError, match="There is no"):
        open_partial(str(path))
    with pytest.raises(DiskError, match="is a folder"):
        open_partial(str(tmp_path))
    path.write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(DiskError):
        open_partial(str(link))
    found = open_partial(str(path))
    path.write_bytes(b"more")
    with pytest.raises(DiskError, match="is being written to"):
        found.check_still()
    found.close()
    found = open_partial(str(path))
    path.unlink()
    with pytest.raises(DiskError):
        found.check_still()
    path.write_bytes(b"another")
    with pytest.raises(DiskError, match="is being written to"):
        found.check_still()
    found.close()
    (tmp_path / "f.aria2").write_bytes(b"")
    with pytest.raises(DiskError, match="has a control file"):
        open_partial(str(path))
