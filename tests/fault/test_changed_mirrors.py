"""Mirrors that come and go while a file is brought: no byte is asked for twice, and nobody waits for who is gone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.protocols.connection import Connection
from slasshy_rpc.protocols.crew import Crew
from slasshy_rpc.protocols.localfile import LocalFile
from slasshy_rpc.protocols.opener import Facts
from slasshy_rpc.protocols.segmented import SegmentedJob
from tests.support.behaviour import Behaviour
from tests.support.fetcher import LIMIT, Fetcher
from tests.support.origin import Origin

MIB = 1 << 20
NAME = "/f.bin"


async def until_it_has(job: SegmentedJob, count: int) -> None:
    for _ in range(1500):
        if job.snapshot().completed_length >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(job.snapshot())


async def end(task: asyncio.Task[object]) -> None:
    async with asyncio.timeout(LIMIT):
        await task


async def test_a_stream_goes_on_when_a_mirror_is_added(fetcher: Fetcher, origin: Origin) -> None:
    """A server without ranges could not give what came already but from the start."""
    url = origin.serve(NAME, length=2 * MIB, behaviour=Behaviour(ranges=False, hold_at=MIB))
    job = fetcher.job(url)
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    job.change_uris([url, origin.serve("/other", length=2 * MIB, behaviour=Behaviour(ranges=False))])
    origin.release(NAME)
    await end(task)
    # The origin counts what it has sent a moment after it came.
    await asyncio.to_thread(origin.wait, lambda origin: origin.requests(NAME)[0].sent == 2 * MIB)
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


async def test_a_mirror_that_is_added_gets_its_share(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(NAME, length=8 * MIB, behaviour=Behaviour(hold_at=MIB))
    job = fetcher.job(url, split="2", max_connection_per_server="1", min_split_size=str(MIB))
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    job.change_uris([url, url.replace("127.0.0.1", "localhost")])
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests()) == 2)
    origin.release(NAME)
    await end(task)
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(framing="chunked")], ids=["length", "chunked"])
async def test_what_is_withdrawn_is_left_and_another_goes_on(
    fetcher: Fetcher, origin: Origin, behaviour: Behaviour
) -> None:
    url = origin.serve(NAME, length=3 * MIB, behaviour=replace(behaviour, hold_at=MIB))
    other = origin.serve("/g.bin", data=origin.content(NAME).whole(), behaviour=behaviour)
    job = fetcher.job(url, split="1", max_tries="1")
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    job.change_uris([other])
    await end(task)
    assert len(origin.requests(NAME)) == 1
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


async def test_nobody_waits_for_the_answer_of_what_was_withdrawn(fetcher: Fetcher, origin: Origin) -> None:
    silent = origin.serve("/silent", behaviour=Behaviour(hold_at=-1))
    job = fetcher.job(silent, timeout="60")
    task = asyncio.ensure_future(job.run())
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests()) == 1)
    job.change_uris([origin.serve(NAME, length=1000)])
    await end(task)
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


async def test_an_open_that_is_withdrawn_can_still_be_cancelled(fetcher: Fetcher, origin: Origin) -> None:
    silent = origin.serve("/silent", behaviour=Behaviour(hold_at=-1))
    job = fetcher.job(silent, timeout="60")
    task = asyncio.ensure_future(job.run())
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests()) == 1)
    task.cancel()
    job.change_uris([origin.serve(NAME, length=1000)])
    with pytest.raises(asyncio.CancelledError):
        await end(task)
    assert origin.requests(NAME) == []


async def test_a_mirror_that_comes_while_all_are_leaving_is_not_asked(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Connection that came now would write into a closed file."""
    url = origin.serve(NAME, length=64 * MIB, behaviour=Behaviour(hold_at=MIB))
    other = origin.serve("/other", length=64 * MIB)
    job = fetcher.job(url, split="2", min_split_size=str(MIB))
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, 2 * MIB)
    let_go = Connection.let_go

    async def slowly(self: Connection) -> None:
        self.crew.limits = replace(self.crew.limits, connections=16, per_host=16)
        job.change_uris([url, other])
        await let_go(self)

    monkeypatch.setattr(Connection, "let_go", slowly)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await end(task)
    assert len(asyncio.all_tasks()) == 1
    assert origin.requests("/other") == []


async def test_without_any_mirror_it_fails(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(NAME, length=3 * MIB, behaviour=Behaviour(hold_at=MIB))
    job = fetcher.job(url, split="1")
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    job.change_uris([])
    with pytest.raises(DownloadError, match="No URI available"):
        await end(task)


async def test_a_mirror_that_failed_is_asked_again_once_it_is_added_anew(fetcher: Fetcher, origin: Origin) -> None:
    good = origin.serve("/good", length=3 * MIB, behaviour=Behaviour(hold_at=MIB))
    again = origin.url(NAME)
    job = fetcher.job(again, good, split="2", out="f.bin", max_connection_per_server="2", min_split_size=str(MIB))
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    before = len(origin.requests(NAME))
    origin.serve(NAME, data=origin.content("/good").whole())
    job.place.lines.insert([again])
    job.change_uris([again])
    await end(task)
    assert len(origin.requests(NAME)) > before
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content("/good").whole()


def change(job: SegmentedJob, withdrawn: list[str], added: list[str], uris: list[str]) -> None:
    """What the session does for one aria2.changeUri, after which ``uris`` are left."""
    job.place.lines.withdraw(withdrawn)
    job.place.lines.insert(added)
    job.change_uris(uris)


async def test_one_that_failed_may_come_anew_while_it_still_brings(fetcher: Fetcher, origin: Origin) -> None:
    """Its line is withdrawn and added in one call, but it was no Source any more."""
    url = origin.serve(NAME, length=3 * MIB, behaviour=Behaviour(hold_at=MIB))
    other = origin.serve("/g.bin", data=origin.content(NAME).whole())
    job = fetcher.job(url, split="1", out="f.bin")
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    change(job, [], [other], [other])  # as after another Connection's failure: the line of the first is left
    change(job, [url], [url], [other, url])
    await end(task)
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


async def test_a_version_is_remembered_while_its_mirror_is_away(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(NAME, length=8 * MIB, behaviour=Behaviour(hold_at=MIB))
    old = origin.content(NAME).whole()
    other = origin.serve("/g.bin", data=old, behaviour=Behaviour(hold_at=MIB)).replace("127.0.0.1", "localhost")
    job = fetcher.job(url, split="2", out="f.bin", max_connection_per_server="1", min_split_size=str(MIB))
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    change(job, [url], [other], [other])
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests("/g.bin")) == 1)
    origin.change(NAME)
    origin.release(NAME)
    change(job, [], [url], [other, url])
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests(NAME)) == 2)
    origin.release("/g.bin")
    await end(task)
    assert (fetcher.folder / "f.bin").read_bytes() in (old, origin.content(NAME).whole())


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_what_is_withdrawn_while_the_file_is_made_ready_is_not_used(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch, framing: str
) -> None:
    """Room for a big file may take a minute to allocate."""
    behaviour = Behaviour(framing="chunked") if framing == "chunked" else Behaviour()
    url = origin.serve(NAME, length=3 * MIB, behaviour=replace(behaviour, hold_at=MIB))
    other = origin.serve("/g.bin", data=origin.content(NAME).whole(), behaviour=behaviour)
    job = fetcher.job(url, split="1", out="f.bin")
    prepare = SegmentedJob._prepare

    async def slowly(self: SegmentedJob, facts: Facts, body: memoryview) -> LocalFile:
        file = await prepare(self, facts, body)
        if other not in [view.uri for view in job.place.lines.views()]:
            change(job, [url], [other], [other])
        return file

    monkeypatch.setattr(SegmentedJob, "_prepare", slowly)
    await end(asyncio.ensure_future(job.run()))
    assert len(origin.requests(NAME)) == 1
    assert url not in [view.uri for view in job.place.lines.views()]
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


async def test_what_is_withdrawn_and_added_anew_has_not_failed(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve(NAME, length=1000, behaviour=lambda seen: Behaviour(hold_at=-1 if seen.nth == 1 else None))
    job = fetcher.job(url, timeout="60")
    task = asyncio.ensure_future(job.run())
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests()) == 1)
    change(job, [url], [], [])
    change(job, [], [url], [url])
    await end(task)
    assert not job.place.lines.has_failed(url)


async def test_a_host_has_no_more_connections_than_it_may(fetcher: Fetcher, origin: Origin) -> None:
    """Also where one of them brings what cannot be cut."""
    whole = Behaviour(ranges=False, headers=(("Accept-Ranges", "none"),), hold_at=MIB)
    url = origin.serve(NAME, length=8 * MIB, behaviour=whole)
    same = origin.serve("/same", data=origin.content(NAME).whole(), behaviour=Behaviour(hold_at=0))
    other = same.replace("127.0.0.1", "localhost").replace("/same", "/other")
    origin.serve("/other", data=origin.content(NAME).whole(), behaviour=Behaviour(hold_at=0))
    job = fetcher.job(url, split="4", out="f.bin", max_connection_per_server="1", min_split_size=str(MIB))
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, MIB)
    change(job, [], [same, other], [url, same, other])
    await asyncio.to_thread(origin.wait, lambda origin: len(origin.requests("/other")) == 1)
    await asyncio.sleep(0.3)
    assert origin.requests("/same") == []
    for path in (NAME, "/same", "/other"):
        origin.release(path)
    await end(task)
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()


async def test_nobody_runs_in_circles_for_want_of_room(
    fetcher: Fetcher, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One mirror cannot go on where it broke off, and the other one has all the connections that it may have."""
    url = origin.serve(NAME, length=8 * MIB, behaviour=Behaviour(ranges=False, fail_after=MIB))
    other = origin.serve("/other", data=origin.content(NAME).whole(), behaviour=Behaviour(hold_at=MIB))
    spawned: list[Connection] = []
    spawn = Crew._spawn

    def counted(self: Crew, connection: Connection) -> None:
        spawned.append(connection)
        spawn(self, connection)

    monkeypatch.setattr(Crew, "_spawn", counted)
    other = other.replace("127.0.0.1", "localhost")
    job = fetcher.job(url, other, split="4", out="f.bin", max_connection_per_server="1", min_split_size=str(MIB))
    task = asyncio.ensure_future(job.run())
    await until_it_has(job, 2 * MIB)
    await asyncio.sleep(0.5)
    assert len(spawned) < 10
    origin.release("/other")
    await end(task)
    assert (fetcher.folder / "f.bin").read_bytes() == origin.content(NAME).whole()
