"""Which format of a page is taken, what it becomes, and what it is called."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.behaviour import Behaviour
from tests.support.media import apart, clip, digests, page, whole
from tests.support.origin import Origin
from tests.support.process import Refused, Server, run

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")

#: Their server is one for all of them.
STANDING = True


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def formats(origin: Origin, media: tuple[bytes, bytes]) -> list[dict[str, Any]]:
    """A small and a large one that are whole, and two that are apart."""
    urls = [origin.serve(path, data=data) for path, data in zip(("/v.mp4", "/a.m4a"), media, strict=True)]
    small, large = (origin.serve(f"/{name}.mp4", length=length) for name, length in (("s", 18), ("l", 22)))
    return [whole(small, format_id="18", height=144), whole(large, height=360), *apart(*urls)]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_wanted_format_is_taken(server: Server, origin: Origin, formats: list[dict[str, Any]]) -> None:
    url = page(origin, "one", *formats)
    for wanted, length in (("18", "18"), ("bv*[height>9000]+ba/22", "22"), ("w", "18"), ("b[height<=200]", "18")):
        assert server.completed(server.add(url, media_format=wanted))["totalLength"] == length
    nothing = server.finished(server.add(url, media_format="b[height>9000]"))
    assert (nothing["errorCode"], "format" in nothing["errorMessage"]) == ("1", True)
    wrong = server.finished(server.add(url, media_format="b["))
    assert wrong["errorMessage"].startswith("The media-format is none:")
    with pytest.raises(Refused, match="media-format"):
        server.add(url, media_format="")


def test_another_format_may_be_wanted_while_one_is_on_its_way(
    server: Server, origin: Origin, formats: list[dict[str, Any]], folder: Path
) -> None:
    """It begins anew, and of the two no file is mixed."""
    large = origin.serve("/large.mp4", length=1 << 20, behaviour=Behaviour(hold_at=1 << 19))
    url = page(origin, "one", *formats, whole(large, format_id="99", height=9999))
    gid = server.add(url, media_format="99")
    server.until(gid, lambda status: int(status["completedLength"]) > 0)
    server.call("aria2.changeOption", gid, {"media-format": "18"})
    done = server.completed(gid)
    assert (done["totalLength"], done["completedLength"]) == ("18", "18")
    assert origin.content("/s.mp4").difference(Path(done["files"][0]["path"])) is None


def test_what_cannot_be_brought_here_is_not_chosen(server: Server, origin: Origin) -> None:
    best = whole("rtmp://127.0.0.1/x", format_id="99", height=9999, protocol="rtmp")
    url = page(origin, "one", whole(origin.serve("/v.mp4", length=5)), best)
    assert server.completed(server.add(url))["totalLength"] == "5"
    assert server.finished(server.add(url, media_format="99"))["status"] == "error"


@needs_ffmpeg
def test_video_and_audio_become_the_wanted_type(
    server: Server, origin: Origin, formats: list[dict[str, Any]], folder: Path
) -> None:
    url = page(origin, "one", *formats)
    server.completed(server.add(url, media_merge="mkv"))
    assert files(folder) == ["One [one].mkv"]
    server.completed(server.add(url, media_merge="mp4", out="named"))
    assert files(folder) == ["One [one].mkv", "named"]
    assert digests(str(folder / "One [one].mkv"))[1:] == digests(str(folder / "named"))[1:]


def test_video_and_audio_stay_two_files_where_that_is_wanted(
    options: list[str], origin: Origin, formats: list[dict[str, Any]], folder: Path, tmp_path: Path
) -> None:
    """For which no ffmpeg is needed."""
    url = page(origin, "one", *formats)
    code, said = run(*options, "--media-merge=off", url, environment={"PATH": str(tmp_path)})
    assert code == 0, said
    assert files(folder) == ["One [one].f137.mp4", "One [one].f140.m4a"]


@needs_ffmpeg
def test_parts_are_kept_where_that_is_wanted(
    server: Server, origin: Origin, formats: list[dict[str, Any]], folder: Path
) -> None:
    server.completed(server.add(page(origin, "one", *formats), media_keep_parts="true"))
    assert files(folder) == ["One [one].f137.mp4", "One [one].f140.m4a", "One [one].mp4"]


def test_a_template_names_folders_below_dir(server: Server, origin: Origin, folder: Path) -> None:
    video = origin.serve("/v.mp4", length=5)
    url = page(origin, "one", whole(video), uploader="../..", series=".ssh", title="a/b", episode_number=7)
    for template in ("%(uploader)s/%(title)s", "%(series)s/x.%(ext)s", "%(episode_number)03d %(title).1B"):
        server.completed(server.add(url, media_template=template))
    assert files(folder) == ["007 a.mp4", "_ssh/x.mp4", "_\u29f8/a\u29f8b.mp4"]


def test_a_template_leads_nowhere_else_and_tells_no_secret(server: Server) -> None:
    """All that is refused is in the options' own tests."""
    for template in ("../%(title)s", "$HOME", "%(http_headers)s", "%(title)999999999s"):
        with pytest.raises(Refused, match="media-template"):
            server.add("http://127.0.0.1:1/watch/x", media_template=template)


def test_line_breaks_in_names_are_no_lines_of_a_session(
    options: list[str], origin: Origin, folder: Path, tmp_path: Path
) -> None:
    """Nor is what comes in a Content-Disposition, or would be an option in an input file."""
    video = origin.serve("/v.mp4", length=5)
    title = "x\n dir=/etc\r\n\tout=passwd\n"
    saved = tmp_path / "session"
    with Server(*options, f"--save-session={saved}", "--force-save=true") as server:
        done = server.completed(server.add(page(origin, "one", whole(video), title=title)))
        assert server.stop() == 0
    (file,) = done["files"]
    assert os.path.dirname(file["path"]) == str(folder)
    lines = saved.read_text().splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [f"{origin.url('/watch/one')}\t"]
    assert f" dir={folder}" in lines
    assert not any("/etc" in line or "passwd" in line for line in lines)
