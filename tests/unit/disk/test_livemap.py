"""The live map: believed exactly when it must be, and harmless whatever is in it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slasshy_rpc.disk import livemap
from slasshy_rpc.disk.bits import BLOCK
from slasshy_rpc.disk.livemap import LiveFile

LENGTH = 10 * BLOCK + 100
V1 = ('"v1"', "Wed, 01 Jan 2020 00:00:00 GMT")
UNKNOWN = ("", "")


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, LENGTH)
    yield descriptor
    os.close(descriptor)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state" / "live"


def make(state: Path, target: int, *, validators: livemap.Validators = V1, path: str = "") -> LiveFile:
    return LiveFile.create(state, "key", target, LENGTH, validators, ((0, 2 * BLOCK + 5),), path=path)


def test_marks_survive_without_a_close(state: Path, target: int) -> None:
    """Nothing is flushed or closed before the marks are read back, as after kill -9."""
    live = make(state, target)
    live.bitmap[0] |= 0b00010000
    live.bitmap[1] |= 0b00100000
    assert livemap.recover(state, "key", target, LENGTH, V1) == (
        (0, 2 * BLOCK),
        (3 * BLOCK, 4 * BLOCK),
        (10 * BLOCK, LENGTH),
    )
    live.close(remove=False)
    assert livemap.recover(state, "key", target, LENGTH, V1) is not None


def test_only_the_user_can_look(state: Path, target: int) -> None:
    live = make(state, target)
    assert os.stat(live.path).st_mode & 0o777 == 0o600
    assert os.stat(state).st_mode & 0o777 == 0o700
    live.close(remove=True)
    live.close(remove=True)
    assert os.listdir(state) == []


def test_the_bitmap_fits_the_blocks(state: Path, target: int) -> None:
    live = make(state, target)
    assert len(live.bitmap) == 2
    assert os.path.getsize(live.path) == livemap.HEADER_SIZE + 2
    live.close(remove=True)


def test_a_lent_bitmap_is_not_closed_under_its_user(state: Path, target: int) -> None:
    live = make(state, target)
    lent = memoryview(live.bitmap)
    with pytest.raises(BufferError):
        live.close(remove=False)
    lent.release()
    live.close(remove=False)


def test_another_boot_is_not_believed(state: Path, target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    make(state, target).close(remove=False)
    monkeypatch.setattr(livemap, "boot_id", lambda: "another")
    assert livemap.recover(state, "key", target, LENGTH, V1) is None
    assert livemap.prune(state) == 1


def test_an_unknown_boot_is_never_believed(state: Path, target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(livemap, "boot_id", lambda: "")
    make(state, target).close(remove=False)
    assert livemap.recover(state, "key", target, LENGTH, V1) is None


def test_another_file_or_length_is_not_believed(state: Path, target: int, tmp_path: Path) -> None:
    make(state, target).close(remove=False)
    assert livemap.recover(state, "key", target, LENGTH, UNKNOWN) is not None
    assert livemap.recover(state, "key", target, LENGTH - 1, V1) is None
    assert livemap.recover(state, "other", target, LENGTH, V1) is None
    with open(tmp_path / "other", "wb+") as other:
        other.truncate(LENGTH)
        assert livemap.recover(state, "key", other.fileno(), LENGTH, V1) is None


@pytest.mark.parametrize("now", [('"v2"', "Thu, 02 Jan 2020 00:00:00 GMT"), ('"v2"', ""), ("", "Thu, 02 Jan 2020")])
def test_another_version_is_told_apart(state: Path, target: int, now: livemap.Validators) -> None:
    make(state, target).close(remove=False)
    with pytest.raises(livemap.AnotherVersion):
        livemap.recover(state, "key", target, LENGTH, now)


@pytest.mark.parametrize("now", [(V1[0], ""), ("", V1[1]), (V1[0], "Thu, 02 Jan 2020"), ('"other node"', V1[1])])
def test_the_same_version_may_look_a_little_different(state: Path, target: int, now: livemap.Validators) -> None:
    make(state, target).close(remove=False)
    assert livemap.recover(state, "key", target, LENGTH, now) == ((0, 2 * BLOCK),)


def test_a_retired_map_claims_nothing_and_still_knows_its_version(state: Path, target: int) -> None:
    make(state, target).retire()
    assert livemap.recover(state, "key", target, LENGTH, V1) == ()
    with pytest.raises(livemap.AnotherVersion):
        livemap.recover(state, "key", target, LENGTH, ('"v2"', ""))


def test_the_version_is_known_after_another_boot_too(
    state: Path, target: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "target")
    key = livemap.key_for(path)
    LiveFile.create(state, key, target, LENGTH, V1, ((0, BLOCK),), path=path).close(remove=False)
    make(state, target).close(remove=False)  # without a path: of no more use then
    monkeypatch.setattr(livemap, "boot_id", lambda: "another")
    assert livemap.prune(state) == 1
    assert livemap.recover(state, key, target, LENGTH, V1) is None
    with pytest.raises(livemap.AnotherVersion):
        livemap.recover(state, key, target, LENGTH, ('"v2"', ""))
    os.rename(path, path + ".moved")
    assert livemap.prune(state) == 1


def test_a_map_is_removed_before_a_new_beginning(state: Path, target: int) -> None:
    livemap.remove(state, "key")
    make(state, target).close(remove=False)
    livemap.remove(state, "key")
    assert livemap.recover(state, "key", target, LENGTH, V1) is None


def test_a_validator_that_was_not_known_agrees_with_any(state: Path, target: int) -> None:
    make(state, target, validators=UNKNOWN).close(remove=False)
    assert livemap.recover(state, "key", target, LENGTH, V1) == ((0, 2 * BLOCK),)


def test_a_file_shorter_than_its_marks_is_not_believed(state: Path, target: int) -> None:
    make(state, target).close(remove=False)
    os.ftruncate(target, 2 * BLOCK)
    assert livemap.recover(state, "key", target, LENGTH, V1) is not None
    os.ftruncate(target, 2 * BLOCK - 1)
    assert livemap.recover(state, "key", target, LENGTH, V1) is None


def test_links_fifos_and_truncated_files_are_not_believed(state: Path, target: int) -> None:
    live = make(state, target)
    live.close(remove=False)
    path = Path(live.path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert livemap.recover(state, "key", target, LENGTH, UNKNOWN) is None
    path.rename(state / "elsewhere")
    (state / "elsewhere").write_bytes(content)
    path.symlink_to(state / "elsewhere")
    assert livemap.recover(state, "key", target, LENGTH, UNKNOWN) is None
    path.unlink()
    os.mkfifo(path)
    assert livemap.recover(state, "key", target, LENGTH, UNKNOWN) is None
    assert livemap.prune(state) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.data())
def test_a_damaged_header_is_not_believed(state: Path, target: int, data: st.DataObject) -> None:
    live = make(state, target)
    live.close(remove=False)
    content = bytearray(Path(live.path).read_bytes())
    content[data.draw(st.integers(0, livemap.HEADER_SIZE - 1))] ^= data.draw(st.integers(1, 255))
    Path(live.path).write_bytes(content)
    assert livemap.recover(state, "key", target, LENGTH, V1) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.binary(min_size=livemap.HEADER_SIZE - 4, max_size=livemap.HEADER_SIZE - 4), st.binary(max_size=20))
def test_a_hostile_header_with_a_good_checksum_is_harmless(state: Path, target: int, body: bytes, tail: bytes) -> None:
    state.mkdir(parents=True, exist_ok=True)
    body = b"slshlive\3\0\0\0\0\x40\0\0" + body[16:]
    (state / "key.live").write_bytes(body + zlib.crc32(body).to_bytes(4, "little") + tail)
    assert livemap.recover(state, "key", target, LENGTH, UNKNOWN) is None
    assert livemap.prune(state) == 1


def test_pruning_keeps_the_hopeful_and_strangers(state: Path, target: int, tmp_path: Path) -> None:
    path = str(tmp_path / "target")
    LiveFile.create(state, livemap.key_for(path), target, LENGTH, UNKNOWN, (), path=path).close(remove=False)
    make(state, target).close(remove=False)
    LiveFile.create(state, "gone", target, LENGTH, UNKNOWN, (), path=str(tmp_path / "gone")).close(remove=False)
    (state / "notes.txt").write_text("mine")
    (state / "junk.live").write_text("junk")
    assert livemap.prune(state) == 2
    assert sorted(os.listdir(state)) == sorted(["key.live", "notes.txt", livemap.key_for(path) + ".live"])
    os.rename(path, path + ".moved")
    assert livemap.prune(state) == 1
    assert livemap.prune(state / "missing") == 0


def test_owners_are_told_by_gid(state: Path, target: int, tmp_path: Path) -> None:
    path, gid = str(tmp_path / "target"), "2089b05ecca3d829"
    LiveFile.create(state, "a", target, LENGTH, UNKNOWN, (), path=path, gid=gid).retire()
    LiveFile.create(state, "b", target, LENGTH, UNKNOWN, (), path=path).retire()
    LiveFile.create(state, "c", target, LENGTH, UNKNOWN, (), gid="3089b05ecca3d829").retire()
    (state / "junk.live").write_text("junk")
    assert livemap.owners(state) == {gid: path}
    assert livemap.owners(state / "missing") == {}


def test_a_new_map_replaces_the_old_without_truncating_it(state: Path, target: int) -> None:
    """A mapping of the old file must stay readable: truncating it would end in SIGBUS."""
    old = make(state, target)
    new = LiveFile.create(state, "key", target, LENGTH, UNKNOWN, ())
    assert bytes(old.bitmap) == b"\xc0\0"
    assert bytes(new.bitmap) == b"\0\0"
    old.close(remove=False)
    new.close(remove=True)


def test_this_machine_tells_its_boot() -> None:
    assert livemap.boot_id()
