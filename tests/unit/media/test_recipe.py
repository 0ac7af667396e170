"""What is made of the parts."""

from __future__ import annotations

import pytest

from slasshy_rpc.media.plan import Media, Part
from slasshy_rpc.media.recipe import cook


def part(ext: str, video: str = "", sound: str = "") -> Part:
    return Part("https://x.test/", "1", ext, (), 0, 0, video=video, sound=sound)


def test_two_parts_are_merged_and_one_is_the_file() -> None:
    two = Media("T.mkv", (part("webm"), part("m4a")))
    media, recipe = cook(two, "")
    assert media is two
    assert recipe is not None
    assert (recipe.ext, recipe.streams[-2:]) == ("mkv", ("-c", "copy"))
    one = Media("T.mp4", (part("mp4"),))
    assert cook(one, "") == (one, None)


@pytest.mark.parametrize(
    ("source", "sound", "name", "codec"),
    [
        (part("m4a", "none", "mp4a.40.2"), "keep", "T.m4a", None),
        (part("m4a"), "keep", "T.m4a", None),
        (part("webm", "none", "opus"), "keep", "T.webm", None),
        (part("webm", "none", "opus"), "opus", "T.opus", "copy"),
        (part("webm", "vp9", "opus"), "keep", "T.opus", "copy"),
        (part("mp4", "h264", "mp4a.40.2"), "keep", "T.m4a", "copy"),
        (part("mp4", "h264", "mp4a.40.2"), "m4a", "T.m4a", "copy"),
        (part("mp4"), "keep", "T.m4a", "copy"),
        (part("mp4", "h264", "ac-3"), "keep", "T.m4a", "copy"),
        (part("webm"), "keep", "T.mka", "copy"),
        (part("flv", "h264"), "keep", "T.mka", "copy"),
        (part("webm", "none", "opus"), "m4a", "T.m4a", "aac"),
        (part("mp3", "none", "mp3"), "mp3", "T.mp3", None),
        (part("m4a", "none", "mp4a"), "flac", "T.flac", "flac"),
    ],
)
def test_sound(source: Part, sound: str, name: str, codec: str | None) -> None:
    media, recipe = cook(Media("T.mp4", (source,)), sound)
    assert (media.name, media.parts) == (name, (source,))
    assert (recipe and recipe.streams[recipe.streams.index("-c:a") + 1]) == codec
    assert recipe is None or (recipe.ext == name[2:] and recipe.encoded == (codec != "copy"))


def test_of_two_parts_it_is_the_sound() -> None:
    """Formats that were chosen before the sound alone was wanted."""
    video, sound = part("mp4", "h264", "none"), part("m4a", "none", "mp4a")
    assert cook(Media("T.mp4", (video, sound)), "keep") == (Media("T.m4a", (sound,)), None)


def test_tags_want_a_file_that_takes_them() -> None:
    known, unknown, m4a = part("webm", "none", "opus"), part("webm", "none"), part("m4a", "none", "mp4a.40.2")
    media, recipe = cook(Media("T.webm", (known,)), "keep", tagged=True)
    assert recipe is not None
    assert (media.name, recipe.ext, recipe.streams[-1]) == ("T.opus", "opus", "copy")
    assert cook(Media("T.webm", (unknown,)), "keep", tagged=True) == (Media("T.webm", (unknown,)), None)
    assert cook(Media("T.m4a", (m4a,)), "keep", tagged=True) == (Media("T.m4a", (m4a,)), None)


def test_no_word_of_a_page_reaches_a_command_line() -> None:
    _, recipe = cook(Media("T.mp4", (part("mp4", "-i", "-f.mp3"),)), "mp3")
    assert recipe is not None
    assert not {"-i", "-f", "-f.mp3"} & set(recipe.streams)
