"""All facts in which ours and a real aria2c differ, printed: ``python -m tests.differential.report [AREA/SCENE]``.

With -a also the differences that allowed.py explains. Owns: the print-out. Never: a verdict.
"""

from __future__ import annotations

import argparse

from tests.differential.allowed import explain
from tests.differential.facts import compare, count
from tests.differential.scenes import OURS, all_scenes, programs, record, record_all


def main() -> None:
    """Play the scenes that are named (default: all) on every program, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--all", action="store_true", help="explained differences, too")
    parser.add_argument("-1", "--newest", action="store_true", help="the newest aria2c alone")
    parser.add_argument("scenes", nargs="*", help="beginnings of area/scene")
    given = parser.parse_args()
    keys = [key for key in all_scenes() if not given.scenes or any(key.startswith(one) for one in given.scenes)]
    versions = list(programs())[: 1 if given.newest else None]
    record_all((program, key) for program in [*versions, OURS] for key in keys)
    for version in versions:
        total = explained = 0
        for key in keys:
            theirs, ours = record(version, key), record(OURS, key)
            found = compare(theirs, ours)
            bad = [one for one in found if not explain(one, version)]
            total += count(theirs, ours)
            explained += len(found) - len(bad)
            print(f"== {version} {key}: {count(theirs, ours)} facts, {len(bad)} unexplained, {len(found) - len(bad)} "
                  "explained")  # fmt: skip
            for one in found if given.all else bad:
                print(one)
        print(f"== {version}: {total} facts, {explained} explained")


if __name__ == "__main__":
    main()
