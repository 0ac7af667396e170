"""XML-RPC as aria2 1.37 was observed to read it (the differential tests have more), and written for other readers."""

from __future__ import annotations

import math
import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.rpc.call import Call
from slasshy_rpc.rpc.xml_text import MAX_DEPTH, MAX_TAG, CallReader, NotXml, Written, encode, read

NAME = "<methodName>m</methodName>"


def document(*values: str) -> bytes:
    params = "".join(f"<param><value>{value}</value></param>" for value in values)
    return f"<methodCall>{NAME}<params>{params}</params></methodCall>".encode()


@pytest.mark.parametrize(
    ("values", "params"),
    [
        ((), []),
        (("<string>a</string>", "b", " c "), ["a", "b", " c "]),
        (("<int>1</int>", "<i4> -2 </i4>", "<int>+3</int>", "<int>007</int>"), [1, -2, 3, 7]),
        (("", "<nil/>", "<boolean>1</boolean>", "<int>2147483648</int>", "<int/>", "<string/>"), [""]),
        (("<double>1.5</double>",), ["1.5"]),
        (("<base64>enp6</base64>", "<base64/>"), [b"zzz", b""]),
        (("<array><data><value>a</value><value/><value><int>1</int></value></data></array>",), [["a", 1]]),
        (("<array/>", "<array><data/></array>", "<array><value>a</value></array>"), [[], [], []]),
        (("<struct><member><name>a</name><value>b</value></member></struct>", "<struct/>"), [{"a": "b"}, {}]),
        (("a<string>b</string>", "<string>c</string>d", "e<x>f</x>g", "h<int>x</int>i"), ["b", "c", "eg", "hi"]),
        (("<string>a&lt;&amp;&#65;<![CDATA[<b>]]></string>",), ["a<&A<b>"]),
        (("<p:string>a</p:string>", "<:string>b</:string>"), ["a"]),
        (("<int>" + "0" * 100 + "1</int>",), []),
    ],
)  # fmt: skip
def test_values(values: tuple[str, ...], params: list[object]) -> None:
    assert read(document(*values)) == Call("m", params)


def test_a_member_that_comes_twice_counts_as_absent() -> None:
    members = "".join(f"<member><name>{name}</name><value>{at}</value></member>" for at, name in enumerate("abaca"))
    assert read(document(f"<struct>{members}</struct>")).params == [{"b": "1", "c": "3"}]


@pytest.mark.parametrize(
    "body", [b"<a/>", b"<a><methodCall/></a>", b"<methodCall/>", b"<methodCall>x<methodName/></methodCall>"]
)
def test_what_is_no_call_has_no_method(body: bytes) -> None:
    assert read(body) == Call("", [])


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"x", b"{}", b"<", b"<a>", b"<a/>x", b"<a/><a/>", b"<a/>\0", b"<a b=1/>", b"<a b='1' b='2'/>",
        b"<a>&b;</a>",
        b"<a>&#0;</a>", b"<a>\x01</a>", b"<a>\xff</a>", b"<a>\xef\xbf\xbf</a>", b" <?xml version='1.0'?><a/>",
        b"<?xml version='2.0'?><a/>", b"<!DOCTYPE a><a/>", b"<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<!DOCTYPE a [<!ATTLIST a b CDATA 'c'>]><a/>",
        b"<?xml version='1.0' encoding='utf-16'?><a/>", b"<?xml version='1.0' encoding='windows-1252'?><a/>",
        b"<?xml version='1.0' encoding='unicode_escape'?><a/>", b"<?xml version='1.0' encoding='zlib'?><a/>",
    ],
)  # fmt: skip
def test_what_is_not_read(body: bytes) -> None:
    with pytest.raises(NotXml):
        read(body)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings(encoding: str) -> None:
    text = f"<?xml version='1.0' encoding='{encoding.upper()}'?>" + document("é").decode()
    assert read(text.encode(encoding)).params == ["é"]


def test_depth_is_bounded() -> None:
    assert read(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH) == Call("", [])
    with pytest.raises(NotXml):
        read(b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1))


NAMES = (
    "methodCall",
    "methodName",
    "params",
    "param",
    "value",
    "struct",
    "member",
    "name",
    "array",
    "data",
    "int",
    "base64",
)
OTHERS = (
    "<a/>",
    "1",
    "-5",
    "enp6",
    "&#9;",
    "&amp;",
    "<!--x-->",
    "<![CDATA[",
    "]]>",
    "<?pi?>",
    "<?xml",
    "<!DOCTYPE",
    "é",
)
PIECES = st.sampled_from([*(f"<{slash}{name}>" for name in NAMES for slash in ("", "/")), *OTHERS])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(), st.lists(PIECES).map(lambda parts: "".join(parts).encode())))
def test_anything_is_a_call_or_not_xml(body: bytes) -> None:
    try:
        call = read(body)
    except NotXml:
        return
    assert isinstance(call.method, str)
    assert isinstance(call.params, list)


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"<methodCall ", b'yy="12" '),
        (b'<methodCall a="', b"yyyyyyyy"),
        (b"<m", b"yyyyyyyy"),
        (b"<!--", b"yyyyyyyy"),
        (b"<?x ", b"yyyyyyyy"),
        (b"<methodCall><!--", b"yyyyyyyy"),
        ('<m a="'.encode("utf-16"), b"yyyyyyyy"),
    ],
)
def test_a_tag_has_an_end(start: bytes, more: bytes) -> None:
    """The parser reads each in one go; attributes without number took a tenth of a second of everybody's time."""
    reader = CallReader()
    for piece in (start, *[more * 2048] * 3):
        reader.feed(piece)
    with pytest.raises(NotXml):
        reader.feed(more * 4096)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_may_be_longer_than_a_tag(encoding: str) -> None:
    text = "é&amp;\n" * (MAX_TAG // 2)
    body = f"<methodCall><methodName>{text}</methodName></methodCall>".encode(encoding)
    reader = CallReader()
    for at in range(0, len(body), 1000):
        reader.feed(body[at : at + 1000])
    assert reader.close().method == text.replace("&amp;", "&")


LEAVES = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])), st.integers(-(2**31), 2**31 - 1)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text("abc ", min_size=1), inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(VALUES, max_size=5), st.integers(1, 50))
def test_what_pythons_client_writes_is_read_in_pieces_of_any_size(params: list[Any], size: int) -> None:
    body = xmlrpc.client.dumps(tuple(params), "aria2.x").encode()
    reader = CallReader()
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    assert reader.close() == read(body) == Call("aria2.x", params)


def loaded(text: bytes) -> Any:
    response = b"<methodResponse><params><param>%b</param></params></methodResponse>" % text
    return xmlrpc.client.loads(response)[0][0]


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_pythons_client_reads(value: Any) -> None:
    assert loaded(encode(value)) == value


@settings(deadline=None)
@given(st.text(st.one_of(st.characters(), st.sampled_from("\0\x01\r\n\t\x0b\x7f\x85\ud800\ufffe\uffff<>&'\"]"))))
def test_no_text_breaks_the_document(text: str) -> None:
    unfit = {*map(chr, range(32)), "\ufffe", "\uffff", *map(chr, range(0xD800, 0xE000))} - set("\t\n\r")
    assert loaded(encode({text: [text]})) == {
        (legible := "".join("\ufffd" if character in unfit else character for character in text)): [legible]
    }


def test_the_text_of_answers() -> None:
    assert encode({"b": 1, "a": ["<x>", Written(b"<value/>")]}) == (
        b"<value><struct><member><name>a</name><value><array><data><value><string>&lt;x&gt;</string></value><value/>"
        b"</data></array></value></member><member><name>b</name><value><int>1</int></value></member></struct></value>"
    )
    assert [loaded(encode(value)) for value in (True, 1.5, None)] == [True, 1.5, ""]
    assert math.isclose(loaded(encode(1e300)), 1e300)
    with pytest.raises(TypeError):
        encode({"a": object()})
