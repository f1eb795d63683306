"""Refreshing beside curl alone, against the same endpoint; and what callers notice of it."""

import time

from endpoint import endpoint, hanging
from place import PROGRAMS, Place, alternate, load, median, run_json
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
            result = run_json(PROGRAMS / "refreshload", url(ENDLESS_SEC), IN_FLIGHT, seconds, ca)
            assert result["errors"] == 0, result
            return result

        def purserd():
            # One that refreshes would take the floor's CPU from it.
            process = place.start()
            result = refreshes_per_second(place, seconds)
            place.kill(process)
            return result

        pairs = alternate(options.rounds, floor, purserd)
        yield ratio_row("refreshing", "refreshes/s, %d in flight, each saved durably" % IN_FLIGHT, pairs, "rate", 0.5, True, "")
