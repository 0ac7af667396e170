"""Existing files: the whole table as aria2 1.37 was seen to act, and the names it finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slasshy_rpc.disk import control, existing
from slasshy_rpc.disk.control import Control
from slasshy_rpc.disk.existing import Action, Existing, Rules, decide, settle
from slasshy_rpc.errors import DiskError, ErrorCode

LENGTH = 3 << 20
SIZES = {"zero": 0, "small": 50_000, "equal": LENGTH, "large": LENGTH + 5}
PLAIN, CONTINUE, OVERWRITE = Rules(), Rules(continue_=True), Rules(allow_overwrite=True)
BOTH = Rules(continue_=True, allow_overwrite=True)


def free(path: str) -> bool:
    """Nobody else has it."""
    return True


def all_but(*taken: str) -> Callable[[str], bool]:
    """Others have these."""
    return lambda path: path not in taken


WITHOUT_CONTROL = {
    ("zero", PLAIN): Action.RENAME,
    ("zero", CONTINUE): Action.RESUME_LENGTH,
    ("zero", OVERWRITE): Action.TRUNCATE,
    ("zero", BOTH): Action.RESUME_LENGTH,
    ("small", PLAIN): Action.RENAME,
    ("small", CONTINUE): Action.RESUME_LENGTH,
    ("small", OVERWRITE): Action.TRUNCATE,
    ("small", BOTH): Action.RESUME_LENGTH,
    ("equal", PLAIN): Action.RENAME,
    ("equal", CONTINUE): Action.COMPLETE,
    ("equal", OVERWRITE): Action.TRUNCATE,
    ("equal", BOTH): Action.COMPLETE,
    ("large", PLAIN): Action.RENAME,
    ("large", CONTINUE): Action.RENAME,
    ("large", OVERWRITE): Action.TRUNCATE,
    ("large", BOTH): Action.TRUNCATE,
}
UNKNOWN_LENGTH = {
    ("zero", PLAIN): Action.RENAME,
    ("zero", CONTINUE): Action.TRUNCATE,
    ("small", CONTINUE): Action.RENAME,
    ("equal", CONTINUE): Action.RENAME,
    ("small", OVERWRITE): Action.TRUNCATE,
    ("small", BOTH): Action.TRUNCATE,
}


@pytest.mark.parametrize(("size", "rules"), WITHOUT_CONTROL)
def test_without_a_control_file(size: str, rules: Rules) -> None:
    assert decide(SIZES[size], False, LENGTH, rules) is WITHOUT_CONTROL[size, rules]


@pytest.mark.parametrize("rules", [PLAIN, CONTINUE, OVERWRITE, BOTH])
@pytest.mark.parametrize("size", SIZES)
def test_a_control_file_always_resumes(size: str, rules: Rules) -> None:
    assert decide(SIZES[size], True, LENGTH, rules, checksum=True) is Action.RESUME_CONTROL
    assert decide(None, True, LENGTH, rules) is Action.FRESH


@pytest.mark.parametrize("control", [True, False])
@pytest.mark.parametrize(("size", "rules"), UNKNOWN_LENGTH)
def test_an_unknown_length_resumes_nothing(size: str, rules: Rules, control: bool) -> None:
    assert decide(SIZES[size], control, None, rules) is UNKNOWN_LENGTH[size, rules]


def test_a_known_digest_is_checked_rather_than_fetched_again() -> None:
    check = Rules(check_integrity=True)
    assert decide(LENGTH, False, LENGTH, check, checksum=True) is Action.VERIFY
    assert decide(LENGTH, False, LENGTH, check) is Action.RENAME
    assert decide(LENGTH, False, LENGTH, PLAIN, checksum=True) is Action.RENAME
    assert decide(LENGTH, False, LENGTH, CONTINUE, checksum=True) is Action.VERIFY
    assert decide(LENGTH, False, LENGTH, Rules(check_integrity=True, allow_overwrite=True), checksum=True) is (
        Action.TRUNCATE
    )
    assert decide(5, False, LENGTH, check, checksum=True) is Action.RENAME


def test_remove_control_file_forgets_it() -> None:
    assert decide(5, True, LENGTH, Rules(remove_control_file=True)) is Action.RENAME
    assert decide(5, True, LENGTH, Rules(remove_control_file=True, continue_=True)) is Action.RESUME_LENGTH


def test_settling_looks_at_the_disk(tmp_path: Path) -> None:
    path = str(tmp_path / "f.bin")
    assert settle(path, LENGTH, free, PLAIN) == Existing(Action.FRESH, path)
    Path(path + ".aria2").touch()
    assert settle(path, LENGTH, free, PLAIN) == Existing(Action.FRESH, path, stale_control=True)
    Path(path).write_bytes(b"12345")
    assert settle(path, LENGTH, free, PLAIN) == Existing(Action.RESUME_CONTROL, path, 5)
    forget = Rules(remove_control_file=True, continue_=True)
    assert settle(path, LENGTH, free, forget) == Existing(Action.RESUME_LENGTH, path, 5, stale_control=True)
    Path(path + ".aria2").unlink()
    assert settle(path, LENGTH, free, PLAIN) == Existing(Action.FRESH, str(tmp_path / "f.1.bin"))


def test_a_path_in_use_is_renamed_whatever_the_rules(tmp_path: Path) -> None:
    path, first = str(tmp_path / "f.bin"), str(tmp_path / "f.1.bin")
    assert settle(path, LENGTH, all_but(path, first), BOTH) == Existing(Action.FRESH, str(tmp_path / "f.2.bin"))
    with pytest.raises(DiskError) as caught:
        settle(path, LENGTH, all_but(path), Rules(allow_overwrite=True, auto_file_renaming=False))
    assert caught.value.code == ErrorCode.FILE_EXISTS


def test_a_candidate_with_its_own_control_file_is_taken(tmp_path: Path) -> None:
    for name in ("f.bin", "f.1.bin", "f.2.bin", "f.3.bin", "f.3.bin.aria2", "f.4.bin"):
        (tmp_path / name).write_bytes(b"123")
    control.save(str(tmp_path / "f.2.bin.aria2"), Control(1 << 20, LENGTH + 1, 0, ()))
    control.save(str(tmp_path / "f.4.bin.aria2"), Control(1 << 20, LENGTH, 0, ()))
    path = str(tmp_path / "f.bin")
    assert settle(path, LENGTH, free, PLAIN) == Existing(Action.RESUME_CONTROL, str(tmp_path / "f.4.bin"), 3)
    assert settle(path, None, free, PLAIN) == Existing(Action.FRESH, str(tmp_path / "f.5.bin"))


def test_folders_and_dead_links_are_renamed_around(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "link"):
        assert settle(str(tmp_path / name), LENGTH, free, CONTINUE).path == str(tmp_path / f"{name}.1")
        with pytest.raises(DiskError) as caught:
            settle(str(tmp_path / name), LENGTH, free, BOTH)
        assert caught.value.code == ErrorCode.CREATE_FAILED
        assert settle(str(tmp_path / name), LENGTH, free, PLAIN, begun=True).path == str(tmp_path / f"{name}.1")


def test_renaming_may_be_off_or_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.bin"
    path.touch()
    with pytest.raises(DiskError, match=r"f\.bin exists already") as caught:
        settle(str(path), LENGTH, free, Rules(auto_file_renaming=False))
    assert caught.value.code == ErrorCode.FILE_EXISTS
    monkeypatch.setattr(existing, "LAST_NUMBER", 2)
    with pytest.raises(DiskError) as caught:
        settle(str(path), LENGTH, all_but(str(tmp_path / "f.1.bin"), str(tmp_path / "f.2.bin")), PLAIN)
    assert caught.value.code == ErrorCode.RENAMING_FAILED


def test_the_null_device_is_an_empty_file() -> None:
    assert settle("/dev/null", LENGTH, free, OVERWRITE) == Existing(Action.TRUNCATE, "/dev/null", 0, device=True)


def test_a_stream_begins_over_what_its_own_download_had_written(tmp_path: Path) -> None:
    path = tmp_path / "f.bin"
    path.write_bytes(b"123")
    assert settle(str(path), None, free, PLAIN, begun=True) == Existing(Action.TRUNCATE, str(path), 3)
    assert settle(str(path), LENGTH, free, PLAIN, begun=True) == Existing(Action.TRUNCATE, str(path), 3)
    # It may have been unfolded: its bytes are not those that a range would bring.
    assert settle(str(path), LENGTH, free, Rules(continue_=True), begun=True).action is Action.TRUNCATE


def test_a_candidate_that_was_finished_while_it_was_taken_is_passed_over(tmp_path: Path) -> None:
    """Another download ended in that moment: its path is free again, its file is there."""
    (tmp_path / "f.bin").touch()

    def take(path: str) -> bool:
        if path.endswith("f.1.bin"):
            Path(path).write_bytes(b"another's")
        return True

    assert settle(str(tmp_path / "f.bin"), LENGTH, take, PLAIN).path == str(tmp_path / "f.2.bin")
