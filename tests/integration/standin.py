"""The stand-in as a process, and what tests say to it and ask of it."""

import http.client
import json
import pathlib
import subprocess
import sys
import urllib.parse

from waiting import PATIENCE, free_port

PROGRAM = pathlib.Path(__file__).resolve().parents[1] / "standin/jobber.py"


class Standin:
    """The provider. One process serves all tests; reset() makes it new."""

    def __init__(self, arguments=(), log=None):
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdout=subprocess.PIPE, stderr=log, text=True)
        words = self.process.stdout.readline().split()
        assert words and words[0] == "ready", "the stand-in did not start"
        self.url = words[1]
        self.tls_url = words[2] if len(words) > 2 else None
        self.address = urllib.parse.urlsplit(self.url).netloc
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

    def spend(self, grant_id):
        """Somebody else refreshes this grant, with the token that purserd holds."""
        grant = self.grants()[grant_id]
        app = self.state()["apps"][grant["app"]]
        answer = self._ask("POST", "/api/oauth/token", urllib.parse.urlencode({
            "grant_type": "refresh_token", "refresh_token": grant["current"],
            "client_id": app["client_id"], "client_secret": app["client_secret"]}))
        return answer["refresh_token"]

    def grants(self):
        return self.state()["grants"]

    def reset(self, profile=True):
        """A new server with one app, whose redirect URI has a port of its own."""
        self.redirect_uri = "http://127.0.0.1:%d/callback" % free_port()
        self.control(reset=profile, app={"redirect_uris": [self.redirect_uri]})
