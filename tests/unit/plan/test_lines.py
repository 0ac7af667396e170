"""Lines of URIs as aria2c 1.37 showed them, and that thousands of them cost little."""

from __future__ import annotations

from slasshy_rpc.plan.lines import MOST_USED, Lines

A, B, C = "http://a:1/f", "http://b/f", "http://u:p@[::1]:9/f"


def shown(lines: Lines) -> tuple[list[str], list[str]]:
    """Used ones and waiting ones."""
    views = lines.views()
    return [view.uri for view in views if view.used], [view.uri for view in views if not view.used]


def test_a_connection_takes_a_line_and_keeps_it_until_all_end() -> None:
    lines = Lines([A, B, A])
    lines.take(A)
    assert shown(lines) == ([A], [B, A])
    lines.leave(A)
    lines.take(A)  # goes on
    assert shown(lines) == ([A], [B, A])
    lines.take(B)
    lines.put_back()
    assert shown(lines) == ([A, B], [B, A, A])
    lines.put_back()
    assert len(lines) == 5


def test_used_ones_wait_again_when_none_is_left() -> None:
    lines = Lines([], [B, A, B])
    lines.take(B)
    assert shown(lines) == ([B, A, B, B], [A])
    lines = Lines([], [A], reuse=False)
    lines.take(A)
    assert shown(lines) == ([A, A], [])


def test_what_failed_is_neither_listed_as_waiting_nor_used_again_unless_it_is_added() -> None:
    lines = Lines([A, B, A])
    lines.take(A)
    lines.leave(A)
    lines.fail(A)
    lines.take(B)
    assert shown(lines) == ([A, B], [])
    assert lines.has_failed(A)
    lines.run_short(1)
    assert shown(lines) == ([A, B], [B])
    assert lines.order([A, B]) == [B]
    lines.insert([A], 0)
    assert lines.order([A, B]) == [A, B]
    assert lines.next_up() == A


def test_failed_ones_are_better_than_none() -> None:
    lines = Lines([A])
    lines.take(A)
    lines.fail(A)
    assert lines.order([A]) == [A]
    assert lines.next_up() == ""


def test_running_short_brings_back_other_hosts_once_all_are_there() -> None:
    lines = Lines([A, A + "2", B, C])
    for uri in (A, B, C):
        lines.take(uri)
    lines.run_short(4)
    assert shown(lines)[1] == [A + "2"]
    lines.insert([B + "2"])
    lines.take(B)  # the fourth
    assert shown(lines) == ([A, B, C, B], [A + "2", B + "2", A, C])


def test_lines_are_withdrawn_one_for_each_mention_used_ones_first() -> None:
    lines = Lines([A, B, A], [A, A])
    lines.take(A)
    assert shown(lines) == ([A, A, A], [B, A])
    wanted = [A, A, "nobody", B]
    assert lines.matches(wanted) == 3
    lines.withdraw(wanted)
    assert shown(lines) == ([A], [A])
    assert lines.orphans() == [A]
    assert lines.orphans() == []
    lines.put_back()
    assert shown(lines) == ([A], [A])


def test_a_line_that_a_closed_connection_left_goes_with_it() -> None:
    lines = Lines([A])
    lines.take(A)
    lines.leave(A)
    lines.withdraw([A])
    lines.put_back()
    assert len(lines) == 0


def test_lines_are_added_among_those_that_wait() -> None:
    lines = Lines([A, B], [C])
    lines.insert(["n", "m"], 1)
    lines.insert(["o"], 99)
    lines.insert(["p"])
    assert shown(lines) == ([C], [A, "n", "m", B, "o", "p"])


def test_what_was_shown_is_what_comes_back() -> None:
    lines = Lines([A, B], [C, C])
    assert shown(Lines.of(lines.views())) == shown(lines)


def test_used_lines_are_bounded() -> None:
    lines = Lines([A])
    for _ in range(MOST_USED + 50):
        lines.take(A)
        lines.put_back()
    assert len(shown(lines)[0]) == MOST_USED


class Compared(str):
    """A text that counts how often it is compared with another."""

    times = 0

    def __eq__(self, other: object) -> bool:
        Compared.times += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_withdrawing_many_looks_at_each_a_few_times() -> None:
    lines = Lines([Compared(number) for number in range(2000)])
    wanted = [Compared(number) for number in reversed(range(2000))]
    assert lines.matches(wanted) == 2000
    lines.withdraw(wanted)
    assert len(lines) == 0
    assert Compared.times < 40_000


def test_no_uri_is_lost_to_how_many_lines_are_kept() -> None:
    uris = [f"http://{number}.test/f" for number in range(MOST_USED + 100)]
    lines = Lines(uris)
    for uri in uris:
        lines.take(uri)
    assert {view.uri for view in lines.views()} == set(uris)
    for uri in uris[1:]:
        lines.fail(uri)
    for _ in range(MOST_USED):
        lines.take("http://more.test/f")
    assert uris[0] in {view.uri for view in lines.views()}
