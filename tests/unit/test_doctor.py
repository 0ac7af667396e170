"""What the doctor says of what is missing."""

from __future__ import annotations

import datetime
import importlib.metadata
from pathlib import Path
from typing import Any

import pytest

from slasshy_rpc.doctor import doctor, media
from slasshy_rpc.errors import UsageError

TODAY = datetime.date(2026, 11, 27)
WELL: dict[str, Any] = {"yt_dlp": "2026.10.26", "solver": "0.8.0", "runtimes": {"deno": ["2.9.8", True]}}


def test_all_is_well() -> None:
    assert media(WELL, TODAY) == [("yt-dlp", "2026.10.26, 32 days old"), ("JavaScript", "deno 2.9.8")]


@pytest.mark.parametrize(
    ("known", "row", "says"),
    [
        ({"text": "ModuleNotFoundError"}, 0, "cannot be used (ModuleNotFoundError). Install it: "),
        ({**WELL, "yt_dlp": "2026.01.02"}, 0, "329 days old. Sites change, and so does yt-dlp: "),
        ({**WELL, "runtimes": {}}, 1, "none. YouTube has few formats without one"),
        ({**WELL, "runtimes": {"node": ["20.1", False]}}, 1, "none (node 20.1 is too old)."),
        ({**WELL, "solver": ""}, 1, "deno 2.9.8, but its scripts (yt-dlp-ejs) are missing: "),
    ],
)
def test_what_is_missing(known: dict[str, Any], row: int, says: str) -> None:
    assert says in media(known, TODAY)[row][1]


def test_without_mutagen_there_are_no_tags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    async def nothing(given: object) -> dict[str, Any]:
        return {"text": "x"}

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("slasshy_rpc.doctor._versions", nothing)
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert doctor([]) == 0
    assert "mutagen:      missing. Files get no tags: " in capsys.readouterr().out


def test_it_takes_no_arguments() -> None:
    with pytest.raises(UsageError):
        doctor(["--fix"])
