"""Every option that holds a path, in every call that takes options: nothing is written where no caller may write."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from slasshy_rpc.options.kinds import Path as PathKind
from slasshy_rpc.options.table import TABLE
from tests.hostile.conftest import SECRET, sound
from tests.support.origin import Origin
from tests.support.process import GLANCE, PATIENCE, Refused, Server

PAYLOAD = b"written by a caller over RPC\n"
#: Every option whose value is a path, whatever it is for and whether it may be set over RPC or not.
NAMES = sorted(option.name for option in TABLE.values() if isinstance(option.kind, PathKind))
BELOW = ("out", "index-out")


class Ground:
    """Folders around the one that callers may write to, each with a file that must stay as it is."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.files, self.home, self.outside = root / "files", root / "home", root / "outside"
        for folder in (self.files, self.home / ".ssh", self.outside):
            folder.mkdir(parents=True)
        self.kept = [self.home / ".ssh" / "authorized_keys", self.home / ".bashrc", self.outside / "kept"]
        for path in self.kept:
            path.write_text("mine")
        (self.files / "link").symlink_to(self.outside)
        (self.files / "link-to-file").symlink_to(self.outside / "kept")
        (self.files / "to-home").symlink_to(self.home)
        monkeypatch.setenv("HOME", str(self.home))
        self.own = [root / "log.txt", root / "session.txt", root / "cookies.txt", root / "conf"]
        self.options = (
            f"--dir={self.files}",
            f"--state-dir={root / 'state'}",
            f"--log={self.own[0]}",
            f"--save-session={self.own[1]}",
            f"--save-cookies={self.own[2]}",
        )

    def places(self, *, anywhere: bool) -> list[str]:
        """Where no caller may write: with a secret, only what is private or the server's."""
        private = [
            self.home / ".ssh" / "authorized_keys",
            self.home / ".ssh" / "new",
            self.home / ".bashrc",
            self.files / "to-home" / ".bashrc",
            self.root / "state" / "history.db",
            self.root / "state" / "live" / "x",
            *self.own[:3],
        ]
        elsewhere = [
            self.outside,
            self.outside / "kept",
            self.outside / "new",
            self.files / ".." / "outside" / "new",
            self.files / "link",
            self.files / "link" / "new",
            self.files / "link-to-file",
        ]
        return [str(place) for place in (private if anywhere else [*private, *elsewhere])]

    def names(self) -> list[str]:
        """What is no name below a folder."""
        climbing = ["../outside/new", "sub/../../outside/new", "link/new", "link-to-file", "to-home/.bashrc", "..", "."]
        return [*climbing, str(self.outside / "new"), "/", "a.aria2", "sub/", "//", "a\0b", "a\nb", "a\rb"]

    def misplaced(self, *, anywhere: bool) -> list[str]:
        """Files that have changed, and what the origin served where it must not be."""
        found = [str(path) for path in self.kept if path.read_text() != "mine"]
        private = (self.home / ".ssh", self.root / "state")
        for path in filter(Path.is_file, self.root.rglob("*")):
            place = path.resolve()
            allowed = anywhere or place.is_relative_to(self.files)
            hidden = place in self.own or any(map(place.is_relative_to, private))
            if (hidden or not allowed) and path.read_bytes().startswith(PAYLOAD):
                found.append(str(path))
        for folder in (self.home / ".ssh", *(() if anywhere else (self.outside, self.home))):
            found += [str(path) for path in folder.iterdir() if path not in self.kept and path.name != ".ssh"]
        return found


@pytest.mark.parametrize("secret", ["", SECRET])
def test_no_path_leads_out(secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: Origin) -> None:
    ground = Ground(tmp_path, monkeypatch)
    uri = origin.serve("/payload", data=PAYLOAD)
    token = [f"token:{secret}"] if secret else []
    more = {"allow-overwrite": "true", "auto-file-renaming": "false"}
    changes: list[dict[str, object]] = []
    for place in ground.places(anywhere=bool(secret)):
        changes += [{name: place} for name in NAMES]
        changes.append({"dir": str(Path(place).parent), "out": Path(place).name})
    for name in ground.names():
        changes += [{"out": name}, {"index-out": [f"1={name}"]}]
    options = (*ground.options, *([f"--rpc-secret={secret}"] if secret else []))
    refused = 0
    with Server(*options) as server:
        waiting = server.call("aria2.addUri", *token, [uri], {"pause": "true", "out": "first", **more})
        for change in changes:
            for call in (
                ("aria2.addUri", *token, [uri], {**more, **change}),
                ("aria2.changeOption", *token, waiting, change),
                ("aria2.changeGlobalOption", *token, change),
            ):
                try:
                    server.call(*call)
                except Refused:
                    refused += 1
        assert refused > len(ground.places(anywhere=bool(secret)))
        server.call("aria2.saveSession", *token)
        server.call("aria2.unpause", *token, waiting)
        end = time.monotonic() + PATIENCE
        while (stat := server.call("aria2.getGlobalStat", *token))["numActive"] != "0" or stat["numWaiting"] != "0":
            assert time.monotonic() < end
            time.sleep(GLANCE)
        sound(server)
        server.stop()
        assert "Traceback" not in server.said
    assert ground.misplaced(anywhere=bool(secret)) == []
    assert any(path.read_bytes() == PAYLOAD for path in ground.files.rglob("*") if path.is_file())
