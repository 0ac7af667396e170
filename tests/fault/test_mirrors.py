"""Several Sources, and Sources that lead elsewhere: redirects, dead mirrors, and servers with and without ranges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slasshy_rpc.errors import ErrorCode
from slasshy_rpc.plan.sources import Source
from slasshy_rpc.protocols.crew import Crew
from tests.support.behaviour import Behaviour, after, first, nth
from tests.support.certs import Certificates
from tests.support.fetcher import Fetcher
from tests.support.origin import Origin

MIB = 1 << 20
LENGTH = 6 * MIB + 4321
NAME = "/file.bin"


@pytest.fixture
def other() -> Iterator[Origin]:
    """A second origin: another port, so another origin in every sense."""
    with Origin() as one:
        yield one


def assert_exact(origin: Origin, path: Path) -> None:
    assert origin.content(NAME).difference(path) is None


# ---- redirects


async def test_a_redirect_leads_to_the_other_origin(fetcher: Fetcher, origin: Origin, other: Origin) -> None:
    """The first server keeps its connection open: it is never taken for one to the second."""
    target = other.serve(NAME, length=LENGTH)
    origin.serve(NAME, length=LENGTH, seed=1)
    done = await fetcher.fetch(origin.serve("/here", behaviour=Behaviour(redirect=target)), split="1")
    assert done.error is None
    assert_exact(other, done.path)
    assert [seen.path for seen in origin.requests()] == ["/here"]


async def test_from_http_to_https_nothing_goes_in_the_clear(
    fetcher: Fetcher, origin: Origin, secure_origin: Origin, certificates: Certificates, tmp_path: Path
) -> None:
    """The same path on the same host, as servers do it that move everybody to https; credentials are for the latter."""
    secure_origin.serve(NAME, length=LENGTH)
    target = f"https://localhost:{secure_origin.port}{NAME}"
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password secret\n")
    netrc.chmod(0o600)
    url = origin.serve(NAME, behaviour=Behaviour(redirect=target, redirect_status=301))
    done = await fetcher.fetch(url, ca_certificate=str(certificates.authority), netrc_path=str(netrc))
    assert done.error is None
    assert_exact(secure_origin, done.path)
    assert len(origin.requests()) == 1
    assert origin.requests()[0].header("authorization") is None
    assert all(seen.header("authorization") for seen in secure_origin.requests())


async def test_headers_that_are_for_one_origin_do_not_go_to_another(
    fetcher: Fetcher, origin: Origin, other: Origin
) -> None:
    target = other.serve(NAME, length=1000)
    mine = ("Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Password", "Host", "X-Harmless")
    header = "\n".join(f"{name}: {name}-value" for name in mine)
    done = await fetcher.fetch(origin.serve("/here", behaviour=Behaviour(redirect=target)), header=header)
    assert done.error is None
    here, there = origin.requests()[0], other.requests()[0]
    assert [here.header(name) for name in mine] == [f"{name}-value" for name in mine]
    assert [there.header(name) for name in mine] == [None] * 5 + [f"127.0.0.1:{other.port}", "X-Harmless-value"]


async def test_empty_headers_are_not_sent(fetcher: Fetcher, origin: Origin) -> None:
    """One would end the head, and what follows would be a body, or another request."""
    done = await fetcher.fetch(origin.serve(NAME, length=1000), header="\n\nA: b\n \n\nC: d\n\n")
    assert done.error is None
    (seen,) = origin.requests()
    assert (seen.header("a"), seen.header("c")) == ("b", "d")


# ---- mirrors


async def test_a_dead_mirror_costs_nothing_where_each_host_may_have_one_connection(
    fetcher: Fetcher, origin: Origin, other: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Connection finds no room at the other host and ends; it does not ask again and again."""
    asked = 0
    choose = Crew.choose_source

    def counted(self: Crew, avoid: Source | None = None) -> object:
        nonlocal asked
        asked += 1
        return choose(self, avoid)

    monkeypatch.setattr(Crew, "choose_source", counted)
    good = origin.serve(NAME, length=LENGTH, behaviour=Behaviour(rate=12 * MIB))
    dead = other.serve(NAME, behaviour=Behaviour(status=404))
    done = await fetcher.fetch(good, dead, split="5", max_connection_per_server="1")
    assert done.error is None
    assert_exact(origin, done.path)
    assert asked < 20


async def test_a_mirror_without_ranges_is_passed_over(fetcher: Fetcher, origin: Origin, other: Origin) -> None:
    good = origin.serve(NAME, length=LENGTH, behaviour=Behaviour(rate=8 * MIB))
    whole = other.serve(NAME, length=LENGTH, behaviour=Behaviour(ranges=False))
    done = await fetcher.fetch(good, whole, split="4")
    assert done.error is None
    assert_exact(origin, done.path)


async def test_the_mirror_with_ranges_goes_on_where_the_one_without_broke_off(
    fetcher: Fetcher, origin: Origin, other: Origin
) -> None:
    broken = Behaviour(ranges=False, fail_after=2 * MIB, fail_how="reset")
    whole = origin.serve(NAME, length=LENGTH, behaviour=broken)
    good = other.serve(NAME, length=LENGTH)
    done = await fetcher.fetch(whole, good, split="2")
    assert done.error is None
    assert_exact(other, done.path)


async def test_the_fault_that_is_told_is_the_one_that_matters(fetcher: Fetcher, origin: Origin, other: Origin) -> None:
    """Not that the other mirror has other bytes."""
    good = origin.serve(NAME, length=LENGTH, behaviour=after(1, Behaviour(status=503), Behaviour(fail_after=MIB)))
    strange = other.serve(NAME, length=LENGTH + 1)
    done = await fetcher.fetch(good, strange, split="4")
    assert done.error is not None
    assert done.error.code == ErrorCode.OVERLOADED


# ---- ranges that are not what they were


@pytest.mark.parametrize("odd", [Behaviour(ignore_range=True), Behaviour(status=416)], ids=["200", "416"])
async def test_one_wrong_answer_to_a_range_gives_nothing_up(fetcher: Fetcher, origin: Origin, odd: Behaviour) -> None:
    url = origin.serve(NAME, length=LENGTH, behaviour=nth(4, odd, Behaviour(rate=4 * MIB)))
    done = await fetcher.fetch(url, split="6")
    assert done.error is None
    assert_exact(origin, done.path)
    assert sum(seen.range is None for seen in origin.requests()) == 1


@pytest.mark.parametrize("told", [True, False], ids=["Accept-Ranges: none", "no word about ranges"])
async def test_without_ranges_a_broken_download_begins_again(fetcher: Fetcher, origin: Origin, told: bool) -> None:
    headers = (("Accept-Ranges", "none"),) if told else ()
    broken = Behaviour(ranges=False, headers=headers, fail_after=2 * MIB, fail_how="reset")
    url = origin.serve(NAME, length=LENGTH, behaviour=first(1, broken, Behaviour(ranges=False, headers=headers)))
    done = await fetcher.fetch(url)
    assert done.error is None
    assert_exact(origin, done.path)


async def test_without_ranges_it_does_not_begin_again_for_ever(fetcher: Fetcher, origin: Origin) -> None:
    broken = Behaviour(ranges=False, fail_after=2 * MIB, fail_how="close")
    url = origin.serve(NAME, length=LENGTH, behaviour=broken)
    for tries, plain in (("1", 1), ("2", 2), ("0", 4)):
        before = len(origin.requests())
        done = await fetcher.fetch(url, max_tries=tries, out=tries)
        assert done.error is not None
        assert done.error.code == ErrorCode.UNKNOWN
        assert "EOF" in str(done.error)
        assert sum(seen.range is None for seen in origin.requests()[before:]) == plain
