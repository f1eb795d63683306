"""The socket that service managers load credentials from: what `LoadCredential=` says on the wire, played from here."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from purser import EX_OK
from waiting import PATIENCE, until

UNIT = "allowed.service"
FORGE = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("\\0fedcba9876543210/unit/%s/acme" % sys.argv[2])
s.connect(sys.argv[1])
sys.stdout.write(s.recv(4096).decode())
"""


class Manager:
    def __init__(self, home):
        self.path = home.directory / "credentials.sock"
        self.evidence = home.evidence
        self.count = 0

    def begin(self, unit, credential):
        """As systemd does: its own end has the name, nothing is sent."""
        self.count += 1
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.bind("\0%x%x/unit/%s/%s" % (os.getpid(), self.count, unit, credential))
        sock.connect(str(self.path))
        sock.shutdown(socket.SHUT_WR)
        return sock

    @staticmethod
    def end(sock):
        with sock:
            data = b""
            while piece := sock.recv(65536):
                data += piece
        return data.decode()

    def load(self, credential, unit=UNIT):
        return self.end(self.begin(unit, credential))


@pytest.fixture
def manager(home, as_root):
    home.settings["credentials"] = {"acme": {"client": "jobber-app", "allow": [{"unit": UNIT}, {"user": "root"}]}}
    home.write()
    manager = Manager(home)
    home.manager_daemon = home.start_activated(more=[("credentials", manager.path)])
    home.adopt("acme")
    return manager


def token(standin):
    return standin.grants()["g1"]["access_token"]


def test_the_id_names_credential_and_form(home, standin, manager):
    assert manager.load("acme") == manager.load("acme.token") == token(standin)
    assert manager.load("acme.headers") == "Authorization: Bearer %s\nX-JOBBER-GRAPHQL-VERSION: 2023-08-18\n" % token(standin)
    assert manager.load("acme.json") == home.purser("token", "acme", "--json").expect(EX_OK).out


def test_who_has_no_rule_gets_nothing_and_the_journal_says_so(home, manager):
    for credential, unit, why in (("acme", "other.service", "No rule of `allow` names this unit"),
                                  ("nobody.json", UNIT, "There is no such credential")):
        assert manager.load(credential, unit) == ""
        assert "Unit '%s' was given an empty credential '%s': %s" % (unit, credential, why) in home.manager_daemon.log
    assert "Denied: LoadCredential= of acme, asked by process %d of user 0, unit other.service." % os.getpid() \
        in home.manager_daemon.log


def test_who_is_not_root_may_bind_what_it_likes(home, manager):
    os.chmod(manager.path, 0o666)
    os.chmod(home.directory, 0o755)
    forged = subprocess.run([sys.executable, "-I", "-c", FORGE, str(manager.path), UNIT], user=65533, group=65533, cwd="/",
                            extra_groups=[], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert forged.stdout == ""
    assert "of user 65533" in home.manager_daemon.log and "was given" not in home.manager_daemon.log


def test_who_says_nothing_of_a_unit_gets_nothing(home, manager):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(str(manager.path))
        assert sock.recv(100) == b""
    assert "Denied: LoadCredential=, asked by process %d of user 0" % os.getpid() in home.manager_daemon.log


def end_token(home, standin):
    """The token ends, and the refresh that is due is on the wire, unanswered."""
    standin.set(lifetime=2)
    standin.next("token", "ok", "hold_before")
    home.purser("refresh", "acme").expect(EX_OK)
    standin.wait("held")
    end = home.status()["expires_at"] + 1  # told in whole seconds, rounded down
    until(lambda: time.time() > end, "the token's end")
    standin.set(lifetime=3600)


def test_a_start_waits_for_a_refresh_and_so_do_many(home, standin, manager):
    end_token(home, standin)
    loads = [manager.begin(UNIT, "acme") for _ in range(200)]
    assert home.call("org.varlink.service.GetInfo")["product"]
    standin.control(release=True)
    given = {manager.end(load) for load in loads}
    assert given == {token(standin)}


def test_a_stop_answers_those_who_wait_for_what_is_on_the_wire(home, standin, manager):
    end_token(home, standin)
    waiting = manager.begin(UNIT, "acme.headers")
    until(lambda: not select_readable(waiting) and home.manager_daemon.alive(), "the load")
    # A call made after it is answered: purserd has seen both.
    home.call("org.varlink.service.GetInfo")
    home.manager_daemon.process.send_signal(signal.SIGTERM)
    until(lambda: "Stopping; 1 refreshes are in flight." in home.manager_daemon.log, "the stop")
    standin.control(release=True)
    given = manager.end(waiting)
    assert token(standin) in given
    assert home.manager_daemon.wait() == 0


def select_readable(sock):
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) != b"" or True
    except BlockingIOError:
        return False
    finally:
        sock.settimeout(PATIENCE)


def test_managers_that_never_read_are_no_burden(home, standin, manager):
    silent = [manager.begin(UNIT, "acme.json") for _ in range(300)]
    results = []
    thread = threading.Thread(target=lambda: results.append(manager.load("acme")))
    thread.start()
    thread.join(PATIENCE)
    assert results == [token(standin)]
    for sock in silent:
        sock.close()
