"""In what ours and aria2c differ when invoked, printed: ``python -m tests.differential.report_command [NAME]``.

With -a also the differences that allowed.py explains. Owns: the print-out. Never: a verdict.
"""

from __future__ import annotations

import argparse

from tests.differential.allowed import COMMAND, explain
from tests.differential.command import all_cases, recorded
from tests.differential.facts import compare, count
from tests.differential.scenes import OURS, programs


def main() -> None:
    """Perform the invocations that are named (default: all) on the newest aria2c and on ours, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--all", action="store_true", help="explained differences, too")
    parser.add_argument("names", nargs="*", help="beginnings of names")
    given = parser.parse_args()
    cases = [case for name, case in all_cases().items() if not given.names or name.startswith(tuple(given.names))]
    version = next(iter(programs()))
    pairs = [(program, case.name) for case in cases for program in (version, OURS)]
    seen = {(program, name): facts for program, name, facts in recorded(pairs)}
    total = 0
    for case in cases:
        theirs, ours = seen[version, case.name], seen[OURS, case.name]
        total += count(theirs, ours)
        found = [one for one in compare(theirs, ours) if given.all or not explain(one, version, COMMAND)]
        if found:
            print(f"== {case.line}")
        for one in found:
            print(one)
    print(f"== {version}: {len(cases)} invocations, {total} facts")


if __name__ == "__main__":
    main()
