"""What is made of streams in fragments besides video: their sound alone, files with tags, parts that stay apart."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.media import listed, page, put
from tests.support.origin import Origin
from tests.support.process import run
from tests.support.sound import probed, streams

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")

Files = dict[str, bytes]


@pytest.mark.parametrize(("form", "codec"), [("keep", "aac"), ("mp3", "mp3")])
def test_the_sound_of_a_stream(
    options: list[str], origin: Origin, files: Files, folder: Path, form: str, codec: str
) -> None:
    url = page(origin, "one", listed(f"{put(origin, files)}ts.m3u8"), artist="A")
    code, said = run(*options, "--media-audio-only", f"--media-audio-format={form}", "--media-metadata", url)
    assert code == 0, said
    name = f"One [one].{'m4a' if form == 'keep' else form}"
    assert os.listdir(folder) == [name]
    assert streams(folder / name) == [codec]
    assert probed(folder / name)["format"]["tags"]["artist"] == "A"


def test_the_sound_that_comes_apart_is_all_that_comes(
    options: list[str], origin: Origin, files: Files, folder: Path
) -> None:
    url = page(origin, "one", mpds=[f"{put(origin, files)}dash.mpd"])
    code, said = run(*options, "--media-audio-only", url)
    assert code == 0, said
    assert os.listdir(folder) == ["One [one].m4a"]
    assert streams(folder / "One [one].m4a") == ["aac"]
    assert not [seen for seen in origin.requests() if seen.target.startswith("/s/0-")]


def test_parts_in_fragments_may_stay_apart(options: list[str], origin: Origin, files: Files, folder: Path) -> None:
    url = page(origin, "one", mpds=[f"{put(origin, files)}dash.mpd"])
    code, said = run(*options, "--media-merge=off", url)
    assert code == 0, said
    assert sorted(streams(path)[0] for path in folder.iterdir()) == ["aac", "h264"]
    assert sorted(path.suffix for path in folder.iterdir()) == [".m4a", ".mp4"]
