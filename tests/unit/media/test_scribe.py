"""What is written into which type of file, and what becomes of files that are none."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slasshy_rpc.media import scribe
from tests.support.media import digests
from tests.support.sound import probed, songs

TAGS = {"title": "Ü", "artist": "A", "album": "B", "track": "3", "date": "2024-05-01", "comment": "http://x.test/"}

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def scribble(path: Path, ext: str, cover: bytes = b"") -> tuple[int, str]:
    """Its exit code, and what it said."""
    told = {"path": str(path), "ext": ext, "tags": TAGS, "cover": base64.b64encode(cover).decode()}
    done = subprocess.run(
        [sys.executable, "-P", scribe.__file__], input=json.dumps(told).encode(), capture_output=True, timeout=30
    )
    return done.returncode, done.stderr.decode()


@needs_ffmpeg
def test_every_type_of_file(tmp_path: Path) -> None:
    """Read back by ffmpeg, which is another program than the one that wrote it."""
    cover = songs(tmp_path)["cover.jpg"]
    encoders = {"m4a": "aac", "mp4": "aac", "mp3": "libmp3lame", "opus": "libopus", "ogg": "libvorbis", "flac": "flac"}
    outputs = []
    for ext, codec in encoders.items():
        outputs += ["-map", "0:a", "-map_metadata", "-1", "-c:a", codec, str(tmp_path / f"x.{ext}")]
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(tmp_path / "a.m4a"), *outputs], check=True, timeout=30)
    for ext in encoders:
        assert scribble(tmp_path / f"x.{ext}", ext, cover) == (0, "")
        found = probed(tmp_path / f"x.{ext}")
        assert [stream["codec_name"] for stream in found["streams"]][1:] == ["mjpeg"]
        told = {**found["streams"][0].get("tags", {}), **found["format"].get("tags", {})}
        assert {name: told.get(name) for name in TAGS} == TAGS, ext


@needs_ffmpeg
@pytest.mark.parametrize(("flags", "tagged"), [("empty_moov", False), ("empty_moov+default_base_moof", True)])
def test_fragments_that_would_be_lost_are_let_be(tmp_path: Path, flags: str, tagged: bool) -> None:
    """They say where in the file they are; others where they are from the one that has them."""
    path = tmp_path / "x.m4a"
    into = ("-c", "copy", "-movflags", flags, "-frag_duration", "200000", "-f", "mp4", str(path))
    songs(tmp_path)
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(tmp_path / "a.m4a"), *into], check=True, timeout=30)
    before, sound = path.read_bytes(), digests(str(path))
    code, said = scribble(path, "m4a")
    assert (code, said) == (0, "") if tagged else (code, path.read_bytes()) == (1, before), said
    assert digests(str(path)) == sound


@pytest.mark.parametrize("ext", sorted(scribe.KINDS))
def test_what_is_no_such_file_stays_as_it_is(tmp_path: Path, ext: str) -> None:
    path = tmp_path / "x"
    for data in (b"", b"#EXTM3U\nfile:///etc/passwd\n", b"\xff" * 4096):
        path.write_bytes(data)
        code, said = scribble(path, ext)
        assert code == 1
        assert said
        assert path.read_bytes() == data


@needs_ffmpeg
def test_a_file_that_asks_for_much_memory_gets_none(tmp_path: Path) -> None:
    """A picture of two gigabytes, as its header says."""
    path = tmp_path / "x.flac"
    picture = b"\x06\xff\xff\xff" + b"\0" * 12 + b"\x7f\xff\xff\xff"
    path.write_bytes(b"fLaC\x00\x00\x00\x22" + bytes(34) + picture + bytes(1 << 20))
    code, said = scribble(path, "flac")
    assert code == 1
    assert said


def test_where_the_system_sets_no_limit_its_own_counts(tmp_path: Path) -> None:
    before = "from slasshy_rpc.media import scribe; scribe.resource.setrlimit = print; scribe.MEMORY = 16 << 20"
    then = f"scribe.confine({str(tmp_path)!r}, 0); kept = b'x' * (scribe._peak() + (32 << 20)); scribe.time.sleep(20)"
    done = subprocess.run([sys.executable, "-c", f"{before}; {then}"], capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (1, b"It takes too much memory.\n")
