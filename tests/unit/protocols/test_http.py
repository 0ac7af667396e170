"""Requests: what they may ask for, and which kept connections they may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from slasshy_rpc.errors import ErrorCode
from tests.support.behaviour import Behaviour
from tests.support.fetcher import Fetcher
from tests.support.origin import Origin


@pytest_asyncio.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[Fetcher]:
    one = Fetcher(tmp_path)
    yield one
    await one.close()


async def test_a_connection_that_was_not_checked_serves_nobody_who_wants_that(
    fetcher: Fetcher, secure_origin: Origin
) -> None:
    url = secure_origin.serve("/f", data=b"hello")
    done = await fetcher.fetch(url, check_certificate="false")
    assert done.error is None
    done = await fetcher.fetch(url, max_tries="1", out="g")
    assert done.error is not None
    assert len(secure_origin.requests()) == 1


async def test_a_challenge_without_an_answer_ends_it(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", behaviour=Behaviour(basic_auth=("u", "p")))
    done = await fetcher.fetch(url, http_auth_challenge="true")
    assert done.error is not None
    assert done.error.code == ErrorCode.AUTHORIZATION
    assert len(origin.requests()) == 1


async def test_no_part_of_a_compressed_body_is_asked_for(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", length=2 << 20)
    (fetcher.folder / "f").write_bytes(origin.content("/f").slice(0, 1 << 20))
    options = {"continue": "true"}
    done = await fetcher.fetch(url, http_accept_gzip="true", **options)
    assert done.error is None
    assert origin.content("/f").difference(done.path) is None
    assert {seen.header("accept-encoding") for seen in origin.requests() if seen.range} == {None}
