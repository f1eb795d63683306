#!/usr/bin/python3
"""A long run: many credentials whose tokens live for half a minute, a provider that fails in every way it can, and a daemon that is killed
now and then. At the end every credential that the provider's record says is alive is alive in purserd, nothing has grown, and no
spent token was sent but for the replay that follows an outcome that nobody knows.

    soak.py [--minutes N] [--credentials N] [--lifetime SECONDS] [--seed N]
"""

import argparse
import os
import pathlib
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from evidence import Evidence  # noqa: E402
from purser import Home  # noqa: E402
from rawvarlink import Closed, VarlinkError  # noqa: E402
from standin import Standin  # noqa: E402

# What a provider does to one request. Those that end a grant at our end alone are not here: it is refused for good then, rightly.
FAULTS = ["lost_before", "lost_after", "truncated", "html", "empty", "garbage", "huge", "429", "500", "503", "unavailable",
          "forbidden", {"do": "delay", "seconds": 3}, {"do": "answer", "status": 429, "headers": {"Retry-After": "2"}}]
SAMPLE_SECONDS = 1
SETTLE_SECONDS = 90
MEMORY_GROWTH = 1.25
DESCRIPTOR_GROWTH = 16


class Soak:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.standin = Standin()
        self.standin.reset()
        self.home = Home(self.standin, Evidence())
        self.home.settings["refresh"] = {"timeout": "2s"}
        self.home.write()
        self.names = ["c%03d" % number for number in range(options.credentials)]
        self.faults = self.kills = self.answers = self.unavailable = 0
        self.samples = []
        self.connection = None

    # The daemon

    def start(self):
        self.daemon = self.home.start()
        self.connection = self.home.varlink()
        self.connection.evidence = None

    def restart(self):
        """A kill at any moment, or now and then an orderly stop."""
        if self.random.random() < 0.75:
            self.daemon.kill()
        else:
            self.daemon.stop()
        self.kills += 1
        self.connection.close()
        self.start()

    def sample(self):
        """Memory and descriptors, of one daemon only: a new one starts small."""
        pid = self.daemon.process.pid
        status = pathlib.Path("/proc/%d/status" % pid).read_text()
        rss = int(status.split("VmRSS:")[1].split()[0])
        self.samples.append((pid, rss, len(os.listdir("/proc/%d/fd" % pid))))

    # The callers

    def ask(self):
        name = self.random.choice(self.names)
        try:
            bundle = self.connection.call("io.purser.Tokens.GetToken", credential=name)
            self.answers += 1
            assert bundle["expires_at"] > time.time() - 2, "a token was handed out after its end"
        except VarlinkError as error:
            assert error.name in ("io.purser.Tokens.TokenUnavailable", "io.purser.Tokens.AuthorizationRequired"), error
            self.unavailable += 1
        except Closed as error:
            raise AssertionError("the daemon closed a connection") from error

    def adopt(self):
        for name in self.names:
            grant = self.standin.grant("acme")
            self.connection.call("io.purser.Admin.ImportGrant", credential=name, refresh_token=grant["current"])

    def trouble(self):
        self.standin.next("token.refresh_token", *[self.random.choice(FAULTS) for _ in range(self.random.randint(1, 5))])
        self.faults += 1

    def run(self):
        self.start()
        # As for older apps at first: a lost answer may be healed by the token before it.
        self.standin.set(lifetime=self.options.lifetime, rotation="old-apps")
        self.adopt()
        end = time.monotonic() + self.options.minutes * 60
        next_sample = next_kill = next_fault = 0.0
        quiet = end - (end - time.monotonic()) / 3
        while time.monotonic() < end:
            now = time.monotonic()
            for _ in range(20):
                self.ask()
            if now >= next_fault:
                self.trouble()
                next_fault = now + self.random.uniform(0.1, 1.0)
            # In the last third nobody is killed, so that what grows can be seen growing.
            if now >= next_kill and now < quiet:
                if next_kill:
                    self.restart()
                next_kill = now + self.random.uniform(1, 8)
            if now >= next_sample:
                self.sample()
                next_sample = now + SAMPLE_SECONDS
            # The callers' pace: what is measured is time, not how fast they can be.
            time.sleep(0.02)
        self.standin.clear()
        return self.judge()

    # The end

    def statuses(self):
        return {entry["name"]: entry for entry in self.connection.call("io.purser.Admin.Status")["credentials"]}

    def dead_though_alive(self):
        """Those that purserd has no living token of, though the provider's record says that their grants live."""
        statuses = self.statuses()
        return [name for name in self.names if statuses[name]["state"] != "active"]

    def judge(self):
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.dead_though_alive() and time.monotonic() < deadline:
            time.sleep(0.2)
        grants = self.standin.grants()
        alive = sum(grant["alive"] for grant in grants.values())
        lost = self.dead_though_alive()
        mismatched = self.refresh_all()
        state = self.standin.state()
        warnings = self.count_log("unknown")
        print("%d credentials, tokens of %d s, %g minutes, seed %d" % (
            len(self.names), self.options.lifetime, self.options.minutes, self.options.seed))
        print("%d refreshes, %d rounds of faults, %d kills and restarts, %d answers, %d refusals to callers" % (
            sum(grant["refreshes"] for grant in grants.values()), self.faults, self.kills, self.answers, self.unavailable))
        print("grants alive at the provider %d, in purserd %d, lost %d" % (
            alive, len(self.names) - len(lost), len(lost)))
        print("spent tokens sent %d, unknown outcomes that explain them %d" % (state["spent_refresh_tokens_sent"], warnings))
        good = self.judge_growth()
        for name in lost[:5]:
            print("lost:", self.statuses()[name])
        good = good and not lost and not mismatched and alive == len(self.names)
        # At most five tries each.
        good = good and state["spent_refresh_tokens_sent"] <= 5 * warnings
        self.connection.close()
        self.daemon.stop()
        return good

    def refresh_all(self):
        """The grant of each is the one that the provider knows: one more refresh works."""
        failed = []
        for name in self.names:
            try:
                self.connection.call("io.purser.Admin.Refresh", credential=name)
            except VarlinkError as error:
                failed.append((name, str(error)))
        if failed:
            print("cannot be refreshed:", failed[:5])
        return failed

    def count_log(self, word):
        return sum(word in line for daemon in self.home.daemons for line in daemon.log.splitlines())

    def judge_growth(self):
        """Of the daemon that ran longest: its first samples against its last."""
        runs = {}
        for pid, rss, descriptors in self.samples:
            runs.setdefault(pid, []).append((rss, descriptors))
        longest = max(runs.values(), key=len)
        if len(longest) < 4:
            print("too few samples of one daemon to judge growth")
            return False
        half = len(longest) // 2
        first, last = longest[1:half + 1], longest[half:]
        memory = [max(rss for rss, _ in part) for part in (first, last)]
        descriptors = [max(number for _, number in part) for part in (first, last)]
        print("memory of the longest run: %d kB in its first half, %d kB in its second; descriptors: %d, %d (%d samples)" % (
            *memory, *descriptors, len(longest)))
        return memory[1] <= memory[0] * MEMORY_GROWTH and descriptors[1] <= descriptors[0] + DESCRIPTOR_GROWTH

    def close(self):
        self.home.close()
        self.home.remove()
        self.standin.stop()


def main():
    parser = argparse.ArgumentParser(description="A long run with faults and kills.")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--credentials", type=int, default=200)
    parser.add_argument("--lifetime", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    soak = Soak(parser.parse_args())
    try:
        good = soak.run()
    finally:
        soak.close()
    print("soak: " + ("ok" if good else "FAILED"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
