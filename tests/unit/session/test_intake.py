"""Entries of the command line and of an input file beside what a history has restored: none is added twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest

from slasshy_rpc import intake as intake_
from slasshy_rpc.errors import DownloadError, ErrorCode, UsageError
from slasshy_rpc.intake import Deferred, Intake
from slasshy_rpc.options.files import Entry
from slasshy_rpc.options.values import Normal
from slasshy_rpc.session.download import Download
from slasshy_rpc.values import Status
from tests.support.fake_protocol import Stage, options, turns, until

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


# ---- deferred


class Listed:
    """The entries of an input file, and how many of them were asked for; it can break off in the end, or stand."""

    def __init__(self, *entries: Entry, fault: Exception | None = None, stands: threading.Event | None = None) -> None:
        self.taken = 0
        self._entries = entries
        self._fault = fault
        self._stands = stands

    def __iter__(self) -> Iterator[Entry]:
        for one in self._entries:
            self.taken += 1
            yield one
        if self._fault is not None:
            raise self._fault
        if self._stands is not None:
            self._stands.wait(30)


def numbered(count: int) -> list[Entry]:
    return [entry(f"http://127.0.0.1/{number}", gid=f"{number + 1:016x}") for number in range(count)]


def deferred(stage: Stage, listed: Listed, paths: Mapping[str, str] | None = None) -> Deferred:
    return Deferred(stage.session, intake(stage), iter(listed), paths or {}, trusted=True)


async def active(stage: Stage, count: int) -> list[str]:
    """The GIDs that run, once there are ``count``."""
    await until(lambda: len(stage.session.active) == count)
    return [one.gid for one in stage.session.active]


async def test_deferred_entries_are_read_as_slots_get_free() -> None:
    stage = Stage(options(**{"max-concurrent-downloads": "2"}))
    listed = Listed(*numbered(4))
    feeding = asyncio.create_task(deferred(stage, listed).run())
    first, second = await active(stage, 2)
    assert listed.taken == 2
    await stage.end(second)
    assert await active(stage, 2) == [first, f"{3:016x}"]
    assert listed.taken == 3
    await stage.end(first)
    await stage.end(f"{3:016x}")
    assert await active(stage, 1) == [f"{4:016x}"]
    await stage.end(f"{4:016x}")
    await feeding


async def test_what_waits_already_comes_before_what_is_deferred() -> None:
    stage = restored((ONE, {}), (TWO, {}))
    stage.session.change_global({"max-concurrent-downloads": "2"})
    listed = Listed(*numbered(1))
    feeding = asyncio.create_task(deferred(stage, listed).run())
    stage.session.start()
    gid, _ = await active(stage, 2)
    await turns()
    assert listed.taken == 0
    await stage.end(gid)
    assert f"{1:016x}" in await active(stage, 2)
    feeding.cancel()


async def test_a_deferred_file_that_breaks_off_fails_and_keeps_what_it_gave(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(options())
    feeder = deferred(stage, Listed(*numbered(1), entry("ftp://127.0.0.1/f"), fault=UsageError("It is torn.")))
    await feeder.run()
    assert len(stage.session.active) == 1
    assert feeder.failed == ErrorCode.UNKNOWN
    assert "It is torn." in caplog.text


async def test_a_refused_entry_makes_the_exit_code_whatever_follows() -> None:
    stage = Stage(options())
    feeder = deferred(stage, Listed(entry("ftp://127.0.0.1/f"), *numbered(2)))
    await feeder.run()
    assert len(stage.session.active) == 2
    assert feeder.failed == ErrorCode.UNKNOWN


async def test_a_file_that_breaks_off_makes_the_exit_code() -> None:
    feeder = deferred(Stage(options()), Listed(*numbered(1), fault=UsageError("It is torn.", ErrorCode.OPTION)))
    await feeder.run()
    assert feeder.failed == ErrorCode.OPTION


async def test_a_slot_that_gets_free_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_, "GLANCE", 3600.0)
    stage = Stage(options(**{"max-concurrent-downloads": "1"}))
    feeding = asyncio.create_task(deferred(stage, Listed(*numbered(2))).run())
    (first,) = await active(stage, 1)
    await turns()
    await stage.end(first)
    await until(lambda: [one.gid for one in stage.session.active] == [f"{2:016x}"])
    feeding.cancel()


async def test_a_deferred_entry_gets_its_earlier_path() -> None:
    stage = Stage(options(dir="/d"))
    await deferred(stage, Listed(*numbered(2)), {f"{2:016x}": "/d/known"}).run()
    assert [stage.session.claims.path_of(f"{number:016x}") for number in (1, 2)] == ["", "/d/known"]


async def test_nobody_waits_for_a_pipe_that_stays_open() -> None:
    stands = threading.Event()
    stage = Stage(options())
    feeding = asyncio.create_task(deferred(stage, Listed(*numbered(1), stands=stands)).run())
    await active(stage, 1)
    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding
    stands.set()
