"""Entries of the command line and of an input file beside what a history has restored: none is added twice."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from slasshy_rpc.errors import DownloadError, ErrorCode, UsageError
from slasshy_rpc.intake import Intake
from slasshy_rpc.options.files import Entry
from slasshy_rpc.options.values import Normal
from slasshy_rpc.session.download import Download
from slasshy_rpc.values import Status
from tests.support.fake_protocol import Stage, options, turns

ONE, TWO = "http://127.0.0.1/1", "http://127.0.0.1/2"
GID = "00000000000000ab"


def entry(*uris: str, **own: str) -> Entry:
    return Entry(uris, dict[str, Normal](own))


def restored(*listed: tuple[str, Mapping[str, Normal]]) -> Stage:
    """A session that has these in its queue from an earlier process."""
    stage = Stage(options(), waiting=True)
    for uri, own in listed:
        stage.session.add([uri], own)
    return stage


def uris(stage: Stage) -> list[str]:
    return [download.request.uris[0] for download in stage.session.queue]


def intake(stage: Stage, *settled: str) -> Intake:
    return Intake(stage.session, set(settled), rpc=True)


async def test_what_has_ended_is_begun_anew_for_who_asks_by_its_gid() -> None:
    stage = restored((ONE, {"gid": GID}))
    stage.session.start()
    await turns()
    await stage.end(GID)
    assert await intake(stage, GID).add_own([entry(ONE, gid=GID)]) == 0
    assert uris(stage) == [ONE]
    assert not len(stage.session.results)


async def test_without_a_history_everything_is_added() -> None:
    stage = restored()
    assert await intake(stage).add_own([entry(ONE), entry(ONE)]) == 0
    assert await intake(restored()).add_listed([entry(TWO)], trusted=True) == 0
    assert uris(stage) == [ONE, ONE]


async def test_the_command_line_once_more_goes_on_with_what_is_there() -> None:
    stage = restored((ONE, {"pause": "true"}), (TWO, {}))
    await intake(stage).add_own([entry(ONE), entry(TWO), entry(TWO)])
    assert uris(stage) == [ONE, TWO, TWO]  # the second TWO is one more
    assert [one.status for one in stage.session.queue] == [Status.WAITING] * 3


@pytest.mark.parametrize("own", [{"out": "other"}, {"dir": "/elsewhere"}])
async def test_another_place_is_another_download(own: dict[str, str]) -> None:
    stage = restored((ONE, {}))
    await intake(stage).add_listed([entry(ONE, **own)], trusted=True)
    assert uris(stage) == [ONE, ONE]


async def test_a_listed_one_stays_as_the_history_has_it() -> None:
    stage = restored((ONE, {"pause": "true", "out": "f", "split": "3"}))
    await intake(stage).add_listed([entry(ONE, out="f")], trusted=True)
    (known,) = stage.session.queue
    assert (known.status, known.options.integer("split")) == (Status.PAUSED, 3)


async def test_parameterized_entries_are_compared_as_they_come_out() -> None:
    own = {"parameterized-uri": "true"}
    stage = restored(("http://{a,b}.test/f", own))
    await intake(stage).add_listed([entry("http://{a,b}.test/f", **own)], trusted=True)
    assert len(stage.session.queue) == 1


async def test_force_sequential_makes_a_download_of_each_uri() -> None:
    stage = Stage(options(force_sequential="true", parameterized_uri="true"), waiting=True)
    both = intake(stage)
    assert await both.add_own([entry("http://127.0.0.1/[1-2]", TWO)]) == 0
    assert await both.add_listed([entry(ONE, TWO, split="3")], trusted=True) == 0
    assert [one.request.uris for one in stage.session.queue] == [(ONE,), (TWO,), (TWO,), (ONE,), (TWO,)]
    assert [one.options.integer("split") for one in stage.session.queue] == [5, 5, 5, 3, 3]


@pytest.mark.parametrize(
    ("uri", "own", "text"),
    [
        ("http:///x", {}, "Unrecognized URI or unsupported protocol: http:///x"),
        ("http://127.0.0.1/{a", {"parameterized-uri": "true"}, "Missing '}'"),
        (ONE, {"gid": "1"}, "No URI to download"),
    ],
)
async def test_in_compat_a_refusal_ends_the_start(uri: str, own: dict[str, str], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        await intake(restored()).add_own([entry(uri, **own)])
    ours = Stage(options(compat="false"), waiting=True)
    assert await intake(ours).add_own([entry(uri, **own), entry(TWO)]) == ErrorCode.UNKNOWN
    assert uris(ours) == [TWO]


async def test_the_gid_decides_where_there_is_one() -> None:
    stage = restored((ONE, {"gid": GID}))
    listed = [entry(TWO, gid=GID.upper()), entry(TWO, gid="00000000000000ac"), entry(ONE, gid="00000000000000ad")]
    assert await intake(stage, "00000000000000ac").add_listed(listed, trusted=True) == 0
    assert [(one.gid, one.request.uris) for one in stage.session.queue] == [
        (GID, (ONE,)),
        ("00000000000000ad", (ONE,)),
    ]


async def test_what_had_failed_is_begun_anew() -> None:
    stage = restored()
    failed = Download(GID, stage.session.request([ONE], {}), Status.ERROR)
    stage.session.restore([], [failed])
    assert await intake(stage).add_listed([entry(ONE, gid=GID)], trusted=True) == 0
    (again,) = stage.session.queue
    assert again.gid == GID
    assert not len(stage.session.results)


async def test_a_refused_one_is_named_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    stage = restored()
    code = await intake(stage).add_listed([entry("ftp://127.0.0.1/f"), entry(ONE)], trusted=True)
    assert code == ErrorCode.UNKNOWN
    assert "FTP is not there yet" in caplog.text
    assert uris(stage) == [ONE]
    assert "ftp://127.0.0.1/f" in stage.session._kept.text()


async def test_a_failure_of_an_earlier_process_is_none_of_this_one() -> None:
    stage = restored((ONE, {}))
    stage.session.start()
    await stage.add(TWO)
    gid = stage.session.active[0].gid
    await stage.end(gid, DownloadError("no", ErrorCode.NETWORK))
    failed = stage.session.find(gid)
    later = restored()
    later.session.restore([], [failed])
    assert later.session.exit_code() == ErrorCode.OK
