#!/usr/bin/python3
"""What other callers notice while somebody attacks: quiet and attacked rounds take turns, and the table tells how much longer a call took.

    attack.py [--rounds N] [--seconds S] [--only ATTACK] [--factor F]

It fails when a well-behaved caller got an error, a wrong answer or no answer within five seconds, when purserd ended, or when memory or
descriptors stay grown. With --factor it also fails when the median of an attack's ratios is above F; that is for a machine that is quiet
itself. The last row is a floor: half-open connections at a bare echo server, which does nothing for anybody. Attackers are processes of other users, which takes root. purserd and the caller run before the attackers, and those before all else
(SCHED_RR), so that it is purserd that is measured and not how the kernel divides two processors among its neighbours.
"""

import argparse
import contextlib
import multiprocessing
import os
import pathlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import attacks  # noqa: E402
from evidence import Evidence  # noqa: E402
from purser import BUILD, Home  # noqa: E402
from rawvarlink import Closed, Varlink, VarlinkError  # noqa: E402
from standin import Standin  # noqa: E402
from waiting import until  # noqa: E402

STALL_SECONDS = 5
MEMORY_GROWTH_KB = 16 * 1024
DESCRIPTOR_GROWTH = 16
INSIDER, STRANGER = 23456, 65534
GET = {"credential": "acme"}
# Open, since other users may not be able to reach it.
HALF_OPEN = os.open(BUILD / "tests/attack/halfopen", os.O_RDONLY | os.O_CLOEXEC)

# How long an attack takes to be under way.
LEAD_SECONDS = {"10,000 connections": 3.0}
ORDINARY_LEAD_SECONDS = 0.3

FLOOR = "half-open, echo server"

# Name, function, how many processes, who the first of them is; the next ones have the uids below.
ATTACKS = [
    ("fragmented", attacks.fragmented, 1, INSIDER),
    ("pipelined", attacks.pipelined, 1, INSIDER),
    ("answers never read", attacks.unread, 1, INSIDER),
    ("oversized", attacks.oversized, 1, STRANGER),
    ("nested", attacks.nested, 1, STRANGER),
    ("half a million values", attacks.many_values, 1, STRANGER),
    ("invalid UTF-8, NULs", attacks.invalid, 1, STRANGER),
    ("endless", attacks.endless, 1, STRANGER),
    ("slow writers", attacks.slow_writers, 1, STRANGER),
    ("slow readers", attacks.slow_readers, 1, STRANGER),
    ("half-open", attacks.half_open, 4, STRANGER),
    ("10,000 connections", attacks.connections, 4, STRANGER),
    ("no descriptors left", attacks.connections, 1, STRANGER),
    ("100,000 unknown names", attacks.unknown_names, 1, STRANGER),
    ("watchers that never read", attacks.watchers, 1, INSIDER),
    ("100 waiting calls", attacks.waiting, 1, INSIDER),
]


# Attackers come before all else that this machine does, so that its neighbours do not weaken them; who is measured, before attackers.
ATTACKER_PRIORITY, MEASURED_PRIORITY = 1, 2


def prefer(pid, priority):
    """Where that is allowed."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(priority))


def run_attack(function, path, deadline, user):
    prefer(0, ATTACKER_PRIORITY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    function(attacks.Place(path, HALF_OPEN), deadline)
    # What the connections still hold is let go by the kernel.
    os._exit(0)


class Caller:
    """Somebody who asks properly, on a connection that is kept and on new ones in turn."""

    def __init__(self, home):
        self.home = home
        self.kept = self.connect()
        self.token = self.kept.call("io.purser.Tokens.GetToken", **GET)["access_token"]
        self.errors = []

    def connect(self):
        return Varlink(str(self.home.socket), STALL_SECONDS)

    def _ask(self, connection):
        start = time.perf_counter()
        bundle = connection.call("io.purser.Tokens.GetToken", **GET)
        took = time.perf_counter() - start
        if bundle["access_token"] != self.token:
            raise AssertionError("another token")
        return took

    def _ask_anew(self):
        start = time.perf_counter()
        with contextlib.closing(self.connect()) as connection:
            self._ask(connection)
            return time.perf_counter() - start

    def measure(self, seconds):
        """(times on the kept connection, times on new ones)"""
        kept, new = [], []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for ask, times in ((lambda: self._ask(self.kept), kept), (self._ask_anew, new)):
                try:
                    times.append(ask())
                except (VarlinkError, Closed, OSError, AssertionError) as error:
                    self.errors.append(repr(error))
                    if len(self.errors) > 20:
                        return kept, new
        return kept, new


class EchoCaller(Caller):
    """The same at a server that only echoes."""

    def __init__(self, path):
        self.path = path
        self.kept = self.connect()
        self.errors = []

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(STALL_SECONDS)
        connection.connect(self.path)
        return connection

    def _ask(self, connection):
        start = time.perf_counter()
        connection.sendall(b"x" * 100 + b"\0")
        answer = b""
        while not answer.endswith(b"\0"):
            chunk = connection.recv(65536)
            if not chunk:
                raise Closed()
            answer += chunk
        return time.perf_counter() - start


@contextlib.contextmanager
def echo_server():
    """Its socket, where other users reach it."""
    with tempfile.TemporaryDirectory(prefix="purser-attack-") as directory:
        os.chmod(directory, 0o755)
        path = directory + "/echo"
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        process = subprocess.Popen([BUILD / "tests/bench/echo", path, "1800"],
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)))
        prefer(process.pid, MEASURED_PRIORITY)
        try:
            until(lambda: os.path.exists(path), "the echo server")
            os.chmod(path, 0o666)
            yield path
        finally:
            process.kill()
            process.wait()


def quantile(times, q):
    return sorted(times)[min(len(times) - 1, int(len(times) * q))]


def quantiles(quiet, attacked):
    return [(quantile(before, q), quantile(after, q)) for before, after in zip(quiet, attacked) for q in (0.5, 0.99)]


class Attack:
    def __init__(self, options):
        self.options = options
        self.standin = Standin()
        self.standin.reset()
        self.home = Home(self.standin, Evidence())
        # A rule about a unit has purserd look at each stranger's.
        users = [{"user": os.geteuid()}, {"user": INSIDER}, {"unit": "somebody-else.service"}]
        self.home.client["allow"] = users
        self.home.settings["refresh"] = {"timeout": "3s"}
        self.home.write()
        self.daemon = self.home.start()
        self.pid = self.daemon.process.pid
        prefer(self.pid, MEASURED_PRIORITY)
        prefer(0, MEASURED_PRIORITY)
        for name in ("acme", "cedar"):
            self.home.adopt(name, name)
        self.standin.set(lifetime=2)
        self.home.adopt("birch", "birch")
        self.standin.set(lifetime=3600)
        self.caller = Caller(self.home)
        self.problems = []
        self.most_connections = 0

    def close(self):
        self.home.close()
        self.home.remove()
        self.standin.stop()

    def memory_kb(self):
        for line in pathlib.Path("/proc/%d/status" % self.pid).read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("purserd is gone")

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    @contextlib.contextmanager
    def circumstances(self, name):
        """What an attack needs besides the attacker."""
        if name == "100 waiting calls":
            self.standin.always("token", {"do": "delay", "seconds": 4})
        limits = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        if name == "no descriptors left":
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.descriptors() + 40, limits[1]))
        yield
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, limits)
        self.standin.clear()

    def attacked(self, name, function, n, user, caller, path):
        start = time.monotonic()
        lead = LEAD_SECONDS.get(name, ORDINARY_LEAD_SECONDS)
        deadline = start + lead + self.options.seconds + 0.2
        processes = [multiprocessing.Process(target=run_attack,
                                             args=(function, path, deadline, user - i)) for i in range(n)]
        with self.circumstances(name):
            for process in processes:
                process.start()
            if name == "watchers that never read":
                for _ in range(3):
                    self.home.call("io.purser.Admin.Refresh", credential="cedar")
            time.sleep(max(0, start + lead - time.monotonic()))
            self.most_connections = max(self.most_connections, self.descriptors())
            times = caller.measure(self.options.seconds)
            for process in processes:
                process.join(10)
                if process.exitcode != 0:
                    process.kill()
                    self.problems.append("%s: an attacker ended with %s" % (name, process.exitcode))
        return times

    def run_one(self, name, function, n, user):
        ratios = []
        descriptors, memory = self.descriptors(), self.memory_kb()
        for _ in range(self.options.rounds):
            quiet = self.caller.measure(self.options.seconds)
            attacked = self.attacked(name, function, n, user, self.caller, str(self.home.socket))
            if self.caller.errors:
                self.problems.append("%s: %s" % (name, self.caller.errors[0]))
                self.caller.errors = []
            if not all(quiet) or not all(attacked):
                return
            ratios.append(quantiles(quiet, attacked))
            until(lambda: self.descriptors() <= descriptors + DESCRIPTOR_GROWTH, "the attackers to be forgotten")
        grown = self.memory_kb() - memory
        if grown > MEMORY_GROWTH_KB:
            self.problems.append("%s: memory has grown by %d kB" % (name, grown))
        self.tell(name, ratios, grown)

    def run_floor(self):
        """What the kernel's queue of connections costs whoever is served by a server that does nothing else."""
        ratios = []
        with echo_server() as path:
            caller = EchoCaller(path)
            for _ in range(self.options.rounds):
                quiet = caller.measure(self.options.seconds)
                attacked = self.attacked("half-open", attacks.half_open, 4, STRANGER, caller, path)
                if not all(quiet) or not all(attacked):
                    print("%-26s no answer" % FLOOR)
                    return
                ratios.append(quantiles(quiet, attacked))
        self.tell(FLOOR, ratios, 0)

    def tell(self, name, rounds, grown):
        """Medians over the rounds."""
        cells = []
        for i in range(4):
            ratio = statistics.median(after / before for before, after in (round_[i] for round_ in rounds))
            quiet = statistics.median(round_[i][0] for round_ in rounds)
            cells.append("%6.0f x %4.1f" % (quiet * 1e6, ratio))
            if self.options.factor and ratio > self.options.factor and name != FLOOR:
                self.problems.append("%s: a call takes %.1f times as long" % (name, ratio))
        print("%-26s %s %8d" % (name, "  ".join(cells), grown), flush=True)

    def run(self):
        print("%-26s %13s  %13s  %13s  %13s %8s" % ("attack (quiet µs x ratio)", "kept p50", "kept p99", "new p50",
                                                    "new p99", "grown kB"))
        for attack in ATTACKS:
            if self.options.only and self.options.only not in attack[0]:
                continue
            self.run_one(*attack)
            if not self.daemon.alive():
                self.problems.append("%s: purserd ended" % attack[0])
                break
        if not self.options.only or self.options.only in FLOOR:
            self.run_floor()
        lines = self.daemon.log.count("\n")
        if lines > 2000:
            self.problems.append("the log has %d lines" % lines)
        print("%d lines in the log; %d descriptors at most" % (lines, self.most_connections))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--only")
    parser.add_argument("--factor", type=float)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("attack: run this as root: attackers must be other users than the caller", file=sys.stderr)
        return 1
    attack = Attack(options)
    try:
        attack.run()
    finally:
        attack.close()
    for problem in attack.problems:
        print(problem, file=sys.stderr)
    return 1 if attack.problems else 0


if __name__ == "__main__":
    sys.exit(main())
