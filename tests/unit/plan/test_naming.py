"""Names: what aria2 1.37 was seen to choose, and what must hold for every name."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slasshy_rpc.plan import naming

SEEN_ON_ARIA2 = [
    (b'attachment; filename="a b.txt"', "a b.txt"),
    (b"attachment; filename=a.txt", "a.txt"),
    (b"inline; filename=a.txt", "a.txt"),
    (b"filename=a.txt", None),
    (b"attachment; filename=a b.txt", None),
    (b"attachment; filename=a.txt;", None),
    (b'attachment; filename="back\\slash.txt"', "backslash.txt"),
    (b'attachment; filename="back\\\\slash.txt"', None),
    (b'attachment; filename="a/b.txt"', None),
    (b'attachment; filename=".."', None),
    (b'attachment; filename="."', None),
    (b'attachment; filename="a..b.txt"', "a..b.txt"),
    (b'attachment; filename="..a"', "..a"),
    (b'attachment; filename=".hid"', ".hid"),
    (b"attachment; filename*=UTF-8''%e2%82%ac.txt; filename=x.txt", "€.txt"),
    (b"attachment; filename=x.txt; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
    (b"attachment; filename*=iso-8859-1''%e9.txt", "é.txt"),
    (b"attachment; filename*=UTF-8'en'%ff.txt; filename=x.txt", None),
    (b"attachment; filename=x.txt; filename*=koi8-r''%c1.txt", "%C1.txt"),
    (b'attachment; filename="\xe9.txt"', "é.txt"),
    (b'attachment; filename="\xc3\xa9.txt"', "Ã©.txt"),
    (b"attachment; filename=caf\xc3\xa9.txt", None),
    (b'attachment; filename="a%20b.txt"', "a%20b.txt"),
    (b'attachment; filename=""', None),
    (b"attachment; filename=", None),
    (b"attachment;filename=a.txt", "a.txt"),
    (b"attachment ; filename = a.txt", "a.txt"),
    (b"attachment; FILENAME=a.txt", "a.txt"),
    (b"attachment; filename=a.txt; filename=b.txt", None),
    (b"attachment; size=3; filename=a.txt", "a.txt"),
    (b'attachment; filename="a.txt"; foo', None),
    (b'attachment; filename="a.txt', None),
    (b'attachment; filename="a.txt" ', "a.txt"),
    (b'attachment; filename="a\x01b.txt"', None),
    (b'attachment; filename="a\tb.txt"', None),
    (b'attachment; filename="a\x7fb"', None),
    (b"attachment; filename*=UTF-8''a%2Fb.txt", None),
    (b"attachment; filename*=UTF-8''a%01b.txt", None),
    (b"attachment; filename*=UTF-8''a%5Cb.txt", None),
    (b"attachment; filename*=a.txt", None),
    (b"attachment; filename*=UTF-8''a b.txt", None),
    (b"attachment; filename*=\"UTF-8''a.txt\"", None),
    (b"attachment; filename*=UTF-8''", None),
    (b"attachment, filename=a.txt", None),
    (b"; filename=a.txt", None),
    (b'attachment; filename=a"b.txt', None),
    (b"attachment; filename='a.txt'", "'a.txt'"),
    (b"attachment", None),
    (b'attachment; filename="a\\"b.txt"', 'a"b.txt'),
    (b'attachment; filename="a:b*?<>|.txt"', "a:b*?<>|.txt"),
    (b'attachment; filename="  a.txt  "', "  a.txt  "),
    (b"attachment; filename=a,b.txt", None),
    (b"attachment; filename=a[1](2)@.txt", None),
    (b'attachment; filename="x";; size=2', None),
]


@pytest.mark.parametrize(("header", "name"), SEEN_ON_ARIA2)
def test_a_disposition_names_what_aria2_makes_of_it(header: bytes, name: str | None) -> None:
    assert naming.from_disposition(header.decode("latin-1")) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'attachment; filename="\xc3\xa9.txt"', "é.txt"),
        (b'attachment; filename="\xe9.txt"', None),
        (b"attachment; filename*=iso-8859-1''%e9.txt", "é.txt"),
    ],
)
def test_plain_values_are_utf8_when_told_so(header: bytes, name: str | None) -> None:
    assert naming.from_disposition(header.decode("latin-1"), default_utf8=True) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a%20b.txt", "a b.txt"),
        ("/a%2Fb.txt", "a%2Fb.txt"),
        ("/a%01b", "a%01b"),
        ("/a%00b", "a%00b"),
        ("/a%7Fb", "a%7Fb"),
        ("/%ff.txt", "%FF.txt"),
        ("/%e2%82%ac.txt", "€.txt"),
        ("/a.txt?x=1", "a.txt"),
        ("/a.txt#f", "a.txt"),
        ("/?q=/x.txt", "index.html"),
        ("", "index.html"),
        ("/", "index.html"),
        ("/a/", "index.html"),
        ("/a%zz", "a%zz"),
        ("/a%5Cb", "a\\b"),
        ("/a;b=c", "a;b=c"),
        ("/.hidden", ".hidden"),
        ("/-a", "-a"),
        ("/CON", "CON"),
    ],
)
def test_compat_names_a_url_as_aria2(path: str, name: str) -> None:
    assert naming.choose(None, f"http://user@127.0.0.1:80{path}", compat=True) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        ("..", "index.html"),
        (". .", "index.html"),
        ("..a", "_a"),
        ("nul.txt", "_nul.txt"),
        ("COM1", "_COM1"),
        ("console.log", "console.log"),
        ("report. .", "report"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\x85b", "a%C2%85b"),
        ("victim.iso.aria2", "victim.iso.aria_"),
        ("victim.iso.aria2__temp", "victim.iso.aria_"),
        ("naïve.tar.gz", "naïve.tar.gz"),
    ],
)
def test_our_own_names_are_harmless(name: str, safe: str) -> None:
    assert naming.sanitise(name) == safe


def test_a_cut_name_cannot_turn_into_a_control_file() -> None:
    long = "a" * (naming.NAME_LIMIT - len(".aria2")) + ".aria2" + "b" * 100
    assert not naming.sanitise(long).endswith(".aria2")


def test_a_disposition_wins_over_the_url_and_a_bad_one_does_not() -> None:
    assert naming.choose('attachment; filename="x.bin"', "http://h/y.bin") == "x.bin"
    assert naming.choose('attachment; filename="../x.bin"', "http://h/y.bin") == "y.bin"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("two.tar.gz", "two.tar.1.gz"),
        (".hidden", ".hidden.1"),
        ("noext", "noext.1"),
        ("a.", "a.1."),
        ("a.b.", "a.b.1."),
        (".a.b", ".a.1.b"),
        ("-x", "-x.1"),
    ],
)
def test_renaming_counts_where_aria2_counts(name: str, expected: str) -> None:
    assert naming.renamed(name, 1) == expected


def check(name: str) -> None:
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in name)
    assert len(name.encode("utf-8")) <= naming.NAME_LIMIT


@given(st.text(alphabet=st.characters()) | st.text(alphabet="./- \x00\n\u202eé2aria_", max_size=300), st.booleans())
@example("." * 300, False)
@example("\ud800", True)
@example("é" * 200 + ".html", False)
def test_every_name_becomes_one_safe_component(name: str, compat: bool) -> None:
    safe = naming.sanitise(name, compat=compat)
    check(safe)
    if compat:
        assert naming.sanitise(safe, compat=True) == safe


@given(st.text(alphabet=st.characters(max_codepoint=255)), st.text(), st.booleans(), st.booleans())
def test_no_response_leads_to_a_bad_name(header: str, url: str, utf8: bool, compat: bool) -> None:
    check(naming.choose(header, url, default_utf8=utf8, compat=compat))
    check(naming.choose(f'attachment; filename="{header}"', url, default_utf8=utf8, compat=compat))
    check(naming.choose(None, f"http://host/{url}", compat=compat))


@given(st.text(), st.integers(1, 9999))
def test_a_renamed_safe_name_is_safe_and_another(name: str, number: int) -> None:
    safe = naming.sanitise(name)
    check(naming.renamed(safe, number))
    assert naming.renamed(safe, number) != safe


def test_cutting_keeps_the_extension_and_whole_characters() -> None:
    name = naming.sanitise("é" * 200 + ".tar.gz")
    assert name.endswith(".gz")
    assert len(name.encode()) in {naming.NAME_LIMIT, naming.NAME_LIMIT - 1}
    assert len(naming.renamed(name, 12).encode()) <= naming.NAME_LIMIT
