"""Layers, views and the checks of values that come over RPC."""

from __future__ import annotations

import contextlib
import gc
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slasshy_rpc.errors import OptionError
from slasshy_rpc.options.table import TABLE, Scope, State
from slasshy_rpc.options.values import Layer, Normal, check_rpc, defaults, needs_restart, parse_value


def test_two_columns_of_defaults() -> None:
    ours, aria2 = defaults(compat=False), defaults(compat=True)
    names = ("split", "max-connection-per-server", "min-split-size", "max-concurrent-downloads", "piece-length")
    assert [ours.integer(name) for name in names] == [16, 16, 1 << 20, 5, 1 << 20]
    assert [aria2.integer(name) for name in names] == [5, 1, 20 << 20, 5, 1 << 20]
    assert (ours.flag("continue"), aria2.flag("continue")) == (False, False)
    assert (ours.text("file-allocation"), aria2.text("file-allocation")) == ("falloc", "prealloc")
    assert (ours.flag("compat"), aria2.flag("compat")) == (False, True)
    assert aria2.text("user-agent") == "aria2/1.37.0"
    assert (ours.text("file-sync"), aria2.text("file-sync")) == ("auto", "never")
    assert ours.flag("live-map")


def test_every_default_is_a_value_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    for compat in (False, True):
        for option in TABLE.values():
            default = option.compat_default if compat else option.default
            if default is not None and option.name != "help":
                text = default if isinstance(default, str) else default()
                assert parse_value(option, text, compat=compat) == text, option.name


def test_defaults_of_the_machine_are_found_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("home")
    options = defaults(compat=False)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert options.text("dir") == str(folder)
    assert options.text("netrc-path") == f"{folder}/.netrc"
    assert options.text("conf-path") == f"{folder}/.config/slasshy-rpc/slasshy-rpc.conf"
    assert options.text("state-dir") == f"{folder}/.local/state/slasshy-rpc"
    compat = defaults(compat=True)
    assert compat.text("conf-path") == f"{folder}/.config/aria2/aria2.conf"
    (folder / ".aria2").mkdir()
    (folder / ".aria2" / "aria2.conf").touch()
    assert compat.text("conf-path") == f"{folder}/.aria2/aria2.conf"


def test_the_nearest_layer_wins() -> None:
    base = defaults(compat=False)
    command = base.derive({"split": "2", "dir": "/c"}, Layer.COMMAND)
    own = command.derive({"split": "3"}, Layer.OWN)
    assert [o.integer("split") for o in (base, command, own)] == [16, 2, 3]
    assert [o.given("split") for o in (base, command, own)] == [Layer.DEFAULT, Layer.COMMAND, Layer.OWN]
    assert own.given("dir") is Layer.COMMAND
    assert own.given("out") is None
    assert own.raw("out") is None
    assert own.own() == {"split": "3"}


def test_a_second_change_of_a_layer_merges_into_it() -> None:
    options = defaults(compat=False).derive({"dir": "/c"}, Layer.COMMAND)
    for number in range(1, 200):
        options = options.derive({"split": str(number)}, Layer.GLOBAL)
    options = options.derive({"timeout": "7"}, Layer.GLOBAL)
    assert options.own() == {"split": "199", "timeout": "7"}
    assert options.text("dir") == "/c"


def test_only_what_is_a_downloads_own_can_be_left_out() -> None:
    common = defaults(compat=False).derive({"split": "2"}, Layer.COMMAND)
    own = common.derive({"split": "3", "out": "a"}, Layer.OWN)
    less = own.without("out", "split")
    assert (less.text("out"), less.integer("split"), less.own()) == (None, 2, {})
    assert own.without("dir") is own
    assert common.without("split") is common


def test_getters_decode() -> None:
    options = defaults(compat=False).derive(
        {
            "seed-ratio": "1.50",
            "seed-time": "x",
            "header": ("A: b",),
            "rpc-allow-host": "a, b,,c",
            "max-download-limit": "1024",
        },
        Layer.OWN,
    )
    assert options.real("seed-ratio") == 1.5
    assert options.real("seed-time") == 0
    assert options.lines("header") == ("A: b",)
    assert options.lines("rpc-allow-host") == ("a", "b", "c")
    assert options.lines("rpc-allow-origin") == ()
    assert options.integer("max-download-limit") == 1024
    assert not options.flag("pause")
    assert options.text("out") is None
    with pytest.raises(KeyError):
        options.integer("stop-with-process")


def test_getoption_view() -> None:
    options = defaults(compat=True)
    assert len(options.items_for_rpc(Scope.NEW)) == 76
    own = options.derive(
        {"gid": "0123456789abcdef", "pause": "true", "header": ("A: b", "C: d"), "split": "7"}, Layer.OWN
    )
    shown = own.items_for_rpc(Scope.NEW)
    assert len(shown) == 77
    assert shown["header"] == "A: b\nC: d\n"
    assert shown["split"] == "7"
    assert "gid" not in shown
    assert "pause" not in shown
    assert options.derive({"header": ()}, Layer.OWN).items_for_rpc(Scope.NEW)["header"] == "\n"


def test_getglobaloption_view_hides_the_secret_what_is_ours_and_what_the_start_used_up() -> None:
    used_up = {"input-file": "/in", "force-sequential": "true"}
    options = defaults(compat=False).derive({"rpc-secret": "s", "rpc-allow-host": "h", **used_up}, Layer.COMMAND)
    shown = options.items_for_rpc(Scope.GLOBAL)
    assert len(shown) == 128
    assert "rpc-secret" not in shown
    assert not used_up.keys() & shown.keys()
    assert shown["no-conf"] == "false"
    assert not [name for name in shown if TABLE[name].own]
    assert shown["help"] == "#basic"


def test_what_getoption_shows_is_accepted_whole_by_adduri() -> None:
    for compat in (True, False):
        shown = defaults(compat).items_for_rpc(Scope.NEW)
        assert check_rpc(shown, Scope.NEW, compat=compat) == shown


def test_session_lines_leave_out_defaults_and_the_conf_file() -> None:
    options = (
        defaults(compat=False)
        .derive({"timeout": "9", "referer": "conf"}, Layer.CONF)
        .derive({"max-tries": "2", "quiet": "true"}, Layer.COMMAND)
        .derive({"split": "4"}, Layer.GLOBAL)
        .derive({"header": ("A: b", "C: d"), "out": "x", "gid": "0123456789abcdef", "pause": "true"}, Layer.OWN)
    )
    assert list(options.items_for_session()) == [
        ("max-tries", "2"),
        ("out", "x"),
        ("split", "4"),
        ("header", "A: b"),
        ("header", "C: d"),
    ]


def test_rpc_passes_over_what_aria2_passes_over() -> None:
    raw = {
        "split": "7",
        "foo": "1",
        "timeout": 5,
        "continue": True,
        "referer": None,
        "dir": ["/a"],
        "max-concurrent-downloads": "3",
        "state-dir": "/x",
        "header": ["A: b\nC: d", 5, "E: f"],
    }
    assert check_rpc(raw, Scope.NEW) == {"split": "7", "header": ("A: b", "C: d", "E: f")}
    assert check_rpc(raw, Scope.GLOBAL) == {
        "split": "7",
        "max-concurrent-downloads": "3",
        "header": ("A: b", "C: d", "E: f"),
    }
    assert check_rpc({"header": []}, Scope.NEW) == {}


def test_rpc_scopes() -> None:
    raw = {"pause": "true", "gid": "0123456789abcdef", "dry-run": "true", "out": "x", "max-download-limit": "1K"}
    assert set(check_rpc(raw, Scope.NEW)) == set(raw)
    assert set(check_rpc(raw, Scope.WAITING)) == {"out", "max-download-limit"}
    assert set(check_rpc(raw, Scope.ACTIVE)) == {"max-download-limit"}
    assert set(check_rpc(raw, Scope.GLOBAL)) == {"dry-run", "max-download-limit"}
    assert not needs_restart({"max-download-limit": "1"})
    assert needs_restart({"max-download-limit": "1", "out": "x"})


def test_a_bad_value_fails_the_whole_call() -> None:
    with pytest.raises(OptionError) as caught:
        check_rpc({"timeout": "5", "split": "x"}, Scope.NEW)
    assert caught.value.name == "split"


@pytest.mark.parametrize("name", [option.name for option in TABLE.values() if option.state is State.REFUSED])
def test_refused_options_are_errors_only_when_they_ask_for_something(name: str) -> None:
    option = TABLE[name]
    value = "true" if "true" in option.kind.values else "socks5://x"
    with pytest.raises(OptionError, match=f"{name} cannot be used: .+"):
        parse_value(option, value, compat=False)
    if "true" in option.kind.values:
        assert parse_value(option, "false", compat=False) == "false"
        with pytest.raises(OptionError, match="cannot be used"):
            parse_value(option, "", compat=False)


def test_secrets_are_flagged_and_stay_out_of_repr() -> None:
    flagged = {option.name for option in TABLE.values() if option.secret}
    assert {
        "rpc-secret",
        "http-passwd",
        "ftp-passwd",
        "header",
        "all-proxy",
        "all-proxy-passwd",
        "rpc-passwd",
    } <= flagged
    assert "no-proxy" not in flagged
    assert "hidden" not in repr(defaults(compat=False).derive({"http-passwd": "hidden"}, Layer.OWN))


def test_a_value_may_be_spelt_like_an_option() -> None:
    own = defaults(compat=False).derive({"referer": "out", "out": "referer"}, Layer.OWN)
    assert (own.text("out"), own.text("referer"), own.given("out")) == ("referer", "out", Layer.OWN)
    assert own.given("dir") is Layer.DEFAULT


def test_half_a_million_waiting_sets_stay_small() -> None:
    parent = defaults(compat=False).derive({"dir": "/c"}, Layer.COMMAND)
    assert parent.derive({}, Layer.OWN) is parent
    own = parent.derive(check_rpc({"out": "x"}, Scope.NEW), Layer.OWN)
    shared = {id(o) for o in gc.get_referents(parent)}
    reached = [o for o in gc.get_referents(own) if isinstance(o, dict) and id(o) not in shared]
    assert sys.getsizeof(own) + sum(sys.getsizeof(o) for o in reached) < 400
    assert next(iter(own.own())) is TABLE["out"].name


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(TABLE)),
        st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.lists(st.text(max_size=6) | st.none()),
        max_size=6,
    ),
    st.sampled_from([Scope.NEW, Scope.WAITING, Scope.ACTIVE, Scope.GLOBAL]),
)
def test_no_call_does_more_than_raise_an_option_error(raw: dict[str, object], scope: Scope) -> None:
    checked: dict[str, Normal] = {}
    with contextlib.suppress(OptionError):
        checked = check_rpc(raw, scope)
    assert set(checked) <= set(raw)
    options = defaults(compat=False).derive(checked, Layer.OWN)
    assert all(isinstance(value, str) for value in options.items_for_rpc(Scope.NEW).values())
    assert all("\n" not in value for _, value in options.items_for_session())


def test_what_changes_nothing_is_taken_and_not_kept() -> None:
    given = {"enable-async-dns6": "anything", "select-file": "3-1", "split": "3"}
    assert check_rpc(given, Scope.NEW) == {"split": "3"}
    assert check_rpc({"select-file": "3-1,2"}, Scope.NEW) == {"select-file": "3-1,2"}


def test_empty_headers_are_shown_and_not_saved() -> None:
    own = check_rpc({"header": ["", "A: b", ""]}, Scope.NEW)
    options = defaults(compat=True).derive(own, Layer.OWN)
    assert options.items_for_rpc(Scope.NEW)["header"] == "\nA: b\n\n"
    assert list(options.items_for_session()) == [("header", "A: b")]


def test_many_lines_take_no_longer_each_than_few() -> None:
    """This many took minutes, in which no other call was answered."""
    assert len(check_rpc({"header": ["A: b"] * 300_000}, Scope.NEW)["header"]) == 300_000
