#!/usr/bin/python3
"""Runs tests of every kind, keeps their counts in one directory and adds them up.

tally.py --results DIR unit PROGRAM...          cmocka programs
tally.py --results DIR pytest NAME DIR [ARG...] a pytest directory; further arguments are pytest's
tally.py --results DIR fuzz --seconds N --scratch DIR PROGRAM...
tally.py --results DIR command NAME -- CMD...   one check: it passes when CMD exits with 0
tally.py --results DIR broken NAME              counts a failure where NAME has recorded none
tally.py --results DIR total                    prints "N passed, N failed"; fails when something failed or nothing ran
"""
import argparse
import concurrent.futures
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

UNIT_TIMEOUT_SECONDS = 300


def phrase(counts):
    text = f"{counts['passed']} passed, {counts['failed']} failed"
    return text + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def add(into, counts):
    for key in into:
        into[key] += counts[key]


def nothing():
    return {"passed": 0, "failed": 0, "skipped": 0}


class Results:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)

    def path(self, name):
        return self.directory / f"{name}.json"

    def record(self, name, counts):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(json.dumps(counts))
        return 1 if counts["failed"] or not counts["passed"] + counts["skipped"] else 0

    def read(self, name):
        return json.loads(self.path(name).read_text()) if self.path(name).exists() else nothing()

    def total(self):
        total = nothing()
        for path in sorted(self.directory.glob("*.json")):
            add(total, json.loads(path.read_text()))
        return total


def cmocka_counts(output, status):
    def count(word):
        return sum(int(n) for n in re.findall(rf"^\[ +{word} +\] (\d+) test\(s\)", output, re.MULTILINE))

    counts = {"passed": count("PASSED"), "failed": count("FAILED"), "skipped": count("SKIPPED")}
    # A crash, a leak found at exit, a failed fixture or an empty table shows in no line of cmocka's.
    if not counts["failed"] and (status != 0 or not counts["passed"] + counts["skipped"]):
        counts["failed"] = 1
    return counts


def run_unit_program(program):
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=UNIT_TIMEOUT_SECONDS)
        return done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        return output + f"\nnot finished after {UNIT_TIMEOUT_SECONDS} seconds\n", 1


def unit(results, arguments):
    total = nothing()
    for program in arguments.programs:
        start = time.monotonic()
        output, status = run_unit_program(program)
        counts = cmocka_counts(output, status)
        add(total, counts)
        failed = counts["failed"] > 0
        if failed or arguments.verbose:
            print(output)
        how = f" (exit status {status})" if failed else ""
        seconds = time.monotonic() - start
        slow = f" [{seconds:.1f} s]" if seconds >= 1 else ""
        print(f"  {'FAIL' if failed else 'ok':8} {os.path.basename(program)}: {phrase(counts)}{how}{slow}", flush=True)
    print(f"unit: {phrase(total)}")
    return results.record("unit", total)


def junit_counts(path):
    counts = nothing()
    for suite in xml.etree.ElementTree.parse(path).getroot().iter("testsuite"):
        n_failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        n_skipped = int(suite.get("skipped", 0))
        add(counts, {"passed": int(suite.get("tests", 0)) - n_failed - n_skipped, "failed": n_failed,
                     "skipped": n_skipped})
    return counts


FEW = 5


def parallel():
    """Tests wait for processes and clocks more than they compute: several files at a time where pytest-xdist is there."""
    if importlib.util.find_spec("xdist") is None:
        return []
    return ["-n", str(3 * (os.cpu_count() or 1)), "--dist", "loadfile"]


def failures(path):
    """What failed, as pytest wants it named."""
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            yield case.get("classname").replace(".", "/") + ".py::" + case.get("name")


def run_pytest(report, arguments):
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", *arguments, "-q", "-rs", "-p", "no:cacheprovider", f"--junitxml={report}"]
    status = subprocess.run(command, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}).returncode
    counts = junit_counts(report) if report.exists() else nothing()
    if status != 0 and not counts["failed"]:
        counts["failed"] = 1
    return counts


def pytest(results, arguments):
    results.directory.mkdir(parents=True, exist_ok=True)
    report = results.directory / f"{arguments.name}.xml"
    counts = run_pytest(report, [arguments.directory, *parallel(), *arguments.rest])
    failed = list(failures(report)) if report.exists() else []
    if parallel() and 0 < len(failed) <= FEW:
        # Six at a time on two cores can starve a test of time; what fails alone as well has failed.
        print(f"\n{len(failed)} failed among others; each is run once more, alone: {' '.join(failed)}", flush=True)
        again = run_pytest(results.directory / f"{arguments.name}-again.xml", failed)
        mended = len(failed) - again["failed"] if again["passed"] + again["failed"] == len(failed) else 0
        counts = {**counts, "passed": counts["passed"] + mended, "failed": counts["failed"] - mended}
    return results.record(arguments.name, counts)


def fuzz_one(program, arguments, scratch):
    """One fuzzer to its end: (name, exit status, output)."""
    name = os.path.basename(program)
    word = name.removeprefix("fuzz_")
    corpus = scratch / name
    corpus.mkdir(parents=True, exist_ok=True)
    command = [program, f"-max_total_time={arguments.seconds}", "-timeout=20", "-rss_limit_mb=1024", "-verbosity=0",
               "-print_final_stats=1", f"-artifact_prefix={scratch}/found/{name}-"]
    words = pathlib.Path("tests/fuzz/dict") / f"{word}.dict"
    if words.exists():
        command.append(f"-dict={words}")
    # libFuzzer writes what it learns into the first directory; the others are only read.
    command.append(str(corpus))
    seeds = pathlib.Path("tests/fuzz/corpus") / word
    if seeds.is_dir():
        command.append(str(seeds))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return name, done.returncode, done.stdout.decode(errors="replace")


def fuzz(results, arguments):
    """As many at a time as there are processors."""
    total = nothing()
    scratch = pathlib.Path(arguments.scratch)
    (scratch / "found").mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = [pool.submit(fuzz_one, program, arguments, scratch) for program in arguments.programs]
        for ended in concurrent.futures.as_completed(running):
            name, status, output = ended.result()
            failed = status != 0
            add(total, {"passed": int(not failed), "failed": int(failed), "skipped": 0})
            runs = re.search(r"number_of_executed_units: (\d+)", output)
            print(output if failed else "", end="")
            print(f"  {'FAIL' if failed else 'ok':8} {name}: {runs.group(1) if runs else 'no'} runs", flush=True)
            if failed:
                print(f"           what broke it lies in {scratch}/found")
    print(f"fuzz: {phrase(total)}")
    return results.record("fuzz", total)


def command(results, arguments):
    ok = subprocess.run(arguments.command).returncode == 0
    print(f"{arguments.name}: {'ok' if ok else 'FAILED'}", flush=True)
    return results.record(arguments.name, {"passed": int(ok), "failed": int(not ok), "skipped": 0})


def broken(results, arguments):
    counts = results.read(arguments.name)
    if not counts["failed"]:
        counts["failed"] = 1
    return results.record(arguments.name, counts)


def total(results, arguments):
    counts = results.total()
    print(phrase(counts), flush=True)
    return 1 if counts["failed"] or not counts["passed"] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", required=True)
    parser.add_argument("--verbose", action="store_true")
    kinds = parser.add_subparsers(required=True, dest="kind")
    kind = kinds.add_parser("unit")
    kind.add_argument("programs", nargs="*")
    kind = kinds.add_parser("pytest")
    kind.add_argument("name")
    kind.add_argument("directory")
    kind.add_argument("rest", nargs=argparse.REMAINDER)
    kind = kinds.add_parser("fuzz")
    kind.add_argument("--seconds", type=int, required=True)
    kind.add_argument("--scratch", required=True)
    kind.add_argument("programs", nargs="*")
    kind = kinds.add_parser("command")
    kind.add_argument("name")
    kind.add_argument("command", nargs="+")
    kind = kinds.add_parser("broken")
    kind.add_argument("name")
    kinds.add_parser("total")
    arguments = parser.parse_args()
    kind = {"unit": unit, "pytest": pytest, "fuzz": fuzz, "command": command, "broken": broken, "total": total}
    return kind[arguments.kind](Results(arguments.results), arguments)


if __name__ == "__main__":
    sys.exit(main())
