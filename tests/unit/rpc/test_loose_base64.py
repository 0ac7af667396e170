"""Base64 as aria2 1.37 was observed to read it."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.rpc.loose_base64 import decode


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"", b""), (b"enp6", b"zzz"), (b" en\np6 ", b"zzz"), (b"en%p6-", b"zzz"), (b"eno=", b"zz"), (b"en==", b"z"),
        (b"enp6eno=", b"zzzzz"), (b"en==enp6", b"z"), (b"enp=enp6", b"zz"), (b"enp6en==x", b"zzzz"), (b"zz==", b"\xcf"),
        (b"!!!", b""), (b"enp", b""), (b"enp6=", b""), (b"enp6enp6==", b""), (b"enp6====", b""), (b"e===", b""),
        (b"=enp", b""), (b"en=p", b""), (b"enp6=enp6", b""), (b"ZQ=", b""), (b"ZQ", b""), (b"-_-_", b""),
    ],
)  # fmt: skip
def test_observed(text: bytes, data: bytes) -> None:
    assert decode(text) == data


@given(st.binary())
def test_anything_is_read_or_nothing(text: bytes) -> None:
    assert isinstance(decode(text), bytes)


@given(st.binary(), st.sampled_from([b"", b"\r\n", b" ", b"-"]))
def test_good_base64_is_read_wherever_it_is_broken(data: bytes, gap: bytes) -> None:
    text = b64encode(data)
    assert decode(gap.join(text[at : at + 5] for at in range(0, len(text), 5))) == data
