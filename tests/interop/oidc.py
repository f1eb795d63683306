"""oidc-provider, the person at its pages, and what each of its clients is configured with."""

import http.cookiejar
import json
import pathlib
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from purser import EX_OK
from waiting import PATIENCE, free_port

HERE = pathlib.Path(__file__).parent
SECRETS = {"purser-basic": "basic: a secret/with+odd%signs & blanks",
           "purser-post": "post-secret-0123456789abcdefghijklmnop", "purser-public": None, "purser-key": None}
METHODS = {"purser-basic": "client_secret_basic", "purser-post": "client_secret_post", "purser-public": "none",
           "purser-key": "private_key_jwt"}


class Server:
    """oidc-provider as a process; options as the head of server.mjs tells them."""

    def __init__(self, access_token_seconds, log, **options):
        self.key = pathlib.Path(options["key"]) if "key" in options else None
        self.redirect_uri = "http://127.0.0.1:%d/callback" % free_port()
        self.process = subprocess.Popen(
            ["node", str(HERE / "server.mjs"), self.redirect_uri, str(access_token_seconds), json.dumps(options)], stdout=subprocess.PIPE,
            stderr=log, text=True)
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], "server.mjs did not start"
        self.url = words[1]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def state(self):
        with urllib.request.urlopen(self.url + "/_control/state", timeout=10) as response:
            return json.load(response)

    def secrets(self):
        state = self.state()
        found = {kind: state[kind] for kind in ("refresh_token", "access_token", "code", "client_secret")}
        if self.key:
            found["client_key"] = self.key.read_text().splitlines()[1:-1]
        return found

    def revoke_elsewhere(self):
        urllib.request.urlopen(urllib.request.Request(self.url + "/_control/revoke", method="POST"), timeout=10).close()


class Browser(urllib.request.HTTPRedirectHandler):
    """Has cookies and follows redirects, as far as the one to the redirect URI."""

    def __init__(self):
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar), self)

    def visit(self, url, **more):
        url += "&" + urllib.parse.urlencode(more) if more else ""
        try:
            with self.opener.open(url, timeout=PATIENCE) as response:
                return response.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def enter_code(uri):
    """A person at another device: each page's form is sent as it stands, with a yes where one is asked for."""
    browser = Browser()
    with browser.opener.open(uri, timeout=PATIENCE) as response:
        page = response.read().decode()
    for _ in range(4):
        form = re.search(r'<form[^>]*action="([^"]+)"', page)
        if not form:
            return page
        fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
        fields.pop("abort", None)
        if "confirm" in page:
            fields["confirm"] = "yes"
        data = urllib.parse.urlencode(fields).encode()
        with browser.opener.open(form.group(1), data, timeout=PATIENCE) as response:
            page = response.read().decode()
    return page


def log_in(home, status=EX_OK, **person):
    login = home.begin_login("acme")
    page = Browser().visit(login.url, **person)
    result = login.finish(status)
    assert (page == 200) == (status == EX_OK), (page, result)
    return result
