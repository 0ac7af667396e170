"""The bench itself works: a small run of each kind, and tables that say what the figures say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import report
from tests.bench.contenders import find
from tests.bench.machine import compile_tool
from tests.bench.measure import environment, timed

HERE = Path(__file__).parent

PAIR = ("--contender", "slasshy", "--contender", "aria2c")

needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin") is None and shutil.which("nginx") is None,
    reason="nginx is not installed, so the bench cannot run",
)


def bench(tmp_path: Path, *options: str) -> dict[str, Any]:
    """A quick run with these options; its results, from a run that ended well."""
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--json", str(out), "--dir", str(tmp_path), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    results: dict[str, Any] = json.loads(out.read_bytes())
    assert report.markdown(results) in done.stdout
    return results


@needs_nginx
@pytest.mark.parametrize("scenario", ["http-16", "https-1", "small-files", "loop-in-c", "slow-fifth"])
def test_downloads_are_timed_and_checked(tmp_path: Path, scenario: str) -> None:
    results = bench(tmp_path, "--scenario", scenario, "--size", "16", "--rounds", "1")
    measured = results["scenarios"][scenario]["runs"]
    assert len(measured) >= 2
    for name, (run,) in measured.items():
        assert run["ok"] or name == "axel"
        assert run["wall"] > 0
        assert run["user"] + run["sys"] > 0
        assert 1024 < run["peak_kib"] < 1024 * 1024


@needs_nginx
def test_servers_are_timed(tmp_path: Path) -> None:
    results = bench(tmp_path, "--scenario", "rpc", "--size", "16", "--rounds", "1", "--calls", "60", *PAIR)
    for (served,) in results["scenarios"]["rpc"]["runs"].values():
        assert 0 < served["p50_ms"] <= served["p99_ms"] <= served["max_ms"]
        assert served["throughput"] > 1e6
        assert 0 < served["idle_mib"] <= served["peak_mib"]


@needs_nginx
def test_polls_are_timed(tmp_path: Path) -> None:
    results = bench(tmp_path, "--scenario", "rpc-rate", "--rounds", "1", "--calls", "60", *PAIR)
    for (run,) in results["scenarios"]["rpc-rate"]["runs"].values():
        told = run["figures"]
        assert told["tellActive, calls a second"] > 1
        assert told["tellActive over WebSocket, calls a second"] > 1
        assert 0 < told["webui-aria2 gzip p50 ms"] <= told["webui-aria2 gzip p99 ms"] <= told["webui-aria2 gzip max ms"]
        assert told["webui-aria2 gzip KiB"] < told["AriaNg's keys KiB"] < told["webui-aria2 WebSocket KiB"]
        assert told["AriaNg's keys, bystander max ms"] > 0


@needs_nginx
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_media_pages_are_timed_beside_yt_dlp(tmp_path: Path) -> None:
    results = bench(tmp_path, "--scenario", "media", "--size", "8", "--rounds", "1", "--contender", "slasshy")
    ((run,),) = results["scenarios"]["media"]["runs"].values()
    assert run["figures"]["MiB"] > 4
    assert run["figures"]["yt-dlp / slasshy-rpc"] > 0


@needs_nginx
def test_a_killed_server_is_asked_what_it_knows(tmp_path: Path) -> None:
    results = bench(tmp_path, "--scenario", "restart", "--rounds", "1", "--calls", "60", *PAIR)
    runs = {who: run["figures"] for who, (run,) in results["scenarios"]["restart"]["runs"].items()}
    for told in runs.values():
        assert told["unfinished entries"] == 5 + 300 + 3
        assert told["first answer, all kept, ms"] > 0
        lost = ("unfinished lost", "unfinished in another place", "paused lost", "with other options")
        assert not any(told[name] for name in lost)
    assert (runs["slasshy"]["finished lost"], runs["aria2c"]["finished lost"]) == (0, 1000)


@needs_nginx
def test_a_long_queue_is_weighed(tmp_path: Path) -> None:
    results = bench(tmp_path, "--scenario", "queue", "--rounds", "1", "--calls", "20", *PAIR)
    for (run,) in results["scenarios"]["queue"]["runs"].values():
        told = run["figures"]
        assert told["one option: entries"] in (5000, 500)
        assert told["one option: added, a second"] > 1
        assert 0 < told["bare URI: resident MiB"] <= told["bare URI: resident MiB at most"]


def test_figures_have_a_row_each_and_rates_their_greatest_first() -> None:
    def run(rate: float, wait: float) -> dict[str, Any]:
        return {"figures": {"calls a second": rate, "wait ms": wait}, "note": ""}

    broken = {"figures": {}, "note": "does not serve"}
    result = {"title": "a title", "runs": {"slasshy": [run(300, 1.5), run(100, 2)], "aria2c": [run(150, 3), broken]}}
    text = report.figures("rpc-rate", result)
    assert "| calls a second | 300 (200) | 150 (150) | 2.00 |" in text
    assert "| wait ms | 1.50 (1.75) | 3 (3) | 0.50 |" in text
    assert text.endswith("- aria2c: does not serve")


def test_the_stopwatch_sees_descendants_time_outs_and_failures(tmp_path: Path) -> None:
    stopwatch = compile_tool(HERE / "stopwatch.c", tmp_path)
    env, log = environment(tmp_path), tmp_path / "log.txt"

    def run(script: str, seconds: int = 20) -> Any:
        command = [sys.executable, "-c", script]
        return timed(stopwatch, command, cwd=tmp_path, env=env, seconds=seconds, log=log)[0]

    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}], check=True)\n"
    assert run(parent).cpu > 0.3
    assert run("b = bytearray(b'x') * (80 << 20)").peak_kib > 80 * 1024
    assert run("pass").peak_kib < 60 * 1024
    assert run("raise SystemExit('no luck')").note == "exit code 1: no luck"
    assert run("import threading; threading.Event().wait()", seconds=1).note == "killed after 1 s"


def test_absent_and_unknown_contenders_are_named_in_one_line() -> None:
    assert (
        find("wget9") == "wget9: no such contender; there are slasshy, aria2c, curl, aria2-next, axel, engine, c-loop"
    )
    nobody = find("axel", None) if shutil.which("axel") is None else "axel: not installed, so not measured"
    assert nobody == "axel: not installed, so not measured"


def test_tables_put_minima_first_and_leave_bad_runs_out() -> None:
    def run(wall: float, cpu: float, *, ok: bool = True) -> dict[str, Any]:
        note = "" if ok else "exit code 1: broken"
        return {
            "wall": wall,
            "user": cpu / 2,
            "sys": cpu / 2,
            "peak_kib": 2048,
            "ok": ok,
            "note": note,
            "loop_cpu": None,
        }

    ours, base = [run(1, 0.5), run(3, 0.7), run(0.1, 0.1, ok=False)], [run(2, 1), run(4, 1.4)]
    result = {
        "title": "a title",
        "base": "aria2c",
        "total": 1 << 29,
        "runs": {"slasshy": ours, "aria2c": base},
        "skipped": {"axel": "no"},
    }
    text = report.downloads("http-1", result)
    assert "| slasshy | 1.000 (2.000) | 537 | 1.000 (1.200) | 0.50+0.50 | 2 | 0.50 (0.67) | 0.50 (0.50) | 2/3 |" in text
    assert "| aria2c | 2.000 (3.000) | 268 | 2.000 (2.400) | 1.00+1.00 | 2 | 1.00 (1.00) | 1.00 (1.00) | 2/2 |" in text
    assert text.endswith("- axel: no\n- slasshy: exit code 1: broken")
