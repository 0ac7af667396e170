"""Where the parts of a file begin, when it is given up that it can be continued, and who wakes for a new mirror."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from slasshy_rpc.disk import control
from slasshy_rpc.errors import ErrorCode
from tests.support.behaviour import Behaviour, first
from tests.support.fake_protocol import until
from tests.support.fetcher import LIMIT, Fetcher
from tests.support.origin import Origin
from tests.support.remains import files

MIB = 1 << 20
LENGTH = 40 * MIB
NAME = "/file.bin"


async def begun(fetcher: Fetcher, origin: Origin, selector: str, **options: str) -> list[int]:
    """Where the requests for a file began, in MiB, in the order of the file; its content is right in the end."""
    url = origin.serve(NAME, length=LENGTH, behaviour=Behaviour(rate=20 * MIB))
    done = await fetcher.fetch(url, split="5", stream_piece_selector=selector, **options)
    assert done.error is None
    assert origin.content(NAME).difference(done.path) is None
    return sorted((seen.range[0] if seen.range else 0) >> 20 for seen in origin.requests()[:5])


@pytest.mark.parametrize(
    ("selector", "least", "starts"),
    [
        ("default", "1048576", [0, 8, 16, 24, 32]),
        ("inorder", "1048576", [0, 1, 2, 3, 4]),
        ("inorder", "4194304", [0, 4, 8, 12, 16]),
        ("geom", "4194304", [0, 1, 2, 3, 5]),
    ],
)
async def test_the_selector_says_where_the_first_parts_begin(
    fetcher: Fetcher, origin: Origin, selector: str, least: str, starts: list[int]
) -> None:
    assert await begun(fetcher, origin, selector, min_split_size=least) == starts


async def test_at_random_the_first_parts_are_anywhere(fetcher: Fetcher, origin: Origin) -> None:
    starts = await begun(fetcher, origin, "random", min_split_size="1048576")
    assert starts[0] == 0
    assert all(start % 2 == 0 for start in starts)
    assert len(set(starts)) == 5


async def test_in_order_the_front_comes_first(fetcher: Fetcher, origin: Origin) -> None:
    """No part is begun while one far before it is not: what is there can be looked at."""
    url = origin.serve(NAME, length=LENGTH, behaviour=Behaviour(rate=10 * MIB))
    done = await fetcher.fetch(url, split="4", stream_piece_selector="inorder", min_split_size="1048576")
    assert done.error is None
    starts = [seen.range[0] >> 20 for seen in origin.requests() if seen.range]
    assert all(start - number < 8 for number, start in enumerate(starts))
    assert len(starts) >= LENGTH // MIB - 1


# ---- what cannot be continued


def part(fetcher: Fetcher, origin: Origin, length: int) -> Path:
    """The first MiB of a file, with a control file."""
    path = fetcher.folder / NAME.strip("/")
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(origin.content(NAME).slice(0, MIB))
        file.truncate(length)
    control.save(f"{path}.aria2", control.Control(MIB, length, 0, ((0, MIB),)), durable=False)
    return path


@pytest.mark.parametrize("said", [(), (("Accept-Ranges", "none"),)], ids=["silent", "none"])
@pytest.mark.parametrize(("most", "anew"), [("1", True), ("2", True), ("3", False), ("0", False)])
async def test_so_many_servers_without_ranges_and_it_is_fetched_anew(
    fetcher: Fetcher, origin: Origin, most: str, anew: bool, said: tuple[tuple[str, str], ...]
) -> None:
    length = 6 * MIB
    good = origin.serve(NAME, length=length)
    behaviour = Behaviour(ranges=False, headers=said)
    rangeless = [origin.serve(f"/r{n}/file.bin", length=length, behaviour=behaviour) for n in range(2)]
    path = part(fetcher, origin, length)
    done = await fetcher.fetch(
        *rangeless, good, split="1", always_resume="false", max_resume_failure_tries=most, out=path.name
    )
    assert done.error is None
    assert origin.content(NAME).difference(path) is None
    whole = [seen.path for seen in origin.requests() if seen.range is None or seen.range[0] == 0]
    assert [seen.range for seen in origin.requests(NAME) if seen.range] == ([] if anew else [(MIB, length - 1)])
    assert whole[-1] == {"1": "/r1/file.bin", "2": NAME}.get(most, "/r0/file.bin")


async def test_without_always_resume_false_the_number_means_nothing(fetcher: Fetcher, origin: Origin) -> None:
    length = 6 * MIB
    url = origin.serve(NAME, length=length, behaviour=Behaviour(ranges=False))
    path = part(fetcher, origin, length)
    done = await fetcher.fetch(url, split="1", max_resume_failure_tries="1")
    assert done.error is not None
    assert done.error.code == ErrorCode.CANNOT_RESUME
    assert control.load(f"{path}.aria2") is not None
    assert sorted(files(fetcher.folder)) == [path.name, f"{path.name}.aria2"]


# ---- a mirror that comes while others sleep


@pytest.mark.parametrize("asleep", ["before the first answer", "in the middle"])
async def test_a_new_mirror_wakes_who_waits_for_another(fetcher: Fetcher, origin: Origin, asleep: str) -> None:
    """A server wants five minutes of patience; the mirror that is added is asked at once."""
    length = 3 * MIB
    busy = Behaviour(status=503, headers=(("Retry-After", "300"),))
    breaks = Behaviour(fail_after=MIB)
    behaviour = busy if asleep == "before the first answer" else first(1, breaks, busy)
    slow = origin.serve(NAME, length=length, behaviour=behaviour)
    job = fetcher.job(slow, split="1", max_tries="0")
    running = asyncio.create_task(job.run())
    asked = 1 if behaviour is busy else 2
    await until(lambda: len(origin.requests(NAME)) == asked and not job.snapshot().connections)
    mirror = origin.serve("/mirror" + NAME, length=length)
    job.place.lines.insert([mirror], None)
    job.change_uris([slow, mirror])
    await asyncio.wait_for(running, LIMIT)
    assert origin.content(NAME).difference(Path(job.snapshot().files[0].path)) is None
