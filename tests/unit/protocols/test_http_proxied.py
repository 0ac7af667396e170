"""Downloads through proxies: which requests share a connection, what a redirect takes along, and where secrets go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from slasshy_rpc.errors import ErrorCode
from tests.support.behaviour import Behaviour
from tests.support.certs import Certificates
from tests.support.fetcher import Fetcher
from tests.support.origin import Origin
from tests.support.proxy import HttpProxy, SocksProxy, basic

MIB = 1 << 20


@pytest_asyncio.fixture
async def fetcher(tmp_path: Path) -> AsyncIterator[Fetcher]:
    one = Fetcher(tmp_path)
    yield one
    await one.close()


async def fetched(fetcher: Fetcher, url: str, **options: str) -> None:
    """It ends well."""
    done = await fetcher.fetch(url, **options)
    assert done.error is None, done.error


async def test_one_connection_to_a_proxy_serves_every_server(fetcher: Fetcher, origin: Origin) -> None:
    origin.serve("/f", data=b"hello")
    here = ("127.0.0.1", origin.port)
    with HttpProxy(hosts={"a.example": here, "b.example": here}) as one:
        for number, host in enumerate(("a.example", "b.example", "a.example")):
            await fetched(fetcher, f"http://{host}/f", out=str(number), all_proxy=one.url())
        assert [asked.target for asked in one.asked] == [f"http://{x}.example/f" for x in "aba"]
        assert one.connections == 1


async def test_no_connection_serves_who_came_another_way(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", data=b"hello")
    with HttpProxy() as one, HttpProxy() as two, SocksProxy() as socks:
        ways: list[dict[str, str]] = [
            {},
            {"all_proxy": one.url()},
            {"all_proxy": two.url()},
            {"all_proxy": one.url("u:p")},
            {"all_proxy": one.url("u:q")},
            {"all_proxy": one.url(), "proxy_method": "tunnel"},
            {"all_proxy": one.url("u:p"), "proxy_method": "tunnel"},
            {"all_proxy": socks.url()},
            {"all_proxy": socks.url(scheme="socks5h")},
        ]
        for turn in range(2):
            for number, way in enumerate(ways):
                await fetched(fetcher, url, out=f"{turn}{number}", **way)
        assert (one.connections, two.connections, socks.connections) == (5, 1, 2)
        kept = [asked.header("Proxy-Authorization") for asked in one.asked]
        nobody, first, second = None, basic("u", "p"), basic("u", "q")
        assert kept == [nobody, first, second, nobody, first, nobody, first, second]
        assert [asked.method for asked in one.asked].count("CONNECT") == 2


async def test_tunnels_of_two_servers_are_two(fetcher: Fetcher, origin: Origin) -> None:
    origin.serve("/f", data=b"hello")
    here = ("127.0.0.1", origin.port)
    with HttpProxy(hosts={"a.example": here, "b.example": here}) as one:
        for number, host in enumerate(("a.example", "b.example", "a.example")):
            await fetched(fetcher, f"http://{host}/f", out=str(number), http_proxy=one.url(), proxy_method="tunnel")
        assert [asked.target for asked in one.asked] == ["a.example:80", "b.example:80"]


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_many_connections_over_tls(
    fetcher: Fetcher, secure_origin: Origin, certificates: Certificates, kind: str
) -> None:
    url = secure_origin.serve("/f", length=4 * MIB, seed=3, behaviour=Behaviour(rate=4 * MIB))
    with HttpProxy(login=("u", "p")) as plain, SocksProxy(login=("u", "p")) as socks:
        one = plain if kind == "http" else socks
        done = await fetcher.fetch(
            url,
            https_proxy=one.url(),
            https_proxy_user="u",
            https_proxy_passwd="p",
            ca_certificate=str(certificates.authority),
            split="4",
            min_split_size="1048576",
        )
        assert done.error is None, done.error
        assert done.path.read_bytes() == secure_origin.content("/f").slice(0, 4 * MIB)
        assert one.connections >= 2


async def test_every_hop_chooses_anew(fetcher: Fetcher, origin: Origin) -> None:
    last = origin.serve("/c", data=b"hello")
    origin.serve("/b", behaviour=Behaviour(redirect=last))
    first = origin.serve("/a", behaviour=Behaviour(redirect="http://far.example/b"))
    with HttpProxy(hosts={"far.example": ("127.0.0.1", origin.port)}) as one:
        await fetched(fetcher, first, http_proxy=one.url(), no_proxy=".near, 127.0.0.0/30")
        assert [asked.target for asked in one.asked] == ["http://far.example/b"]
    assert [seen.path for seen in origin.requests()] == ["/a", "/b", "/c"]


async def test_credentials_stay_where_they_belong(
    fetcher: Fetcher, origin: Origin, secure_origin: Origin, certificates: Certificates
) -> None:
    last = secure_origin.serve("/f", data=b"hello")
    origin.serve("/a", behaviour=Behaviour(redirect="http://far.example/b"))
    origin.serve("/b", behaviour=Behaviour(redirect=last))
    with HttpProxy(hosts={"far.example": ("127.0.0.1", origin.port)}) as plain, HttpProxy() as tunnels:
        await fetched(
            fetcher,
            "http://me:pw@far.example/a",
            http_proxy=plain.url("u:p"),
            https_proxy=tunnels.url(),
            ca_certificate=str(certificates.authority),
            header="X-Token: t\nProxy-Thing: x\nY: z",
        )
        (asked, again) = plain.asked
        (tunnel,) = tunnels.asked
    assert (asked.target, again.target) == ("http://far.example/a", "http://far.example/b")
    for one in (asked, again):
        assert one.header("Authorization") == basic("me", "pw")
        assert one.header("Proxy-Authorization") == basic("u", "p")
        assert (one.header("Proxy-Thing"), one.header("X-Token")) == ("x", "t")
    assert [name for name, _ in tunnel.headers] == ["User-Agent", "Host"]
    (seen,) = secure_origin.requests()
    assert [seen.header(name) for name in ("authorization", "x-token", "proxy-thing", "y")] == [None, None, None, "z"]
    assert not any(seen.header("proxy-authorization") for seen in origin.requests())


async def test_a_header_for_the_proxy_goes_to_no_server(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", data=b"hello")
    await fetched(fetcher, url, header="Proxy-Authorization: Basic x")
    (seen,) = origin.requests()
    assert seen.header("proxy-authorization") is None


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({}, ErrorCode.BAD_RESPONSE, "^The response status is not successful. status=407 The proxy .* wants a user"),
        ({"proxy_method": "tunnel"}, ErrorCode.UNKNOWN, "^Proxy connection failed. The proxy .* wants a user"),
        ({"http_proxy_user": "u", "http_proxy_passwd": "s3cret"}, ErrorCode.BAD_RESPONSE, "does not accept the user"),
    ],
)
async def test_a_proxy_that_wants_a_password_is_asked_once(
    fetcher: Fetcher, origin: Origin, options: dict[str, str], code: ErrorCode, words: str
) -> None:
    url = origin.serve("/f", data=b"hello")
    with HttpProxy(login=("u", "p")) as one:
        done = await fetcher.fetch(url, http_proxy=one.url(), max_tries="3", **options)
        assert len(one.asked) == 1
    assert done.error is not None
    assert done.error.code == code
    assert "s3cret" not in str(done.error)
    with pytest.raises(type(done.error), match=words):
        raise done.error


async def test_failures_on_the_way_name_the_proxy(fetcher: Fetcher, origin: Origin) -> None:
    url = origin.serve("/f", data=b"hello")
    with HttpProxy(silent=True) as one:
        done = await fetcher.fetch(url, http_proxy=one.url(), timeout="1", max_tries="1")
        assert done.error is not None
        assert done.error.code == ErrorCode.TIMEOUT
        assert f"{one.place} is the proxy" in str(done.error)
    done = await fetcher.fetch(url, http_proxy="http://u:s3cret@a..b", max_tries="1")
    assert done.error is not None
    assert done.error.code == ErrorCode.OPTION
    assert "s3cret" not in str(done.error)
    assert not origin.requests()
