"""Where RPC calls may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from slasshy_rpc.api.paths import PathPolicy, server_files
from slasshy_rpc.errors import RpcError
from slasshy_rpc.options.values import Layer, Normal, OptionSet, defaults


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "home"
    (place / "dl").mkdir(parents=True)
    (place / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(place))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return place


def made(home: Path, compat: bool = False, **values: str) -> OptionSet:
    given = {"dir": str(home / "dl"), **{name.replace("_", "-"): value for name, value in values.items()}}
    return defaults(compat).derive(given, Layer.COMMAND)


def refusal(changed: dict[str, Normal], options: OptionSet) -> str:
    with pytest.raises(RpcError) as caught:
        PathPolicy.of(options).check(changed, options)
    return str(caught.value)


def test_without_a_secret_only_below_dir(home: Path) -> None:
    options = made(home)
    PathPolicy.of(options).check({"dir": str(home / "dl" / "sub")}, options)
    PathPolicy.of(options).check({"dir": str(home / "dl")}, options)
    for place in ("/etc", str(home), str(home / "dl2"), str(home / "dl" / ".." / "x"), "/", ""):
        assert "must stay within" in refusal({"dir": place}, options)


def test_the_way_out_is_named(home: Path) -> None:
    assert "rpc-secret" in refusal({"dir": "/etc"}, made(home))


@pytest.mark.parametrize(
    ("compat", "values"), [(False, {"rpc_secret": "s"}), (False, {"rpc_path_policy": "any"}), (True, {})]
)
def test_any(home: Path, compat: bool, values: dict[str, str]) -> None:
    options = made(home, compat, **values)
    PathPolicy.of(options).check({"dir": "/srv/films"}, options)


def test_home(home: Path) -> None:
    options = made(home, rpc_path_policy="home", rpc_secret="s")
    PathPolicy.of(options).check({"dir": str(home / "films")}, options)
    assert "must stay within" in refusal({"dir": "/srv"}, options)


def test_dot_folders_of_the_home_folder_are_never_written_to(home: Path) -> None:
    for options in (made(home, rpc_secret="s"), made(home, compat=True)):
        for place in (".ssh", ".ssh/x", ".bashrc"):
            assert "programs keep their settings" in refusal({"dir": str(home / place)}, options)
        outer = options.derive({"dir": str(home)}, Layer.COMMAND)
        assert "programs keep their settings" in refusal({"out": ".ssh/authorized_keys"}, outer)


def test_a_dir_that_the_user_keeps_in_a_dot_folder_works(home: Path) -> None:
    options = made(home).derive({"dir": str(home / ".downloads")}, Layer.COMMAND)
    PathPolicy.of(options).check({"dir": str(home / ".downloads" / "x"), "out": "y"}, options)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", ".."])
@pytest.mark.parametrize("compat", [False, True])
def test_names_stay_below_dir(home: Path, name: str, compat: bool) -> None:
    options = made(home, compat, rpc_secret="s")
    assert "must be a name below 'dir'" in refusal({"out": name}, options)
    assert "must be a name below 'dir'" in refusal({"index-out": (f"1={name}",)}, options)


def test_names_with_folders_are_fine(home: Path) -> None:
    options = made(home)
    PathPolicy.of(options).check({"out": "a/b..c/d", "index-out": ("1=x",)}, options)
    PathPolicy.of(options).check({"out": ""}, options)


def test_links_that_lead_out(home: Path) -> None:
    options = made(home)
    (home / "dl" / "link").symlink_to("/etc")
    assert "must stay within" in refusal({"dir": str(home / "dl" / "link")}, options)
    assert "symbolic link" in refusal({"out": "link/passwd"}, options)


def test_the_servers_own_files(home: Path) -> None:
    options = made(home, rpc_secret="s", save_session="/srv/s.txt", conf_path="/srv/c.conf", state_dir="/srv/state")
    own = "file or folder of the server itself"
    for changed in ({"dir": "/srv", "out": "s.txt"}, {"dir": "/srv/state/x"}, {"log": "/srv/c.conf"}):
        assert own in refusal(dict(changed), options)
    PathPolicy.of(options).check({"save-session": "/srv/s.txt"}, options)  # what it is already
    assert "/srv/s.txt" in server_files(options)


def test_files_set_globally_are_checked_too(home: Path) -> None:
    assert "must stay within" in refusal({"log": "/etc/cron.d/x"}, made(home))
    assert "must stay within" in refusal({"save-session": "/etc/x"}, made(home))


def test_the_root_does_not_move_with_changed_options(home: Path) -> None:
    options = made(home)
    policy = PathPolicy.of(options)
    moved = options.derive({"dir": str(home / "dl" / "sub")}, Layer.GLOBAL)
    policy.check({"dir": str(home / "dl")}, moved)


def test_a_name_that_was_fine_is_checked_again_where_it_is_to_go(home: Path) -> None:
    server = made(home, rpc_path_policy="home")
    own = server.derive({"out": ".ssh/authorized_keys", "index-out": ("1=x",)}, Layer.OWN)
    assert "programs keep their settings" in refusal({"dir": str(home)}, own)
    PathPolicy.of(server).check({"dir": str(home / "films")}, own)
    PathPolicy.of(server).check({"split": "2", "out": ".ssh/authorized_keys"}, own)  # nothing has changed


def test_what_the_user_named_himself_only_moves_with_a_new_name(home: Path) -> None:
    own = made(home).derive({"out": "/srv/x"}, Layer.OWN)
    assert "must be a name below" in refusal({"dir": str(home / "dl" / "sub")}, own)
    PathPolicy.of(made(home)).check({"dir": str(home / "dl"), "out": "/srv/x"}, own)
    PathPolicy.of(made(home)).check({"dir": str(home / "dl" / "sub"), "out": "x"}, own)


def test_an_empty_dir_is_where_the_server_stands(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert "programs keep their settings" in refusal({"dir": "", "out": ".bashrc"}, made(home, rpc_secret="s"))


def test_a_dash_is_standard_output_for_the_log_and_a_folder_for_the_rest(home: Path) -> None:
    options = made(home)
    PathPolicy.of(options).check({"log": "-"}, options)
    for name in ("dir", "save-session", "save-cookies"):
        assert "must stay within" in refusal({name: "-"}, options)


def test_what_lies_beside_files_is_nobodys(home: Path) -> None:
    options = made(home, rpc_secret="s", save_session=str(home / "dl" / "s.txt"))
    assert "file or folder of the server itself" in refusal({"out": "s.txt"}, options)
    assert str(home / "dl" / "s.txt") in server_files(options)
    for name in ("film.mkv.aria2", "film.mkv.ARIA2", "a/film.mkv.aria2__temp"):
        assert "control files" in refusal({"out": name}, options)
        assert "control files" in refusal({"index-out": ("1=a", f"2={name}")}, options)
    PathPolicy.of(options).check({"out": "aria2"}, options)


def test_a_dot_folder_that_is_a_link_to_a_plain_one(home: Path) -> None:
    (home / "dotfiles" / "ssh").mkdir(parents=True)
    (home / ".keys").symlink_to("dotfiles/ssh")
    options = made(home, rpc_secret="s")
    assert "programs keep their settings" in refusal({"dir": str(home / ".keys")}, options)
    assert "programs keep their settings" in refusal({"dir": str(home), "out": ".keys/x"}, options)
    kept = options.derive({"dir": str(home / ".keys")}, Layer.COMMAND)
    PathPolicy.of(kept).check({"dir": str(home / ".keys" / "x")}, kept)


def test_paths_and_names_have_a_bound(home: Path) -> None:
    options = made(home, rpc_secret="s")
    assert "more than 4096 bytes" in refusal({"dir": "/a" * 3000}, options)
    assert "more than 4096 bytes" in refusal({"out": "a/" * 3000 + "b"}, options)
    assert "2000 entries" in refusal({"index-out": ("1=x",) * 2_001}, options)
