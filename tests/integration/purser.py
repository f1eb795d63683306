"""What the integration tests drive: the stand-in, purserd, the purser command, a browser, and what all of them have shown.

Everything waits on conditions with a deadline; nothing sleeps to let something happen.
"""

import http.client
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from rawvarlink import Closed, Varlink, VarlinkError

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PURSER_BUILD", TREE / "build"))
PATIENCE = float(os.environ.get("PURSER_TEST_PATIENCE", "15"))

EX_OK, EX_USAGE, EX_NOINPUT, EX_UNAVAILABLE, EX_TEMPFAIL, EX_NOPERM, EX_CONFIG = 0, 64, 66, 69, 75, 77, 78

CLIENT_ID = "5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22"
CLIENT_SECRET = "standin-client-secret-0123456789abcdef"

# A user without rights of any kind, for callers that are neither root nor the daemon.
STRANGER = 65534


def until(condition, what, patience=PATIENCE):
    """Asks again and again until condition() gives something true, and gives that."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited %g s in vain: %s" % (patience, what)
        time.sleep(0.01)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def first_line(process, patience=PATIENCE):
    """The first line of standard output, read so that communicate() finds the rest; "" where none comes."""
    deadline = time.monotonic() + patience
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        byte = os.read(process.stdout.fileno(), 1) if ready else b""
        if not byte:
            break
        line += byte
    return line.decode().strip()


class Evidence:
    """Everything that the programs showed to anybody, kept to be searched for secrets when the test is over."""

    def __init__(self):
        self.shown = []
        self.files = []
        self.directories = []

    def add(self, where, data, may_show=()):
        self.shown.append((where, data.encode() if isinstance(data, str) else data, set(may_show)))

    def everything(self):
        yield from self.shown
        for path in self.files:
            if path.exists():
                yield str(path), path.read_bytes(), set()
        for directory in self.directories:
            for path in directory.rglob("*"):
                if path.is_file():
                    yield str(path), path.read_bytes(), set()

    def find(self, secrets):
        """Gives what was found as (where, kind) without the secret itself."""
        needles = [(kind, part) for kind, values in secrets.items() for value in values for part in _parts(value)]
        found = []
        for where, data, may_show in self.everything():
            for kind, needle in needles:
                if kind not in may_show and needle in data:
                    found.append((where, kind))
        return sorted(set(found))


def _parts(secret):
    """A secret, and the ends of it, which a shortened line would still show."""
    data = secret.encode()
    parts = {data}
    if len(data) >= 32:
        parts.add(data[-16:])
        if not data.startswith(b"eyJ"):
            parts.add(data[:16])
    return parts


class Standin:
    """The provider. One process serves all tests; reset() makes it new."""

    def __init__(self, arguments=(), log=None):
        self.process = subprocess.Popen(
            [sys.executable, str(TREE / "tests/standin/jobber.py"), *arguments],
            stdout=subprocess.PIPE, stderr=log, text=True)
        words = self.process.stdout.readline().split()
        assert words and words[0] == "ready", "the stand-in did not start"
        self.url = words[1]
        self.tls_url = words[2] if len(words) > 2 else None
        self.address = urllib.parse.urlsplit(self.url).netloc
        self.control_connections = threading.local()
        self.redirect_uri = None

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def _ask(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        assert response.status == 200, answer
        return answer

    def control(self, **orders):
        return self._ask("POST", "/_control", json.dumps(orders))

    def set(self, **switches):
        self.control(set=switches)

    def next(self, endpoint, *scripts):
        self.control(next={endpoint: list(scripts)})

    def always(self, endpoint, script):
        self.control(always={endpoint: script})

    def clear(self):
        self.control(clear=True)

    def state(self):
        return self._ask("GET", "/_control/state")

    def secrets(self):
        return self._ask("GET", "/_control/secrets")

    def log(self, endpoint=None):
        return self._ask("GET", "/_control/log" + ("?endpoint=" + endpoint if endpoint else ""))

    def count(self, endpoint):
        return self.state()["counts"].get(endpoint, {}).get("arrived", 0)

    def wait(self, path, at_least=1, patience=PATIENCE):
        query = urllib.parse.urlencode({"for": path, "at_least": at_least, "timeout": patience})
        answer = self._ask("GET", "/_control/wait?" + query)
        assert answer["met"], "%s stayed %r instead of reaching %r" % (path, answer["value"], at_least)
        return answer["value"]

    def grant(self, account="acme", **wish):
        return self.control(grant=dict(wish, account=account))["grant"]

    def grants(self):
        return self.state()["grants"]

    def reset(self, profile=True):
        """A new server with one app, whose redirect URI has a port of its own."""
        self.redirect_uri = "http://127.0.0.1:%d/callback" % free_port()
        self.control(reset=profile, app={"redirect_uris": [self.redirect_uri]})


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


class Notify:
    """The manager's end of sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o666)
        self.received = []
        self.condition = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            if data == b"stop":
                return
            with self.condition:
                self.received.append(data.decode("utf-8", "replace"))
                self.condition.notify_all()

    def lines(self):
        with self.condition:
            return [line for message in self.received for line in message.splitlines()]

    def wait_for(self, wanted, patience=PATIENCE, alive=lambda: True, since=0):
        """Waits until wanted(line) is true of a line after the first `since` of them; a text is a line's beginning."""
        test = wanted if callable(wanted) else (lambda line: line.startswith(wanted))
        deadline = time.monotonic() + patience
        with self.condition:
            while True:
                lines = [line for message in self.received for line in message.splitlines()]
                for line in lines[since:]:
                    if test(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not alive():
                    return None
                self.condition.wait(min(left, 0.05))

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"stop", str(self.path))
        self.thread.join(5)
        self.socket.close()


class Daemon:
    """One purserd process."""

    def __init__(self, home, arguments, environment=None, wrapper=(), user=None, number=1):
        self.home = home
        self.log_path = home.directory / ("purserd.%d.log" % number)
        home.evidence.files.append(self.log_path)
        self.notify = Notify(home.directory / ("notify.%d" % number))
        environment = dict(home.environment(), NOTIFY_SOCKET=str(self.notify.path), **(environment or {}))
        self.command = [*wrapper, str(BUILD / "purserd"), *arguments]
        identity = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, **identity)
        self.expect_status = {0}

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def wait_ready(self, patience=PATIENCE):
        ready = self.notify.wait_for("READY=1", patience, self.alive)
        assert ready, "purserd is not ready (exit status %s):\n%s" % (self.process.poll(), self.log)
        return self

    def wait_log(self, text):
        return until(lambda: text in self.log, "%r in the log:\n%s" % (text, self.log))

    def wait(self, patience=PATIENCE):
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("purserd did not end by itself:\n" + self.log) from None

    def look(self):
        """Adds to the evidence what other processes can see of this one."""
        for name in ("cmdline", "environ"):
            try:
                data = pathlib.Path("/proc/%d/%s" % (self.process.pid, name)).read_bytes()
            except OSError:
                continue
            self.home.evidence.add("/proc/PID/" + name, data)

    def stop(self, patience=PATIENCE):
        if self.alive():
            self.look()
            self.process.send_signal(signal.SIGTERM)
        status = self.wait(patience)
        assert status in self.expect_status, "purserd ended with %s:\n%s" % (status, self.log)
        return status

    def kill(self):
        """As a power cut would: no time to say goodbye."""
        self.look()
        self.expect_status = {-signal.SIGKILL}
        self.process.kill()
        return self.wait()


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
            "revocation_endpoint": base + "/api/oauth/revoke", **provider}
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

    def start_activated(self, *arguments, environment=None):
        """Through systemd-socket-activate, which binds the socket, waits for the first connection and passes it on."""
        activator = shutil.which("systemd-socket-activate")
        names = {"NOTIFY_SOCKET": str(self.directory / ("notify.%d" % (len(self.daemons) + 1))), **(environment or {})}
        wrapper = [activator, "-l", str(self.socket)]
        for name, value in dict(self.environment(), **names).items():
            wrapper += ["-E", "%s=%s" % (name, value)]
        daemon = self.start(*arguments, ready=False, listen=False, wrapper=wrapper, environment=environment)
        until(self.socket.exists, "the activated socket")
        return daemon

    def check(self):
        """purserd --check"""
        process = subprocess.run([str(BUILD / "purserd"), *self.daemon_arguments(), "--check"], capture_output=True,
                                 text=True, env=self.environment(), timeout=60, check=False)
        return self._shown(Result(["--check"], process.returncode, process.stdout, process.stderr))

    # The command line

    def command(self, *arguments):
        return [str(BUILD / "purser"), "--socket", str(self.socket), *arguments]

    def spawn(self, *arguments, user=None, groups=(), environment=None):
        identity = {"user": user, "group": user, "extra_groups": list(groups)} if user is not None else {}
        process = subprocess.Popen(self.command(*arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd="/",
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
            for pipe in (process.stdin, process.stdout, process.stderr):
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


# The browser

class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Page:
    def __init__(self, status, url, location, text):
        self.status, self.url, self.location, self.text = status, url, location, text


def fetch(url, patience=PATIENCE):
    """GETs one page without following where it points."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)
    try:
        with opener.open(url, timeout=patience) as response:
            return Page(response.status, url, response.headers.get("Location"), response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, url, error.headers.get("Location"), error.read().decode())


def authorize(url, account="acme", decision="allow"):
    """The person clicks at the provider; gives the URL that the browser is sent to."""
    page = fetch(url + "&" + urllib.parse.urlencode({"_account": account, "_decision": decision}))
    assert page.status == 302, "the authorization server said %d: %s" % (page.status, page.text)
    return page.location


def browse(url, **person):
    """The whole way: the provider's page, the click, and the page that the redirect leads to."""
    return fetch(authorize(url, **person))


def parameters_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


__all__ = [
    "BUILD", "CLIENT_ID", "CLIENT_SECRET", "Closed", "EX_CONFIG", "EX_NOINPUT", "EX_NOPERM", "EX_OK", "EX_TEMPFAIL",
    "EX_UNAVAILABLE", "EX_USAGE", "Evidence", "Home", "PATIENCE", "STRANGER", "Standin", "TREE", "Varlink", "VarlinkError",
    "authorize", "browse", "fetch", "free_port", "parameters_of", "until",
]
