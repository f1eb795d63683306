"""Where things are measured: a directory with a configuration and a store, the servers that run in it, and numbers about them."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("PURSER_BUILD", "build")).resolve()
PROGRAMS = BUILD / "tests/bench"
SHIPPED_PROVIDERS = pathlib.Path(__file__).resolve().parents[2] / "etc/providers"
PATIENCE = 120
# As in the unit, whose limits hold for whoever installs it; an unprivileged user measures within the limits that there are.
MEMLOCK = 64 << 20

NOWHERE = "https://127.0.0.1:1/token"

CLIENT = """\
  {name}:
    provider: {name}
    client_id: bench
    client_secret: {{{{file: {{secret}}}}}}
    redirect_uri: http://127.0.0.1:8723/callback
    allow: [{{{{user: {{user}}}}}}]
"""

PROVIDER = """\
  {name}:
    authorization_endpoint: https://127.0.0.1:1/authorize
    token_endpoint: {{{url}}}
    ca_file: {{ca}}
    api: {{{{url: "https://api.bench.test/graphql", version_header: X-BENCH-VERSION, default_version: "2025-04-16"}}}}
"""

CONFIG = ("clients:\n" + CLIENT.format(name="bench") + CLIENT.format(name="other") + """\
admins: [{{user: {user}}}]
refresh: {{parallel: {parallel}, test: off{rate}}}
providers:
""" + PROVIDER.format(name="bench", url="endpoint") + PROVIDER.format(name="other", url="elsewhere"))


class Skipped(Exception):
    """What is measured needs something that is not here."""


def need(program):
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise Skipped("%s is not installed (make deps names the packages)" % program)
    return path


def run_json(*command, cpu=None, quiet=False):
    """Runs a program of ours, on one CPU where that is asked for, and reads what it prints."""
    command = [str(word) for word in command]
    if cpu is not None:
        command = ["taskset", "-c", str(cpu), *command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL if quiet else None, check=True)
    return json.loads(done.stdout)


def load(path, requests, *options, cpu=None):
    result = run_json(PROGRAMS / "load", *options, path, requests, cpu=cpu)
    assert result["errors"] == 0, result
    return result


def pin(process, cpu):
    os.sched_setaffinity(process.pid, os.sched_getaffinity(0) if cpu is None else {cpu})


def until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited %d s in vain: %s" % (patience, what))
        time.sleep(0.01)


def answers(path):
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(path))
        except OSError:
            return False
        return True


def raise_memlock():
    """As far as this user may."""
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (MEMLOCK, max(MEMLOCK, hard)))
    except ValueError:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))


class Place:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="purser-bench-"))
        self.state = self.directory / "state"
        self.state.mkdir(mode=0o700)
        self.socket = self.directory / "purser.sock"
        self.config = self.directory / "purser.yaml"
        self.log = self.directory / "purserd.log"
        self.providers = self.directory / "providers"
        self.providers.mkdir()
        self.ca = self.directory / "ca.pem"
        self.ca.write_text("")
        self.secret = self.directory / "secret"
        self.secret.write_text("bench-secret")
        self.secret.chmod(0o600)
        self.configure()
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in list(self.processes):
            self.stop(process)
        shutil.rmtree(self.directory, ignore_errors=True)

    def configure(self, endpoint=NOWHERE, elsewhere=NOWHERE, ca=None, parallel=32, rate=None):
        """Two providers, with a client each: `bench` and `other`."""
        self.config.write_text(CONFIG.format(secret=self.secret, user=os.getuid(), parallel=parallel, endpoint=endpoint,
                                             elsewhere=elsewhere, ca=ca or self.ca,
                                             rate=", rate: %d" % rate if rate else ""))

    def populate(self, prefix, count, token_bytes=1200, lifetime=86400, client="bench"):
        subprocess.run([PROGRAMS / "populate", self.config, self.state, client, prefix, str(count), str(token_bytes),
                        str(lifetime)], check=True)

    def command(self, *more):
        return [str(BUILD / "purserd"), "--config", str(self.config), "--state-dir", str(self.state), "--providers",
                str(self.providers), *more]

    def start(self, *wrapper, cpu=None):
        """purserd, once it answers."""
        environment = {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "JOURNAL_STREAM")}
        with open(self.log, "ab") as log:
            process = subprocess.Popen([*wrapper, *self.command("--listen", str(self.socket))], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, preexec_fn=raise_memlock, env=environment)
        self.processes.append(process)
        if cpu is not None:
            pin(process, cpu)
        until(lambda: process.poll() is not None or answers(self.socket), "for purserd to answer")
        assert process.poll() is None, self.log.read_text()[-2000:]
        return process

    def start_settled(self, *wrapper):
        """The same, once it has done what it leaves for after its start: libraries that it joins, credentials that it reads."""
        process = self.start(*wrapper)
        maps = pathlib.Path("/proc/%d/maps" % process.pid)
        until(lambda: "libcurl" in maps.read_text(), "for purserd to join libcurl")
        self.metric("purser_refreshes_in_flight") # is told when all are there
        return process

    def start_echo(self, reply_bytes, cpu=None, replies=1):
        path = self.directory / ("echo-%d.sock" % replies)
        process = subprocess.Popen([PROGRAMS / "echo", path, str(reply_bytes), str(replies)])
        self.processes.append(process)
        if cpu is not None:
            pin(process, cpu)
        until(lambda: answers(path), "for echo to answer")
        return process, path

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
        if process in self.processes:
            self.processes.remove(process)

    def kill(self, process):
        """Without the goodbyes of a stop: what is in flight is of no interest."""
        process.kill()
        process.wait(PATIENCE)
        self.processes.remove(process)

    def requests(self, *names):
        """A file of GetToken calls."""
        path = self.directory / "requests"
        path.write_bytes(b"".join(
            json.dumps({"method": "io.purser.Tokens.GetToken", "parameters": {"credential": name}}, separators=(",", ":")).encode()
            + b"\0" for name in names))
        return path

    def call(self, method, **parameters):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(str(self.socket))
            sock.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
            answer = b""
            while not answer.endswith(b"\0"):
                more = sock.recv(1 << 20)
                assert more, "closed"
                answer += more
        answer = json.loads(answer[:-1])
        assert "error" not in answer, answer
        return answer["parameters"]

    def metric(self, name):
        for line in self.call("io.purser.Admin.Metrics")["text"].splitlines():
            if line.split(" ")[0] == name:
                return float(line.split(" ")[1])
        raise AssertionError("no metric " + name)


def memory_kb(pid):
    """
    Private memory, secret pages included, and all that is resident. Pages of programs and libraries that were not written to are the page
    cache's: whether somebody else has them mapped at the moment, so that they do not count as private, is chance.
    """
    private, resident, of_a_file = 0, 0, False
    for line in pathlib.Path("/proc/%d/smaps" % pid).read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            of_a_file = len(rest) > 4 and rest[4].startswith("/") and not rest[4].startswith(("/memfd:", "/secretmem"))
        elif first == "Private_Dirty:" or (first == "Private_Clean:" and not of_a_file):
            private += int(rest[0])
        elif first == "Rss:":
            resident += int(rest[0])
    return {"private": private, "resident": resident}


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def cpu_seconds(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def alternate(rounds, one, other):
    """[(one(), other()), ...]: in turn, so that what else the machine does meets both alike."""
    return [(one(), other()) for _ in range(rounds)]


median = statistics.median
