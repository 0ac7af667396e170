"""Paths stay inside dir, descriptors are of plain files, and errors say what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slasshy_rpc.disk import faults, layout
from slasshy_rpc.errors import DiskError, ErrorCode


def code_of(name: str, directory: Path, *, trusted: bool = False) -> int:
    with pytest.raises(DiskError) as caught:
        layout.resolve(str(directory), name, trusted=trusted)
    return caught.value.code


@pytest.mark.parametrize("trusted", [True, False])
def test_out_may_have_folders(tmp_path: Path, trusted: bool) -> None:
    assert layout.resolve(str(tmp_path), "a/b/c.bin", trusted=trusted) == f"{tmp_path}/a/b/c.bin"
    assert layout.resolve(str(tmp_path), "a/../c.bin", trusted=trusted) == f"{tmp_path}/c.bin"
    assert layout.resolve("/", "/var/x.part", trusted=trusted) == "/var/x.part"
    assert layout.resolve("//", "x", trusted=trusted) == "/x"


def test_an_absolute_out_stands_for_itself_only_when_trusted_and_not_as_aria2(tmp_path: Path) -> None:
    assert layout.resolve(str(tmp_path), "/x/y", trusted=True) == "/x/y"
    assert layout.resolve(str(tmp_path), "/x/y", trusted=True, compat=True) == f"{tmp_path}/x/y"
    assert layout.resolve(str(tmp_path), "/x/y", trusted=False) == f"{tmp_path}/x/y"


def test_leaving_dir_needs_trust(tmp_path: Path) -> None:
    assert layout.resolve(str(tmp_path / "d"), "../x", trusted=True) == f"{tmp_path}/x"
    assert code_of("../x", tmp_path) == ErrorCode.CREATE_FAILED
    assert code_of("a/../../x", tmp_path) == ErrorCode.CREATE_FAILED
    assert code_of("/../x", tmp_path) == ErrorCode.CREATE_FAILED
    assert code_of(f"../{tmp_path.name}-evil/x", tmp_path) == ErrorCode.CREATE_FAILED


def test_a_link_among_the_folders_must_not_lead_out(tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "in").mkdir(parents=True)
    (base / "out").symlink_to(tmp_path)
    (base / "inner").symlink_to(base / "in")
    assert code_of("out/x", base) == ErrorCode.CREATE_FAILED
    assert code_of("out/new/x", base) == ErrorCode.CREATE_FAILED
    assert layout.resolve(str(base), "inner/x", trusted=False) == f"{base}/inner/x"
    assert layout.resolve(str(base), "out/x", trusted=True) == f"{base}/out/x"
    (tmp_path / "link").symlink_to(base)
    assert layout.resolve(str(tmp_path / "link"), "x", trusted=False) == f"{tmp_path}/link/x"


@pytest.mark.parametrize("name", ["", ".", "..", "a/", "a/..", "a/.", "/", "a\0b", "\ud800"])
@pytest.mark.parametrize("trusted", [True, False])
def test_what_names_no_file_is_refused(tmp_path: Path, name: str, trusted: bool) -> None:
    assert code_of(name, tmp_path, trusted=trusted) == ErrorCode.CREATE_FAILED


def test_control_characters_come_only_from_the_trusted(tmp_path: Path) -> None:
    assert code_of("a\nb", tmp_path) == ErrorCode.CREATE_FAILED
    assert layout.resolve(str(tmp_path), "a\nb", trusted=True).endswith("a\nb")
    with pytest.raises(DiskError, match="dir"):
        layout.resolve("a\0b", "x", trusted=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("./ab~\\\n\0é\ud800"), max_size=20) | st.text())
def test_nothing_untrusted_ever_leaves(tmp_path: Path, name: str) -> None:
    try:
        path = layout.resolve(str(tmp_path), name, trusted=False)
    except DiskError:
        return
    assert path.startswith(f"{tmp_path}/")
    assert ".." not in path.split("/")


def test_folders_are_made_or_explained(tmp_path: Path) -> None:
    layout.make_parents(str(tmp_path / "a/b/f"))
    layout.make_parents(str(tmp_path / "a/b/f"))
    assert (tmp_path / "a/b").is_dir()
    (tmp_path / "file").touch()
    for path in ("file/f", "file/deeper/f"):
        with pytest.raises(DiskError, match="is a file, not a folder") as caught:
            layout.make_parents(str(tmp_path / path))
        assert caught.value.code == ErrorCode.MKDIR_FAILED


def test_opening_creates_only_when_told(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    with pytest.raises(DiskError) as caught:
        layout.open_target(path, create=False)
    assert caught.value.code == ErrorCode.OPEN_FAILED
    descriptor = layout.open_target(path, create=True, exclusive=True)
    assert os.get_inheritable(descriptor) is False
    os.write(descriptor, b"12345")
    layout.finish(descriptor, length=3, modified=1_000_000_000.5, sync=True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert Path(path).read_bytes() == b"123"
    assert os.stat(path).st_mtime == 1_000_000_000.5
    with pytest.raises(DiskError) as caught:
        layout.open_target(path, create=True, exclusive=True)
    assert caught.value.code == ErrorCode.FILE_EXISTS
    os.close(layout.open_target(path, create=True))
    assert Path(path).read_bytes() == b"123"
    os.close(layout.open_target(path, create=False, truncate=True))
    assert Path(path).read_bytes() == b""


def test_links_are_followed_only_when_told(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("dear")
    link = tmp_path / "link"
    link.symlink_to(victim)
    with pytest.raises(DiskError, match="symbolic link"):
        layout.open_target(str(link), create=True, truncate=True)
    assert victim.read_text() == "dear"
    os.close(layout.open_target(str(link), create=True, truncate=True, follow=True))
    assert victim.read_text() == ""


def test_only_plain_files_and_the_null_device_are_targets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DiskError, match="not a regular file") as caught:
        layout.open_target(str(tmp_path / "fifo"), create=True)
    assert caught.value.code == ErrorCode.CREATE_FAILED
    with pytest.raises(DiskError, match="folder"):
        layout.open_target(str(tmp_path), create=True)
    descriptor = layout.open_target("/dev/null", create=True, truncate=True)
    assert os.pwrite(descriptor, b"gone", 1 << 30) == 4
    layout.finish(descriptor, length=4, sync=True)


def test_a_full_disk_is_told_in_units(tmp_path: Path) -> None:
    path = str(tmp_path / "not/yet/there")
    layout.free_space_check(path, 1)
    assert layout.free_space(path) == layout.free_space(str(tmp_path))
    with pytest.raises(DiskError, match=r"1\.0 EiB needed, .* available") as caught:
        layout.free_space_check(path, 1 << 60)
    assert caught.value.code == ErrorCode.DISK_FULL
    with pytest.raises(DiskError, match=r"1\.0 EiB to be kept free"):
        layout.free_space_check(path, 1, reserve=1 << 60)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, ErrorCode.DISK_FULL),
        (errno.EDQUOT, ErrorCode.DISK_FULL),
        (errno.EACCES, ErrorCode.CREATE_FAILED),
        (errno.EIO, ErrorCode.IO_ERROR),
        (errno.EXDEV, ErrorCode.CREATE_FAILED),
    ],
)
def test_system_errors_name_path_reason_and_way_out(number: int, code: int) -> None:
    error = faults.disk_error(OSError(number, os.strerror(number)), "create", "/a\nb", ErrorCode.CREATE_FAILED)
    assert error.code == code
    assert str(error).startswith("Cannot create /a?b: ")
    assert str(error).endswith(".")
    assert str(error).count(". ") == 1


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (3 << 29, "1.5 GiB"),
        (1 << 63, "8.0 EiB"),
    ],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert faults.readable(size) == text


def test_a_link_that_is_a_folder_for_syncing_is_an_error_only_if_it_is_gone(tmp_path: Path) -> None:
    layout.sync_folder(str(tmp_path))
    with pytest.raises(DiskError, match="does not exist"):
        layout.sync_folder(str(tmp_path / "gone"))


def test_a_date_no_file_system_takes_is_no_failure(tmp_path: Path) -> None:
    with open(tmp_path / "f", "wb") as file:
        assert layout.set_mtime(file.fileno(), 1e300) is False
        assert layout.set_mtime(file.fileno(), 0.0) is True


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:3], offset))
    with open(tmp_path / "f", "wb") as file:
        layout.write(file.fileno(), b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"0123456789"


def test_a_cut_makes_nothing_longer(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"01234")
    with path.open("r+b") as file:
        layout.cut(file.fileno(), 6)
        assert path.read_bytes() == b"01234"
        layout.cut(file.fileno(), 4)
    assert path.read_bytes() == b"0123"


def test_a_file_system_that_does_not_count_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "f")
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(f_blocks=0, f_bavail=0, f_frsize=512))
    layout.free_space_check(path, 1 << 60)
    monkeypatch.setattr(os, "statvfs", lambda place: SimpleNamespace(f_blocks=9, f_bavail=2, f_frsize=512))
    layout.free_space_check(path, 1000, reserve=24)
    with pytest.raises(DiskError, match="Not enough space"):
        layout.free_space_check(path, 1000, reserve=25)
