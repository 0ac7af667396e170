"""Parameterized URIs, as aria2c 1.37 answered them."""

from __future__ import annotations

import pytest

from slasshy_rpc.errors import RpcError
from slasshy_rpc.session.expand import MOST, expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("{a,b}", ["a", "b"]),
        ("{ x , y }", ["x", "y"]),
        ("{a,,b}", ["a", "b"]),
        ("{}", []),
        ("[1-3]", ["1", "2", "3"]),
        ("[08-10]", ["08", "09", "10"]),
        ("[01-3]", ["1", "2", "3"]),
        ("[001-10:9]", ["1", "10"]),
        ("[0-10:5]", ["0", "5", "10"]),
        ("[A-E:2]", ["A", "C", "E"]),
        ("[aa-ac]", ["aa", "ab", "ac"]),
        ("[az-bb]", ["az", "ba", "bb"]),
        ("x[3-1]", ["x"]),
        ("[c-a]", [""]),
        ("{a}{b,c}[1-2]", ["ab1", "ab2", "ac1", "ac2"]),
        ("a]b", ["a]b"]),
        ("a}b", ["a}b"]),
        ("http://[::1]/[1-2]", ["http://[::1]/1", "http://[::1]/2"]),
    ],
)
def test_expands(text: str, expected: list[str]) -> None:
    assert expand(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a", "Missing '}' in the parameterized string."),
        ("[1-", "Missing ']' in the parameterized string."),
        ("[1]", "Loop range missing."),
        ("[1-]", "Invalid loop range."),
        ("[1-a]", "Invalid loop range."),
        ("[a-Z]", "Invalid loop range."),
        ("[A-c]", "Invalid loop range."),
        ("[1-2-3]", "Invalid loop range."),
        ("[1-3:]", "A step count must be a positive number."),
        ("[1-3:x]", "A step count must be a positive number."),
        ("[1-3:0]", "A step count must be a positive number."),
        ("[1-999999999]", f"The parameterized string stands for more than {MOST} URIs."),
        ("[1-1000][1-1000]", f"The parameterized string stands for more than {MOST} URIs."),
        ("[aaaaaaaa-zzzzzzzz]", f"The parameterized string stands for more than {MOST} URIs."),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(RpcError) as caught:
        expand(text)
    assert str(caught.value) == message
