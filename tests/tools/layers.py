#!/usr/bin/python3
"""layers.py TABLE: prints which module includes which, by layer, and fails on an include that points up or across."""
import fnmatch
import pathlib
import re
import sys

FOLDERS = ("common", "daemon", "client", "include")


def read_stacks(path):
    """[{layer: [pattern, ...]}, ...], lowest layer first"""
    stacks = []
    for line in pathlib.Path(path).read_text().splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "stack":
            stacks.append({})
        else:
            stacks[-1].setdefault(words[0], []).extend(words[1:])
    return stacks


def read_includes():
    """{module: {included module, ...}}, a module being a path without its suffix"""
    includes = {}
    for folder in FOLDERS:
        for path in sorted(pathlib.Path(folder).rglob("*.[ch]")):
            names = re.findall(r'^\s*#\s*include\s+"([^"]+)\.h"', path.read_text(), re.MULTILINE)
            module = str(path.with_suffix(""))
            includes.setdefault(module, set()).update(name for name in names if name != module)
    return includes


def rank(stack, module):
    for height, patterns in enumerate(stack.values()):
        if any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns):
            return height
    return None


def violations(stacks, includes):
    for module, names in includes.items():
        homes = [stack for stack in stacks if rank(stack, module) is not None]
        if not homes:
            yield f"{module} is in no layer of the table"
            continue
        for name in sorted(names):
            if not any(rank(stack, name) is not None and rank(stack, name) <= rank(stack, module) for stack in homes):
                yield f"{module} includes {name}.h, which is not below it"


def show(stacks, includes):
    shown = set()
    for stack in stacks:
        for height, layer in reversed(list(enumerate(stack))):
            modules = [m for m in includes if rank(stack, m) == height and m not in shown]
            shown.update(modules)
            if modules:
                print(layer)
            for module in modules:
                print(f"  {module:32} {' '.join(sorted(includes[module]))}".rstrip())


def main():
    stacks, includes = read_stacks(sys.argv[1]), read_includes()
    show(stacks, includes)
    wrong = list(violations(stacks, includes))
    for line in wrong:
        print(f"layers: {line}", file=sys.stderr)
    return 1 if wrong or not includes else 0


if __name__ == "__main__":
    sys.exit(main())
