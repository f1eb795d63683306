"""How long a process takes that starts from nothing: the command, and the daemon that a caller waits for."""

import os
import shutil

from place import BUILD, PROGRAMS, SHIPPED_PROVIDERS, Place, median, run_json
from report import Row, number


def command(options):
    with Place() as place:
        place.populate("c", 1)
        place.start()
        runs = [run_json(PROGRAMS / "spawn", options.spawns, "/bin/true", "--", BUILD / "purser", "--socket", place.socket,
                         "token", "c0") for _ in range(options.rounds)]
    ratio = median(run["second_usec"] / run["first_usec"] for run in runs)
    floor, purser = (median(run[key] for run in runs) for key in ("first_usec", "second_usec"))
    yield Row("command", "`purser token NAME` beside `/bin/true`, whole processes", number(floor) + " µs",
              number(purser) + " µs", "%.2f" % ratio, "≤ 1.70", ratio <= 1.7,
              {"floor_usec": floor, "purser_usec": purser, "ratio": ratio})


GOALS = ((1, None), (10000, 150), (100000, 1500))


def cold_start(place, requests, command, runs):
    """Milliseconds, the median of some starts: the first ones read the programs from disk."""
    times = []
    for _ in range(runs):
        result = run_json(PROGRAMS / "coldstart", place.directory / "cold.sock", requests, *command, quiet=True)
        assert not result["is_error"], result
        times.append(result["usec"] / 1000)
    return median(times)


def floors(place, requests, rounds):
    """What a start takes before anything of purserd's own: libraries are found, mapped and joined; a store is opened, and a configuration read."""
    work = {"JOINED_STORE": str(place.directory / "joined.db"), "JOINED_CONFIG": str(place.config)}
    shutil.copy(place.state / "purser.db", work["JOINED_STORE"])

    def times(program, env):
        os.environ.update(env)
        try:
            return cold_start(place, requests, [PROGRAMS / program, "-", "1200"], 3)
        finally:
            for name in env:
                del os.environ[name]

    rows = [(times("echo", {}), times("joined", {}), times("joined", work)) for _ in range(rounds)]
    for at, name in ((1, "of it: the same of an echo server that joins purserd's libraries and uses none"),
                     (2, "of it: and that reads the configuration, and opens, checks and reads the store, by the same libraries")):
        floor, ms = (median(row[i] for row in rows) for i in (0, at))
        yield Row("start", name, number(floor) + " ms", number(ms) + " ms", "%.2f" % median(row[at] / row[0] for row in rows), "", None,
                  {"ms": ms})


def start(options):
    one_ms = None
    for count, goal in GOALS:
        if count > options.most:
            return
        with Place() as place:
            place.providers = SHIPPED_PROVIDERS # as an installation has them
            place.populate("c", count)
            requests = place.requests("c%d" % (count // 2))
            echo = [PROGRAMS / "echo", "-", "1200"]
            rounds = options.rounds if count == 1 else 1
            pairs = [(cold_start(place, requests, echo, 3), cold_start(place, requests, place.command(), 3))
                     for _ in range(rounds)]
            floor, purser = (median(pair[i] for pair in pairs) for i in (0, 1))
            beneath = list(floors(place, requests, rounds)) if count == 1 else []
        if count == 1:
            one_ms = purser
            ratio = median(pair[1] / pair[0] for pair in pairs)
            yield Row("start", "connect() to the first token, daemon not running, 1 credential", number(floor) + " ms",
                      number(purser) + " ms", "%.2f" % ratio, "≤ 3.00", ratio <= 3,
                      {"floor_ms": floor, "purser_ms": purser, "ratio": ratio})
            yield from beneath
        else:
            more = purser - (one_ms or floor)
            yield Row("start", "the same, {:,} credentials".format(count), number(one_ms or floor) + " ms", number(purser) + " ms",
                      "+%s ms" % number(more), "≤ +%d ms" % goal, more <= goal, {"purser_ms": purser, "more_ms": more})
