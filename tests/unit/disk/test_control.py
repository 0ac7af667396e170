"""The control file: its bytes, what rounding may do, and what damage must not do."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.disk import bits, control
from slasshy_rpc.disk.control import Control
from slasshy_rpc.errors import DiskError, ErrorCode

MIB = 1 << 20


def test_the_bytes_are_aria2s() -> None:
    """Written out by hand from the format's description: piece 0 whole, the first block of piece 1."""
    data = control.encode(Control(MIB, 2 * MIB + 1, 7, ((0, MIB + 16384),)))
    assert data == bytes.fromhex(
        "0001 00000000 00000000 00100000 0000000000200001 0000000000000007 00000001 80"
        "00000001 00000001 00100000 00000008 8000000000000000"
    )


def test_partial_blocks_are_not_claimed_but_the_short_last_one_is() -> None:
    total = MIB + 5
    assert control.decode(control.encode(Control(MIB, total, 0, ((1, 16384), (20000, 40000))))).done == ()
    assert control.decode(control.encode(Control(MIB, total, 0, ((MIB, total),)))).done == ((MIB, total),)
    assert control.decode(control.encode(Control(MIB, total, 0, ((MIB, total - 1),)))).done == ()


def test_the_last_block_of_a_piece_is_only_claimed_with_all_the_others() -> None:
    """aria2c would take the piece for finished before its stream is at the end of it."""
    done = ((16384, MIB), (MIB + MIB // 2, 3 * MIB), (3 * MIB + 16384, 3 * MIB + 32768))
    claimed = ((16384, MIB - 16384), (MIB + MIB // 2, 2 * MIB - 16384), (2 * MIB, 3 * MIB), done[2])
    assert control.decode(control.encode(Control(MIB, 4 * MIB, 0, done))).done == claimed


def test_touching_ranges_count_as_one() -> None:
    assert control.decode(control.encode(Control(MIB, MIB, 0, ((0, 10000), (10000, 32768))))).done == ((0, 32768),)


def test_bitfield_pads_with_zeros_at_the_end() -> None:
    assert control.bitfield(((0, 9 * MIB),), 9 * MIB, MIB) == b"\xff\x80"
    assert control.bitfield((), 9 * MIB, MIB) == b"\0\0"


@st.composite
def controls(draw: st.DrawFn) -> Control:
    total = draw(st.integers(1, 1 << 22) | st.integers(1, 1 << 36))
    piece_length = draw(st.sampled_from([10000, 16384, 50000, MIB, 4 * MIB, 1 << 30]))
    if total > 1 << 24:
        piece_length = max(piece_length, MIB)
    cuts = sorted(draw(st.lists(st.integers(0, total) | st.integers(0, total // 16384).map(lambda n: n * 16384))))
    done = tuple((start, end) for start, end in zip(cuts[::2], cuts[1::2], strict=False) if start < end)
    return Control(piece_length, total, draw(st.integers(0, (1 << 63) - 1)), bits.merged(done, total))


def whole_blocks(value: Control) -> list[tuple[int, int]]:
    """The plain meaning: of each piece, the blocks that lie in one done range, for small files.

    Without the last block of a piece that is not whole.
    """
    claimed = []
    for piece in range(0, value.total_length, value.piece_length):
        piece_end = min(piece + value.piece_length, value.total_length)
        for block in range(piece, piece_end, 16384):
            end = min(block + 16384, piece_end)
            start = piece if end == piece_end else block
            if any(first <= start and end <= last for first, last in value.done):
                claimed.append((block, end))
    return claimed


@given(controls())
def test_a_round_trip_never_widens_and_the_second_changes_nothing(value: Control) -> None:
    again = control.decode(control.encode(value))
    assert (again.piece_length, again.total_length, again.upload_length) == (
        value.piece_length,
        value.total_length,
        value.upload_length,
    )
    for start, end in again.done:
        assert any(first <= start and end <= last for first, last in value.done)
    assert control.decode(control.encode(again)) == again


@settings(max_examples=60)
@given(controls().filter(lambda value: value.total_length <= 1 << 22))
def test_a_round_trip_keeps_exactly_the_whole_blocks(value: Control) -> None:
    claimed = bits.merged(whole_blocks(value), value.total_length)
    assert control.decode(control.encode(value)).done == claimed


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    with contextlib.suppress(DiskError):
        control.decode(data)


@given(controls().filter(lambda value: value.total_length <= 1 << 22), st.data())
def test_damaged_files_are_refused_or_claim_nothing_outside_the_file(value: Control, data: st.DataObject) -> None:
    damaged = bytearray(control.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    try:
        result = control.decode(bytes(damaged))
    except DiskError:
        return
    assert all(0 <= start < end <= result.total_length for start, end in result.done)


@given(controls().filter(lambda value: value.total_length <= 1 << 22), st.data())
def test_every_truncation_is_noticed(value: Control, data: st.DataObject) -> None:
    whole = control.encode(value)
    with pytest.raises(DiskError):
        control.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DiskError, match="too many"):
        control.decode(whole + b"\0")


def test_a_torrents_file_is_refused() -> None:
    with pytest.raises(DiskError, match="torrent"):
        control.decode(struct.pack(">HII", 1, 1, 20) + bytes(20))


def test_version_0_is_read_in_the_byte_order_of_this_machine() -> None:
    data = control.encode(Control(MIB, MIB, 0, ()))
    order = "<" if sys.byteorder == "little" else ">"
    old = b"\0\0" + struct.pack(order + "IIIQQI", 0, 0, MIB, MIB, 0, 1) + b"\x80" + struct.pack(order + "I", 0)
    assert len(old) == len(data)
    assert control.decode(old).done == ((0, MIB),)


@pytest.mark.parametrize("value", [Control(MIB, 0, 0, ()), Control(0, 5, 0, ()), Control(MIB, 5, 0, ((0, 6),))])
def test_impossible_progress_is_a_mistake_of_the_caller(value: Control) -> None:
    with pytest.raises(ValueError, match=r"bytes"):
        control.encode(value)


def test_claims_beyond_a_shortened_file_are_dropped() -> None:
    value = Control(MIB, 4 * MIB, 0, ((0, MIB), (2 * MIB, 3 * MIB)))
    assert value.within(2 * MIB + 5).done == ((0, MIB), (2 * MIB, 2 * MIB + 5))
    assert value.within(0).done == ()


def test_saving_replaces_whole_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = str(tmp_path / "f.bin.aria2")
    assert control.load(path) is None
    for end in (MIB, 2 * MIB):
        value = Control(MIB, 4 * MIB, 0, ((0, end),))
        control.save(path, value)
        assert control.load(path) == value
    assert os.listdir(tmp_path) == ["f.bin.aria2"]
    control.remove(path)
    control.remove(path)
    assert os.listdir(tmp_path) == []


def test_saving_is_durable_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new content is synced before it takes the name, the folder after."""
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(fd: int) -> None:
        steps.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")
        real_fsync(fd)

    def rename(source: str, target: str) -> None:
        steps.append(f"rename {os.path.basename(source)}")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    control.save(str(tmp_path / "f.aria2"), Control(MIB, MIB, 0, ()))
    assert steps == ["file", "rename f.aria2__temp", "folder"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "f.aria2")
    old = Control(MIB, 2 * MIB, 0, ((0, MIB),))
    control.save(path, old)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError) as caught:
        control.save(path, Control(MIB, 2 * MIB, 0, ()))
    assert caught.value.code == ErrorCode.DISK_FULL
    assert control.load(path) == old
    assert os.listdir(tmp_path) == ["f.aria2"]


def test_a_link_at_the_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("dear")
    (tmp_path / "f.aria2__temp").symlink_to(victim)
    control.save(str(tmp_path / "f.aria2"), Control(MIB, MIB, 0, ()))
    assert victim.read_text() == "dear"


def test_a_damaged_file_is_named_and_left(tmp_path: Path) -> None:
    path = tmp_path / "f.aria2"
    path.write_bytes(b"\0\1junk")
    with pytest.raises(DiskError, match=r"f\.aria2.*Remove it"):
        control.load(str(path))
    assert path.read_bytes() == b"\0\1junk"
    fifo = tmp_path / "fifo.aria2"
    os.mkfifo(fifo)
    with pytest.raises(DiskError, match="regular"):
        control.load(str(fifo))
