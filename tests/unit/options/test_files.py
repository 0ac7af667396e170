"""The conf file and the input file, line by line."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slasshy_rpc.errors import OptionError, UsageError
from slasshy_rpc.options.files import Entry, read_conf, read_input
from slasshy_rpc.options.table import TABLE, Scope, State
from slasshy_rpc.options.values import Layer, Normal, defaults, is_void, parse_value

BYTES = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def entries(path: Path, warnings: list[str] | None = None) -> list[Entry]:
    return list(read_input(str(path), compat=True, warn=([] if warnings is None else warnings).append))


def test_conf_lines(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(
        b"\xef\xbb\xbfdir=/a # literal\r\n# comment\n\n  split = 5 \nrpc-listen-all\n"
        b'bt-tracker=\nq="x"\nheader=A: b=c\n'
    )
    assert read_conf(str(path)) == [
        (1, "dir", "/a # literal"),
        (4, "split", "5"),
        (5, "rpc-listen-all", ""),
        (6, "bt-tracker", ""),
        (7, "q", '"x"'),
        (8, "header", "A: b=c"),
    ]


def test_a_conf_file_may_be_packed(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    path.write_bytes(gzip.compress(b"dir=/a\nsplit=2"))
    assert read_conf(str(path)) == [(1, "dir", "/a"), (2, "split", "2")]


def test_a_conf_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not found") as missing:
        read_conf(str(tmp_path / "none"))
    assert missing.value.code == 1
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_conf(str(tmp_path))
    damaged = tmp_path / "c.gz"
    damaged.write_bytes(gzip.compress(b"dir=/a\n" * 100)[:-9])
    with pytest.raises(UsageError, match="cannot be read"):
        read_conf(str(damaged))


def test_input_entries(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text(
        "# a list\n"
        "http://a/1\thttp://b/1\t\n"
        " gid=0123456789abcdef\n"
        "\n"
        "# between\n"
        "\tout = x y \n"
        " header=A: b\n"
        " header=C: d\n"
        "http://a/2\t\t http://b/2 \r\n"
        "  rpc-secret=never\n"
        "  foo=1\n"
        " split\t=\t3\n"
        "http://a/3"
    )
    warnings: list[str] = []
    assert entries(path, warnings) == [
        Entry(("http://a/1", "http://b/1"), {"gid": "0123456789abcdef", "out": "x y", "header": ("A: b", "C: d")}),
        Entry(("http://a/2", "http://b/2"), {"split": "3"}),
        Entry(("http://a/3",), {}),
    ]
    assert warnings == [f"Unknown option: foo ({path}, line 11)"]


def test_an_indented_line_without_an_entry_above_it_holds_uris(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text(" dir=x\nhttp://a/1\n")
    assert [entry.uris for entry in entries(path)] == [("dir=x",), ("http://a/1",)]


def test_a_bad_value_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("http://a/1\n split=0\n")
    with pytest.raises(OptionError, match=r"greater than or equal to 1\. \(.*, line 2\)") as caught:
        entries(path)
    assert (caught.value.name, caught.value.code) == ("split", 28)


def test_an_input_file_is_read_while_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("http://a/1\nhttp://a/2\n split=0\n")
    warnings: list[str] = []
    reading = read_input(str(path), compat=True, warn=warnings.append)
    assert next(reading).uris == ("http://a/1",)
    with pytest.raises(OptionError):
        next(reading)


def test_an_input_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match=f"^Failed to open the file {path}, cause: ") as caught:
            entries(path)
        assert caught.value.code == 1
    assert entries(Path("/dev/null")) == []


@BYTES
@given(data=st.binary(max_size=200) | st.text(" \t\n\r#=abc:/head", max_size=120).map(str.encode), packed=st.booleans())
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, packed: bool) -> None:
    path = tmp_path / "any"
    path.write_bytes(gzip.compress(data) if packed else data)
    for read in (read_conf, lambda name: entries(Path(name))):
        with contextlib.suppress(OptionError, UsageError):
            read(str(path))


def _values() -> st.SearchStrategy[dict[str, Normal]]:
    text = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Cs", "Zs", "Zl", "Zp"]))
    names = [
        option.name
        for option in TABLE.values()
        if Scope.NEW in option.scope and option.state is State.LIVE and type(option.kind).__name__ in ("Text", "Path")
    ]
    texts = st.dictionaries(st.sampled_from(names), text, max_size=4)
    headers = st.lists(text.filter(bool), max_size=3).map(lambda lines: {"header": tuple(lines)} if lines else {})
    return st.tuples(texts, headers).map(lambda both: {**both[0], **both[1]})


@BYTES
@given(own=_values())
def test_what_a_session_file_holds_comes_back(tmp_path: Path, own: dict[str, Normal]) -> None:
    own = {k: parse_value(TABLE[k], v, compat=True) if isinstance(v, str) else v for k, v in own.items()}
    options = defaults(compat=True).derive(own, Layer.OWN)
    lines = "".join(f" {name}={value}\n" for name, value in options.items_for_session())
    path = tmp_path / "session"
    path.write_text(f"http://a/1\t\n{lines}", encoding="utf-8", newline="\n")
    void = {name for name, value in own.items() if is_void(TABLE[name], value)}  # a front would not have kept it
    kept = {name: value for name, value in own.items() if name not in ("gid", "pause", *void)}
    assert entries(path) == [Entry(("http://a/1",), kept)]


def test_what_changes_nothing_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text("http://h/x\n enable-async-dns6=anything\n select-file=\n split=3\n")
    assert entries(path) == [Entry(("http://h/x",), {"split": "3"})]
