"""What callers over RPC may not have written, whenever they set it up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.fake_protocol import Stage, close_all, options

URI = "http://127.0.0.1/f.bin"


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    yield Stage(options(dir=str(tmp_path), max_concurrent_downloads="9"))
    await close_all()


@pytest.mark.parametrize("name", ["log", "save-session", "save-cookies"])
async def test_files_that_are_set_over_rpc_are_reserved_from_then_on(stage: Stage, tmp_path: Path, name: str) -> None:
    before, after = await stage.add(), await stage.add()
    mine, own = str(tmp_path / "mine"), str(tmp_path / "own")
    assert stage.job(before).place.claims.take(mine, before)
    await stage.call("changeGlobalOption", {name: own})
    assert not stage.job(after).place.claims.take(own, after)
    assert stage.job(before).place.claims.take(mine, before)


async def test_a_place_that_a_caller_chose_is_not_the_users(stage: Stage) -> None:
    for changed, trusted in (({"split": "2"}, True), ({"dir": "/x"}, False), ({"out": "x"}, False)):
        gid = stage.session.add([URI], {}, trusted=True).gid
        await stage.call("changeOption", gid, changed)
        assert stage.session.find(gid).request.trusted is trusted


async def test_parameterized_uris_are_bounded_over_the_whole_call(stage: Stage) -> None:
    given = {"parameterized-uri": "true", "pause": "true"}
    texts = [f"http://h/{number}/[1-9999]" for number in range(2)]
    assert "more than 10000 URIs" in await stage.error("addUri", texts, given)
    assert "more than 16 MiB" in await stage.error("addUri", ["http://h/" + "x" * 2000 + "[1-9999]"], given)
