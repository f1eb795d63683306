#!/usr/bin/python3
"""How near Purser is to what the kernel and the libraries can do: each figure beside its floor, which is measured in the same run.

    bench.py [--json FILE] [--rounds N] [--seconds S] [--short] [PART...]

Prints a table (Markdown, as README has it) and what else the machine did meanwhile, and writes JSON. The parts are named in PARTS.
Figures are ratios of medians of rounds taken in turn, since machines differ and neighbours are noisy. Nothing fails for want of
speed; --short runs what CI runs, and fails on growth.
"""

import argparse
import sys

sys.dont_write_bytecode = True

import asking  # noqa: E402
import growth  # noqa: E402
import memory  # noqa: E402
import refreshing  # noqa: E402
import report  # noqa: E402
import scaling  # noqa: E402
import starting  # noqa: E402
from place import Skipped  # noqa: E402

PARTS = {
    "asking": asking.asking,
    "callers": refreshing.callers,
    "refreshing": refreshing.refreshing,
    "memory": memory.memory,
    "start": starting.start,
    "command": starting.command,
    "scaling": scaling.scaling,
    "growth": growth.growth,
}
USUAL = [part for part in PARTS if part != "growth"]
# In about a minute: speed is looked at and never judged, for a busy machine would fail; growth is judged.
SHORT_PARTS = ["asking", "command", "growth"]
SHORT = {"rounds": 3, "seconds": 0.3, "spawns": 50, "requests": 200000, "refreshes": 3000}


def run(part, options):
    """The part's rows; one that cannot be measured here says why."""
    try:
        for row in PARTS[part](options):
            print("  " + " | ".join(cell for cell in row.cells() if cell), file=sys.stderr, flush=True)
            yield row
    except Skipped as why:
        yield report.Row(part, part, figure="skipped: %s" % why)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", default="bench.json")
    parser.add_argument("--short", action="store_true", help="a minute; fails on growth")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.6, help="of each round of load")
    parser.add_argument("--spawns", type=int, default=200)
    parser.add_argument("--requests", type=int, default=1000000, help="over which memory must not grow")
    parser.add_argument("--refreshes", type=int, default=100000, help="the same")
    parser.add_argument("--most", type=int, default=100000, help="credentials")
    parser.add_argument("--idle", type=int, default=10000, help="connections that lie idle")
    parser.add_argument("parts", nargs="*", metavar="PART", help="of " + " ".join(PARTS))
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error("there is no part %s; there are %s" % (" ".join(unknown), " ".join(PARTS)))

    if options.short:
        vars(options).update(SHORT)

    parts = options.parts or (SHORT_PARTS if options.short else USUAL)
    conditions = report.Conditions()
    rows = [row for part in parts for row in run(part, options)]
    conditions = conditions.now()
    print(report.table(rows) + "\n\n" + report.sentence(conditions))
    report.write_json(options.json, rows, conditions)
    grown = [row for row in rows if row.part == "growth" and row.met is False]
    for row in grown:
        print("bench: grown: %s: %s, wanted %s" % (row.what, row.figure or row.purser, row.goal), file=sys.stderr)
    return 1 if options.short and grown else 0


if __name__ == "__main__":
    sys.exit(main())
