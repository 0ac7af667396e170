"""kill -9 of a server with entries in all states: the next start has them all, in order."""

from __future__ import annotations

import time
from pathlib import Path

from tests.support.behaviour import Behaviour
from tests.support.origin import Origin
from tests.support.process import GLANCE, PATIENCE, Command, Server, free_port

KEYS = ["gid", "status"]
COUNT = 300


def test_everything_is_there_after_kill_9(tmp_path: Path, origin: Origin) -> None:
    slow = origin.serve("/slow", length=1 << 20, behaviour=Behaviour(rate=1000))
    quick = origin.serve("/quick", length=1000)
    options = [f"--dir={tmp_path / 'd'}", f"--state-dir={tmp_path / 's'}"]
    with Server(*options, "--max-concurrent-downloads=3") as server:
        finished = [server.call("aria2.addUri", [quick], {"out": f"q{at}"}) for at in range(3)]
        until_stopped(server, len(finished))
        running = [server.call("aria2.addUri", [slow], {"out": f"r{at}"}) for at in range(3)]
        for at in range(COUNT):
            server.call("aria2.addUri", [slow], {"out": f"w{at}", "pause": str(at % 3 == 0).lower()})
        for at in range(0, COUNT, 30):
            gid = server.call("aria2.tellWaiting", at, 1, ["gid"])[0]["gid"]
            server.call("aria2.changePosition", gid, COUNT - 1 - at, "POS_SET")
        before = server.call("aria2.tellWaiting", 0, COUNT, KEYS)
        names = {one["gid"]: server.call("aria2.getOption", one["gid"])["out"] for one in before[::20]}
        stopped = server.call("aria2.tellStopped", 0, 9, KEYS)
        server.call("slasshy.getHistory", 0, 1)  # answered when all that was noted before it is committed
        server.kill()
    listed = tmp_path / "list"
    listed.write_text(f"{slow}\n gid={before[0]['gid']}\n out=other\n")
    with Server(*options, "--max-concurrent-downloads=1", f"--input-file={listed}", "--enable-rpc") as server:
        active = server.call("aria2.tellActive", KEYS)
        waiting = server.call("aria2.tellWaiting", 0, COUNT + 9, KEYS)
        assert [one["gid"] for one in active + waiting][:3] == running
        assert waiting[-COUNT:] == before
        assert len(active + waiting) == COUNT + 3
        assert {gid: server.call("aria2.getOption", gid)["out"] for gid in names} == names
        assert server.call("aria2.tellStopped", 0, 9, KEYS) == stopped
        assert {one["gid"] for one in server.call("slasshy.getHistory", 0, 9)} == set(finished)
    assert (tmp_path / "s" / "history.db").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def until_stopped(server: Server, count: int) -> None:
    """Wait until so many downloads have ended."""
    end = time.monotonic() + PATIENCE
    while len(server.call("aria2.tellStopped", 0, count)) < count:
        assert time.monotonic() < end, "they do not end"
        time.sleep(GLANCE)


def test_a_second_process_leaves_the_history_alone(tmp_path: Path, origin: Origin) -> None:
    slow = origin.serve("/slow2", length=1 << 20, behaviour=Behaviour(rate=1000))
    quick = origin.serve("/quick2", length=1000)
    state = f"--state-dir={tmp_path / 's'}"
    with Server(f"--dir={tmp_path}", state) as server:
        gid = server.add(slow)
        with Command("--enable-rpc", f"--rpc-listen-port={free_port()}", f"--dir={tmp_path}", state, quick) as command:
            command.hears("Download complete")
            assert command.stop() == 0
            assert "No history is kept" in command.said
        server.call("slasshy.getHistory", 0, 1)
        server.kill()
    with Server(f"--dir={tmp_path}", state) as server:
        assert [one["gid"] for one in server.call("aria2.tellActive", KEYS)] == [gid]
        assert server.call("slasshy.getHistory", 0, 9) == []


def test_without_a_history_it_is_said_once_what_to_do(tmp_path: Path, origin: Origin) -> None:
    (tmp_path / "s" / "history.db").mkdir(parents=True)
    with Server(f"--dir={tmp_path}", f"--state-dir={tmp_path / 's'}") as server:
        server.completed(server.add(origin.serve("/f", length=1000)))
        server.stop()
        assert server.said.count("There is no history") == 1
        assert "--history=false" in server.said
