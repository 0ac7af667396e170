"""Which validators speak of the same bytes."""

from __future__ import annotations

import pytest

from slasshy_rpc.plan.version import same_version

OLD, NEW = "Wed, 01 Jan 2020 00:00:00 GMT", "Thu, 02 Jan 2020 00:00:00 GMT"


@pytest.mark.parametrize(
    ("first", "now", "strong", "weak"),
    [
        (("a", OLD), ("a", OLD), True, True),
        (("a", OLD), ("a", NEW), True, False),
        (("a", OLD), ("a", ""), True, True),
        (("a", OLD), ("b", OLD), True, True),  # another node of the site
        (("a", OLD), ("b", NEW), False, False),
        (("a", ""), ("b", ""), False, False),
        (("a", OLD), ("b", ""), False, False),
        (("a", OLD), ("", OLD), True, True),
        (("a", OLD), ("", NEW), False, False),
        (("a", OLD), ("", ""), True, True),  # nothing speaks against it
        (("", ""), ("", ""), True, True),
    ],
)
def test_the_rule(first: tuple[str, str], now: tuple[str, str], strong: bool, weak: bool) -> None:
    assert same_version(first, now) is same_version(now, first) is strong
    assert same_version(first, now, weak=True) is same_version(now, first, weak=True) is weak
    as_digests = [(tag.encode(), date.encode()) for tag, date in (first, now)]
    assert same_version(*as_digests) is strong
