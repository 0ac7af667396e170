"""Writes the documents that come from tables: ``make docs``.

Owns: which document comes from which table. Never: facts or words of its own.
"""

from __future__ import annotations

from pathlib import Path

from slasshy_rpc.options.help import markdown
from tools.man_page import man_page

DOCS = Path(__file__).resolve().parent.parent / "docs"


def documents() -> dict[Path, str]:
    """Each generated document's path and the text it should have."""
    return {DOCS / "options.md": markdown(), DOCS / "slasshy-rpc.1": man_page()}


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text)
        print(f"wrote {path.relative_to(DOCS.parent)}")
