#!/usr/bin/python3
"""Holds the README's table of promises against the tests: every row names one, and what is named exists and is run.

promises.py README.md
"""
import pathlib
import re
import sys

HEADING = "## What is kept out, and what is not"
TESTS = pathlib.Path("tests")


def rows(text):
    """(who, what, tests) of each row of the section's first table."""
    section = text.split(HEADING, 1)[1].split("\n## ", 1)[0]
    for line in section.strip().split("\n\n", 1)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and not set(cells[0]) <= set("- ") and cells[0] != "who":
            yield cells if len(cells) == 3 else [line, "", ""]


def find_file(word):
    """A pytest file or a unit test by the name that the table has for it."""
    if word.endswith(".py"):
        return next(TESTS.glob("*/" + word), None)
    path = TESTS / "unit" / (word + ".c")
    return path if path.exists() else None


def has_test(path, name):
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^def {name}\(", text, re.MULTILINE)
    # Defined, and in the table of those that are run.
    return re.search(rf"^static void {name}\(", text, re.MULTILINE) and re.search(rf"\({name}[,)]", text.split("main(void)")[-1])


def mistakes(who, what, tests):
    words = re.findall(r"`([^`]+)`", tests)
    if not words:
        if not who.startswith("**not kept out:**") or what != "no":
            yield f"{who}: names no test"
        return
    path, n = None, 0
    for word in words:
        if found := find_file(word):
            path = found
        elif not word.startswith("test_") or word.endswith(".py"):
            yield f"{who}: there is no {word}"
        elif path is None or not has_test(path, word):
            yield f"{who}: {path} has no {word}"
        else:
            n += 1
    if not n:
        yield f"{who}: names no test"


def main():
    table = list(rows(pathlib.Path(sys.argv[1]).read_text()))
    found = [mistake for row in table for mistake in mistakes(*row)]
    for mistake in found:
        print(mistake, file=sys.stderr)
    if not table:
        print("the table of promises is gone", file=sys.stderr)
    print(f"{len(table)} promises")
    return 1 if found or not table else 0


if __name__ == "__main__":
    sys.exit(main())
