"""The table of figures, and the same as JSON."""

import json
import os
import pathlib
import platform
import time


class Row:
    """One figure: what purserd takes or does beside its floor, and what is wanted of it; `met` is None where nothing is."""

    def __init__(self, part, what, floor="", purser="", figure="", goal="", met=None, values=None):
        self.part = part
        self.what = what
        self.floor = floor
        self.purser = purser
        self.figure = figure
        self.goal = goal
        self.met = met
        self.values = values or {}

    def cells(self):
        mark = "" if self.met is None else ("" if self.met else " (not met)")
        return [self.what, self.floor, self.purser, self.figure, self.goal + mark]


def ratio_row(part, what, pairs, key, goal, at_least, unit):
    """From pairs of (floor, purser) results: the median of the ratios of each pair, which were taken in turn. goal None: it is not judged."""
    from place import median

    ratio = median(purser[key] / floor[key] for floor, purser in pairs)
    floor, purser = (median(pair[i][key] for pair in pairs) for i in (0, 1))
    met = None if goal is None else ratio >= goal if at_least else ratio <= goal
    words = "" if goal is None else "%s %.2f" % ("≥" if at_least else "≤", goal)
    return Row(part, what, number(floor) + unit, number(purser) + unit, "%.2f" % ratio, words, met,
               {"floor": floor, "purser": purser, "ratio": ratio})


def number(value):
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


def table(rows):
    lines = [["figure", "floor", "purserd", "ratio", "goal"], ["---", "---:", "---:", "---:", "---"]]
    lines += [row.cells() for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def cpu_busy_seconds():
    """Of all processors, since the machine was started."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle, iowait = fields[3:5]
    return (sum(fields[:8]) - idle - iowait) / os.sysconf("SC_CLK_TCK")


class Conditions:
    """How long it took, and what else the machine did meanwhile."""

    def __init__(self):
        self.began, self.busy, self.own = time.monotonic(), cpu_busy_seconds(), self._own()

    @staticmethod
    def _own():
        # The programs that are measured are children, and their end was waited for.
        return sum(os.times()[:4])

    def now(self):
        seconds = time.monotonic() - self.began
        others = cpu_busy_seconds() - self.busy - (self._own() - self.own)
        cpus = os.cpu_count()
        return {"cpus": cpus, "kernel": platform.release(), "machine": platform.machine(), "seconds": round(seconds, 1),
                "others_percent": round(100 * max(others, 0) / cpus / seconds, 1)}


def sentence(conditions):
    return "Measured in %.1f minutes on %d processors, of whose time other programs took %.0f %% meanwhile." % (
        conditions["seconds"] / 60, conditions["cpus"], conditions["others_percent"])


def write_json(path, rows, conditions):
    figures = [dict(row.values, part=row.part, figure=row.what, goal=row.goal, met=row.met) for row in rows]
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": conditions, "figures": figures}, indent=1) + "\n")
