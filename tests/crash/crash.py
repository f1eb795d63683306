#!/usr/bin/python3
"""crash.py: kills purserd at every system call of every operation that changes a grant, and counts what was lost.

    crash.py [--every K] [--seconds S] [--only OPERATION]... [--at N] [--workers W] [--refreshes R]

--every K tries each Kth call, from a random one on (printed; --offset gives it back); --seconds S makes K as large as it must be to end in
about so much time, and says so. Prints a table, the measured window, and a line for each failure; exits with 1 when a grant was lost outside
the window, or anything else was not as it should be.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import time

import point
from standin import Standin

SECONDS_FOR_A_POINT = 0.35
# Calls beyond those of the measured run: another run may make a few more.
BEYOND = 3


def work(orders, answers):
    """A worker: a stand-in of its own, one point after the other."""
    standin = Standin()
    try:
        while True:
            order = orders.get()
            if order is None:
                return
            operation, at = order
            try:
                answers.put((operation, at, *point.run(standin, operation, at)))
            except Exception as error:  # noqa: BLE001: a worker that dies would leave the others waiting
                answers.put((operation, at, "lost", None, "%s: %s" % (type(error).__name__, error)))
    finally:
        standin.stop()


class Run:
    def __init__(self, workers):
        self.orders, self.answers = multiprocessing.Queue(), multiprocessing.Queue()
        self.workers = [multiprocessing.Process(target=work, args=(self.orders, self.answers)) for _ in range(workers)]
        for worker in self.workers:
            worker.start()

    def points(self, points):
        for order in points:
            self.orders.put(order)
        for _ in points:
            yield self.answers.get()

    def close(self):
        for _ in self.workers:
            self.orders.put(None)
        for worker in self.workers:
            worker.join(30)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, metavar="K")
    parser.add_argument("--offset", type=int, metavar="N")
    parser.add_argument("--seconds", type=float, metavar="S")
    parser.add_argument("--only", action="append", choices=list(point.OPERATIONS), metavar="OPERATION")
    parser.add_argument("--at", type=int, metavar="N", help="this point alone")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--refreshes", type=int, default=200, metavar="R", help="to measure the window with")
    return parser.parse_args()


def choose(arguments, counts):
    """The points to try, and in words which they are."""
    if arguments.at:
        return [(name, arguments.at) for name in counts], "call %d alone" % arguments.at
    total = sum(counts.values()) + BEYOND * len(counts)
    every = arguments.every
    if arguments.seconds:
        affordable = max(1, int(arguments.seconds * arguments.workers / 2 / SECONDS_FOR_A_POINT))
        every = max(every, -(-total // affordable))
    if every == 1:
        return [(name, n) for name in counts for n in range(1, counts[name] + BEYOND + 1)], "every system call"
    offset = arguments.offset if arguments.offset is not None else random.randrange(every)
    everything = [(name, n) for name in counts for n in range(1, counts[name] + BEYOND + 1)]
    return everything[offset::every], "a sample: each %dth system call of %d, --offset %d" % (every, total, offset)


def print_table(counts, results):
    print("%-20s %7s %7s %6s %8s %7s %7s %5s %5s" % (
        "operation", "calls", "points", "alive", "repeated", "gone", "unknown", "healed", "LOST"))
    for name in counts:
        verdicts = [verdict for operation, _, verdict, _, _ in results if operation == name]
        count = verdicts.count
        print("%-20s %7d %7d %6d %8d %7d %7d %5d %5d" % (
            name, counts[name], len(verdicts), count(point.ALIVE), count(point.REPEAT), count(point.GONE),
            count(point.WINDOW), count(point.HEALED), count("lost")))
    print("unknown: inside the window between the provider's rotation and fsync, told as such, a login asked for in words; "
          "healed: the same,\nwhere the provider takes the old token once more; LOST: outside it, and must be 0")


def print_window(standin, refreshes):
    if os.geteuid() != 0:
        print("the window is measured by root alone, who may look at purserd's sockets")
        return
    found = point.windows(standin, refreshes)
    assert len(found) >= refreshes, "only %d of %d windows were seen" % (len(found), refreshes)
    print("the window, from the last byte of the answer to the end of fsync, over %d refreshes: median %.2f ms, max %.2f ms "
          "(traced, an upper bound)" % (len(found), statistics.median(found) / 1000, max(found) / 1000))


def main():
    arguments = read_arguments()
    begun = time.monotonic()
    standin = Standin()
    try:
        counts = {name: point.measure(standin, name) for name in arguments.only or point.OPERATIONS}
        if arguments.refreshes:
            print_window(standin, arguments.refreshes)
    finally:
        standin.stop()
    points, words = choose(arguments, counts)
    print("killing purserd at %s (%d points)" % (words, len(points)), flush=True)

    run = Run(min(arguments.workers, len(points)))
    try:
        results = list(run.points(points))
    finally:
        run.close()
    for name, at, verdict, call, trouble in sorted(results, key=lambda result: result[:2]):
        if verdict == "lost":
            print("LOST: %s, killed at call %d (number %s): %s" % (name, at, call, trouble))
    print_table(counts, results)
    lost = sum(result[2] == "lost" for result in results)
    print("%.0f s" % (time.monotonic() - begun))
    print("%d grants lost" % lost)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
