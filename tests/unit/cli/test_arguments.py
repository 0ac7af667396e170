"""The command line against what getopt_long and aria2c 1.36/1.37 were seen to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.cli.arguments import Invocation, Mode, awaited_protocol, complaint, parse
from slasshy_rpc.errors import OptionError, UsageError
from slasshy_rpc.options.files import Entry
from slasshy_rpc.options.table import TABLE, Scope
from slasshy_rpc.options.values import Layer

URL = "http://127.0.0.1/f"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No conf file and no proxy of the machine reaches a test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def aria2(*argv: str) -> Invocation:
    return parse(argv, compat=True)


def ours(*argv: str) -> Invocation:
    return parse(argv, compat=False)


def refused(*argv: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse(argv, compat=True)
    return caught.value


@pytest.mark.parametrize(
    "argv",
    [
        ["-x", "4", URL],
        ["-x4", URL],
        ["--max-connection-per-server", "4", URL],
        ["--max-connection-per-server=4", URL],
        ["--max-conn=4", URL],
        ["--max-conn", "4", URL],
        [URL, "-x", "4"],
        ["-x16", URL, "-x", "4"],
        ["-x4", "--", URL],
    ],
)
def test_forms_of_an_option(argv: list[str]) -> None:
    invocation = aria2(*argv)
    assert invocation.options.integer("max-connection-per-server") == 4
    assert invocation.uris == (URL,)


def test_a_short_options_value_begins_right_behind_the_letter() -> None:
    with pytest.raises(OptionError, match="Bad number =4"):
        aria2("-x=4", URL)


def test_optional_values_are_only_glued() -> None:
    assert aria2("-c", URL).options.flag("continue")
    assert not aria2("-cfalse", URL).options.flag("continue")
    assert not aria2("--continue=false", URL).options.flag("continue")
    assert aria2("--continue", URL).options.flag("continue")
    with pytest.raises(OptionError, match="quiet must be either 'true' or 'false'"):
        aria2("-qc", URL)
    assert str(refused("--continue", "true", URL)) == "Unrecognized URI or unsupported protocol: true"


def test_two_dashes_end_the_options() -> None:
    assert aria2("-P", "--", "-x", "--split").uris == ("-x", "--split")


def test_getopts_complaints() -> None:
    cases = {
        ("--split",): "option '--split' requires an argument",
        ("-k",): "option requires an argument -- 'k'",
        ("-Q",): "invalid option -- 'Q'",
        ("--foo=1",): "unrecognized option '--foo=1'",
        ("--version=3",): "option '--version' doesn't allow an argument",
        ("--max-c",): "option '--max-c' is ambiguous; possibilities: "
        "'--max-concurrent-downloads' '--max-connection-per-server'",
    }
    for argv, message in cases.items():
        error = refused(*argv)
        assert (str(error), error.code) == (message, 28)


def test_a_mistyped_option_gets_a_proposal() -> None:
    text = complaint(refused("--contniue"), compat=True)
    assert text.startswith("aria2c: unrecognized option '--contniue'\nUsage: aria2c ")
    assert "Did you mean:\n\t--continue\n" in text
    assert "\t--max-concurrent-downloads\n" in complaint(refused("--max-c"), compat=True)


def test_a_bad_value_is_explained_with_the_options_help() -> None:
    with pytest.raises(OptionError) as caught:
        aria2("--split=0", URL)
    assert caught.value.code == 28
    text = complaint(caught.value, compat=True)
    assert "We encountered a problem while processing the option '--split'.\n" in text
    assert "  -> split must be greater than or equal to 1.\n" in text
    assert " -s, --split=N" in text


def test_our_options_do_not_make_aria2s_abbreviations_ambiguous() -> None:
    assert aria2("--file=none", URL).options.text("file-allocation") == "none"
    assert ours("--file-s=never", URL).options.text("file-sync") == "never"
    assert ours("--rpc-allow-origin=https://a", URL).options.lines("rpc-allow-origin") == ("https://a",)
    assert ours("--rpc-allow-o", URL).options.flag("rpc-allow-origin-all")


def test_what_a_start_means() -> None:
    server = ours()
    assert (server.mode, server.rpc, server.options.flag("enable-rpc")) == (Mode.SERVER, True, True)
    assert (ours(URL).mode, ours(URL).rpc) == (Mode.ONE_SHOT, False)
    assert (ours(URL, "--enable-rpc").mode, ours(URL, "--enable-rpc").rpc) == (Mode.ONE_SHOT, True)
    assert ours("-i", "list").mode is Mode.ONE_SHOT
    error = refused()
    assert (str(error), error.code) == ("Specify at least one URL.", 1)
    assert aria2("--enable-rpc").mode is Mode.SERVER
    assert (aria2(URL).mode, aria2("-i", "-").mode) == (Mode.ONE_SHOT, Mode.ONE_SHOT)
    assert ours("--compat", URL).compat
    assert ours("--compat", URL).options.integer("max-connection-per-server") == 1
    assert not parse(["--compat=false", URL], compat=True).compat


def test_help_and_version() -> None:
    assert aria2("-v").text.startswith("aria2 version 1.37.0\n")
    assert ours("--version", "-q").text.startswith("slasshy-rpc ")
    assert "Options tagged with '#basic'." in ours("-h").text
    assert "Options tagged with '#hook'." in ours("-h#hook").text
    assert "Options tagged with '#basic'." in ours("-h", "#hook").text
    assert "Options with 'split' in their name." in aria2("--help=split").text
    with pytest.raises(OptionError):
        aria2("-v", "--split=0")
    refused("-v", "--foo")


@pytest.mark.parametrize(
    ("uri", "waits"),
    [
        ("ftp://a/b", " (FTP is not there yet)"),
        ("SFTP://a/b", " (SFTP is not there yet)"),
        ("magnet:?xt=urn:btih:1", " (BitTorrent is not there yet)"),
        ("/x/y.torrent", " (BitTorrent is not there yet)"),
        ("y.meta4", " (Metalink is not there yet)"),
        ("-", ""),
        ("http:/a", ""),
        ("true", ""),
    ],
)
def test_what_nothing_can_download_stops_the_start(uri: str, waits: str) -> None:
    error = refused(URL, uri)
    assert str(error) == f"Unrecognized URI or unsupported protocol: {uri}{waits}"
    assert error.code == 1


def test_conf_file_layers_and_warnings(own_home: Path) -> None:
    conf = own_home / "c.conf"
    conf.write_text("split=3\nheader=A: 1\nfoo=bar\ntimeout=9\nout=single\ncompat=true\nenable-rpc\n")
    invocation = aria2(f"--conf-path={conf}", "--header=B: 2", "--header", "C: 3", "-s7", URL)
    options = invocation.options
    assert invocation.conf_path == str(conf)
    assert (options.integer("split"), options.given("split")) == (7, Layer.COMMAND)
    assert (options.integer("timeout"), options.given("timeout")) == (9, Layer.CONF)
    assert options.lines("header") == ("A: 1", "B: 2", "C: 3")
    assert invocation.single == {"out": "single"}
    assert invocation.mode is Mode.SERVER
    assert invocation.warnings == (
        f"Unknown option: foo ({conf}, line 3)",
        f"compat counts on the command line only ({conf}, line 6)",
    )


def test_where_the_conf_file_is_looked_for(own_home: Path) -> None:
    places = [own_home / ".config/slasshy-rpc/slasshy-rpc.conf", own_home / ".config/aria2/aria2.conf"]
    for number, place in enumerate(places):
        place.parent.mkdir(parents=True)
        place.write_text(f"split={number + 20}\n")
    assert ours(URL).options.integer("split") == 20
    assert aria2(URL).options.integer("split") == 21
    assert aria2("--no-conf", URL).options.integer("split") == 5
    assert aria2("--no-conf", "--conf-path=/none", URL).conf_path is None
    error = refused("--conf-path=/none", URL)
    assert (str(error), error.code) == ("Configuration file /none is not found.", 1)


def test_an_empty_path_is_no_path(own_home: Path) -> None:
    for front in (ours, aria2):
        invocation = front("--enable-rpc", "--conf-path=", "--input-file=")
        assert (invocation.mode, invocation.conf_path, invocation.input_file) == (Mode.SERVER, None, None)
    with pytest.raises(UsageError, match="Specify at least one URL"):
        aria2("--input-file=")


def test_a_bad_value_in_the_conf_file_names_the_place(own_home: Path) -> None:
    conf = own_home / "c.conf"
    conf.write_text("dir=/x\nsplit=0\n")
    with pytest.raises(OptionError, match=rf"equal to 1\. \({conf}, line 2\)") as caught:
        aria2(f"--conf-path={conf}", URL)
    assert caught.value.code == 28


def test_an_input_file_in_our_conf_file_feeds_the_server(own_home: Path) -> None:
    conf = own_home / ".config/slasshy-rpc/slasshy-rpc.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("input-file=/s\nsave-session=/s\n")
    invocation = ours()
    assert (invocation.mode, invocation.input_file) == (Mode.SERVER, "/s")


def test_proxies_come_from_the_environment_too(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = own_home / "c.conf"
    conf.write_text("http-proxy=conf:1\nall-proxy=conf:2\n")
    for name, value in {
        "http_proxy": "env:1",
        "ftp_proxy": "u:p@env",
        "no_proxy": " a , .b ",
        "HTTPS_PROXY": "x",
    }.items():
        monkeypatch.setenv(name, value)
    options = aria2(f"--conf-path={conf}", URL).options
    shown = [options.text(f"{name}-proxy") for name in ("http", "https", "ftp", "all", "no")]
    assert shown == ["http://env:1/", None, "http://u:p@env/", "http://conf:2/", " a , .b "]
    assert options.lines("no-proxy") == ("a", ".b")
    assert options.given("http-proxy") is Layer.ENVIRONMENT
    assert aria2("--http-proxy=", URL).options.text("http-proxy") == ""


def test_a_bad_proxy_in_the_environment_is_told_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "u:s3cret@x:y:z")
    invocation = aria2(URL)
    assert invocation.warnings == ("http_proxy of the environment is not used: unrecognized proxy format",)
    assert invocation.options.text("http-proxy") is None


def test_options_without_effect_are_told_outside_compat() -> None:
    argv = ("--bt-max-peers=9", "--follow-torrent=true", "--ftp-pasv", URL)
    assert ours(*argv).warnings == ("Without effect yet: bt-max-peers (slasshy-rpc --help=NAME tells why).",)
    assert aria2(*argv).warnings == ()


def test_mirrors_and_sequential_downloads() -> None:
    two = ("http://a/1", "https://b/2")
    together = aria2("-o", "x", "--header=A: b", *two)
    assert list(together.own_entries()) == [Entry(two, {"out": "x"})]
    apart = aria2("-Z", "-o", "x", "--checksum=md5=" + "0" * 32, *two)
    assert list(apart.own_entries()) == [Entry(two, {"checksum": "md5=" + "0" * 32})]  # to be taken apart
    assert apart.options.text("out") is None
    assert "out" not in apart.options.items_for_rpc(Scope.NEW)


def test_entries_of_an_input_file_follow(own_home: Path) -> None:
    listed = own_home / "list"
    listed.write_text("http://a/1\n out=y\n http-password=s3cret\nhttp://a/2\n pause=false\n")
    invocation = aria2("-i", str(listed), "-o", "x", "--gid=" + "1" * 16, "--pause", URL)
    warnings: list[str] = []
    own = Entry((URL,), {"out": "x", "gid": "1" * 16, "pause": "true"})
    assert list(invocation._replace(compat=False).own_entries()) == [own]
    assert list(invocation.own_entries()) == []  # aria2c leaves them out
    assert list(invocation.listed_entries(warnings.append)) == [
        Entry(("http://a/1",), {"out": "y", "pause": "true"}),
        Entry(("http://a/2",), {"pause": "false"}),
    ]
    assert warnings == [f"Unknown option: http-password ({listed}, line 3)"]  # and not what it was to be
    with pytest.raises(UsageError, match="Failed to open the file"):
        list(aria2("-i", "/none").listed_entries(warnings.append))


@pytest.mark.parametrize(
    ("uri", "protocol"),
    [
        ("ftp://h/f", "FTP"),
        ("SFTP://h/f", "SFTP"),
        ("magnet:?xt=urn:btih:0", "BitTorrent"),
        ("/d/f.torrent", "BitTorrent"),
        ("f.meta4", "Metalink"),
        ("http://h/f.torrent", ""),
        ("foo://h/f", ""),
        ("ftp", ""),
    ],
)
def test_protocols_that_are_not_there_yet(uri: str, protocol: str) -> None:
    assert awaited_protocol(uri) == protocol


REAL_LINES = [
    "--no-conf --auto-save-interval=10 --console-log-level=warn --summary-interval=0 --download-result=hide "
    "--http-accept-gzip=true --file-allocation=none -x16 -j16 -s16 --min-split-size 1M --load-cookies=J "
    "--header User-Agent:x --max-overall-download-limit 1M --check-certificate=true --remote-time=true "
    "--show-console-readout=true --remove-control-file=false --allow-overwrite=true --always-resume=false "
    "--auto-file-renaming=false --force-save=false --dir ./D/ --out ./F.part -- http://a/b",
    "--no-conf -c -j 5 -x 10 -s 8 --min-split-size=1M --stream-piece-selector=default -i LIST --connect-timeout=600 "
    "--timeout=600 -m0 --header Accept:*/*",
    "--allow-overwrite=true -c --file-allocation=none --log-level=error -m2 --max-connection-per-server=2 "
    "--max-file-not-found=5 --min-split-size=5M --no-conf --remote-time=true --summary-interval=60 -t5 -d / -o o http://a/b",
    "--console-log-level=error -c -x 16 -s 16 -k 1M http://a/b -d DIR -o NAME",
    "-d D -o F --lowest-speed-limit=1 --continue --allow-overwrite=true --max-tries=5 --max-file-not-found=2 "
    "--user-agent=Wget/1.19.1 --split=5 --max-connection-per-server=1 --uri-selector=inorder --follow-metalink=mem "
    "http://a/b http://c/b",
    "--stderr -c -x2 -s10 -j10 -k1M http://a/b --check-certificate=false --server-stat-of=F --server-stat-if=F",
    "-i - --dir=D --quiet=true --connect-timeout=5 --timeout=10 --auto-file-renaming=false --allow-overwrite=false",
    "--allow-overwrite=true --auto-file-renaming=true --bt-enable-lpd=true --bt-detach-seed-only=true "
    "--bt-remove-unselected-file=true --bt-tracker=[L] --check-certificate=false --check-integrity=true "
    "--continue=true --content-disposition-default-utf8=true --disk-cache=40M --enable-rpc=true --follow-torrent=mem "
    "--force-save=true --http-accept-gzip=true --max-connection-per-server=10 --max-concurrent-downloads=10 "
    "--max-file-not-found=0 --max-tries=20 --min-split-size=10M --optimize-concurrent-downloads=true "
    "--peer-id-prefix=-qB4520- --reuse-uri=true --peer-agent=qBittorrent/4.5.2 --quiet=true "
    "--rpc-max-request-size=1024M --seed-ratio=0 --split=10 --summary-interval=0 --user-agent=Wget/1.12",
]


@pytest.mark.parametrize("line", REAL_LINES)
def test_command_lines_that_programs_use(line: str) -> None:
    assert aria2(*line.split()).mode in (Mode.ONE_SHOT, Mode.SERVER)
    assert ours(*line.split()).compat is False


WORDS = st.lists(
    st.sampled_from(["--", "-", "-x", "-c", "-qc", "--split", "--header", "--max", "=", URL, "--help", "-v", "-h#all"])
    | st.sampled_from(sorted(TABLE)).map(lambda name: f"--{name}")
    | st.tuples(st.sampled_from(sorted(TABLE)), st.text(max_size=8)).map(lambda pair: f"--{pair[0]}={pair[1]}")
    | st.text(max_size=12),
    max_size=6,
)


@settings(deadline=None)
@given(argv=WORDS, compat=st.booleans())
def test_any_command_line_is_understood_or_refused(argv: list[str], compat: bool) -> None:
    try:
        invocation = parse(argv, compat=compat)
    except (UsageError, OptionError) as error:
        text = complaint(error, compat=compat)
    else:
        text = invocation.text or "a start"
        assert invocation.options.items_for_rpc(Scope.GLOBAL)
    assert text


def test_a_plain_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from slasshy_rpc.cli.arguments import parse\n"
        "parse(['--no-conf', '-x5', '-k', '1M', 'http://a/b'], compat=False)\n"
        "parse(['-q'], compat=False)\n"
        "print(*sorted(set(sys.modules) & {'dataclasses', 'inspect', 'asyncio', 'ssl', 'json', 'difflib', 'gzip',"
        " 'textwrap', 'aiohttp', 'importlib.metadata', 'argparse', 'logging', 'pathlib'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == ""
