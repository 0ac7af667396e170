"""Which mirror comes next, how long a failure is waited out, and what a speed is."""

from __future__ import annotations

import pytest

from slasshy_rpc.errors import DownloadError, Retry
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.retry import LONGEST, PATIENCE, RetryRules, pause
from slasshy_rpc.plan.selector import Selector
from slasshy_rpc.plan.sources import Source, choose, connection_limit, vacancies
from slasshy_rpc.plan.speed import WINDOW, Speed


def source(host: str, connections: int = 0, *, dead: bool = False) -> Source:
    return Source(f"{host}/f", host, connections=connections, fault=DownloadError("gone") if dead else None)


def test_the_least_busy_living_source_is_chosen() -> None:
    a, b, c = source("http://a", 2), source("http://b", 1), source("http://c", dead=True)
    assert choose([a, b, c], 4) is b
    assert choose([a, b, c], 4, avoid=b) is a
    assert choose([b, c], 4, avoid=b) is b
    assert choose([c], 4) is None


def test_mirrors_on_one_host_share_its_limit() -> None:
    a, b, other = source("http://a", 2), source("http://a", 1), source("http://b", 3)
    assert choose([a, b, other], 3) is None
    assert choose([a, b, other], 4) is b
    assert connection_limit([a, b, other], 16, 4) == 8
    assert connection_limit([a, b, other], 5, 4) == 5
    assert connection_limit([source("http://a", dead=True)], 5, 4) == 0


def test_who_is_not_asked_counts_for_his_host_all_the_same() -> None:
    a, other, beside = source("http://a", 1), source("http://b", 3), source("http://a", 2)
    assert choose([a, other], 3, beside=[beside]) is None
    assert choose([a, other], 4, beside=[beside]) is a
    assert (vacancies([a, other], 4), vacancies([a, other], 4, beside=[beside])) == (4, 2)


def test_the_failure_of_one_that_was_withdrawn_is_not_that_of_its_uri() -> None:
    lines = Lines(["http://a/x"])
    old, new = (Source.of("http://a/x", lines, Selector()) for _ in range(2))
    old.withdrawn = True
    old.fail(DownloadError("gone"))
    assert (old.alive, lines.has_failed("http://a/x")) == (False, False)
    new.fail(DownloadError("gone"))
    assert lines.has_failed("http://a/x")


def error(retry: Retry, after: float | None = None) -> DownloadError:
    return DownloadError("x", retry=retry, retry_after=after)


@pytest.mark.parametrize("retry", [Retry.NEVER, Retry.NEXT_SOURCE])
def test_only_the_same_source_is_waited_for(retry: Retry) -> None:
    assert pause(RetryRules(), error(retry), 1) is None


def test_max_tries() -> None:
    again = error(Retry.SAME_SOURCE)
    assert [pause(RetryRules(3), again, n) is not None for n in (1, 2, 3, 4)] == [True, True, False, False]
    assert pause(RetryRules(0), again, 10_000) is not None


def test_waits_grow_and_are_bounded() -> None:
    again = error(Retry.SAME_SOURCE)
    waits = [pause(RetryRules(0), again, n) or 0 for n in range(1, 30)]
    assert waits[0] < 0.5
    assert all(LONGEST <= wait <= LONGEST * 1.25 for wait in waits[10:])
    assert 7 <= (pause(RetryRules(0, 7.0), again, 20) or 0) <= 7 * 1.25


def test_retry_after_is_obeyed_within_reason() -> None:
    assert (pause(RetryRules(), error(Retry.SAME_SOURCE, 20), 1) or 0) >= 20
    assert (pause(RetryRules(), error(Retry.SAME_SOURCE, 1e9), 1) or 0) <= PATIENCE * 1.25


def test_speed_is_that_of_the_last_seconds() -> None:
    speed = Speed()
    assert speed.rate() == 0
    for tick in range(0, 101):
        now = tick / 10
        speed.note(now, int(1000 * now) if now <= 5 else int(5000 + 9000 * (now - 5)))
    assert speed.rate() == pytest.approx(9000, rel=0.01)
    assert WINDOW <= speed.span() <= WINDOW + 0.5
    speed.clear()
    assert (speed.rate(), speed.span()) == (0, 0)


def test_speed_falls_to_nothing_when_nothing_comes() -> None:
    speed = Speed()
    for tick in range(0, 60):
        speed.note(tick / 4, min(10_000, tick * 1000))
    assert speed.rate() == 0


def test_a_mirror_that_a_server_named_is_not_listed() -> None:
    lines = Lines(["http://a/x"])
    given = Source.of("http://a/x", lines, Selector())
    mirror = given.mirror("HTTP://b:8/x")
    again = mirror.mirror("http://c/x")
    assert not given.named
    assert (mirror.named, mirror.home, mirror.host) == (True, "http://a/x", "http://b:8")
    assert again.home == "http://a/x"  # whose credentials these are does not change on the way
    mirror.join()
    assert [view.uri for view in lines.views()] == ["http://a/x"]
