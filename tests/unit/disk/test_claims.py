"""Claims: one path a Download, whoever asks first."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from slasshy_rpc.disk.claims import Claims, lies_in
from slasshy_rpc.errors import DiskError, ErrorCode


def test_the_first_to_ask_has_it_until_it_is_given_up() -> None:
    claims = Claims()
    assert claims.take("/d/f", "a")
    assert claims.take("/d/f", "a")
    assert not claims.take("/d/f", "b")
    assert (claims.path_of("a"), claims.path_of("b")) == ("/d/f", "")
    claims.release("a")
    claims.release("a")
    assert claims.path_of("a") == ""
    assert claims.take("/d/f", "b")


def test_another_path_frees_the_one_before() -> None:
    claims = Claims()
    assert claims.take("/d/f", "a")
    assert claims.take("/d/g", "a")
    assert claims.take("/d/f", "b")
    assert not claims.take("/d/g", "b")
    assert claims.path_of("b") == "/d/f"


def test_reserved_ones_are_never_given() -> None:
    assert not Claims(["/d/session"]).take("/d/session", "a")


def test_links_lead_to_one_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    claims = Claims()
    assert claims.take(str(tmp_path / "real" / "f"), "a")
    assert not claims.take(str(tmp_path / "link" / "f"), "b")
    assert claims.take(str(tmp_path / "link" / "f"), "a")
    claims.release("a")
    assert claims.take(str(tmp_path / "real" / "f"), "b")


def test_many_at_once_and_one_has_it() -> None:
    claims, start, won = Claims(), threading.Barrier(8), []

    def ask(gid: str) -> None:
        start.wait(10)
        if claims.take("/d/f", gid):
            won.append(gid)

    threads = [threading.Thread(target=ask, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(won) == 1


def test_reserved_later_on() -> None:
    claims = Claims()
    assert claims.take("/d/f", "a")
    claims.reserve(["/d/f", "/d/log"])
    assert claims.take("/d/f", "a")  # his until he gives it up
    assert not claims.take("/d/log", "a")
    assert claims.take("/d/g", "a")
    assert not claims.take("/d/f", "b")


def test_what_was_reserved_is_free_when_others_are() -> None:
    claims = Claims(["/d/conf"])
    claims.reserve(["/d/log"])
    claims.reserve(["/d/log2", "/d/taken"])
    assert claims.take("/d/log", "a")
    assert not claims.take("/d/log2", "b")
    assert not claims.take("/d/conf", "b")
    claims.reserve(["/d/log"])
    claims.reserve([])
    assert not claims.take("/d/log", "b")  # it is a's
    assert claims.path_of("a") == "/d/log"


def refused(claims: Claims, path: Path) -> str:
    with pytest.raises(DiskError) as caught:
        claims.take(str(path), "a")
    assert caught.value.code == ErrorCode.CREATE_FAILED
    return str(caught.value)


def test_what_a_strangers_download_may_not_take(tmp_path: Path) -> None:
    home, state = tmp_path / "home", tmp_path / "home" / "state"
    (home / "dotfiles" / "ssh").mkdir(parents=True)
    (home / ".ssh").symlink_to("dotfiles/ssh")
    claims = Claims([str(state)])
    fenced = claims.fenced(str(home), str(home))
    for name in (".bashrc", ".config/autostart/x", ".ssh/authorized_keys"):
        assert "programs keep their settings" in refused(fenced, home / name)
    for name in ("x.aria2", "x.Aria2", "x.aria2__temp"):
        assert "control files" in refused(fenced, home / name)
    assert "folder of the server" in refused(fenced, state / "x")
    assert claims.path_of("a") == ""
    assert fenced.take(str(home / "dl" / ".hidden"), "a")
    assert claims.take(str(home / ".bashrc"), "b")  # asked for by the user
    claims.reserve([str(home / "log")])
    assert not fenced.take(str(home / "log"), "a")


def test_a_folder_that_the_user_shares_with_the_server(tmp_path: Path) -> None:
    fenced = Claims([str(tmp_path)]).fenced(str(tmp_path / "dl"), "/nobody")
    assert fenced.take(str(tmp_path / "dl" / "f"), "a")


def test_fenced_claims_are_the_same_claims(tmp_path: Path) -> None:
    claims = Claims()
    fenced = claims.fenced(str(tmp_path), str(tmp_path / "nobody"))
    assert fenced.take(str(tmp_path / "f"), "a")
    assert not claims.take(str(tmp_path / "f"), "b")
    claims.release("a")
    assert claims.take(str(tmp_path / "f"), "b")


def test_a_folder_that_lies_in_a_dot_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".downloads").symlink_to("elsewhere")
    fenced = Claims().fenced(str(tmp_path / ".downloads" / "x"), str(tmp_path))
    assert fenced.take(str(tmp_path / ".downloads" / "x" / "f"), "a")
    assert "programs keep" in refused(fenced, tmp_path / ".profile")


def test_what_an_earlier_process_had_must_lie_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    inside = str(folder / "a" / "f")
    for links in (True, False):
        assert lies_in(inside, str(folder), links=links)
        assert lies_in("/f", "/", links=links)
        for outside in ("", "f", str(folder), f"{folder}/../f", f"{folder}e/f", f"{folder}/a/./f", f"{folder}/\0"):
            assert not lies_in(outside, str(folder), links=links)
    assert lies_in(f"{folder}/link/f", str(folder), links=True)  # the user's own link, followed for the user only
    assert not lies_in(f"{folder}/link/f", str(folder), links=False)


@pytest.mark.parametrize("renamed", [True, False])
def test_a_link_that_leads_elsewhere_by_now(tmp_path: Path, renamed: bool) -> None:
    """To the same folder by its new name, or to a new one that has got the number of the old."""
    (tmp_path / "old").mkdir()
    (tmp_path / "link").symlink_to("old")
    claims = Claims()
    assert claims.take(str(tmp_path / "link" / "f"), "a")
    claims.release("a")
    if renamed:
        (tmp_path / "old").rename(tmp_path / "new")
    else:
        (tmp_path / "old").rmdir()
        (tmp_path / "new").mkdir()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("new")
    assert claims.take(str(tmp_path / "link" / "f"), "a")
    assert not claims.take(str(tmp_path / "new" / "f"), "b")


def test_a_folder_that_is_a_link_by_now(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "other").mkdir()
    claims = Claims()
    assert claims.take(str(tmp_path / "d" / "f"), "a")
    (tmp_path / "d").rmdir()
    (tmp_path / "d").symlink_to("other")
    assert claims.take(str(tmp_path / "d" / "g"), "a")
    assert not claims.take(str(tmp_path / "other" / "g"), "b")


def test_a_name_that_is_a_link_is_the_file_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("f")
    claims = Claims()
    assert claims.take(str(tmp_path / "f"), "a")
    assert not claims.take(str(tmp_path / "link"), "b")
