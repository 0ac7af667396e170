"""Parameterized URIs, as aria2c 1.37 answered them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.errors import RpcError
from slasshy_rpc.session.expand import _parsed, expand_all
from slasshy_rpc.session.uris import MOST


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
    assert expand_all([text]) == expected


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
        expand_all([text])
    assert str(caught.value) == message


def test_one_after_the_other() -> None:
    assert expand_all(["{a,b}", "c", "{}", "[1-2]"]) == ["a", "b", "c", "1", "2"]


def too_much(texts: list[str]) -> str:
    with pytest.raises(RpcError) as caught:
        expand_all(texts)
    return str(caught.value)


def test_the_bounds_hold_for_all_texts_together(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(expand_all([f"{n}[1-1000]" for n in range(10)])) == MOST
    monkeypatch.setattr("slasshy_rpc.session.expand.product", None)  # nothing is built
    assert "more than 10000 URIs" in too_much([f"{n}[1-1000]" for n in range(11)])
    assert "more than 10000 URIs" in too_much(["x"] * (MOST + 1))
    assert "more than 16 MiB" in too_much(["x" * 100_000 + "[1-9999]"])
    assert "more than 16 MiB" in too_much(["x" * 10_000 + "[1-1000]" for _ in range(2)])
    assert "more than 16 MiB" in too_much(["ä" * 3_000_000])  # %C3%A4 in a URI


def test_what_stands_for_nothing_counts_for_its_work() -> None:
    assert expand_all(["[1-5000]{}"]) == []
    assert "more than 10000 URIs" in too_much(["[1-5000]{}"] * 3)
    assert expand_all(["{}" + "[1-9999]" * 10_000]) == []  # nobody looks behind it


def test_parts_without_a_choice_are_one_part() -> None:
    assert expand_all(["{a}" * 20_000]) == ["a" * 20_000]
    assert len(_parsed("x{a}y[3-1]" * 1000 + "[1-2]" + "{b}" * 1000)) == 3


@given(st.lists(st.text("ab{}[]-:,.0159 é") | st.text(), max_size=4))
def test_any_text_is_a_list_of_uris_or_an_error(texts: list[str]) -> None:
    try:
        made = expand_all(texts)
    except RpcError:
        return
    assert len(made) <= MOST
    if not set("".join(texts)) & set("{["):
        assert made == texts
