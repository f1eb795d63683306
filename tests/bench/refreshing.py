"""Refreshing beside curl alone, against the same endpoint; and what callers notice of it."""

import subprocess
import time

from endpoint import endpoint, hanging
from place import PROGRAMS, Place, alternate, load, median, run_json, until
from report import Row, number, ratio_row

TOKEN_BYTES = 1200
IN_FLIGHT = 32
REFRESHED = 'purser_refreshes_total{outcome="refreshed"}'
ENDLESS_SEC = 2 # the lifetime of tokens whose refreshing never ends
QUIET_SEC = 86400


def refreshes_per_second(place, seconds):
    before, began = place.metric(REFRESHED), time.monotonic()
    time.sleep(seconds)
    after = place.metric(REFRESHED)
    return {"rate": (after - before) / (time.monotonic() - began)}


def refreshing(options):
    with Place() as place, endpoint(place.directory) as (url, ca):
        place.configure(url(ENDLESS_SEC), ca=ca, parallel=IN_FLIGHT)
        place.populate("c", 10000, TOKEN_BYTES, lifetime=0)
        seconds = 2 * options.seconds

        def floor():
            result, saving = (run_json(PROGRAMS / "refreshload", url(ENDLESS_SEC), IN_FLIGHT, seconds, ca, *more)
                              for more in ((), (place.directory,)))
            assert result["errors"] == 0 and saving["errors"] == 0, (result, saving)
            return {"rate": result["rate"], "saving": saving["rate"]}

        def purserd():
            # One that refreshes would take the floor's CPU from it.
            process = place.start()
            result = refreshes_per_second(place, seconds)
            place.kill(process)
            return result

        pairs = alternate(options.rounds, floor, purserd)
        saves = run_json(PROGRAMS / "persist", place.directory, IN_FLIGHT, options.seconds)
        yield Row("refreshing", "records/s that SQLite alone saves durably, %d to a commit" % IN_FLIGHT, number(saves["rate"]),
                  values=saves)
        yield ratio_row("refreshing", "refreshes/s, %d in flight, each saved durably" % IN_FLIGHT, pairs, "rate", 0.5, True, "")
        # What of the distance is purserd's: the floor that keeps the promises, too, and nothing else.
        floor_rate, rate = (median(pair[i][key] for pair in pairs) for i, key in ((0, "saving"), (1, "rate")))
        yield Row("refreshing", "the same beside curl and SQLite, no body sent twice and an intent before each", number(floor_rate),
                  number(rate), "%.2f" % median(p["rate"] / f["saving"] for f, p in pairs),
                  values={"floor": floor_rate, "purser": rate})


def callers(options):
    """The same calls of a quiet purserd and of one that refreshes without end; neither runs while the other is measured."""
    yield from beside_refreshes(options)
    yield from beside_a_hanging_endpoint(options)


def ask(place, requests, seconds):
    return load(place.socket, requests, "-c", "64", "-d", seconds, "-w", "0.1", "-x", "access_token")


def beside_refreshes(options):
    with Place() as calm, Place() as busy, endpoint(busy.directory) as (url, ca):
        busy.configure(url(ENDLESS_SEC), ca=ca, parallel=IN_FLIGHT)
        for place in (calm, busy):
            place.populate("q", 1, TOKEN_BYTES // 3, client="other", lifetime=QUIET_SEC)
            place.populate("c", 10000, TOKEN_BYTES, lifetime=0 if place is busy else QUIET_SEC)
        requests = calm.requests("q0")
        calm.start()

        def ask_busy():
            # It runs for as long as it is asked: what it refreshes would take the other's CPU.
            process = busy.start()
            until(lambda: busy.metric(REFRESHED) > 0, "for the first refresh")
            result = ask(busy, requests, options.seconds)
            refreshed = busy.metric(REFRESHED)
            busy.kill(process)
            return dict(result, refreshed=refreshed)

        def ask_beside_curl():
            # It has to share the processors with an endpoint and its client, which is no doing of purserd's.
            with subprocess.Popen([str(PROGRAMS / "refreshload"), url(ENDLESS_SEC), str(IN_FLIGHT), "3600", str(ca)],
                                  stdout=subprocess.DEVNULL) as other:
                try:
                    return ask(calm, requests, options.seconds)
                finally:
                    other.kill()

        rounds = alternate(options.rounds, lambda: ask(calm, requests, options.seconds),
                           lambda: (ask_busy(), ask_beside_curl()))
        what = "GetToken while 10,000 credentials are refreshed: 99th percentile"
        yield ratio_row("callers", what, [(quiet, busy) for quiet, (busy, _) in rounds], "p99_usec", 3.0, False, " µs")
        quiet, beside = (median(each) for each in zip(*((quiet["p99_usec"], beside["p99_usec"]) for quiet, (_, beside) in rounds)))
        yield Row("callers", "the same while curl alone refreshes beside a quiet purserd", number(quiet) + " µs",
                  number(beside) + " µs", "%.2f" % median(b["p99_usec"] / q["p99_usec"] for q, (_, b) in rounds),
                  values={"floor": quiet, "purser": beside})


def beside_a_hanging_endpoint(options):
    with Place() as calm, Place() as troubled, hanging() as elsewhere:
        for place, url in ((calm, None), (troubled, elsewhere)):
            if url:
                place.configure(elsewhere=url, parallel=IN_FLIGHT)
            place.populate("q", 1, TOKEN_BYTES // 3, lifetime=QUIET_SEC)
            place.populate("h", 100, TOKEN_BYTES, client="other", lifetime=0 if url else QUIET_SEC)
            place.start()
        requests = calm.requests("q0")
        until(lambda: troubled.metric("purser_refreshes_in_flight") > 0, "for a refresh that hangs")
        pairs = alternate(options.rounds, lambda: ask(calm, requests, options.seconds),
                          lambda: ask(troubled, requests, options.seconds))
        yield ratio_row("callers", "GetToken while another provider's endpoint hangs: 99th percentile", pairs, "p99_usec", 1.2,
                        False, " µs")
