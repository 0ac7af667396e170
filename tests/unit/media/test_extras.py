"""Which files lie beside a media file, and what they are called."""

from __future__ import annotations

from typing import Any

import pytest

from slasshy_rpc.media.extras import MOST, Extra, beside, extras


def entry(**more: Any) -> dict[str, Any]:
    return {
        "url": "https://x.test/s",
        "ext": "vtt",
        "language": "en",
        "headers": {"Host": "h"},
        "cookie": "a=b",
        **more,
    }


def test_they_are_asked_for_with_their_headers() -> None:
    answer = {"extras": [entry(), entry(language="", ext="JPG", cookie="", headers={"Referer": "r"})]}
    assert extras(answer) == (
        Extra("https://x.test/s", ".en.vtt", ("Cookie: a=b",)),
        Extra("https://x.test/s", ".jpg", ("Referer: r",)),
    )


@pytest.mark.parametrize(
    "wrong",
    [{"ext": "exe"}, {"ext": "jpg"}, {"language": "../x"}, {"language": "a.b"}, {"language": ""}, {"url": "file:///x"}],
)
def test_others_are_left_out(wrong: dict[str, str]) -> None:
    assert extras({"extras": [entry(**wrong)]}) == ()


def test_there_is_an_end_of_them() -> None:
    assert len(extras({"extras": [entry()] * 999})) == MOST


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/d/A.b.mp4", "/d/A.b.en.vtt"),
        ("/d/named", "/d/named.en.vtt"),
        ("/d/" + "x" * 300, "/d/" + "x" * 236 + ".en.vtt"),
    ],
)
def test_names(path: str, name: str) -> None:
    assert beside(path, Extra("", ".en.vtt", ())) == name
