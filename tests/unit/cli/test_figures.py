"""The figures of `get`: units, what is left out where there is no room, and how ends are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli.figures import amount, cropped, ending, figures, fitting, headline, plain, total
from slasshy_rpc.values import FileView, MediaView, Snapshot, Status

MIB = 1 << 20


def row(
    done: int = 40 * MIB,
    length: int = 100 * MIB,
    speed: int = 10 * MIB,
    path: str = "/d/name.iso",
    had: int = 0,
    verified: int | None = None,
) -> Row:
    files = (FileView(path, length),)
    now = Snapshot(length, done, download_speed=speed, connections=3, files=files, had=had)
    now = replace(now, verified_length=verified)
    return Row("0" * 16, now, Status.ACTIVE, None, uri="http://h/name.iso")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536 << 10, "1.5 MiB"),
        (MIB - 1, "1.0 MiB"),
        (5 << 40, "5.0 TiB"),
    ],
)
def test_amounts(number: int, text: str) -> None:
    assert amount(number) == text


def test_figures_the_most_important_first() -> None:
    assert figures(row()) == ["40%", "10.0 MiB/s", "ETA 6s", "40.0 MiB of 100.0 MiB", "3 connections"]
    assert figures(row(speed=0))[:2] == ["40%", "0 B/s"]
    assert figures(row(length=0, path="")) == ["10.0 MiB/s", "40.0 MiB", "3 connections"]
    assert figures(row(verified=50 * MIB)) == ["checking 50%"]
    assert plain(row()).startswith("name.iso  40%  10.0 MiB/s")


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        ("extracting", ["reading the page"]),
        ("searching", ["looking for the song"]),
        ("merging", ["merging", "40.0 MiB"]),
        ("downloading", figures(row())),
        ("done", figures(row())),
    ],
)
def test_what_a_media_page_is_doing(stage: str, shown: list[str]) -> None:
    done = 40 * MIB if stage in ("merging", "downloading", "done") else 0
    one = row(done)
    assert figures(replace(one, snapshot=replace(one.snapshot, media=MediaView("http://h/p", stage)))) == shown


@pytest.mark.parametrize(
    ("width", "name", "text"),
    [
        (80, "name.iso", "40%  10.0 MiB/s  ETA 6s  40.0 MiB of 100.0 MiB  3 connections"),
        (60, "name.iso", "40%  10.0 MiB/s  ETA 6s  40.0 MiB of 100.0 MiB"),
        (30, "name.iso", "40%  10.0 MiB/s"),
        (14, "name.iso", "40%"),
        (9, "name.iso", ""),
        (4, "name", ""),
    ],
)
def test_narrow_lines_leave_figures_out(width: int, name: str, text: str) -> None:
    assert headline(row(), width) == (name, text)


@given(st.text(max_size=60) | st.text("aé日本語\u0301.", max_size=60), st.integers(0, 100))
def test_no_line_is_longer_than_its_room(path: str, width: int) -> None:
    name, text = headline(row(path="/" + path), width)
    assert cell_len(name) + len(text) + (2 if text else 0) <= width
    assert cell_len(cropped(path, width)) <= width
    assert len(fitting(["abc", "de"], width)) <= width


def test_a_long_name_keeps_its_extension() -> None:
    assert cropped("a-very-long-name-of-a-file.iso", 15) == "a-very...le.iso"


def test_all_together() -> None:
    rows = [row(), row(done=90 * MIB)]
    assert total(rows, 1, 0) == ["1 of 3 ended", "20.0 MiB/s", "ETA 3s"]
    assert total(rows, 0, 4, hidden=1) == ["0 of 6 ended", "20.0 MiB/s", "1 more running", "4 waiting"]


def test_ends() -> None:
    good = row(done=100 * MIB, had=60 * MIB)
    complete = Row(good.gid, good.snapshot, Status.COMPLETE, None)
    assert ending(complete, 20.0) == "/d/name.iso  100.0 MiB  2.0 MiB/s  20s"
    assert ending(complete, 0.25) == "/d/name.iso  100.0 MiB  160.0 MiB/s  0.2s"
    failed = Row(good.gid, Snapshot(), Status.ERROR, None, 3, "Resource not found", "http://h/x")
    assert ending(failed, 1) == "http://h/x  failed (3): Resource not found"
    assert "\x1b" not in ending(replace(failed, uri="http://h/\x1b[2J", message="No\x1b[2J"), 1)
    assert ending(row(), 1) == "name.iso  not complete: 40.0 MiB of 100.0 MiB"
    assert ending(row(length=0), 1) == "name.iso  not complete: nothing can be kept"
