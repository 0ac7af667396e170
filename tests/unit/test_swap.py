"""A whole new file in one step, or the old one as it was."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from slasshy_rpc.swap import swap


@pytest.mark.parametrize("name", ["f", "名" * 80])
@pytest.mark.parametrize("durable", [False, True])
def test_the_new_one_is_there_for_its_owner_alone(tmp_path: Path, name: str, durable: bool) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")
    path.chmod(0o644)
    swap(str(path), b"new", durable=durable)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == [name]


def test_the_old_one_stays_when_the_new_one_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def refuse(*args: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="no"):
        swap(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]
