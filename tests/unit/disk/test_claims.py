"""Claims: one path a Download, whoever asks first."""

from __future__ import annotations

import threading
from pathlib import Path

from slasshy_rpc.disk.claims import Claims


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
