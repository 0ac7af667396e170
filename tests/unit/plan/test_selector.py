"""Which mirror is asked under each rule, and what downloads teach about servers."""

from __future__ import annotations

import pytest

from slasshy_rpc.errors import DownloadError, ErrorCode, ProxyFault, SourceError, Unreachable
from slasshy_rpc.plan.lines import Lines
from slasshy_rpc.plan.origin import Origin, Origins
from slasshy_rpc.plan.selector import Selector
from slasshy_rpc.plan.sources import Source, choose, vacancies

NOW = 2_000_000_000.0
DAY = 86400
FAST = 1 << 20


def mirrors(rule: str, *hosts: str, known: str = "") -> tuple[list[Source], Origins]:
    """Sources on those hosts; ``known`` are lines of ``line``."""
    origins = Origins(lambda: NOW)
    origins.load(known)
    lines, selector = Lines(), Selector(rule, origins)
    return [Source.of(f"http://{host}/f", lines, selector) for host in hosts], origins


def line(host: str, speed: int = 0, *, average: int = 0, reached: bool = True, days: int = 0, counter: int = 1) -> str:
    return Origin(host, "http", speed, average, 0, int(NOW) - days * DAY, counter, reached).line()


def order(sources: list[Source], count: int, per_host: int = 16) -> str:
    """The hosts that so many Connections ask, one after the other, as letters."""
    asked = []
    for _ in range(count):
        source = choose(sources, per_host)
        assert source is not None
        source.join()
        asked.append(source.server[0])
    return "".join(asked)


@pytest.mark.parametrize("rule", ["inorder", "feedback", "adaptive"])
def test_unknown_ones_are_asked_as_listed(rule: str) -> None:
    assert order(mirrors(rule, "c", "a", "b")[0], 6) == "cabcab"


def test_inorder_does_not_look_at_speeds() -> None:
    assert order(mirrors("inorder", "a", "b", known=line("b", FAST) + line("a", reached=False))[0], 3) == "aba"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (line("b", FAST), "bacbac"),
        (line("b", FAST) + line("c", FAST + 1), "cbacba"),
        (line("b", 20 * 1024) + line("c", 20 * 1024 + 1), "cabcba"),  # slow ones have no precedence, until all are busy
        (line("a", FAST, reached=False), "bcbc"),
        (line("a", reached=False) + line("b", reached=False) + line("c", reached=False), "abcabc"),
    ],
)
def test_feedback(known: str, expected: str) -> None:
    assert order(mirrors("feedback", "a", "b", "c", known=known)[0], len(expected)) == expected


def test_feedback_asks_a_lost_one_when_the_others_are_full() -> None:
    assert order(mirrors("feedback", "a", "b", known=line("a", reached=False))[0], 3, per_host=2) == "bba"


def test_feedback_spares_hosts_that_other_downloads_ask() -> None:
    sources, origins = mirrors("feedback", "a", "b")
    other = Source.of("http://a/other", Lines(), Selector("inorder", origins))
    other.join()
    other.join()
    assert order(sources, 5) == "babab", "yet no mirror is left to the others"
    other.leave()
    other.leave()
    assert origins.connections == {"a": 2, "b": 3}
    sources[1].leave()
    for source in sources:
        source.leave()
    for source in sources:
        source.leave()
    assert not origins.connections


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        # Until three are known, those that are not.
        (line("a", average=9) + line("b", average=8), "cdcd"),
        # Then the best, with those in turn that are hardly slower; what is not known gets one Connection.
        ("".join(line(host, average=speed) for host, speed in zip("abc", (90, 10, 100), strict=True)), "adca"),
        ("".join(line(host, average=speed) for host, speed in zip("abc", (74, 10, 100), strict=True)), "cdcc"),
        # All are known: what was not used for long gets one, if it is due.
        ("".join(line(host, average=100 if host == "d" else 9, days=3, counter=n)
                 for host, n in zip("abcd", (2, 1, 2, 0), strict=True)), "dbdd"),
        ("".join(line(host, average=100 if host == "d" else 9, days=999, counter=9) for host in "abcd"), "dddd"),
        ("".join(line(host, average=100 if host == "d" else 9, days=999, counter=8) for host in "abcd"), "dabc"),
    ],
)  # fmt: skip
def test_adaptive(known: str, expected: str) -> None:
    assert order(mirrors("adaptive", "a", "b", "c", "d", known=known)[0], 4) == expected


def test_speeds_are_learnt_when_the_download_ends() -> None:
    (a, b), origins = mirrors("feedback", "a", "b")
    a.join()
    b.join()
    a.leave(1000, 1.0)
    b.leave()
    a.join()
    a.leave(4000, 2.0)
    assert not list(origins)
    a.selector.learn()
    assert list(origins) == [Origin("a", "http", 2000, 0, 2000, int(NOW), 1)]
    a.join()
    a.selector.learn()
    assert list(origins) == [Origin("a", "http", 2000, 0, 2000, int(NOW), 1)], "nothing new came"


def test_one_connection_after_the_other_is_a_single_one() -> None:
    (a,), origins = mirrors("feedback", "a")
    a.join()
    a.leave()
    a.join()
    a.leave(10, 0.005)
    a.join()
    a.leave(10_000_000, 0.004)  # too short to tell
    a.selector.learn()
    assert list(origins) == [Origin("a", "http", 2000, 2000, 0, int(NOW), 1)]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (Unreachable("refused"), True),
        (SourceError("slow", ErrorCode.TIMEOUT), True),
        (SourceError("who?", ErrorCode.NAME_RESOLUTION), True),
        (SourceError("gone", ErrorCode.NOT_FOUND), False),
        (ProxyFault("no proxy", ErrorCode.NAME_RESOLUTION), False),
        (DownloadError("odd"), False),
    ],
)
def test_what_counts_as_lost(error: DownloadError, lost: bool) -> None:
    (a,), origins = mirrors("feedback", "a")
    a.report(error)
    assert [one.reached for one in origins] == ([False] if lost else [])


def test_one_that_serves_this_file_is_not_lost() -> None:
    (a, b), origins = mirrors("feedback", "a", "b")
    for source in (a, a, b):
        source.join()
    still = SourceError("stands still", ErrorCode.TIMEOUT)
    a.report(still)
    assert not list(origins)
    a.leave()
    a.report(still)
    a.leave()
    assert [one.host for one in origins if not one.reached] == ["a"]
    assert choose([a, b], 16) is b


def test_no_line_is_used_again() -> None:
    uris = ["http://a/f", "http://b/f", "http://a/f"]
    lines, selector = Lines(uris, reuse=False), Selector()
    a, b = (Source.of(uri, lines, selector) for uri in uris[:2])
    assert vacancies([a, b], 16) == 3
    assert order([a, b], 3) == "aba"
    assert (choose([a, b], 16), vacancies([a, b], 16)) == (None, 0)
    a.leave()
    assert (choose([a, b], 16), vacancies([a, b], 16)) == (a, 1)
    lines.withdraw(["http://b/f"])
    b.leave()
    assert choose([b], 16) is b, "one Connection is always possible"
