#!/usr/bin/python3
"""onboarding.py --client CLIENT --port PORT: a web application whose customers connect their accounts, one client for them all.

It hosts the redirect_uri itself, http://127.0.0.1:PORT/callback (behind your own TLS proxy give the outside address with
--redirect-uri, and register it at the provider), and plays the part of `purser login` through io.purser.Admin, so that its user
must be among `admins`. State, PKCE verifier, client secret and refresh token stay in purserd: all that it keeps is which browser
began which login. Who the customer is your own log-in says; this example believes the form.
"""
import argparse
import html
import http.server
import json
import os
import re
import secrets
import socket
import time
import urllib.parse

SOCKET = os.environ.get("PURSER_SOCKET", "/run/purser/purser.sock")
STATUS = {"AuthorizationDenied": 403, "AccountMismatch": 409, "RedirectMismatch": 400, "NoSuchLogin": 400,
          "GrantRefused": 502, "ProviderUnavailable": 503}
logins = {}  # the browser's cookie -> the login that it began, and when that ends


class Refusal(Exception):
    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


def call(method, **parameters):
    with socket.socket(socket.AF_UNIX) as purser:
        purser.connect(SOCKET)
        purser.sendall(json.dumps({"method": "io.purser." + method, "parameters": parameters}).encode() + b"\0")
        answer = b""
        while not answer.endswith(b"\0"):
            part = purser.recv(65536)
            if not part:
                raise Refusal(503, "purserd hung up")
            answer += part
    reply = json.loads(answer[:-1])
    if "error" in reply:
        name, told = reply["error"].rpartition(".")[2], reply.get("parameters", {})
        raise Refusal(STATUS.get(name, 500), "%s: %s" % (name, told.get("reason", "")))
    return reply["parameters"]


class Application(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        self.answer({"/": self.front_page, "/callback": self.callback}.get(address.path), address.query)

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        form = self.rfile.read(min(int(length) if length.isdecimal() else 0, 4096)).decode(errors="replace")
        self.answer({"/connect": self.connect}.get(self.path), form)

    def answer(self, page, text):
        try:
            if not page:
                raise Refusal(404, "There is no such page.")
            page(text)
        except Refusal as refusal:
            self.page(refusal.status, "<p>%s</p><p><a href=/>Try again</a></p>" % html.escape(str(refusal)))
        except OSError:
            self.page(503, "<p>purserd does not answer.</p>")

    def front_page(self, _):
        rows = "".join("<li>%s: %s" % (html.escape((one.get("account") or {}).get("name") or one["name"]), one["state"])
                       for one in call("Tokens.ListCredentials")["credentials"])
        self.page(200, "<ul>%s</ul><form method=post action=/connect><input name=customer required> "
                       "<button>Connect your account</button></form>" % rows)

    def connect(self, form):
        customer = urllib.parse.parse_qs(form).get("customer", [""])[0]
        if not re.fullmatch("[a-z0-9][a-z0-9-]{0,50}", customer):
            raise Refusal(400, "A customer's name is of small letters, digits and dashes.")
        login = call("Admin.BeginAuthorization", credential="customer-" + customer, client=self.server.client,
                     redirect_uri=self.server.redirect_uri)
        now = time.monotonic()
        for begun, (_, end) in list(logins.items()):
            if end < now:
                logins.pop(begun, None)
        browser = secrets.token_urlsafe(32)
        logins[browser] = login["login"], now + login["expires_in"]
        self.send_response(303)
        self.send_header("Location", login["authorization_url"])
        # Lax: the cookie comes along when the provider sends the browser back, and in nobody else's forms.
        self.send_header("Set-Cookie", "login=%s; Path=/callback; HttpOnly; SameSite=Lax; Max-Age=%d%s"
                         % (browser, login["expires_in"],
                            "; Secure" if self.server.redirect_uri.startswith("https:") else ""))
        self.end_headers()

    def callback(self, query):
        """The daemon compares the state; the cookie makes sure that it is this browser's login that is completed."""
        cookie = re.search(r"(?:^|; )login=([\w-]+)", self.headers.get("Cookie") or "")
        login, _ = logins.get(cookie.group(1), (None, 0)) if cookie else (None, 0)
        if not login:
            raise Refusal(400, "This browser has begun no login here.")
        done = call("Admin.CompleteAuthorization", login=login, redirect=query)
        logins.pop(cookie.group(1), None)
        account = done["test"].get("account") or {}
        self.page(200, "<p>Connected: %s (%s)</p>" % (html.escape(account.get("name") or done["credential"]), done["state"]))

    def page(self, status, body):
        data = ("<!doctype html><meta charset=utf-8><title>Connect</title>" + body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code="-", size="-"):
        """The path of a callback holds a code: it stays out of the log."""
        self.log_message("%s %s %s", self.command, urllib.parse.urlsplit(self.path).path, code)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--client", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--redirect-uri")
options = parser.parse_args()
server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Application)
server.client = options.client
server.redirect_uri = options.redirect_uri or "http://127.0.0.1:%d/callback" % server.server_port
print("ready", server.redirect_uri, flush=True)
server.serve_forever()
