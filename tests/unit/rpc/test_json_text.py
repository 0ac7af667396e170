"""JSON as aria2 1.37 was observed to read it, and as RFC 8259 says where aria2 has no opinion of its own."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.rpc.json_text import (
    _ESCAPE,
    _SURROGATE,
    MAX_DEPTH,
    ParseError,
    _character,
    _Reader,
    _unescape,
    encode,
    parse,
)

READ = [
    (b'{"id":1,"method":"m",}', {"id": 1, "method": "m"}),
    (b'{"id":{"a":{"b":1,}},}', {"id": {"a": {"b": 1}}}),
    (b'{"id":1} trailing', {"id": 1}),
    (b'{"id":1}{"id":2}', {"id": 1}),
    (b'{"id":1}}', {"id": 1}),
    (b'{"id":1}\xff\xfe', {"id": 1}),
    (b' \r\n\t{"id":1}\0', {"id": 1}),
    (b'{"id":1.5}', {"id": 1}),
    (b'{"id":-1.9e3}', {"id": -1}),
    (b'{"id":1e3}', {"id": 1}),
    (b'{"id":-0}', {"id": 0}),
    (b'{"id":01}', {"id": 1}),
    (b'{"id":-007}', {"id": -7}),
    (b'{"id":' + b"0" * 5000 + b"1}", {"id": 1}),
    (b'{"id":9223372036854775807}', {"id": 9223372036854775807}),
    (b'{"id":-9223372036854775807}', {"id": -9223372036854775807}),
    (b'{"id":"a\nb\t"}', {"id": "a\nb\t"}),
    (rb'{"id":"a\x\/\"\\\n\u00e9"}', {"id": 'ax/"\\\né'}),
    (rb'{"id":"\ud83d\ude00"}', {"id": "\U0001f600"}),
    (rb'{"id":"\ud83d\ude00\q"}', {"id": "\U0001f600q"}),
    (rb'{"id":"\u0000\u12345"}', {"id": "\0\u12345"}),
    (b'"a"', "a"),
    (b"null", None),
    (b"true", True),
    (b"1 ", 1),
    (b"[]x", []),
    (b'{"":1,"":2,}', {"": 2}),
    # doubled members of a request count as absent
    (b'{"id":1,"id":2,"method":"m"}', {"method": "m"}),
    (b'{"id":1,"method":"a","method":"b"}', {"id": 1}),
    (b'{"id":1,"method":"m","params":[],"params":[1]}', {"id": 1, "method": "m"}),
    (rb'{"id":1,"method":"m","\u0069d":2,}', {"method": "m"}),
    (b'[{"id":1,"method":"m","params":[{"id":"x"}]}]', [{"id": 1, "method": "m", "params": [{"id": "x"}]}]),
]

REFUSED = [
    b"",
    b" ",
    b"-",
    b"1",
    b"1.5",
    b"{",
    b"[",
    b"[1",
    b"[1,2",
    b'{"id":1',
    b'"abc',
    b"tru",
    b"nul",
    b"'a'",
    b"\xef\xbb\xbf{}",
    b'[{"id":1},]',
    b'{"params":[1,]}',
    b"[,]",
    b"{,}",
    b'{,"id":1}',
    b'{"id":1,,"m":2}',
    b'{"id":1 "m":2}',
    b'{"id":1]',
    b"[1}",
    b"{'id':1}",
    b"{id:1}",
    b"{1:2}",
    b'{"id"}',
    b'{"id":}',
    b"[:]",
    b'{"id":/**/1}',
    b"\0{}",
    b'{"id":1,\f"m":2}',
    b'{"id":+1}',
    b'{"id":.5}',
    b'{"id":1.}',
    b'{"id":1e}',
    b'{"id":-}',
    b'{"id":NaN}',
    b'{"id":Infinity}',
    b'{"id":1x}',
    b'{"id":truex}',
    b'{"id":9223372036854775808}',
    b'{"id":-9223372036854775808}',
    b'{"id":18446744073709551616}',
    b'{"id":1' + b"0" * 5000 + b"}",
    rb'{"id":"\ud800"}',
    rb'{"id":"\uD83D\u0041"}',
    rb'{"id":"\u12"}',
    rb'{"id":"\u00e9\u12"}',
    rb'{"id":"\ude00"}',
    b'{"id":"\xe9"}',
    b'{"id":"\xc0\x80"}',
    b'{"id":"\xed\xa0\x80"}',
    b'{"id":"a\\"}',
]


@pytest.mark.parametrize(("data", "value"), READ)
def test_reads(data: bytes, value: object) -> None:
    assert parse(data) == value


@pytest.mark.parametrize("data", REFUSED)
def test_refuses(data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.code == -32700


@pytest.mark.parametrize("lenient", ["", " x"])
def test_depth(lenient: str) -> None:
    def nested(levels: int) -> bytes:
        return ('{"id":' + "[" * (levels - 1) + "]" * (levels - 1) + "}" + lenient).encode()

    parse(nested(MAX_DEPTH))
    with pytest.raises(ParseError):
        parse(nested(MAX_DEPTH + 1))
    with pytest.raises(ParseError):
        parse(b"[" * 100_000)


def test_true_is_no_number_and_no_number_is_true() -> None:
    for ending in (b"]", b"] x"):
        values = parse(b'[true,1,false,0,null,"1"' + ending)
        assert isinstance(values, list)
        assert list(map(repr, values)) == ["True", "1", "False", "0", "None", "'1'"]


_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"]))
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4))


@settings(max_examples=150, deadline=None)
@given(_VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_both_readers_agree_on_proper_json(value: object, ascii_only: bool, indent: int | None) -> None:
    data = json.dumps([value], ensure_ascii=ascii_only, indent=indent).encode()
    assert _Reader(data).document() == [value]
    assert parse(data) == [value]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([*'[]{},:"\\u01eE.-+ dDcC8ntf', "true", "null", '"id"', "\udcff"]), max_size=30))
def test_any_text_is_a_value_or_a_parse_error(tokens: list[str]) -> None:
    data = "".join(tokens).encode("utf-8", "surrogateescape")
    try:
        value = parse(data)
    except ParseError:
        return
    assert parse(encode([value])) == [value]


def test_encode_sorts_and_survives_file_names_that_are_not_text() -> None:
    assert encode({"b": 1, "a": [{"d": "é", "c": None}]}) == '{"a":[{"c":null,"d":"é"}],"b":1}'.encode()
    assert encode({"path": ["x\udcffy", ("\ud800", 1)]}) == '{"path":["x\ufffdy",["\ufffd",1]]}'.encode()


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('\\\\\\\\ud8DC0a"nx/é'), max_size=24))
def test_escapes_are_read_as_by_one_substitution(text: str) -> None:
    """The plain way, which holds the interpreter for as long as the text is."""
    expected: object = ParseError
    if "\\" not in _ESCAPE.sub("", text):
        plain = _ESCAPE.sub(_character, text)
        expected = ParseError if _SURROGATE.search(plain) else plain
    try:
        assert _unescape(text) == expected
    except ParseError:
        assert expected is ParseError
