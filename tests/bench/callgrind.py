"""Instructions that a program takes: the same whatever else the machine does."""

import pathlib
import re
import subprocess
import tempfile

from place import need


def wrapper(out):
    """In front of a command; read_instructions(out) has its figure when the program has ended."""
    return [need("valgrind"), "-q", "--tool=callgrind", "--callgrind-out-file=%s" % out]


def read_instructions(out):
    return int(re.search(r"^(?:summary|totals): (\d+)", pathlib.Path(out).read_text(), re.MULTILINE).group(1))


def instructions_of(command):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([*wrapper(out.name), *map(str, command)], stdout=subprocess.DEVNULL, check=True)
        return read_instructions(out.name)
