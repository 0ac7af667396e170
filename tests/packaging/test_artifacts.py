"""What is handed out: an sdist that can be built, and the wheel that comes from it, installed alone."""

from __future__ import annotations

import email.parser
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

import pytest

from slasshy_rpc import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "*.so", "__pycache__", ".*_cache")

# The compiler runs once; on a busy machine that alone can take a minute.
pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Artifacts:
    """The tree they were built from, and the names in both files, without the sdist's leading folder."""

    tree: Path
    wheel: Path
    wheel_names: frozenset[str]
    sdist_names: frozenset[str]
    metadata: Message


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Built from a copy of the tree: first the sdist, then from its contents the wheel."""
    base = tmp_path_factory.mktemp("packaging")
    shutil.copytree(ROOT, base / "tree", ignore=LEFT_BEHIND)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(base / "dist"), str(base / "tree")],
        capture_output=True,
        text=True,
        timeout=220,
        # Python.h and the flags decide, not a sanitizer or debug switch of this shell.
        env={name: value for name, value in os.environ.items() if not name.startswith("SLASSHY_")},
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    (wheel,) = (base / "dist").glob("*.whl")
    (sdist,) = (base / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        sdist_names = frozenset(name.partition("/")[2] for name in tar.getnames())
    with zipfile.ZipFile(wheel) as archive:
        wheel_names = frozenset(archive.namelist())
        metadata = email.parser.Parser().parsestr(
            archive.read(f"slasshy_rpc-{__version__}.dist-info/METADATA").decode()
        )
    return Artifacts(base / "tree", wheel, wheel_names, sdist_names, metadata)


def sources(tree: Path, *folders: str) -> set[str]:
    """The source files below the folders, as paths from the tree's root."""
    wanted = {".py", ".pyi", ".pyx", ".pxd", ".h", ".md", ".1", ".conf", ".sh"}
    paths = [path for folder in folders for path in (tree / folder).rglob("*") if path.suffix in wanted]
    return {path.relative_to(tree).as_posix() for path in paths}


def test_the_sdist_has_every_source(artifacts: Artifacts) -> None:
    """Also what the tests and make need; a missing .pxd would only be noticed on another machine."""
    top = {"Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", "setup.py"}
    needed = top | {"conftest.py"} | sources(artifacts.tree, "slasshy_rpc", "ext", "docs", "examples", "tests", "tools")
    assert needed <= artifacts.sdist_names


def test_the_sdist_has_nothing_made_by_a_machine(artifacts: Artifacts) -> None:
    made = [name for name in artifacts.sdist_names if name.endswith((".so", ".pyc")) or name.startswith("build/")]
    assert not made
    assert not [name for name in artifacts.sdist_names if name.startswith("ext/") and name.endswith(".c")]


def test_the_wheel_has_the_package_and_nothing_else(artifacts: Artifacts) -> None:
    compiled = [name.split(".")[0] for name in artifacts.wheel_names if name.endswith(".so")]
    assert sorted(compiled) == ["slasshy_rpc/_channel", "slasshy_rpc/_engine"]
    needed = {name for name in sources(artifacts.tree, "slasshy_rpc") if not name.endswith(".pxd")}
    assert needed | {"slasshy_rpc/py.typed"} <= artifacts.wheel_names
    tops = {name.split("/")[0] for name in artifacts.wheel_names}
    assert tops == {"slasshy_rpc", f"slasshy_rpc-{__version__}.dist-info"}


def test_the_metadata(artifacts: Artifacts) -> None:
    metadata = artifacts.metadata
    assert (metadata["Name"], metadata["Version"]) == ("slasshy-rpc", __version__)
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert sorted(required) == sorted(project["dependencies"])


def test_dependencies_have_lower_bounds_only(artifacts: Artifacts) -> None:
    for line in artifacts.metadata.get_all("Requires-Dist", []):
        requirement = line.split(";")[0]
        assert ">=" in requirement
        assert not any(sign in requirement for sign in ("<", "==", "~", ","))


def test_the_wheel_works_away_from_the_tree(artifacts: Artifacts, tmp_path: Path) -> None:
    """Installed without this project's folder in reach; the dependencies are those of this environment."""
    site = tmp_path / "site"
    with zipfile.ZipFile(artifacts.wheel) as archive:
        archive.extractall(site)
        entry_points = archive.read(f"slasshy_rpc-{__version__}.dist-info/entry_points.txt").decode()
    assert "slasshy-rpc = slasshy_rpc.__main__:main" in entry_points
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); sys.argv = ['slasshy-rpc', '--version']\n"
        "import slasshy_rpc._engine; from slasshy_rpc.__main__ import main\n"
        f"assert slasshy_rpc._engine.__file__.startswith({str(site)!r}), slasshy_rpc._engine.__file__\n"
        "sys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert __version__ in done.stdout


def test_the_engine_links_nothing_beyond_the_c_library(artifacts: Artifacts, tmp_path: Path) -> None:
    """libssl is opened at run time, so that the system's updates count and no OpenSSL headers are needed."""
    if not sys.platform.startswith("linux"):
        pytest.skip("reads ELF files, which only Linux has")
    compiled = [name for name in artifacts.wheel_names if name.endswith(".so")]
    with zipfile.ZipFile(artifacts.wheel) as archive:
        paths = [archive.extract(name, tmp_path) for name in compiled]
    done = subprocess.run(["readelf", "-d", *paths], capture_output=True, text=True, timeout=30)
    needed = {line.split("[")[1].split("]")[0] for line in done.stdout.splitlines() if "(NEEDED)" in line}
    assert {library.split(".so")[0] for library in needed} <= {"libc", "libpthread", "libdl", "ld-linux-aarch64"}
    assert needed
