"""One point of a crash run: purserd is killed at its Nth system call of an operation, started again on the same state, and looked at.

Each operation is a class: prepare() makes what it needs, act() is what purserd is killed in, verify() gives the verdict from what the new
purserd says and from the stand-in's record. A verdict is one of the constants below; anything else that is found is an AssertionError.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
sys.dont_write_bytecode = True

from browser import authorize  # noqa: E402
from daemon import Notify  # noqa: E402
from evidence import Evidence  # noqa: E402
from purser import BUILD, CLIENT_SECRET, Home  # noqa: E402
from rawvarlink import Closed, Varlink, VarlinkError  # noqa: E402
from waiting import until  # noqa: E402

ALIVE = "alive"         # the next refresh works
HEALED = "healed"       # inside the window, and alive again, because the provider takes the old token once more
WINDOW = "window"       # rotated by the provider, the answer not yet on disk: told as such, and a login is asked for
REPEAT = "repeat"       # nothing was begun that lasts: the operation was repeated, and works
GONE = "gone"           # logout: revoked, and nothing is left

PATIENCE = 30
OTHER_SECRET = "another-client-secret-fedcba9876543210"


class Traced:
    """purserd under killat."""

    def __init__(self, home, timed=False):
        self.log_path = home.directory / "traced.log"
        self.notify = Notify(home.directory / "notify.traced")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "tests/crash/killat"), *(["-t"] if timed else []), "--", str(BUILD / "purserd"),
                 *home.daemon_arguments(), "--listen", str(home.socket)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=dict(home.environment(), NOTIFY_SOCKET=str(self.notify.path)))
        assert self.notify.wait_for("READY=1", PATIENCE, lambda: self.process.poll() is None), self.log

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def order(self, line):
        try:
            os.write(self.process.stdin.fileno(), line.encode() + b"\n")
        except BrokenPipeError:
            pass

    def arm(self, at):
        self.order("arm %d" % at)
        assert self.process.stdout.readline() == "armed\n"

    def count(self):
        """Counts no more; gives how many calls there were, and the windows that were measured."""
        self.order("stop")
        windows = []
        while True:
            words = self.process.stdout.readline().split()
            if words[0] == "counted":
                return int(words[1]), windows
            windows.append(float(words[1]))

    def finish(self):
        """Dead by now, or else at once; gives the call in which it was killed (-1: none any more)."""
        self.order("kill")
        words = self.process.stdout.readline().split()
        assert words[:1] == ["killed"], "purserd ended by itself: %s\n%s" % (words, self.log)
        return int(words[2])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE)
        self.notify.close()


def credentials_of(home):
    return {c["name"]: c for c in home.call("io.purser.Admin.Status")["credentials"]}


def words_of(status):
    return " ".join([status.get("message") or "", status.get("last_error") or "", *status.get("warnings", [])])


def assert_refreshes(home, standin, grant_id=None):
    """The stand-in's record has the last word: the next refresh works, and gives the token that it handed out."""
    generation = home.status()["generation"]
    assert home.call("io.purser.Admin.Refresh", credential="acme")["generation"] == generation + 1
    token = home.get_token()["access_token"]
    grants = [g for g in standin.grants().values() if g["access_token"] == token]
    assert len(grants) == 1 and grants[0]["alive"], "the token served is no living grant's"
    assert grant_id in (None, grants[0]["id"]), "another grant is served"


class Refresh:
    """A person's, or a program's, `refresh`."""

    name = "refresh"
    rotation = "strict"
    lifetime = 3600

    def prepare(self, home, standin):
        standin.set(rotation=self.rotation, lifetime=self.lifetime)
        self.grant = home.adopt("acme")["id"]
        self.token = home.get_token()
        self.refreshes = standin.grants()[self.grant]["refreshes"]

    def act(self, home, standin):
        home.call("io.purser.Admin.Refresh", credential="acme")

    def verify(self, home, standin, found):
        rotated = found["grants"][self.grant]["refreshes"] > self.refreshes
        daemon = home.start()
        status = home.status()
        saved = status["generation"] > self.token["generation"]
        in_window = rotated and not saved
        assert rotated or not saved, "a generation came from nowhere"
        if in_window:
            self.assert_told_as_unknown(home, daemon, status)
        standin.control(clear=True, release=True)
        if in_window and self.rotation == "strict":
            status = home.wait_status(lambda s: s["state"] == "authorization-required", patience=PATIENCE)
            assert "lost" in words_of(status), "the reason is not told: %r" % status
            assert status["next_step"].startswith("purser login acme"), status
            return WINDOW
        home.wait_status(lambda s: s["state"] == "active", patience=PATIENCE)
        assert_refreshes(home, standin, self.grant)
        if not in_window:
            assert standin.state()["spent_refresh_tokens_sent"] == 0, "a spent token was sent"
        return HEALED if in_window else ALIVE

    def assert_told_as_unknown(self, home, daemon, status):
        assert status["state"] == "outcome-unknown", "the window is not told: %r" % status
        assert "unknown" in words_of(status) and "unknown" in daemon.log, (status, daemon.log)
        if self.lifetime > 60:
            assert home.get_token()["access_token"] == self.token["access_token"], "the living token is not served"


class ForgivingRefresh(Refresh):
    name = "refresh, old-apps"
    rotation = "old-apps"


class ProactiveRefresh(Refresh):
    """By the clock, nobody asking."""

    name = "proactive refresh"
    lifetime = 3

    def act(self, home, standin):
        home.wait_status(lambda s: s["generation"] > self.token["generation"], patience=PATIENCE)

    def verify(self, home, standin, found):
        # The next ones are not due while they are looked at.
        standin.set(lifetime=3600)
        return super().verify(home, standin, found)


class Login:
    name = "login"

    def prepare(self, home, standin):
        self.old = None

    def act(self, home, standin):
        begun = home.call("io.purser.Admin.BeginAuthorization", credential="acme")
        home.call("io.purser.Admin.CompleteAuthorization", login=begun["login"],
                  redirect=authorize(begun["authorization_url"]))

    def verify(self, home, standin, found):
        home.start()
        standin.control(clear=True, release=True)
        status = credentials_of(home).get("acme")
        if status is None:
            assert not self.old, "the old grant is gone"
            self.act(home, standin)
            assert_refreshes(home, standin)
            return REPEAT
        status = home.wait_status(lambda s: s["state"] == "active" and not s["pending"], patience=PATIENCE)
        assert_refreshes(home, standin)
        return ALIVE


class SecondLogin(Login):
    """Of the same account: the old grant must work on whatever happens."""

    name = "login again"

    def prepare(self, home, standin):
        self.old = home.adopt("acme")["id"]


class Import:
    name = "import"

    def prepare(self, home, standin):
        self.grant = standin.grant("acme")

    def act(self, home, standin):
        home.call("io.purser.Admin.ImportGrant", credential="acme", refresh_token=self.grant["current"])

    def verify(self, home, standin, found):
        rotated = found["grants"][self.grant["id"]]["refreshes"] > 0
        home.start()
        standin.control(clear=True, release=True)
        if "acme" not in credentials_of(home):
            assert not rotated, "a token was rotated, and nothing is known of it"
            self.act(home, standin)
            assert_refreshes(home, standin, self.grant["id"])
            return REPEAT
        status = home.wait_status(
            lambda s: not s["pending"] and s["generation"] and s["state"] in ("active", "authorization-required"),
            patience=PATIENCE)
        if status["state"] == "active":
            assert_refreshes(home, standin, self.grant["id"])
            return ALIVE
        assert rotated, "refused, and never rotated: %r" % status
        assert "lost" in words_of(status), "the reason is not told: %r" % status
        return WINDOW


class Logout:
    name = "logout"

    def prepare(self, home, standin):
        self.grant = home.adopt("acme")["id"]

    def act(self, home, standin):
        home.call("io.purser.Admin.Revoke", credential="acme")

    def verify(self, home, standin, found):
        alive = found["grants"][self.grant]["alive"]
        home.start()
        standin.control(clear=True, release=True)
        if "acme" not in credentials_of(home):
            assert not alive, "forgotten before it was revoked"
            return GONE
        if alive:
            home.wait_status(lambda s: s["state"] == "active", patience=PATIENCE)
            assert_refreshes(home, standin, self.grant)
            return ALIVE
        self.act(home, standin)
        assert "acme" not in credentials_of(home)
        return REPEAT


class SetSecret:
    """One client secret is replaced by another: afterwards it is either of them, whole."""

    name = "secret set"

    def prepare(self, home, standin):
        home.client["client_secret"] = {"store": True}
        home.write()
        home.call("io.purser.Admin.Reload")
        home.call("io.purser.Admin.SetClientSecret", client="jobber-app", client_secret=CLIENT_SECRET)
        self.grant = home.adopt("acme")["id"]

    def act(self, home, standin):
        home.call("io.purser.Admin.SetClientSecret", client="jobber-app", client_secret=OTHER_SECRET)

    def verify(self, home, standin, found):
        home.start()
        standin.control(clear=True, release=True)
        assert home.call("io.purser.Admin.ListClients")["clients"][0]["secret"] == "store"
        standin.control(app={"client_secret": OTHER_SECRET})
        try:
            assert_refreshes(home, standin, self.grant)
        except VarlinkError:
            standin.control(app={"client_secret": CLIENT_SECRET})
            home.call("io.purser.Admin.Refresh", credential="acme")
            assert_refreshes(home, standin, self.grant)
        return ALIVE


class ChangeKey:
    """The store is sealed anew: afterwards it opens, with whichever of the two keys."""

    name = "key change"

    def prepare(self, home, standin):
        self.grant = home.adopt("acme")["id"]
        self.token = home.get_token()["access_token"]

    def act(self, home, standin):
        home.call("io.purser.Admin.ChangeSealingKey")

    def verify(self, home, standin, found):
        home.start()
        assert home.get_token()["access_token"] == self.token
        standin.control(clear=True, release=True)
        assert_refreshes(home, standin, self.grant)
        return ALIVE


OPERATIONS = {o.name: o for o in (Refresh, ForgivingRefresh, ProactiveRefresh, Login, SecondLogin, Import, Logout, SetSecret,
                                   ChangeKey)}


def connections_to(standin):
    """Its ends of connections, none of which is this program's at a time like this."""
    port = ":%04X" % int(standin.address.rpartition(":")[2])
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return [row for row in rows if row[1].endswith(port) and row[3] in ("01", "08")]


def quiet(standin):
    """Until the stand-in has done all that the dead purserd asked for; gives its record then."""
    until(lambda: not connections_to(standin), "the stand-in to close what is left of the dead purserd", PATIENCE)

    def look():
        state = standin.state()
        counts = state["counts"]
        return all(counts[name]["arrived"] == counts[name]["answered"] for name in counts) and state
    return until(look, "the stand-in to be done", PATIENCE)


def act_and_be_killed(operation, home, standin):
    """True: it came to its end."""
    try:
        operation.act(home, standin)
        return True
    except (Closed, ConnectionError, AssertionError):
        return False


def _fresh(standin, operation_name):
    standin.reset()
    home = Home(standin, Evidence())
    operation = OPERATIONS[operation_name]()
    return home, operation


def measure(standin, operation_name):
    """How many system calls the operation is made of."""
    home, operation = _fresh(standin, operation_name)
    traced = Traced(home)
    try:
        operation.prepare(home, standin)
        traced.arm(0)
        operation.act(home, standin)
        count, _ = traced.count()
        traced.finish()
        return count
    finally:
        traced.close()
        home.remove()


def windows(standin, refreshes):
    """From the last byte of the answer to the end of fsync, in microseconds, for each of so many refreshes."""
    home, operation = _fresh(standin, Refresh.name)
    traced = Traced(home, timed=True)
    try:
        operation.prepare(home, standin)
        traced.arm(0)
        for _ in range(refreshes):
            home.call("io.purser.Admin.Refresh", credential="acme")
        found = traced.count()[1]
        traced.finish()
        return found
    finally:
        traced.close()
        home.remove()


def run(standin, operation_name, at):
    """Gives (verdict, call in which it was killed, words about a failure)."""
    home, operation = _fresh(standin, operation_name)
    traced = Traced(home)
    call = None
    try:
        operation.prepare(home, standin)
        traced.arm(at)
        act_and_be_killed(operation, home, standin)
        call = traced.finish()
        found = quiet(standin)
        standin.always("token", "hold_before")
        return operation.verify(home, standin, found), call, ""
    except (AssertionError, VarlinkError, Closed, OSError, KeyError) as error:
        logs = "".join(daemon.log for daemon in home.daemons)
        return "lost", call, "%s: %s\n--- before\n%s--- after\n%s" % (
            type(error).__name__, str(error)[:2000], traced.log[-1500:], logs[-3000:])
    finally:
        standin.control(clear=True, release=True)
        for daemon in home.daemons:
            if daemon.alive():
                os.kill(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()
            daemon.notify.close()
        for connection in home.connections:
            connection.close()
        traced.close()
        home.remove()
