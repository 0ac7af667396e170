"""Credentials as aria2 1.37 was observed to take them."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.rpc.basic import admits


def header(text: str | bytes, scheme: str = "Basic ") -> str:
    return scheme + b64encode(text.encode() if isinstance(text, str) else text).decode()


GOOD = header("me:pa:ss")


@pytest.mark.parametrize("given", [GOOD, f"{GOOD}=", f"{GOOD} ", f"{GOOD}, x", GOOD.replace("c ", "c  !")])
def test_good_ones(given: str) -> None:
    assert admits(given, "me", "pa:ss")


@pytest.mark.parametrize(
    "given",
    [
        None, "", "Basic", "Basic ", "Bearer x", GOOD.lower(), GOOD.replace(" ", "\t"), GOOD.removeprefix("Basic "),
        GOOD[:-1], header("me:pa"), header("me"), header("ME:pa:ss"), header("me:pa:ss\n"), header("me:pa:ss\0"),
        header(b"me:pa:s\xff"), header("me:pa:ss", "Digest "), header("me:pa:ss", "Basicx "), header(":"),
        "Basic \udcff",
    ],
)  # fmt: skip
def test_others(given: str | None) -> None:
    assert not admits(given, "me", "pa:ss")


def test_without_a_password_any_is_right() -> None:
    assert all(admits(header(text), "me", None) for text in ("me", "me:", "me:x"))
    assert not any(admits(header(text), "me", None) for text in ("", ":", "you:x"))


def test_names_beyond_ascii() -> None:
    assert admits(header("zoë:ключ"), "zoë", "ключ")


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), st.text())
def test_only_what_was_set_is_right(user: str, password: str, given: str) -> None:
    assert admits(header(f"{user}:{password}"), user, password) or ":" in user
    assert not admits(given, user, password) or given.startswith("Basic ")
