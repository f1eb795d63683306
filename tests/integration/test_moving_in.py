"""The lines of purser(1) by which grants move in from elsewhere: each is run as it stands there, and shows no token to others."""

import http.server
import json
import re
import shutil
import subprocess
import threading

import pytest

from purser import BUILD, CLIENT_SECRET, EX_OK, TREE


def lines_of_the_manual():
    page = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", str(TREE / "client/purser.1")], capture_output=True, text=True, check=True)
    section = re.search(r"^MOVING IN$(.*?)^[A-Z]", re.sub(".\b", "", page.stdout), re.S | re.M).group(1)
    return [block for block in re.findall(r"(?m)(?:^ {9,}\S.*\n)+", section)]


def line_with(words):
    found = [line for line in lines_of_the_manual() if words in line]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def run(home, purserd, tmp_path):
    """Runs a line in a directory of its own. Every argument of every program that it starts is looked at."""
    for program in ("jq", "strace"):
        if not shutil.which(program):
            pytest.skip("%s is not installed here" % program)

    def run(line, secrets):
        arguments = tmp_path / "arguments"
        environment = dict(home.environment(), PURSER_SOCKET=str(home.socket))
        environment["PATH"] = "%s:%s:%s" % (tmp_path, BUILD, environment["PATH"])
        # A process that is traced cannot be searched for leaks.
        environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        done = subprocess.run(["strace", "-f", "-qq", "-s", "65536", "-v", "-e", "trace=execve", "-o", str(arguments), "sh", "-eu", "-c", line],
                              cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
        home.evidence.add("what the line shows", done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout + done.stderr
        seen = arguments.read_text()
        assert "execve" in seen and "purser" in seen
        assert not [secret for secret in secrets if secret in seen]
        return done

    return run


def account(home, name):
    return home.status(name)["account"]["name"]


def test_from_a_file_of_variables_with_the_clients_secret(home, standin, run, tmp_path):
    home.client["client_secret"] = {"store": True}
    home.write()
    home.purser("reload").expect(EX_OK)
    token = standin.grant()["current"]
    (tmp_path / ".env").write_text("# old\nOTHER=1\nJOBBER_CLIENT_SECRET=\"%s\"\nJOBBER_REFRESH_TOKEN='%s'\n" % (CLIENT_SECRET, token))
    run(line_with(".env"), [token, CLIENT_SECRET])
    assert account(home, "acme") == "Acme Landscaping"


def test_from_oidc_agent(home, standin, run, tmp_path):
    token = standin.grant()["current"]
    (tmp_path / "configuration").write_text(json.dumps({"name": "acme", "client_id": "x", "refresh_token": token}))
    (tmp_path / "oidc-gen").write_text('#!/bin/sh\n[ "$1" = --print=acme ] && exec cat configuration\n')
    (tmp_path / "oidc-gen").chmod(0o755)
    run(line_with("oidc-gen"), [token])
    assert account(home, "acme") == "Acme Landscaping"


def test_from_nango(home, standin, run, tmp_path):
    token, asked = standin.grant()["current"], []

    class Nango(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"connection_id": "acme", "credentials": {
                "type": "OAUTH2", "access_token": "x", "refresh_token": token, "raw": {"refresh_token": token}}}).encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Nango)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "nango-key").write_text("Authorization: Bearer key-of-nango-0123456789\n")
    try:
        run(line_with("nango").replace("https://api.nango.dev", "http://127.0.0.1:%d" % server.server_port), [token, "key-of-nango-0123456789"])
    finally:
        server.shutdown()
        server.server_close()
    assert asked == [("/connections/acme?provider_config_key=jobber", "Bearer key-of-nango-0123456789")]
    assert account(home, "acme") == "Acme Landscaping"


def test_many_at_once_and_one_of_them_dead(home, standin, run, tmp_path):
    tokens = {"one": standin.grant("acme")["current"], "dead": "0" * 32, "two": standin.grant("birch")["current"]}
    (tmp_path / "tokens.json").write_text(json.dumps(tokens))
    done = run(line_with("tokens.json"), tokens.values())
    assert "not moved: dead" in done.stdout
    assert (account(home, "one"), account(home, "two")) == ("Acme Landscaping", "Birch & Sons Plumbing")


def test_every_line_of_the_manual_is_run_here():
    assert len(lines_of_the_manual()) == 4
