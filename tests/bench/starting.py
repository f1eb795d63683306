"""How long a process takes that starts from nothing: the command, and the daemon that a caller waits for."""

from place import BUILD, PROGRAMS, Place, median, run_json
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
