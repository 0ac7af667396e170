"""What is said when something happens to a download, and what is kept out of it."""

from __future__ import annotations

import logging

import pytest

from slasshy_rpc.api.rows import Row
from slasshy_rpc.cli.announce import Announcer
from slasshy_rpc.errors import RpcError
from slasshy_rpc.values import NOTICE, Event, FileView, Snapshot, Status
from tests.support.fake_protocol import Stage, options, turns

GID = "2089b05ecca3d829"


def row(gid: str) -> Row:
    snapshot = Snapshot(files=(FileView("/d/f.bin"),))
    return Row(gid, snapshot, Status.ERROR, None, 3, "Resource not found", "http://h/f.bin?sig=***")


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (Event.START, logging.INFO, f"GID#{GID} started: http://h/f.bin?sig=***"),
        (Event.COMPLETE, NOTICE, "Download complete: /d/f.bin"),
        (Event.PAUSE, NOTICE, f"Download GID#{GID} paused"),
        (Event.STOP, NOTICE, f"Download GID#{GID} not complete: /d/f.bin"),
        (
            Event.ERROR,
            logging.ERROR,
            f"GID#{GID} failed. errorCode=3 URI=http://h/f.bin?sig=***\n  -> Resource not found",
        ),
    ],
)
def test_lines(event: Event, level: int, text: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Announcer(row)(event, GID)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(level, text)]


def test_in_compat_a_failure_is_said_twice(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        Announcer(row, compat=True)(Event.ERROR, GID)
    assert [record.levelno for record in caplog.records] == [logging.ERROR, NOTICE]
    assert caplog.messages[1] == f"Download GID#{GID} not complete: /d/f.bin"


def test_nobody_is_asked_about_what_nobody_reads(caplog: pytest.LogCaptureFixture) -> None:
    """A list of thousands of files must not pay for lines that go nowhere."""
    asked = []

    def counted(gid: str) -> Row:
        asked.append(gid)
        return row(gid)

    with caplog.at_level(logging.ERROR):
        for event in (Event.START, Event.PAUSE, Event.STOP, Event.COMPLETE):
            Announcer(counted)(event, GID)
        assert asked == []
        Announcer(counted)(Event.ERROR, GID)
    assert asked == [GID]


def test_one_that_is_forgotten_already_is_named_by_its_gid(caplog: pytest.LogCaptureFixture) -> None:
    def gone(gid: str) -> Row:
        raise RpcError(f"GID {gid} is not found")

    with caplog.at_level(NOTICE):
        Announcer(gone)(Event.COMPLETE, GID)
    assert GID in caplog.text


async def test_nothing_secret_is_said(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options())
    stage.session.events.subscribe(Announcer(stage.api.row))
    with caplog.at_level(logging.DEBUG):
        gid = await stage.add("http://user:pass-word@127.0.0.1/f.bin?token=se-cret")
        await stage.end(gid)
        await turns()
    assert "started: http://127.0.0.1/f.bin?token=***" in caplog.text
    assert "pass-word" not in caplog.text
    assert "se-cret" not in caplog.text
