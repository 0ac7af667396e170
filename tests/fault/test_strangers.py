"""Names that come over the network, or from callers over RPC, and what they must not be written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import Refused, Server, run

EVIL = b"from the network\n"
MINE = "mine\n"
OVERWRITE = "--allow-overwrite=true"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    (place / "dl").mkdir(parents=True)
    (place / "mine").write_text(MINE)
    monkeypatch.setenv("HOME", str(place))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return place


@pytest.mark.parametrize("named", [False, True])
def test_a_link_is_followed_where_the_user_named_it(origin: Origin, home: Path, named: bool) -> None:
    url = origin.serve("/f", data=EVIL, behaviour=Behaviour(disposition='attachment; filename="link"'))
    (home / "dl" / "link").symlink_to("../mine")
    code, said = run(f"--dir={home / 'dl'}", OVERWRITE, *(["--out=link"] if named else []), url)
    assert (home / "mine").read_text() == (EVIL.decode() if named else MINE)
    assert code == (0 if named else 16), said
    assert named or "symbolic link" in said


def test_dot_files_of_the_home_folder_are_for_the_user(origin: Origin, home: Path) -> None:
    url = origin.serve("/.profile", data=EVIL)
    (home / ".profile").write_text(MINE)
    with Server("--compat", "--enable-rpc", f"--dir={home / 'dl'}") as server:
        status = server.finished(server.add(url, dir=str(home), allow_overwrite="true"))
        assert (status["status"], status["errorCode"]) == ("error", "16")
        assert "programs keep their settings" in status["errorMessage"]
        server.completed(server.add(url))
    assert (home / ".profile").read_text() == MINE
    assert (home / "dl" / ".profile").read_bytes() == EVIL
    code, said = run("--compat", f"--dir={home}", OVERWRITE, url)
    assert (code, (home / ".profile").read_bytes()) == (0, EVIL), said


def test_control_files_are_not_downloaded_over(origin: Origin, home: Path) -> None:
    url = origin.serve("/x.aria2", data=EVIL)
    with Server("--compat", "--enable-rpc", f"--dir={home / 'dl'}") as server:
        with pytest.raises(Refused, match="control files"):
            server.add(url, out="film.mkv.aria2")
        status = server.finished(server.add(url))
        assert (status["status"], status["errorCode"]) == ("error", "16")
        assert "control files" in status["errorMessage"]
    assert list((home / "dl").iterdir()) == []
    code, said = run("--compat", f"--dir={home / 'dl'}", url)
    assert (code, (home / "dl" / "x.aria2").read_bytes()) == (0, EVIL), said


@pytest.mark.parametrize("own", [True, False], ids=["saved by the server", "written by the user"])
def test_what_a_session_file_brings_back_is_a_callers(origin: Origin, tmp_path: Path, own: bool) -> None:
    """Callers over RPC may have named what the server saved; a list of the user's own may leave the folder."""
    url = origin.serve("/f.bin", length=1000)
    listed, saved = tmp_path / "listed", tmp_path / "saved"
    listed.write_text(f"{url}\n gid=2089b05ecca3d829\n out=../outside.bin\n")
    options = (f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}", "--enable-rpc", f"--input-file={listed}")
    with Server(*options, f"--save-session={listed if own else saved}") as server:
        status = server.finished("2089b05ecca3d829")
        server.stop()
    assert (tmp_path / "outside.bin").exists() is not own
    assert status["errorCode"] == ("16" if own else "0")
