"""What the command line of `get` means."""

from __future__ import annotations

from pathlib import Path

import pytest

from slasshy_rpc.cli.arguments import Mode
from slasshy_rpc.cli.get import understand
from slasshy_rpc.errors import OptionError, UsageError

URI = "http://127.0.0.1/a"


def test_every_uri_is_a_file_of_its_own() -> None:
    start = understand(["--no-conf", URI, URI + "2"])
    assert start.options.flag("force-sequential")
    assert [entry.uris for entry in start.own_entries()] == [(URI, URI + "2")]  # to be taken apart
    mirrors = understand(["--no-conf", "-Zfalse", "-oname", URI, URI + "2"])
    assert [entry.uris for entry in mirrors.own_entries()] == [(URI, URI + "2")]
    (one,) = understand(["--no-conf", "-oname", URI]).own_entries()
    assert one.options["out"] == "name"


def test_what_a_conf_file_says_of_a_server_does_not_count(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.write_text(f"enable-rpc=true\ndaemon=true\nsave-session={tmp_path}/s\ninput-file={tmp_path}/s\nsplit=3\n")
    start = understand([f"--conf-path={conf}", URI])
    assert (start.mode, start.rpc, start.input_file) == (Mode.ONE_SHOT, False, None)
    assert not start.options.flag("daemon")
    assert not start.options.text("save-session")
    assert start.options.integer("split") == 3
    assert start.options.text("console-log-level") == "warn"


def test_a_list_of_the_command_line_counts(tmp_path: Path) -> None:
    assert understand(["--no-conf", f"-i{tmp_path}/list"]).input_file == f"{tmp_path}/list"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "needs a URI"),
        ((URI, "--compat"), "--compat"),
        ((URI, "-D"), "--daemon"),
        ((URI, URI, "-ox"), "--out names one file"),
        (("nothing",), "Unrecognized URI"),
        ((URI, "-j0"), "max-concurrent-downloads"),
    ],
)
def test_refused(arguments: tuple[str, ...], reason: str) -> None:
    with pytest.raises((UsageError, OptionError), match=reason):
        understand(["--no-conf", *arguments])
