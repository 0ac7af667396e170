"""The limit of open files that a process gives itself."""

from __future__ import annotations

import resource

import pytest

from slasshy_rpc.app import _allow_open_files


@pytest.mark.parametrize(
    ("limits", "wanted", "then"),
    [
        ((256, 4096), 1024, (1024, 4096)),
        ((256, 4096), 4096, (4096, 4096)),
        ((256, resource.RLIM_INFINITY), 10**6, (10**6, resource.RLIM_INFINITY)),
        ((2048, 4096), 1024, None),  # never lowered
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 1024, None),
        ((256, 512), 1024, None),
    ],
)
def test_it_is_raised_where_that_is_more_and_allowed(
    limits: tuple[int, int],
    wanted: int,
    then: tuple[int, int] | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda which, to: made.append(to))
    _allow_open_files(wanted)
    assert made == ([] if then is None else [then])
    assert ("not possible" in caplog.text) == (limits == (256, 512))


def test_a_system_that_refuses_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(which: int, to: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    _allow_open_files(1024)
    assert "current limit exceeds maximum limit" in caplog.text
