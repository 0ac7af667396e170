"""Windows and positions; the texts of wrong parameters are in the contract tests."""

from __future__ import annotations

import pytest

from slasshy_rpc.api import params


@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, 2, [1, 2]),
        (3, 9, [4, 5]),
        (5, 1, []),
        (9, 1, []),
        (0, 0, []),
        (-1, 3, [5, 4, 3]),
        (-2, 2, [4, 3]),
        (-5, 5, [1]),
        (-6, 6, []),
        (-1, 0, []),
    ],
)
def test_window(offset: int, count: int, expected: list[int]) -> None:
    items = [1, 2, 3, 4, 5]
    start, end, backwards = params.window(5, offset, count)
    found = items[start:end]
    assert (found[::-1] if backwards else found) == expected
