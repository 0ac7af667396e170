"""`python -m tests.bench`: runs the scenarios asked for, prints their tables and writes the figures as JSON."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import long_queue, media, polls, report, restart, rpc
from tests.bench.contenders import HERE, NAMES, Contender, find
from tests.bench.machine import MIB, compile_tool, facts
from tests.bench.nginx import Nginx
from tests.bench.scenarios import SCENARIOS, SMALL_COUNT, Course, Field

SERVERS = ("slasshy", "aria2c", "aria2-next")

#: Scenarios of servers: a title, and what one run finds out.
SERVED: dict[str, tuple[str, Callable[[Contender, Course, int], dict[str, float]]]] = {
    "rpc-rate": ("polls of front ends, 20 active, 1,000 waiting and 1,000 stopped downloads", polls.measure),
    "restart": ("killed with a long queue and started again", restart.measure),
    "queue": ("hundreds of thousands of waiting downloads", long_queue.measure),
    "media": ("a page with video and audio apart, 2 MB/s a connection, beside yt-dlp alone", media.measure),
    "fragments": ("600 fragments, 50 ms for each request, beside yt-dlp alone", media.measure_fragments),
}


def arguments() -> argparse.Namespace:
    """The command line of the bench."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="slasshy-rpc beside aria2c and others")
    every = [*SCENARIOS, "rpc", *SERVED]
    parser.add_argument(
        "--scenario", action="append", default=[], choices=every, help="may be repeated; all by default"
    )
    parser.add_argument(
        "--contender",
        action="append",
        default=[],
        metavar="NAME[=PROGRAM]",
        help=f"may be repeated; of {', '.join(NAMES)}; all by default",
    )
    parser.add_argument("--rounds", type=int, help="alternated rounds (default 7)")
    parser.add_argument("--size", type=int, metavar="MIB", help="size of the big file (default 1024)")
    parser.add_argument("--warm", type=int, metavar="MIB", help="memory to warm before each run (default 2 x size)")
    parser.add_argument("--calls", type=int, help="RPC calls to time (default 2000)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="where the figures go (default tests/bench/results/)")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="a folder on a real disk (default /var/tmp)")
    parser.add_argument("--quick", action="store_true", help="64 MiB, 2 rounds, 200 calls: does the bench itself work?")
    given = parser.parse_args()
    ordinary = (2, 64, 200) if given.quick else (7, 1024, 2000)
    given.rounds, given.size, given.calls = (
        default if value is None else value
        for value, default in zip((given.rounds, given.size, given.calls), ordinary, strict=True)
    )
    given.warm = 2 * given.size if given.warm is None else given.warm
    given.scenario = given.scenario or every
    if given.size < 4 or given.size % 4 or given.rounds < 1:
        parser.error("--size takes a multiple of 4 MiB, --rounds at least 1")
    return given


def contenders(wanted: list[str]) -> list[Contender]:
    """Everybody who is asked for and there; says who is not."""
    paths = dict(one.partition("=")[::2] for one in wanted)
    found = []
    for name in paths or NAMES:
        contender = find(name, paths.get(name) or None)
        if isinstance(contender, str):
            print(contender, file=sys.stderr)
        else:
            found.append(contender)
    return found


def run(given: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """All scenarios asked for; the results as they go into the JSON file."""
    there = contenders(given.contender)
    root, work = scratch / "www", scratch / "work"
    root.mkdir()
    work.mkdir()
    stopwatch = compile_tool(HERE / "stopwatch.c", work)
    floor = compile_tool(HERE / "floor.c", work) if sys.platform == "linux" else None
    field = Field(root, scratch / "out", given.size * MIB, 50 if given.quick else SMALL_COUNT)
    scenarios: dict[str, Any] = {}
    with Nginx(root, work) as nginx:
        course = Course(
            nginx,
            field,
            work,
            stopwatch,
            floor,
            given.warm * MIB,
            given.rounds,
            lambda line: print(line, file=sys.stderr),
        )
        servers = [one for one in there if one.name in SERVERS]
        for name in given.scenario:
            if name in SERVED:
                title, taken = SERVED[name]
                able = [one for one in servers if name != "media" or one.name == "slasshy"]
                runs = polls.rounds(course, name, taken, able, given.calls)
                scenarios[name] = {"title": title, "calls": given.calls, "runs": runs}
            elif name == "rpc":
                served: dict[str, list[dict[str, object]]] = {one.name: [] for one in servers}
                for who, figures in rpc.run(course, servers, given.calls):
                    served[who].append(figures.as_json())
                scenarios[name] = {"calls": given.calls, "runs": served}
            else:
                scenarios[name] = course.run(SCENARIOS[name], there).as_json()
        return {
            "machine": facts(scratch),
            "versions": {**{one.name: one.version for one in there}, "nginx": nginx.version()},
            "rounds": given.rounds,
            "size": given.size * MIB,
            "warmth": given.warm * MIB,
            "command": " ".join(["python", "-m", "tests.bench", *sys.argv[1:]]),
            "scenarios": scenarios,
        }


def main() -> int:
    """Exit code 0: all runs were good, but for crashes of axel; 1: some were not; 2: the bench could not start."""
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server and the scratch folder go on every way out
    scratch = Path(tempfile.mkdtemp(prefix="bench-", dir=given.dir))
    try:
        results = run(given, scratch)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    path: Path = given.json or HERE / "results" / "latest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(report.markdown(results))
    print(f"figures: {path}", file=sys.stderr)
    return 0 if all(good(one) for one in results["scenarios"].values()) else 1


def good(scenario: dict[str, Any]) -> bool:
    """Whether every run of a scenario ended well, as far as it can: axel 2.17 segfaults now and then.

    Its crashes stay in the tables and the figures.
    """
    runs = [(who, run) for who, all_runs in scenario["runs"].items() for run in all_runs]
    return all(
        run.get("ok", not run["note"]) or (who, run["note"][:13]) == ("axel", "exit code 139") for who, run in runs
    )


if __name__ == "__main__":
    sys.exit(main())
