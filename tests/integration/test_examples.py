"""What is shown to people in tests/examples works as it stands: each is run against the stand-in, and once after a 401."""

import http.client
import json
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

import pytest

from browser import authorize
from purser import BUILD, TREE
from waiting import PATIENCE, first_line, free_port

EXAMPLES = TREE / "tests/examples"
SLOWEST = 120  # the first `go run` on a machine compiles the standard library

INTERPRETERS = {"sh": ["/bin/sh"], "py": ["/usr/bin/python3"], "js": ["node"], "rb": ["ruby"], "php": ["php"],
                "go": ["go", "run"], "varlink.go": ["go", "run"], "c": ["cc"]}
GO_LIBRARIES = pathlib.Path("/usr/share/gocode")  # where Debian has them


def compiled(tmp_path):
    """The C example as a stranger builds it, save that header and library come from here."""
    library = BUILD / "libpurser.a"
    sanitized = ["-fsanitize=address,undefined"] if b"__asan_init" in library.read_bytes() else []
    libraries = subprocess.run(["pkg-config", "--libs", "jansson", "libcurl"], capture_output=True, text=True, check=True)
    program = tmp_path / "get_token"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", *sanitized, "-I", str(TREE / "include"), "-o", str(program),
                    str(EXAMPLES / "get_token.c"), str(library), *libraries.stdout.split()], check=True)
    return [str(program)]


@pytest.fixture(params=INTERPRETERS)
def example(request, home, tmp_path):
    """Runs one language's example; what it shows is searched for secrets like all else."""
    interpreter = INTERPRETERS[request.param]
    needed = interpreter[:1] + (["curl"] if request.param == "sh" else [])
    for program in needed:
        if not shutil.which(program):
            pytest.skip("%s is not installed here" % program)
    if request.param == "varlink.go" and not (GO_LIBRARIES / "src/github.com/varlink/go").exists():
        pytest.skip("varlink's library for Go (Debian: golang-github-varlink-go-dev) is not installed")
    command = interpreter + [str(EXAMPLES / ("get_token" + ("_" if "." in request.param else ".") + request.param))]
    if request.param == "c":
        command = compiled(tmp_path)
    environment = dict(home.environment(), PURSER_SOCKET=str(home.socket))
    environment["PATH"] = "%s:%s" % (BUILD, environment["PATH"])
    # What `go run` has compiled once serves the next test, and the next run.
    environment["GOCACHE"] = str(BUILD.resolve() / "go-cache")
    if request.param == "varlink.go":
        environment.update(GO111MODULE="off", GOPATH=str(GO_LIBRARIES))

    def run(credential):
        url = [home.standin.url + "/api/graphql"] if request.param == "sh" else []
        done = subprocess.run([*command, credential, *url], capture_output=True, text=True, env=environment, cwd=tmp_path,
                              timeout=SLOWEST, check=False)
        home.evidence.add("stdout of the example", done.stdout)
        home.evidence.add("stderr of the example", done.stderr)
        return done

    return run


def answer_of(done):
    assert done.returncode == 0, "exit %d\n%s\n%s" % (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)["data"]["account"]


def test_the_example_makes_its_request_with_token_and_version(example, standin, acme):
    asked = standin.count("graphql")
    account = answer_of(example("acme"))
    assert account["id"] == standin.state()["accounts"]["acme"]["id"]
    assert standin.count("graphql") == asked + 1
    assert standin.log("graphql")[-1]["headers"].get("x-jobber-graphql-version") is not None


def test_the_example_asks_once_more_after_a_401(example, standin, acme):
    refreshed, asked = standin.count("token"), standin.count("graphql")
    standin.control(kill_access=acme["id"])
    assert answer_of(example("acme"))["id"] == standin.state()["accounts"]["acme"]["id"]
    assert standin.count("token") == refreshed + 1
    assert standin.count("graphql") == asked + 2


def test_the_example_gives_up_after_the_second_401(example, standin, acme):
    standin.always("graphql", {"do": "answer", "status": 401, "body": "no"})
    asked = standin.count("graphql")
    assert example("acme").returncode != 0
    assert standin.count("graphql") == asked + 2


# ---- the unit and its timer

def verify(directory):
    return subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", "--man=no",
                           *map(str, sorted(directory.iterdir()))], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_about_the_nightly_sync(tmp_path):
    for name in ("nightly-sync.service", "nightly-sync.timer"):
        text = (EXAMPLES / name).read_text().replace("/usr/local/bin/purser", str(BUILD.resolve() / "purser"))
        (tmp_path / name).write_text(text)
    said = verify(tmp_path)
    assert said.returncode == 0 and not said.stderr, said.stderr

    timer = (tmp_path / "nightly-sync.timer")
    timer.write_text(timer.read_text().replace("OnCalendar=", "OnCalender="))
    assert "OnCalender" in verify(tmp_path).stderr


# ---- the web application

class Customer:
    """A person's browser: keeps the cookie, and follows nothing by itself."""

    def __init__(self, port):
        self.port = port
        self.cookie = None

    def ask(self, method, path, **form):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        if self.cookie:
            headers["Cookie"] = self.cookie
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        if response.headers.get("Set-Cookie"):
            self.cookie = response.headers["Set-Cookie"].partition(";")[0]
        connection.close()
        return response.status, response.headers.get("Location"), text

    def connect(self, customer, **person):
        """Gives the path that the provider sends this browser to."""
        status, location, text = self.ask("POST", "/connect", customer=customer)
        assert status == 303, text
        parts = urllib.parse.urlsplit(authorize(location, **person))
        assert parts.port == self.port
        return "%s?%s" % (parts.path, parts.query)


@pytest.fixture
def port(home, purserd, standin):
    port = free_port()
    app = standin.state()["apps"]
    client_id = next(iter(app))
    standin.control(app={"client_id": app[client_id]["client_id"],
                         "redirect_uris": ["http://127.0.0.1:%d/callback" % port]})
    process = subprocess.Popen([sys.executable, str(EXAMPLES / "onboarding.py"), "--client", "jobber-app", "--port", str(port)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=dict(home.environment(), PURSER_SOCKET=str(home.socket)))
    assert first_line(process).startswith("ready")
    yield port
    process.terminate()
    out, err = process.communicate(timeout=PATIENCE)
    home.evidence.add("stdout of the web application", out)
    home.evidence.add("stderr of the web application", err)
    assert b"code=" not in err and b"Traceback" not in err, err


def account_of(home, credential):
    return home.status(credential)["account"]["id"]


def test_customers_connect_accounts_of_their_own_with_one_client(home, standin, port):
    for customer in ("acme", "globex"):
        if customer not in standin.state()["accounts"]:
            standin.control(account={"key": customer, "id": "id-of-" + customer, "name": customer.title()})
        browser = Customer(port)
        status, _, text = browser.ask("GET", browser.connect(customer, account=customer))
        assert status == 200 and "Connected" in text, text
    accounts = standin.state()["accounts"]
    assert account_of(home, "customer-acme") == accounts["acme"]["id"]
    assert account_of(home, "customer-globex") == accounts["globex"]["id"]
    assert home.get_token("customer-acme")["access_token"] != home.get_token("customer-globex")["access_token"]
    status, _, front = Customer(port).ask("GET", "/")
    assert status == 200 and len(re.findall("<li>[^<]*: active", front)) == 2, front


def test_a_customer_who_says_no_is_told_so_and_may_try_again(home, port):
    browser = Customer(port)
    status, _, text = browser.ask("GET", browser.connect("acme", decision="deny"))
    assert status == 403 and "AuthorizationDenied" in text
    assert browser.ask("GET", browser.connect("acme"))[0] == 200


def test_the_redirect_of_one_browser_is_worth_nothing_in_another(home, port):
    one, other = Customer(port), Customer(port)
    path = one.connect("acme")
    assert other.ask("GET", path)[0] == 400
    other.connect("other")
    assert other.ask("GET", path)[0] == 400
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []
    assert one.ask("GET", path)[0] == 200


def test_an_account_that_is_another_companys_is_refused(home, standin, port):
    if "globex" not in standin.state()["accounts"]:
        standin.control(account={"key": "globex", "id": "id-of-globex", "name": "Globex"})
    browser = Customer(port)
    assert browser.ask("GET", browser.connect("acme", account="acme"))[0] == 200
    assert browser.ask("GET", browser.connect("acme", account="globex"))[0] == 409
    assert account_of(home, "customer-acme") == standin.state()["accounts"]["acme"]["id"]


def test_a_customers_name_goes_nowhere_unchecked(port):
    assert Customer(port).ask("POST", "/connect", customer="../<b>")[0] == 400
    assert Customer(port).ask("GET", "/nowhere")[0] == 404
