"""The house rules that a machine can check: sizes, opening words, floors, start-up, stub, fresh documents.

Owns: rules about the tree. Never: what the program does.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.write_docs import documents

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "slasshy_rpc"
LIMIT = 500
UNLIMITED = {"slasshy_rpc/options/table.py"}
CODE = ("slasshy_rpc", "ext", "tests", "tools", "examples")
WRITTEN = (".py", ".pyi", ".pyx", ".pxd", ".h", ".c", ".sh", ".md", ".toml", ".conf")
VAGUE = re.compile(r"(Manager|Helper|Handler|Controller|Utils?)$")
# What belongs to one machine or one conversation and not to the project.
FOREIGN = [
    re.compile(pattern)
    for pattern in (
        r"/work/(?!er)",
        r"/opt/(dev|wheels|pypi)\b",
        r"(?<![\w.])/(root|home/(?!\$|you\b|user\b)\w+|Users/\w+)/",
        r"\b(extra-)?index-url\b",
        r"\bfind-links\b",
        r"(?i)\bissues? (no\. ?)?#?\d+\b",
        r"(?i)\b(fix(es|ed)?|close[sd]?|see|bug|ticket|pr|pull request)[ :]*#\d+\b",
    )
]


def files(*suffixes: str, folders: tuple[str, ...] = CODE) -> list[Path]:
    """The project's own files with one of the suffixes, sorted."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes]
    return sorted(path for path in found if "__pycache__" not in path.parts and "results" not in path.parts)


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> list[str]:
    """Every Python module of the package, by its dotted name, packages before what is in them."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(names)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python on the arguments in the project's folder, for at most 50 seconds."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=50)


def test_files_stay_small() -> None:
    long = {
        short(path): lines
        for path in files(".py", ".pyi", ".pyx", ".pxd", ".sh")
        if (lines := len(path.read_text().splitlines())) > LIMIT and short(path) not in UNLIMITED
    }
    assert not long, f"more than {LIMIT} lines: split by what the parts own: {long}"


def test_every_file_says_what_it_owns() -> None:
    silent = []
    for path in files(".py", folders=("slasshy_rpc", "tools")):
        text = path.read_text()
        doc = ast.get_docstring(ast.parse(text)) or ""
        if text.strip() and not ("Owns:" in doc and re.search(r"\b[Nn]ever\b", doc)):
            silent.append(short(path))
    for path in files(".py", folders=("tests", "examples")):
        text = path.read_text()
        if text.strip() and not ast.get_docstring(ast.parse(text)):
            silent.append(short(path))
    for path in files(".pyx", ".pxd", ".sh"):
        opening = path.read_text()[:1200]
        if not ("Owns:" in opening and "ever" in opening):
            silent.append(short(path))
    assert not silent, f"no opening words with 'Owns:' and 'Never:': {silent}"


def test_names_say_something() -> None:
    vague = []
    for path in files(".py", ".pyi", folders=("slasshy_rpc",)):
        if VAGUE.search(path.stem.title()):
            vague.append(short(path))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and VAGUE.search(node.name):
                vague.append(f"{short(path)}:{node.lineno} {node.name}")
    assert not vague, f"name the thing, not its role: {vague}"


def foreign_words(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for pattern in FOREIGN:
            if match := pattern.search(line):
                yield f"{number}: {match[0]!r}"


def test_nothing_foreign_is_written_down() -> None:
    top = [path for path in ROOT.iterdir() if path.is_file() and (path.suffix in WRITTEN or path.name == "Makefile")]
    everything = [*top, *files(*WRITTEN, folders=(*CODE, "docs")), *(ROOT / ".ci").glob("*")]
    found = [
        f"{short(path)}:{words}"
        for path in everything
        if path != Path(__file__).resolve()
        for words in foreign_words(path.read_text())
    ]
    assert not found, f"a path of one machine, a package host or a number of some list: {found}"


@pytest.mark.parametrize(
    "line", ["see /work/notes", "as issue 12 says", "fixes #12", "cd /root/x", "pip --extra-index-url x"]
)
def test_foreign_words_are_recognised(line: str) -> None:
    assert list(foreign_words(line))


@pytest.mark.parametrize(
    "line", ["/etc/ssl", "--select-file '#basic'", "GID#12ab", "Unicode UAX #9", "a worker/pool", "/home/you/x"]
)
def test_common_words_are_not_foreign(line: str) -> None:
    assert not list(foreign_words(line))


COMPILED = ("slasshy_rpc._engine", "slasshy_rpc._channel")

ALONE = f"""
import importlib, sys
for name in sys.argv[1:]:
    for old in [m for m in sys.modules if m.split(".")[0] == "slasshy_rpc" and m not in {COMPILED}]:
        del sys.modules[old]
    try:
        importlib.import_module(name)
    except Exception as error:
        print(name, type(error).__name__, error, sep=": ")
"""


def test_every_module_imports_alone() -> None:
    """None of our modules leans on another having been imported before it (a hidden circle)."""
    done = python("-W", "ignore", "-c", ALONE, *modules())
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_short_answers_import_little(argument: str) -> None:
    """Instant answers: no event loop, no server, no TLS."""
    done = python("-X", "importtime", "-m", "slasshy_rpc", argument)
    assert done.returncode == 0, done.stderr
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "slasshy_rpc" in imported
    heavy = {"aiohttp", "asyncio", "uvloop", "ssl", "jsonrpcserver", "rich", "sqlite3", *COMPILED}
    assert not imported & heavy


def test_version_is_said_once() -> None:
    import slasshy_rpc

    done = python("-m", "slasshy_rpc", "--version")
    assert slasshy_rpc.__version__ in done.stdout
    assert f"## {slasshy_rpc.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_floors() -> None:
    """The import contracts in pyproject.toml."""
    done = python("-c", "import importlinter.cli as c, sys; sys.exit(c.lint_imports(no_cache=True))")
    assert done.returncode == 0, done.stdout + done.stderr


def test_stub_matches_the_engine() -> None:
    done = python("-m", "mypy.stubtest", *COMPILED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_documents_from_tables_are_fresh() -> None:
    stale = [path for path, text in documents().items() if not path.exists() or path.read_text() != text]
    assert not stale, f"run `make docs`: {[short(path) for path in stale]}"


def test_the_man_page_is_one() -> None:
    """Macros of man(7) only, no line that a formatter would take for another, and no complaint where there is one."""
    page = ROOT / "docs" / "slasshy-rpc.1"
    text = page.read_text()
    assert text.isascii()
    macros = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert macros <= {
        ".TH",
        ".SH",
        ".SS",
        ".TP",
        ".IP",
        ".PP",
        ".RS",
        ".RE",
        ".B",
        ".BR",
        ".I",
        ".IR",
        ".br",
        ".nh",
        ".ad",
    }
    assert not re.search(r"(?<!\\)-[-a-z]", text), "a hyphen that becomes another character"
    if groff := shutil.which("groff"):
        command = [groff, "-ww", "-man", "-Tutf8", str(page)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50)
        assert (done.returncode, done.stderr) == (0, "")


def test_documents_name_files_that_exist() -> None:
    """Each `path/like/this.py` in the documents is a file of the project, or of the package."""
    missing = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for name in re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:pyx|pxd|pyi|py|sh|md|toml))`", page.read_text()):
            if not any((base / name).exists() for base in (ROOT, PACKAGE, page.parent)):
                missing.append(f"{short(page)}: {name}")
    assert not missing


def test_documents_name_targets_that_exist() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = {word for line in re.findall(r"^([a-z ]+):", text, re.M) for word in line.split()}
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {target for page in pages for target in re.findall(r"(?:`|^ *)make ([a-z]+)", page.read_text(), re.M)}
    assert named
    assert named <= targets


def test_make_clean_knows_all_that_is_compiled() -> None:
    told = (ROOT / "Makefile").read_text("utf-8").partition("\nclean:")[2]
    compiled = {path.name.partition(".")[0] for path in PACKAGE.glob("*.so")}
    assert compiled
    assert all(f"slasshy_rpc/{name}.*.so" in told for name in compiled)


def test_what_is_imported_is_declared() -> None:
    """Every third-party module that the package imports is a dependency, and every dependency is imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in project["dependencies"]}
    imported: set[str] = set()
    for path in files(".py", folders=("slasshy_rpc",)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    called = {"Cryptodome": "pycryptodomex"}  # what is imported under another name than it is installed
    assert {called.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"slasshy_rpc"}} == declared
