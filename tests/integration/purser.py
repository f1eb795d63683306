"""A home for one test: configuration, state, socket, purserd and the purser command, and all that they have shown."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from browser import browse
from daemon import Daemon
from rawvarlink import Varlink
from waiting import PATIENCE, first_line, until

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PURSER_BUILD", TREE / "build"))
PROGRAMS = ("purserd", "purser", "purser-login")

EX_OK, EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 0, 64, 65, 66, 69, 75, 77, 78

CLIENT_ID = "5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22"
CLIENT_SECRET = "standin-client-secret-0123456789abcdef"

# What somebody else runs to connect and pass the connection on; it lives until its standard input ends.
CONNECT = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
with socket.socket(fileno=int(sys.argv[2])) as parent:
    socket.send_fds(parent, [b"x"], [connection.fileno()])
sys.stdin.read()
"""

# A user without rights of any kind, for callers that are neither root nor the daemon.
STRANGER = 65534


class Result:
    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    def __repr__(self):
        return "purser %s: exit %s\n--- out\n%s\n--- err\n%s" % (" ".join(self.arguments), self.status, self.out, self.err)

    def expect(self, status=EX_OK):
        assert self.status == status, "expected exit %d; %r" % (status, self)
        return self

    def one_line_of_advice(self):
        """The one line on standard error that says what to do next."""
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].strip(), "not one line on standard error: %r" % self
        return lines[0]

    @property
    def json(self):
        return json.loads(self.out)


class Login:
    """`purser login --no-browser` in the background, and the browser of the person who logs in."""

    def __init__(self, home, arguments, user=None):
        self.home = home
        self.process = home.spawn("login", *arguments, "--no-browser", user=user)
        self.url = first_line(self.process)
        if not self.url.startswith("http"):
            raise AssertionError("no authorization URL but %r; %r" % (self.url, self.abandon()))

    def browse(self, **person):
        return browse(self.url, **person)

    def finish(self, status=None, patience=PATIENCE):
        result = self.home.reap(self.process, patience)
        return result if status is None else result.expect(status)

    def abandon(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.finish()


def is_listening(path):
    """A socket's name is there from bind() on; only after listen() may one connect. Asked without connecting, which would activate."""
    listening = "00010000"
    for line in pathlib.Path("/proc/net/unix").read_text().splitlines():
        fields = line.split(None, 7)
        if len(fields) == 8 and fields[7] == str(path) and fields[3] == listening:
            return True
    return False


class Home:
    """A place of its own for one test: configuration, state, socket, and all that was shown."""

    def __init__(self, standin, evidence):
        self.standin = standin
        self.evidence = evidence
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="purser-it-"))
        self.directory.chmod(0o755)
        self.config = self.directory / "purser.yaml"
        self.state = self.directory / "state"
        self.state.mkdir(mode=0o700)
        evidence.directories.append(self.state)
        self.programs = BUILD
        self.providers = TREE / "etc/providers"
        self.socket = self.directory / "purser.sock"
        self.secret_file = self.directory / "client-secret"
        self.secret_file.write_text(CLIENT_SECRET + "\n")
        self.secret_file.chmod(0o600)
        self.daemons = []
        self.connections = []
        self.processes = []
        self.settings = self.default_settings()
        self.write()

    def default_settings(self):
        base = self.standin.url
        return {
            "providers": {"standin": {
                "extends": "jobber",
                "authorization_endpoint": base + "/api/oauth/authorize",
                "token_endpoint": base + "/api/oauth/token",
                "api": {"url": base + "/api/graphql"},
            }},
            "clients": {"jobber-app": {
                "provider": "standin",
                "client_id": CLIENT_ID,
                "client_secret": {"file": str(self.secret_file)},
                "redirect_uri": self.standin.redirect_uri,
            }},
            "refresh": {"timeout": "5s"},
        }

    @property
    def provider(self):
        return self.settings["providers"]["standin"]

    @property
    def client(self):
        return self.settings["clients"]["jobber-app"]

    def write(self, text=None):
        """JSON is YAML, too; a test about the file itself gives its own text."""
        self.config.write_text(text if text is not None else json.dumps(self.settings, indent=2))
        self.config.chmod(0o644)

    def play(self, profile, **provider):
        """A server by the book instead of Jobber: its endpoints under new names, written in full."""
        base = self.standin.url
        self.standin.reset(profile)
        self.settings = self.default_settings()
        self.settings["providers"]["standin"] = {
            "authorization_endpoint": base + "/api/oauth/authorize", "token_endpoint": base + "/api/oauth/token",
            "revocation_endpoint": base + "/api/oauth/revoke", "token_endpoint_auth_method": "client_secret_post",
            **provider}
        self.write()

    def environment(self):
        keep = {name: os.environ[name] for name in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
                if name in os.environ}
        return dict(keep, LANG="C.UTF-8", HOME=str(self.directory))

    def daemon_arguments(self):
        return ["--config", str(self.config), "--state-dir", str(self.state), "--providers", str(self.providers)]

    def start(self, *arguments, ready=True, listen=True, wrapper=(), environment=None, user=None):
        passed = self.daemon_arguments() + (["--listen", str(self.socket)] if listen else []) + list(arguments)
        daemon = Daemon(self, passed, environment, wrapper, user, len(self.daemons) + 1)
        self.daemons.append(daemon)
        return daemon.wait_ready() if ready else daemon

    def start_activated(self, *arguments, environment=None, more=()):
        """
        Through systemd-socket-activate, which binds the socket, waits for the first connection and passes it on; `more`: names and
        paths of further sockets.
        """
        activator = shutil.which("systemd-socket-activate")
        names = {"NOTIFY_SOCKET": str(self.directory / ("notify.%d" % (len(self.daemons) + 1))), **(environment or {})}
        wrapper = [activator, "-l", str(self.socket)]
        for _, path in more:
            wrapper += ["-l", str(path)]
        if more:
            wrapper += ["--fdname=" + ":".join(["varlink", *(name for name, _ in more)])]
        for name, value in dict(self.environment(), **names).items():
            wrapper += ["-E", "%s=%s" % (name, value)]
        daemon = self.start(*arguments, ready=False, listen=False, wrapper=wrapper, environment=environment)
        until(lambda: is_listening(self.socket), "the activated socket")
        return daemon

    def give_to(self, user):
        """Everything here belongs to that user from now on, programs included."""
        self.programs = self.directory / "bin"
        self.programs.mkdir(exist_ok=True)
        for name in PROGRAMS:
            if (BUILD / name).exists():
                shutil.copy(BUILD / name, self.programs)
        shutil.copytree(self.providers, self.directory / "providers")
        self.providers = self.directory / "providers"
        for path in (self.directory, self.state, self.secret_file):
            os.chown(path, user, user)

    def check(self):
        """purserd --check"""
        process = subprocess.run([str(BUILD / "purserd"), *self.daemon_arguments(), "--check"], capture_output=True,
                                 text=True, env=self.environment(), timeout=60, check=False)
        return self._shown(Result(["--check"], process.returncode, process.stdout, process.stderr))

    # The command line

    def command(self, *arguments, user=None):
        """Somebody else may not be able to reach the build directory, and gets a copy."""
        if user is not None and self.programs == BUILD:
            copies = self.directory / "bin"
            copies.mkdir(exist_ok=True)
            for name in PROGRAMS[1:]:
                if not (copies / name).exists() and (BUILD / name).exists():
                    shutil.copy(BUILD / name, copies)
            return [str(copies / "purser"), "--socket", str(self.socket), *arguments]
        return [str(self.programs / "purser"), "--socket", str(self.socket), *arguments]

    def spawn(self, *arguments, user=None, groups=(), environment=None, terminal=None):
        """`terminal`: the terminal that the person types at, instead of a pipe."""
        identity = {"user": user, "group": user, "extra_groups": list(groups)} if user is not None else {}
        process = subprocess.Popen(self.command(*arguments, user=user), stdin=terminal or subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
                                   start_new_session=terminal is not None,
                                   env=dict(self.environment(), **(environment or {})), **identity)
        process.arguments_shown = list(arguments)
        self.processes.append(process)
        return process

    def reap(self, process, patience=PATIENCE, data=None):
        try:
            out, err = process.communicate(data, patience)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError("purser %s did not end; out: %s err: %s" % (process.arguments_shown, out, err)) from None
        return self._shown(Result(process.arguments_shown, process.returncode, out, err))

    def purser(self, *arguments, data=None, user=None, groups=(), environment=None, patience=PATIENCE):
        return self.reap(self.spawn(*arguments, user=user, groups=groups, environment=environment), patience, data or "")

    def _shown(self, result):
        tells_token = result.arguments[:1] in (["token"], ["headers"], ["exec"])
        self.evidence.add("stdout of purser " + " ".join(result.arguments[:2]), result.out,
                          {"access_token"} if tells_token else ())
        self.evidence.add("stderr of purser " + " ".join(result.arguments[:2]), result.err)
        assert "Sanitizer" not in result.err and "runtime error:" not in result.err, result
        return result

    def begin_login(self, *arguments, user=None):
        return Login(self, arguments, user)

    def login(self, name="acme", *arguments, status=EX_OK, **person):
        login = self.begin_login(name, *arguments)
        login.browse(**person)
        return login.finish(status)

    # The socket

    def varlink(self, patience=PATIENCE):
        connection = Varlink(str(self.socket), patience, self.evidence)
        self.connections.append(connection)
        return connection

    def varlink_as(self, user, groups=(), patience=PATIENCE):
        """A connection that somebody else made, and who lives on as long as the test."""
        ours, theirs = socket.socketpair()
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", CONNECT, str(self.socket), str(theirs.fileno())], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", user=user, group=user, extra_groups=list(groups),
            pass_fds=[theirs.fileno()])
        self.processes.append(process)
        theirs.close()
        with ours:
            ours.settimeout(patience)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        assert descriptors, process.stderr.read()
        connection = Varlink(str(self.socket), patience, self.evidence, socket.socket(fileno=descriptors[0]))
        self.connections.append(connection)
        return connection

    def call(self, method, **parameters):
        """One call on a connection of its own; gives the reply's parameters or raises VarlinkError."""
        connection = Varlink(str(self.socket), PATIENCE, self.evidence)
        try:
            return connection.call(method, **parameters)
        finally:
            connection.close()

    def get_token(self, name="acme", **parameters):
        return self.call("io.purser.Tokens.GetToken", credential=name, **parameters)

    def status(self, name="acme"):
        return self.call("io.purser.Admin.Status", credential=name)["credentials"][0]

    def wait_status(self, wanted, name="acme", patience=PATIENCE):
        """Waits for a status of which wanted(status) is true; each change is told by the daemon."""
        connection = Varlink(str(self.socket), patience, self.evidence)
        deadline = time.monotonic() + patience
        seen = []
        try:
            for reply in connection.stream("io.purser.Admin.Status", credential=name):
                seen.append(reply["credentials"][0])
                if wanted(seen[-1]):
                    return seen[-1]
                connection.socket.settimeout(max(0.001, deadline - time.monotonic()))
        except TimeoutError:
            pass
        finally:
            connection.close()
        raise AssertionError("waited %g s in vain; seen, newest last: %s" % (patience, json.dumps(seen[-3:], indent=1)))

    def adopt(self, name="acme", account="acme", client=None, **wish):
        """A credential with a living grant, the quick way; gives the stand-in's grant as it was before the import."""
        grant = self.standin.grant(account, **wish)
        parameters = {"client": client} if client else {}
        self.call("io.purser.Admin.ImportGrant", credential=name, refresh_token=grant["current"], **parameters)
        return grant

    def close(self):
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()
            for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
                pipe.close()
        problems = []
        for daemon in self.daemons:
            try:
                daemon.stop()
            except AssertionError as error:
                problems.append(str(error))
            daemon.notify.close()
            self.evidence.add("sd_notify", "\n".join(daemon.notify.lines()))
            if "Sanitizer" in daemon.log or "runtime error:" in daemon.log:
                problems.append("a sanitizer complained:\n" + daemon.log)
        return problems

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)
