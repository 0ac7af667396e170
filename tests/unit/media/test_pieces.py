"""Fragments as one stream: what it is taken for, and how it gets into a file or a pipe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slasshy_rpc.errors import DiskError, DownloadError
from slasshy_rpc.media.pieces import Feed, Feeds, Joining, kind, kind_of

ID3 = b"ID3\x04\0\0\0\0\x01\x02" + bytes(130)  # its size has seven bits a byte


@pytest.mark.parametrize(
    ("head", "ext"),
    [
        ((b"G" + bytes(187)) * 3, "ts"),
        (b"G" + bytes(99), "ts"),
        (b"G" + bytes(400), ""),
        (b"\0\0\0\x18ftypmp42", "mp4"),
        (b"\0\0\0\x18styp", "mp4"),
        (b"\0\0\0\x18moof", "mp4"),
        (b"\x1a\x45\xdf\xa3\x01", "webm"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"\xff\xfb\x90\x00", "mp3"),
        (ID3 + b"\xff\xf9", "aac"),
        (ID3 + ID3 + b"\xff\xfb\x90", "mp3"),
        (ID3[:30], ""),
        (b"OggS", "ogg"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION", ""),
        (b"ffconcat version 1.0", ""),
        (b"<?xml version='1.0'?><MPD", ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_what_it_is_by_its_first_bytes(head: bytes, ext: str) -> None:
    assert kind(head) == ext


def test_what_is_no_media_is_told(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"<html>")
    with pytest.raises(DownloadError, match="no media"):
        kind_of([str(tmp_path / "0")])
    with pytest.raises(DiskError):
        kind_of([str(tmp_path / "1")])


def parts(folder: Path) -> list[str]:
    data = [b"a" * 100_000, b"", b"b" * 3_000_000]
    for n, part in enumerate(data):
        (folder / str(n)).write_bytes(part)
    return [str(folder / str(n)) for n in range(3)]


def test_files_are_put_together(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.touch()
    Joining(parts(tmp_path), str(into)).run()
    assert into.read_bytes() == b"a" * 100_000 + b"b" * 3_000_000
    with pytest.raises(DiskError):
        Joining([str(tmp_path / "none")], str(into)).run()


def test_two_pipes_of_which_one_is_read_first(tmp_path: Path) -> None:
    feeds = [Feed(parts(tmp_path)), Feed(parts(tmp_path))]
    readers = [os.dup(feed.reader.fileno()) for feed in feeds]
    pouring = Feeds(feeds)
    for reader in readers:
        with open(reader, "rb") as file:
            assert file.read() == b"a" * 100_000 + b"b" * 3_000_000
    pouring.finish()


def test_a_reader_that_leaves_and_a_file_that_is_gone(tmp_path: Path) -> None:
    """The first will be asked why; the second would make a whole of what is none."""
    feed = Feed(parts(tmp_path))
    Feeds([feed]).finish()
    feed = Feed([*parts(tmp_path)[:1], str(tmp_path / "gone")])
    reader = os.dup(feed.reader.fileno())
    pouring = Feeds([feed])
    with open(reader, "rb") as file:
        assert len(file.read()) == 100_000
    with pytest.raises(DiskError):
        pouring.finish()
