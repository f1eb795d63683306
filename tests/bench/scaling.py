"""What does not grow with the number of credentials and of connections, and how refreshes are spread over time."""

import math
import pathlib
import time

import plot
from callgrind import instructions_of
from endpoint import endpoint
from place import BUILD, PROGRAMS, Place, alternate, cpu_seconds, load, run_json
from refreshing import REFRESHED
from report import Row, number, ratio_row

TOKEN_BYTES = 440
LIFETIME_SEC = 3600
LATENCY_MSEC = 100
SPREAD_RATE = 100 # `refresh.rate`: two and a half times what is due in ordinary times
FEW = 1000
REARMS = 20000
STEP = 7919 # in no order of their addresses
SAMPLE = 20000 # credentials that are refreshed for real


def scaling(options):
    yield from requests_rows(options)
    yield scheduler_row(options)
    yield cpu_row(options)
    yield from spread_rows(options)


def requests_rows(options):
    seconds = ("-c", "64", "-d", str(options.seconds), "-w", "0.1", "-x", "access_token")
    with Place() as few, Place() as many:
        few.populate("c", FEW, TOKEN_BYTES)
        many.populate("c", options.most, TOKEN_BYTES)
        few.start_settled()
        many.start_settled()
        some = few.requests(*("c%d" % i for i in range(FEW)))
        all_of_them = many.requests(*("c%d" % (i * STEP % options.most) for i in range(options.most)))
        pairs = alternate(options.rounds, lambda: load(few.socket, some, *seconds), lambda: load(many.socket, all_of_them, *seconds))
        yield ratio_row("scaling", "GetToken of {:,} credentials in turn, beside {:,}: requests/s".format(options.most, FEW), pairs, "rate",
                        0.9, True, "")
        yield echo_row(options, few, some, seconds[:-2], pairs[0][0]["reply_bytes"])
        # All of them are accepted before anything is counted.
        idle = ("-i", str(options.idle), "-w", "1")
        pairs = alternate(options.rounds, lambda: load(few.socket, some, *seconds),
                          lambda: load(few.socket, some, *seconds, *idle))
        yield ratio_row("scaling", "GetToken beside {:,} idle connections, beside none: requests/s".format(options.idle), pairs,
                        "rate", 0.9, True, "")


def rearm(timers):
    """Instructions to find the one that is due, and to arm it anew; what arming all of them takes is left out."""
    few, many = (instructions_of([PROGRAMS / "rearm", timers, times]) for times in (REARMS, 2 * REARMS))
    return (many - few) / REARMS


def scheduler_row(options):
    few, many = rearm(FEW), rearm(options.most)
    ratio, logarithms = many / few, math.log(options.most) / math.log(FEW)
    return Row("scaling", "the scheduler's work for a refresh among {:,} timers, beside {:,}: instructions".format(options.most, FEW),
               number(few), number(many), "%.2f" % ratio, "≤ %.2f (logarithms: %.2f)" % (1.25 * logarithms, logarithms),
               ratio <= 1.25 * logarithms, {"few": few, "many": many, "ratio": ratio})


def echo_row(options, place, requests, how, reply_bytes):
    """What memory that is far away costs whoever sends as much of it, with nothing looked up and nothing made."""
    echo, path = place.start_echo(reply_bytes, replies=FEW)
    large, large_path = place.start_echo(reply_bytes, replies=options.most)
    pairs = alternate(options.rounds, lambda: load(path, requests, *how), lambda: load(large_path, requests, *how))
    place.stop(echo)
    place.stop(large)
    return ratio_row("scaling", "the same of the echo server, with as many replies in its memory", pairs, "rate", None, True, "")


def cpu_row(options):
    """Lives of an hour cannot be waited for: refreshes follow each other as fast as they can, and their CPU time is scaled back."""
    with Place() as place, endpoint(place.directory) as (url, ca):
        place.configure(url(LIFETIME_SEC), ca=ca)
        place.populate("c", SAMPLE, 1200, lifetime=0)
        process = place.start()
        began, seen = cpu_seconds(process.pid), place.metric(REFRESHED)
        time.sleep(10 * options.seconds)
        refreshes = place.metric(REFRESHED) - seen
        each = (cpu_seconds(process.pid) - began) / refreshes
    # A token is refreshed when about three quarters of its life are over.
    share = each * options.most / (LIFETIME_SEC * 0.75) * 100
    return Row("scaling", "CPU for {:,} credentials with lives of 1 h (scaled from {:,} refreshes)".format(options.most, int(refreshes)),
               "", "%s µs a refresh" % number(each * 1e6), "%.2f %% of one core" % share, "≤ 5 %", share <= 5,
               {"usec_per_refresh": each * 1e6, "percent": share})


def spread_rows(options):
    with Place() as place:
        place.configure(parallel=32, rate=SPREAD_RATE)
        result = run_json(PROGRAMS / "spread", place.config, "bench", options.most, LATENCY_MSEC, quiet=True)
    path = pathlib.Path(BUILD / "bench-spread.svg")
    path.write_text(plot.svg(result, options.most))
    print(plot.text(result))
    for phase in result["phases"]:
        ratio = phase["most"] / phase["mean"]
        yield Row("scaling", "refreshes in the busiest second, {:,} credentials, {} (played)".format(options.most, phase["name"]),
                  "mean %s" % number(phase["mean"]), "most %d" % phase["most"], "%.2f" % ratio, "≤ 3.00", ratio <= 3,
                  {"mean": phase["mean"], "most": phase["most"], "ratio": ratio})
