"""What purserd keeps in memory, for itself and for each credential, and that it keeps no more of it for having worked."""

import time

from endpoint import endpoint
from place import Place, descriptors, load, memory_kb, until
from report import Row, number

TOKEN_BYTES = 1200
MANY = 10000
ALLOWED_GROWTH_KB = 256
SETTLE_SECONDS = 10


def size(count):
    with Place() as place:
        place.populate("c", count, TOKEN_BYTES)
        return memory_kb(place.start_settled().pid)["private"]


def memory(options):
    one, many = size(1), size(MANY)
    each = (many - one) / (MANY - 1)
    yield Row("memory", "private memory with 1 credential, but pages of libraries that it only reads", "", number(one / 1024) + " MB", "", "≤ 4 MB", one <= 4096,
              {"kb": one})
    yield Row("memory", "each further one, token of 1.2 KB", "", number(each) + " KB", "", "≤ 4 KB", each <= 4, {"kb": each})
    yield growth_by_requests(options, "memory")
    yield growth_by_refreshes(options, "memory")


class Watch:
    """What a process holds more at the end than at the beginning."""

    def __init__(self, process):
        self.pid = process.pid
        self.before = self.look()

    def look(self):
        return memory_kb(self.pid)["resident"], descriptors(self.pid)

    def settled(self):
        """Connections that were just closed take a moment to be noticed."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.look()[1] > self.before[1] and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.look()

    def row(self, part, what, count):
        now = self.settled()
        kb, fds = (after - before for after, before in zip(now, self.before))
        met = kb <= ALLOWED_GROWTH_KB and fds <= 2
        return Row(part, what.format("{:,}".format(count)), "", "%+d KB, %+d descriptors" % (kb, fds), "", "no growth", met,
                   {"kb": kb, "descriptors": fds, "count": count})


def growth_by_requests(options, part="growth"):
    count = options.requests
    with Place() as place:
        place.populate("c", 100, TOKEN_BYTES)
        process = place.start_settled()
        requests = place.requests(*("c%d" % i for i in range(100)))

        def ask(n):
            load(place.socket, requests, "-c", "64", "-n", str(n), "-d", "3600", "-w", "0")
            load(place.socket, requests, "-m", "connect", "-c", "16", "-n", str(n // 20), "-d", "3600", "-w", "0")

        ask(count // 10)
        watch = Watch(process)
        ask(count)
        return watch.row(part, "growth over {} requests", count + count // 20)


def growth_by_refreshes(options, part="growth"):
    count = options.refreshes
    with Place() as place, endpoint(place.directory) as (url, ca):
        # Tokens that live for 2 s: refreshing never ends.
        place.configure(url(2), ca=ca)
        place.populate("c", 2000, TOKEN_BYTES, lifetime=0)
        process = place.start()

        def refresh(n):
            until(lambda: place.metric('purser_refreshes_total{outcome="refreshed"}') >= n, "for %d refreshes" % n, 300)

        refresh(count // 10)
        watch = Watch(process)
        refresh(count // 10 + count)
        return watch.row(part, "growth over {} refreshes", count)
