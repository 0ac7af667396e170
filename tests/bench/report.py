"""Figures as markdown tables: minima first, since noise only adds, medians beside them.

`python -m tests.bench.report RESULTS.json` prints the tables of an earlier run again.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.machine import GIB, MIB


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ratio(ours: list[float], base: list[float]) -> str:
    """Best to best (median to median)."""
    if not ours or not base or not min(base):
        return "-"
    return f"{min(ours) / min(base):.2f} ({statistics.median(ours) / statistics.median(base):.2f})"


def _pair(values: list[float], digits: int = 2) -> str:
    return f"{min(values):.{digits}f} ({statistics.median(values):.{digits}f})" if values else "-"


def _of(runs: list[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> list[float]:
    return [figure(run) for run in runs if run["ok"]]


def downloads(name: str, result: dict[str, Any]) -> str:
    """The table of one download scenario, from its part of the results."""
    runs, base = result["runs"], result["base"]
    per_gib: float = GIB / result["total"]
    with_loop = base == "c-loop"

    def wall(run: dict[str, Any]) -> float:
        return float(run["wall"])

    def cpu(run: dict[str, Any]) -> float:
        return float(run["user"] + run["sys"]) * per_gib

    def loop(run: dict[str, Any]) -> float:
        return cpu(run) if run["loop_cpu"] is None else float(run["loop_cpu"]) * per_gib

    rows = []
    for contender, all_runs in runs.items():
        good = [run for run in all_runs if run["ok"]]
        best = min(good, key=cpu, default=None)
        parts = f"{best['user'] * per_gib:.2f}+{best['sys'] * per_gib:.2f}" if best else "-"
        walls = _of(all_runs, wall)
        row = [
            contender,
            _pair(walls, 3),
            f"{result['total'] / min(walls) / 1e6:.0f}" if walls else "-",
            _pair(_of(all_runs, cpu), 3),
            parts,
            f"{max(run['peak_kib'] for run in good) / 1024:.0f}" if good else "-",
            _ratio(walls, _of(runs.get(base, []), wall)),
            _ratio(_of(all_runs, cpu), _of(runs.get(base, []), cpu)),
        ]
        if with_loop:
            row += [_pair(_of(all_runs, loop), 3), _ratio(_of(all_runs, loop), _of(runs.get(base, []), loop))]
        rows.append([*row, f"{len(good)}/{len(all_runs)}"])
    header = [
        "contender",
        "wall s",
        "MB/s best",
        "CPU s/GiB",
        "user+sys",
        "peak RSS MiB",
        f"wall / {base}",
        f"CPU / {base}",
    ]
    header += ["loop CPU s/GiB", f"loop / {base}"] if with_loop else []
    notes = [f"{who}: {why}" for who, why in result["skipped"].items()]
    notes += [f"{who}: {run['note']}" for who, all_runs in runs.items() for run in all_runs if not run["ok"]]
    below = "".join(f"\n- {note}" for note in dict.fromkeys(notes))
    return f"### {name}: {result['title']}\n\n{table([*header, 'ok'], rows)}\n{below}"


def servers(result: dict[str, Any]) -> str:
    """The table of the RPC scenario."""
    columns = {
        "start ms": ("start_ms", 1),
        "--version ms": ("version_ms", 1),
        "idle RSS MiB": ("idle_mib", 1),
        "p50 ms": ("p50_ms", 2),
        "p99 ms": ("p99_ms", 2),
        "max ms": ("max_ms", 1),
    }
    rows = []
    for contender, all_runs in result["runs"].items():
        good = [run for run in all_runs if not run["note"]]
        row = [contender, *(_pair([run[key] for run in good], digits) for key, digits in columns.values())]
        row.append(f"{statistics.median(run['throughput'] for run in good) / MIB:.0f}" if good else "-")
        row.append(f"{max(run['peak_mib'] for run in good):.0f}" if good else "-")
        rows.append([*row, f"{len(good)}/{len(all_runs)}"])
    header = ["server", *columns, "MiB/s meanwhile", "peak RSS MiB, 64 connections", "ok"]
    notes = dict.fromkeys(
        f"{who}: {run['note']}" for who, runs in result["runs"].items() for run in runs if run["note"]
    )
    below = "".join(f"\n- {note}" for note in notes)
    title = f"{result['calls']} tellActive calls while 16 connections saturate the loop-back"
    return f"### rpc: {title}\n\n{table(header, rows)}\n{below}"


def figures(name: str, result: dict[str, Any]) -> str:
    """The table of a scenario whose runs are named figures, a row for each; of rates the greatest is the best."""
    runs: dict[str, list[dict[str, Any]]] = result["runs"]
    rows = []
    for figure in dict.fromkeys(key for all_runs in runs.values() for run in all_runs for key in run["figures"]):
        best = max if "a second" in figure else min
        row, bests = [figure], {}
        for who, all_runs in runs.items():
            values = [run["figures"][figure] for run in all_runs if figure in run["figures"]]
            row.append(f"{_short(best(values))} ({_short(statistics.median(values))})" if values else "-")
            bests[who] = best(values) if values else 0.0
        both = bests.get("slasshy") and bests.get("aria2c")
        rows.append([*row, f"{bests['slasshy'] / bests['aria2c']:.2f}" if both else "-"])
    notes = dict.fromkeys(f"{who}: {run['note']}" for who, all_runs in runs.items() for run in all_runs if run["note"])
    below = "".join(f"\n- {note}" for note in notes)
    return f"### {name}: {result['title']}\n\n{table(['', *runs, 'slasshy / aria2c'], rows)}\n{below}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def markdown(results: dict[str, Any]) -> str:
    """All tables of a run, with what a reader must know of it in front."""
    machine = ", ".join(f"{key} {value}" for key, value in results["machine"].items())
    peers = ", ".join(f"{name}: {version}" for name, version in results["versions"].items())
    head = (
        f"{results['rounds']} alternated rounds, {results['size'] // MIB} MiB, {results['warmth'] // MIB} MiB of "
        f"memory warmed before each run. Best (median); ratios best to best (median to median).\n\n{machine}\n\n{peers}"
    )
    parts = [
        servers(one) if name == "rpc" else downloads(name, one) if "base" in one else figures(name, one)
        for name, one in results["scenarios"].items()
    ]
    return "\n\n".join([head, *parts]) + "\n"


if __name__ == "__main__":
    print(markdown(json.loads(Path(sys.argv[1]).read_bytes())))
