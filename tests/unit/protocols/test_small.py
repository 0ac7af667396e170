"""Small bodies in memory: how large they may be, and how long they may take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from slasshy_rpc.errors import DownloadError, ErrorCode
from tests.support.behaviour import Behaviour, Framing
from tests.support.fetcher import Fetcher
from tests.support.origin import Origin


@pytest_asyncio.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[Fetcher]:
    one = Fetcher(tmp_path)
    yield one
    await one.close()


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_as_much_as_there_may_be_and_no_more(fetcher: Fetcher, origin: Origin, framing: Framing) -> None:
    url = origin.serve("/f", length=1000, behaviour=Behaviour(framing=framing))
    assert await fetcher.small(url, 1000) == origin.content("/f").slice(0, 1000)
    with pytest.raises(DownloadError, match="more than the 999 bytes"):
        await fetcher.small(url, 999)


async def test_a_body_without_an_end_is_left(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", length=1 << 40, behaviour=Behaviour(framing="chunked", rate=1 << 20))
    with pytest.raises(DownloadError, match="more than the 999 bytes"):
        await fetcher.small(url, 999)
    assert origin.sent("/f") < 1 << 20


async def test_one_that_is_compressed_counts_as_what_it_unfolds_to(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", data=bytes(1000), behaviour=Behaviour(gzip=True))
    assert await fetcher.small(url, 1000) == bytes(1000)
    with pytest.raises(DownloadError, match="more than the 999 bytes"):
        await fetcher.small(url, 999)


async def test_nothing_is_something(fetcher: Fetcher, origin: Origin) -> None:
    assert await fetcher.small(origin.serve("/f", data=b""), 10) == b""


@pytest.mark.parametrize(
    ("behaviour", "code", "says"),
    [
        (Behaviour(hold_at=5), ErrorCode.TIMEOUT, "within 1 seconds"),
        (Behaviour(status=404), ErrorCode.NOT_FOUND, ""),
        (Behaviour(fail_after=5), ErrorCode.UNKNOWN, "EOF"),
        (Behaviour(framing="chunked", fail_after=5), ErrorCode.UNKNOWN, "EOF"),
    ],
)
async def test_what_goes_wrong(
    fetcher: Fetcher, origin: Origin, behaviour: Behaviour, code: ErrorCode, says: str
) -> None:
    with pytest.raises(DownloadError) as caught:
        await fetcher.small(origin.serve("/f", length=100, behaviour=behaviour), 100)
    assert caught.value.code == code
    assert says in str(caught.value)


async def test_it_is_asked_for_as_the_user_is_and_without_what_is_for_the_uris(
    fetcher: Fetcher, origin: Origin
) -> None:
    url = origin.serve("/f", length=10)
    await fetcher.small(url, 10, user_agent="Me/1", referer="http://x.test/", http_user="u", http_passwd="p")
    (seen,) = origin.requests("/f")
    told = (seen.header("user-agent"), seen.header("referer"), seen.header("authorization"))
    assert told == ("Me/1", None, None)
