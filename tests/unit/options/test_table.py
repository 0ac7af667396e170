"""The table against aria2's counts and against itself; the documentation against the table."""

from __future__ import annotations

from pathlib import Path

from slasshy_rpc.options.help import TAGS, help_text, markdown, version_text
from slasshy_rpc.options.table import SHORT, TABLE, Scope, State

OWN = {
    "state-dir", "compat", "rpc-allow-origin", "rpc-allow-host", "rpc-path-policy", "file-sync", "live-map",
    "history", "history-days", "history-count", "history-keep-urls",
}  # fmt: skip

#: Those about media that no caller over RPC may set: they lead to files and programs, or are about the whole server.
CLOSED = {
    "media-cookies", "media-extractor-args", "media-ffmpeg", "media-hosts", "media-js-runtime", "media-plugin-dir",
    "media-spotify-base",
}  # fmt: skip


def test_aria2s_options_are_all_there_and_ours_are_tagged() -> None:
    ours = {option.name for option in TABLE.values() if option.own}
    media = {name for name in ours if name.startswith("media")}
    assert len(TABLE) == 198 + len(ours)
    assert ours - media == OWN
    assert {name for name in ours if not TABLE[name].scope} == OWN | CLOSED


def test_scopes_count_as_aria2s() -> None:
    counts = {scope: sum(scope in option.scope for option in TABLE.values() if not option.own) for scope in Scope}
    assert counts == {Scope.NEW: 113, Scope.WAITING: 106, Scope.ACTIVE: 7, Scope.GLOBAL: 120}


def test_rows_are_whole() -> None:
    for name, option in TABLE.items():
        assert option.name == name
        assert option.help.endswith("."), name
        assert (option.state is State.LIVE) == (not option.reason), name
        assert not option.reason.endswith("."), name
        assert set(option.tags) <= set(TAGS), name
        assert option.metavar or option.kind.argument != "required" or "true" in option.kind.values, name
    assert "".join(SHORT) == "".join(option.short for option in TABLE.values() if option.short)


def test_the_documentation_is_fresh() -> None:
    page = Path(__file__).parents[3] / "docs" / "options.md"
    assert page.read_text(encoding="utf-8") == markdown(), "run: python -m slasshy_rpc.options.help > docs/options.md"


def test_the_documentation_names_every_option_once() -> None:
    rows = [line for line in markdown().splitlines() if line.startswith("| `--")]
    assert [row.split("`")[1][2:] for row in rows] == sorted(TABLE, key=lambda n: _order(TABLE[n].state))


def _order(state: State) -> int:
    return [State.LIVE, State.REFUSED, State.ACCEPTED].index(state)


def test_help_by_tag_and_by_word() -> None:
    hooks = help_text("#hook", program="slasshy-rpc", compat=False)
    assert hooks.count("--on-") == 6
    assert "No effect yet: waits for BitTorrent." in hooks
    both = help_text("max-conn", program="aria2c", compat=True)
    assert "-x, --max-connection-per-server=NUM" in both
    assert "Possible Values: 1-16" in both
    assert "Default: 1\n" in both
    ours = help_text("max-conn", program="slasshy-rpc", compat=False)
    assert "Possible Values: 1-64" in ours
    assert "Default: 16\n" in ours
    everything = help_text("#all", program="slasshy-rpc", compat=False)
    assert all(f"--{name}" in everything for name in TABLE)
    assert "Refused: " in everything
    assert max(map(len, everything.splitlines())) < 80
    assert "No option has 'zzz' in its name." in help_text("zzz", program="slasshy-rpc", compat=False)
    assert "#slasshy" in help_text("#nope", program="slasshy-rpc", compat=False)


def test_version_lines_that_programs_read() -> None:
    assert version_text(compat=False).startswith("slasshy-rpc 0")
    lines = version_text(compat=True).splitlines()
    assert lines[0] == "aria2 version 1.37.0"
    hashes = next(line for line in lines if line.startswith("Hash Algorithms:"))
    assert {"sha-512", "sha-256", "sha-1", "md5"} <= set(hashes.partition(": ")[2].split(", "))
