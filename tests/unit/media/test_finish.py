"""A file with tags, and one that is as good without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media import finish as module
from slasshy_rpc.media.finish import finish, writable
from slasshy_rpc.media.labels import Labels
from slasshy_rpc.media.merge import Track
from slasshy_rpc.media.plan import Media
from slasshy_rpc.media.recipe import together

LABELS = Labels((("title", "T"),), ("http://x.test/1", "http://x.test/2", "http://x.test/3"))
PICTURE = b"\xff\xd8\xff picture"


@pytest.fixture
def asked() -> list[str]:
    """The pictures that were asked for."""
    return []


async def done(tmp_path: Path, asked: list[str], scribe: str, labels: Labels | None = LABELS) -> bytes:
    """What becomes of two fragments, if this is the scribe."""

    async def look(url: str) -> bytes:
        asked.append(url)
        if url.endswith("1"):
            raise DownloadError("it is not there")
        return PICTURE if url.endswith("3") else b"<html>"

    folder = tmp_path / "x.mp3.part"
    os.mkdir(folder)
    for name in ("00000", "00001"):
        (folder / name).write_bytes(name.encode())
    track = Track([[str(folder / "00000"), str(folder / "00001")]], "mp3", str(folder))
    (tmp_path / "scribe.py").write_text(f"import sys, json\ntold = json.load(sys.stdin)\n{scribe}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SCRIBE", str(tmp_path / "scribe.py"))
        path = tmp_path / "x.mp3"
        size = await finish([track], str(path), "g", "mp3", together("mp3"), labels, look, overwrite=False, sync=False)
    assert sorted(os.listdir(tmp_path)) == ["scribe.py", "x.mp3"]
    assert size == path.stat().st_size
    return path.read_bytes()


async def test_the_scribe_is_told(tmp_path: Path, asked: list[str]) -> None:
    """With the first picture that is one."""
    found = await done(tmp_path, asked, "open(told['path'], 'a').write(json.dumps({**told, 'path': ''}))\n")
    assert found.startswith(b'0000000001{"path": "", "ext": "mp3", "tags": {"title": "T"}, "cover": "/9j/')
    assert asked == list(LABELS.covers)


@pytest.mark.parametrize("end", ["sys.exit('it broke')", "import os; os.kill(os.getpid(), 9)"])
async def test_what_it_spoils_is_made_again(
    tmp_path: Path, asked: list[str], end: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await done(tmp_path, asked, f"open(told['path'], 'w').write('spoilt' * 99)\n{end}\n") == b"0000000001"
    assert "x.mp3 stays without tags: mutagen could not write the tags" in caplog.text


async def test_a_folder_whose_name_is_no_utf_8(tmp_path: Path, asked: list[str]) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    os.mkdir(folder)
    assert await done(folder, asked, "open(told['path'], 'a').write('!')\n") == b"0000000001!"


async def test_nothing_to_write(tmp_path: Path, asked: list[str]) -> None:
    assert await done(tmp_path, asked, "open(told['path'], 'w')\n", None) == b"0000000001"
    assert asked == []


def test_what_takes_no_tags(caplog: pytest.LogCaptureFixture) -> None:
    assert writable(Media("x.mp3", (), labels=LABELS), checked=False) is LABELS
    assert writable(Media("x.mp3", ()), checked=True) is None
    assert caplog.text == ""
    assert writable(Media("x.webm", (), labels=LABELS), checked=False) is None
    assert writable(Media("x.mp3", (), labels=LABELS), checked=True) is None
    assert "type webm takes none here" in caplog.text
    assert "would change its checksum" in caplog.text
