"""How values are read: normalised forms and reasons, each seen on aria2c 1.37 unless the name says otherwise."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.kinds import BIGGEST, Kind, Lines, parse_size
from slasshy_rpc.options.table import TABLE
from slasshy_rpc.options.values import Normal, parse_value

KINDS: dict[type[Kind], str] = {type(option.kind): option.name for option in TABLE.values()}


def read(name: str, raw: str) -> Normal:
    return parse_value(TABLE[name], raw, compat=True)


@pytest.mark.parametrize(
    ("name", "raw", "shown"),
    [
        ("max-download-limit", "1M", "1048576"),
        ("max-download-limit", "1k", "1024"),
        ("max-download-limit", "1KB", "1024"),
        ("max-download-limit", " 1M ", "1048576"),
        ("max-download-limit", str(BIGGEST), str(BIGGEST)),
        ("split", "007", "7"),
        ("split", "+5", "5"),
        ("split", " 5 ", "5"),
        ("bt-max-peers", "9223372036854775807", "9223372036854775807"),
        ("continue", "", "true"),
        ("continue", "false", "false"),
        ("seed-ratio", "1.50", "1.50"),
        ("seed-ratio", "x", "x"),
        ("seed-ratio", "1e3", "1e3"),
        ("user-agent", " a ", " a "),
        ("user-agent", "", ""),
        (
            "checksum",
            "SHA-1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "SHA-1=da39a3ee5e6b4b0d3255bfef95601890afd80709",
        ),
        ("checksum", "adler32=00000001", "adler32=00000001"),
        ("select-file", "1-3, 5", "1-3, 5"),
        ("listen-port", "6881-6890,7000", "6881-6890,7000"),
        ("bt-prioritize-piece", "head=32M,tail", "head=32M,tail"),
        ("optimize-concurrent-downloads", "1.5:2.50", "1.5:2.50"),
        ("optimize-concurrent-downloads", "", "true"),
        ("dht-entry-point", "a:1", "a:1"),
        ("header", "A: b\nC: d", ("A: b", "C: d")),
        ("header", "A: b\r\nC: d\r\n", ("A: b", "C: d", "")),
        ("header", "", ("",)),
        ("index-out", "1=a\n\n2=b\n", ("1=a", "2=b")),
        ("enable-async-dns6", "anything", "anything"),
        ("index-out", "1=a", ("1=a",)),
        ("http-proxy", "", ""),
    ],
)
def test_normalised_form(name: str, raw: str, shown: Normal) -> None:
    assert read(name, raw) == shown


@pytest.mark.parametrize(
    ("name", "raw", "shown"),
    [
        ("split", "0" * 5000 + "5", "5"),
        ("max-download-limit", "+" + "0" * 5000 + "1K", "1024"),
        ("bt-max-open-files", " 07 ", "7"),
        ("select-file", "0" * 5000 + "1", "0" * 5000 + "1"),
    ],
)
def test_leading_zeros_do_not_count(name: str, raw: str, shown: str) -> None:
    assert read(name, raw) == shown


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("split", "0", "split must be greater than or equal to 1."),
        ("split", "", "Bad number "),
        ("split", "1.5", "Bad number 1.5"),
        ("split", "99999999999999999999", "Bad number 99999999999999999999"),
        ("split", "1_0", "Bad number 1_0"),
        ("split", "٣", "Bad number ٣"),
        ("split", "1" * 5000, "Bad number " + "1" * 200 + "..."),
        ("timeout", "601", "timeout must be between 1 and 600."),
        ("max-connection-per-server", "17", "max-connection-per-server must be between 1 and 16."),
        ("min-split-size", "1K", "min-split-size must be between 1048576 and 1073741824."),
        ("max-download-limit", "5G", "Bad or negative value detected: 5G"),
        ("max-download-limit", "-1", "Bad or negative value detected: -1"),
        ("max-download-limit", "K", "Bad or negative value detected: K"),
        ("max-download-limit", "8796093022208M", "Failed to convert string into value: overflow/underflow"),
        ("continue", "TRUE", "continue must be either 'true' or 'false'."),
        ("show-console-readout", "", "show-console-readout must be either 'true' or 'false'."),
        (
            "file-allocation",
            "FALLOC",
            "file-allocation must be one of the following:'none' 'prealloc' 'trunc' 'falloc' ",
        ),
        ("seed-ratio", "-1", "seed-ratio must be greater than or equal to 0.0."),
        ("checksum", "sha-1=abc", "Unrecognized checksum"),
        ("checksum", "SHA1=da39a3ee5e6b4b0d3255bfef95601890afd80709", "Unrecognized checksum"),
        ("ssh-host-key-md", "foo=1", "Checksum type foo is not acceptable"),
        ("select-file", "abc", "Bad range abc"),
        ("select-file", "-1", "Incomplete range specified. -1"),
        ("select-file", "0", "select-file must be between 1 and 1048576."),
        ("listen-port", "80", "listen-port must be between 1024 and 65535."),
        ("dht-entry-point", "a:b", "Unrecognized format"),
        ("bt-prioritize-piece", "abc", "Unrecognized token abc"),
        ("index-out", "a=b", "Bad path index"),
        ("index-out", "", "Bad path index"),
        ("index-out", "1", "Path with index=1 is empty."),
        ("optimize-concurrent-downloads", "a:b", "Bad number 'a'"),
        ("rpc-secret", "", "Empty string is not allowed"),
        ("certificate", "/nonexistent/file", "Could not get file status: No such file or directory"),
        ("certificate", "/", "Is '/' a file?"),
    ],
)
def test_reasons_of_refusal(name: str, raw: str, reason: str) -> None:
    with pytest.raises(OptionError) as caught:
        read(name, raw)
    assert (caught.value.name, str(caught.value)) == (name, reason)


@pytest.mark.parametrize("raw", ["a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("name", ["user-agent", "referer", "out", "dir", "http-user", "no-proxy", "gid", "bt-tracker"])
def test_nothing_becomes_another_header_or_option(name: str, raw: str) -> None:
    with pytest.raises(OptionError, match=r"line breaks or NUL"):
        read(name, raw)


@pytest.mark.parametrize("raw", ["A: b\rC: d", "A: b\0"])
def test_a_header_holds_no_bare_carriage_return_and_no_nul(raw: str) -> None:
    with pytest.raises(OptionError, match=r"line breaks or NUL"):
        read("header", raw)


def test_home_is_expanded_in_paths_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/HOME")
    assert read("dir", "a${HOME}") == "a/HOME"
    assert read("out", "${HOME}/x") == "/HOME/x"
    assert read("dir", "~/x") == "~/x"
    assert read("user-agent", "${HOME}") == "${HOME}"


def test_an_existing_certificate_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.write_text("")
    assert read("certificate", str(file)) == str(file)


def test_the_range_is_wider_outside_compat() -> None:
    assert parse_value(TABLE["max-connection-per-server"], "64", compat=False) == "64"
    with pytest.raises(OptionError, match="between 1 and 64"):
        parse_value(TABLE["max-connection-per-server"], "65", compat=False)


@pytest.mark.parametrize("kind", list(KINDS))
@settings(deadline=None)
@given(raw=st.text(max_size=40) | st.text("0123456789KkMm-,=.:/@[] ", max_size=24))
def test_any_text_is_a_value_or_an_option_error(kind: type[Kind], raw: str) -> None:
    option = TABLE[KINDS[kind]]
    value: Normal = ()
    with contextlib.suppress(OptionError):
        reader = option.kind
        value = reader.split(option.name, raw) if isinstance(reader, Lines) else reader.parse(option.name, raw)
    if isinstance(value, str):
        option.kind.decode(value)
        assert not {"\n", "\r", "\0"} & set(value)
        assert option.kind.parse(option.name, value) == value
    else:
        assert all(not {"\n", "\r", "\0"} & set(line) for line in value)


@settings(deadline=None)
@given(number=st.integers(0, BIGGEST >> 20), unit=st.sampled_from([("", 1), ("K", 1024), ("m", 1 << 20)]))
def test_sizes_round_trip(number: int, unit: tuple[str, int]) -> None:
    letter, factor = unit
    assert parse_size("x", f" {number}{letter}") == number * factor
    assert parse_size("x", str(number * factor)) == number * factor
