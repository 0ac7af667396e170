"""What comes between the proof of a partial file and its name: `adopt` without a server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slasshy_rpc import adopt as module
from slasshy_rpc.adopt import adopt
from slasshy_rpc.disk.partial import Partial
from slasshy_rpc.errors import DownloadError
from slasshy_rpc.options.values import OptionSet
from slasshy_rpc.protocols.opener import Facts

WINDOW = 16 << 10
URI = "http://h/f"


def proven(monkeypatch: pytest.MonkeyPatch, name: str = "served", *, grows: bool = False) -> None:
    """The server has what is there and 10 bytes more; the file is called ``name`` there, and ``grows`` meanwhile."""

    async def prove(found: Partial, uri: str, options: OptionSet) -> tuple[int, Facts, int]:
        if grows:
            os.pwrite(found.fd, b"more", found.size)
        return found.size, Facts(found.size + 10, True, name=name), 1

    monkeypatch.setattr(module, "_proven", prove)


def partial(folder: Path, name: str) -> str:
    (folder / name).write_bytes(b"x" * 2 * WINDOW)
    return str(folder / name)


def test_what_another_program_still_writes_to_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proven(monkeypatch, grows=True)
    with pytest.raises(DownloadError, match="is being written to"):
        adopt([partial(tmp_path, "f.part"), URI, "--no-conf"])
    assert os.listdir(tmp_path) == ["f.part"]


@pytest.mark.parametrize("name", ["../evil", "a\x1b[2J", ".."])
def test_a_servers_name_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    proven(monkeypatch, name)
    folder = tmp_path / "d"
    folder.mkdir()
    with pytest.raises(DownloadError, match="is refused"):
        adopt([partial(folder, "Unconfirmed 1.crdownload"), URI, "--no-conf"])
    assert (os.listdir(tmp_path), os.listdir(folder)) == (["d"], ["Unconfirmed 1.crdownload"])


def test_what_was_proven_is_gone_on_with_whatever_the_users_options_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven(monkeypatch)
    given = ["--no-conf", "--remove-control-file=true", "--always-resume=false"]
    start = adopt([partial(tmp_path, "Unconfirmed 1.crdownload"), URI, *given])
    assert (start.options.text("dir"), start.single["out"]) == (str(tmp_path), "served")
    assert not start.options.flag("remove-control-file")
    assert start.options.flag("always-resume")
    assert sorted(os.listdir(tmp_path)) == ["served", "served.aria2"]
