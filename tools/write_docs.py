"""Writes the documents that come from tables: ``make docs``.

Owns: the form of docs/options.md. Never: facts of its own; every line comes from slasshy_rpc/options/table.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from slasshy_rpc.options.kinds import Bool
from slasshy_rpc.options.table import TABLE, Default, Option, Scope, State

DOCS = Path(__file__).resolve().parent.parent / "docs"
SOMEBODY = {"HOME": "/HOME"}

OPENING = """\
# Options

Written by `make docs` from `slasshy_rpc/options/table.py`; change it there.

Every option may stand on the command line (`--name=VALUE`) and in the configuration file (`name=VALUE`). The last line
of an entry says where else: *new* in `aria2.addUri` and in an input file, *waiting* in `aria2.changeOption` (a running
download is restarted for it), *active* in `aria2.changeOption` at once, *global* in `aria2.changeGlobalOption`.
"""


def documents() -> dict[Path, str]:
    """Each generated document's path and the text it should have."""
    return {DOCS / "options.md": "\n".join(options())}


def options() -> Iterator[str]:
    """The lines of docs/options.md."""
    yield OPENING
    rows = TABLE.values()
    yield from section("What works as in aria2", [row for row in rows if row.state is State.LIVE and not row.own])
    yield from section("What aria2 does not have", [row for row in rows if row.state is State.LIVE and row.own])
    yield from section("Accepted without effect", [row for row in rows if row.state is State.ACCEPTED])
    yield from section("Refused", [row for row in rows if row.state is State.REFUSED])


def section(title: str, rows: list[Option]) -> Iterator[str]:
    """A heading and its options; nothing when there are none."""
    if rows:
        yield f"## {title}\n"
    for row in rows:
        yield from entry(row)


def entry(row: Option) -> Iterator[str]:
    """One option: how it is written, what it does, its defaults, where it may be set."""
    value = "" if row.metavar in ("", None) or isinstance(row.kind, Bool) else f"={row.metavar}"
    short = f", `-{row.short}`" if row.short else ""
    yield f"### `--{row.name}{value}`{short}\n"
    yield f"{row.help}\n"
    if row.reason:
        yield f"*{row.reason[0].upper()}{row.reason[1:]}.*\n"
    facts = []
    if (default := shown(row.default)) is not None:
        facts.append(f"default `{default}`")
    if (old := shown(row.compat_default)) != default:
        facts.append(f"as aria2c `{old}`" if old is not None else "no default as aria2c")
    scopes = [scope.name.lower() for scope in Scope if scope in row.scope and scope.name]
    if scopes:
        facts.append(", ".join(scopes))
    if facts:
        yield f"{'; '.join(facts)}\n"


def shown(default: Default) -> str | None:
    """A default as text; what depends on the machine is told for somebody whose home folder is ~."""
    if default is None or isinstance(default, str):
        return default
    with mock.patch.dict(os.environ, SOMEBODY, clear=True):
        text = default()
    return "the current folder" if text == os.getcwd() else text.replace("/HOME", "~")


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(DOCS.parent)}")
