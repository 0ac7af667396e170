"""GIDs and abbreviations."""

from __future__ import annotations

import re

import pytest

from slasshy_rpc.errors import RpcError
from slasshy_rpc.session import gid

TABLE = {"00000000000000a1": 1, "00000000000000b2": 2, "ffffffffffffffff": 3}


def test_fresh_ones_are_16_hex_digits_and_free() -> None:
    made = gid.fresh({})
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert made.strip("0")


def test_fresh_passes_over_zero_and_taken_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gid, "_DRAWN", ["0000000000000007", f"{0xA1:016x}", "0" * 16])
    assert gid.fresh(TABLE) == "0000000000000007"


def test_no_number_is_given_twice() -> None:
    found = [gid.fresh(TABLE) for _ in range(1000)]
    assert len(set(found)) == 1000
    assert all(gid.normalised(one) == one for one in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [("FFFFFFFFFFFFFFFF", 3), ("f", 3), ("00000000000000A", 1), ("00000000000000b2", 2)],
)
def test_found(text: str, found: int) -> None:
    assert gid.find(text, TABLE) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid GID "),
        ("zz", "Invalid GID zz"),
        ("00000000000000a1f", "Invalid GID 00000000000000a1f"),
        ("a\n", "Invalid GID a\n"),
        ("0", "GID 0 is not unique"),
        ("Abc", "GID Abc is not found"),
        ("00000000000000c3", "GID 00000000000000c3 is not found"),
    ],
)
def test_not_found(text: str, message: str) -> None:
    with pytest.raises(RpcError) as caught:
        gid.find(text, TABLE)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["0000000000000000", "abc", "00000000000000a1f", "g000000000000000", ""])
def test_malformed(text: str) -> None:
    assert gid.normalised(text) is None


def test_spelling() -> None:
    assert gid.normalised("ABCDEF0123456789") == "abcdef0123456789"
