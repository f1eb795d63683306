"""Every provider file that comes along, played by the stand-in: what the file says is all that shapes it."""

import base64
import json
import pathlib
import re
import sys
import urllib.parse

import pytest
import yaml

from purser import CLIENT_ID, CLIENT_SECRET, EX_CONFIG, EX_OK, EX_TEMPFAIL, TREE
from rawvarlink import VarlinkError
from test_answers import FINAL, REQUIRED, SENT, UNAVAILABLE

sys.path.insert(0, str(TREE / "tests/standin"))

from httpd import Response, Server  # noqa: E402

FILES = {path.stem: path for path in sorted((TREE / "etc/providers").glob("*.yaml"))}
SAID = {name: yaml.safe_load(path.read_text()) for name, path in FILES.items()}
PLAYED = [name for name in FILES if name != "jobber"]  # test_jobber.c and most other tests play that one
TOKEN_RULES = [(name, number) for name in PLAYED for number in range(len(SAID[name].get("token_endpoint_answers", [])))]
API_RULES = [(name, number) for name in PLAYED for number in range(len(SAID[name].get("api", {}).get("answers", [])))]
TESTED = [name for name in PLAYED if {"test_url", "test_query"} & set(SAID[name].get("api", {}))]
VARIABLES = {"shop": "acme"}  # for those whose addresses cannot be used without
AUTH = {"client_secret_post": "post", "client_secret_basic": "basic", "none": "none"}


def revocation_of(said):
    return said.get("revocation", {}).get("method", "rfc7009" if "revocation_endpoint" in said else "none")


def turned(url, base):
    """The same path and query at the stand-in's address."""
    return base + re.sub("^https://[^/]+", "", url)


def filled_in(template, values):
    for name, value in values.items():
        template = template.replace("{%s}" % name, value)
    return template


def rule_id(rule):
    return "%s-%d" % rule if isinstance(rule, tuple) else None


def put(root, pointer, value):
    """Sets what a JSON pointer names, and makes the way there; a number makes a list."""
    steps = pointer.split("/")[1:]
    for step, following in zip(steps, steps[1:] + [None]):
        if isinstance(root, list):
            step = int(step)
            root.extend([None] * (step + 1 - len(root)))
            known = root[step]
        else:
            known = root.get(step)
        if following is None:
            root[step] = value
        else:
            root[step] = known if known is not None else [] if following.isdigit() else {}
            root = root[step]


def answer_of(rule):
    """The body that this rule is about."""
    body = {}
    if "error" in rule:
        body["error"] = rule["error"]
    if "member" in rule:
        put(body, rule["member"], "x %s x" % rule.get("contains", ""))
    elif "contains" in rule:
        body["error_description"] = "x %s x" % rule["contains"]
    return body or {"message": "no"}


class Api:
    """The API behind the tokens: one account, told where the file says that it is told."""

    def __init__(self, api):
        self.requests = []
        self.answers = []
        self.account = {}
        for key, value in (("account_id", "acc-1"), ("account_name", "Acme Landscaping")):
            if key in api.get("test_answer", {}):
                put(self.account, api["test_answer"][key], value)
        self.server = Server(self.answer).start()
        self.url = self.server.url

    def answer(self, request):
        self.requests.append(request)
        if self.answers:
            status, body = self.answers.pop(0)
            return Response.json(status, body)
        return Response.json(200, self.account)


@pytest.fixture
def played(home, standin):
    """Starts the daemon with one of the files, its addresses turned to the stand-in and nothing else changed. `tested` gives one
    that has no test a test_url, for the rules of its API."""
    def start(name, tested=False):
        said = SAID[name]
        base = standin.url
        api = Api(said.get("api", {}))
        home.play("rfc")
        standin.control(app={"auth": AUTH[said.get("token_endpoint_auth_method", "client_secret_basic")]})
        standin.set(pkce="ignored" if said.get("code_challenge_method") == "off" else "required", iss=False, scope=None)
        provider = {"extends": name, "authorization_endpoint": base + "/api/oauth/authorize",
                    "token_endpoint": base + "/api/oauth/token"}
        if "revocation_endpoint" in said:
            provider["revocation_endpoint"] = base + "/api/oauth/revoke"
        addresses = {key: api.url + "/" + key for key in ("url", "test_url") if key in said.get("api", {})}
        if tested and name not in TESTED:
            addresses["test_url"] = api.url
        if addresses:
            provider["api"] = addresses
        if revocation_of(said) == "request":
            provider["revocation"] = {"url": turned(said["revocation"]["url"], api.url)}
        provider["variables"] = VARIABLES
        rotation = said.get("refresh_token_rotation", "always")
        standin.set(rotation="off" if rotation == "never" else "strict", refresh_token_in_refresh=rotation != "never")
        home.settings["providers"]["standin"] = provider
        home.client["scopes"] = ["read", "offline_access"]
        home.write()
        home.start()
        return said, api
    return start


def test_there_are_many():
    assert len(PLAYED) >= 15


@pytest.mark.parametrize("name", FILES)
def test_file_has_no_mistakes_and_names_its_source(home, name):
    home.settings["providers"] = {"played": {"extends": name, "variables": VARIABLES}}
    home.client["provider"] = "played"
    home.write()
    result = home.check().expect(EX_OK)
    assert "no mistakes" in result.out + result.err
    head = FILES[name].read_text().split("\n\n")[0]
    assert "https://" in head
    if name in PLAYED:
        assert "read on 20" in head


@pytest.mark.parametrize("name", FILES)
def test_addresses_are_https_and_no_example(name):
    said = SAID[name]
    urls = [said[key] for key in said if key.endswith("_endpoint")]
    urls += [value for key, value in said.get("api", {}).items() if key in ("url", "test_url")]
    assert len(urls) >= 2 and all(url.startswith("https://") and "example" not in url for url in urls)
    assert len(pathlib.Path(FILES[name]).read_bytes()) < 16384


@pytest.mark.parametrize("name", PLAYED)
def test_login_refresh_and_logout(home, standin, played, name):
    said, api = played(name)
    home.login("acme")

    asked = standin.log("authorize")[0]["query"]
    assert ("code_challenge" in asked) == (said.get("code_challenge_method") != "off")
    assert ("scope" in asked) == said.get("scope_in_url", True)
    for key, value in said.get("authorization_parameters", {}).items():
        assert asked[key] == value
    told = said.get("api", {}).get("test_answer", {})
    account = home.status().get("account") or {}
    assert account.get("id") == ("acc-1" if "account_id" in told else None), account
    assert account.get("name") == ("Acme Landscaping" if "account_name" in told else None), account
    assert home.status()["state"] == "active"

    header, version = (said.get("api", {}).get(key) for key in ("version_header", "default_version"))
    bundle = {entry["name"]: entry["value"] for entry in home.get_token()["headers"]}
    token, token_header = standin.grants()["g1"]["access_token"], said.get("api", {}).get("token_header")
    assert bundle[token_header or "Authorization"] == (token if token_header else "Bearer " + token)
    assert len(bundle) == 1 + (version is not None)
    assert bundle.get(header) == version
    assert bool(api.requests) == (name in TESTED)
    for request in api.requests:
        assert request.headers.get((header or "none").lower()) == version
        assert request.headers[(token_header or "Authorization").lower()].endswith(token)
        assert request.method == ("POST" if "test_query" in said["api"] else "GET")

    # As it rotates, and then as those that never repeat the refresh token.
    home.purser("refresh", "acme").expect(EX_OK)
    standin.set(rotation="off", refresh_token_in_refresh=False)
    home.purser("refresh", "acme").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    assert standin.grants()["g1"]["replays"] == 0
    for entry in standin.log("token"):
        assert ("client_secret" in entry["form"]) == (said.get("token_endpoint_auth_method") == "client_secret_post")
        assert entry["headers"]["content-type"].endswith("json" if said.get("token_request_format") == "json" else "urlencoded")
        for key, value in said.get("token_parameters", {}).items():
            assert entry["form"][key] == value
        for key, value in said.get("token_headers", {}).items():
            assert entry["headers"][key.lower()] == value


@pytest.mark.parametrize("name", PLAYED)
def test_logout_revokes_as_the_file_says(home, standin, played, name):
    said, api = played(name)
    method = revocation_of(said)
    home.adopt("acme")
    grant = standin.grants()["g1"]
    api.requests.clear()
    result = home.purser("logout", "acme").expect(EX_OK)
    assert standin.count("revoke") == int(method == "rfc7009"), result
    if method == "rfc7009":
        assert standin.grants()["g1"]["ended"] == "revoked"
    elif method == "request":
        check_revocation(said, grant, api.requests)
    else:
        assert "revoke" in result.out + result.err and not api.requests, result


def check_revocation(said, grant, requests):
    """One request, and nothing in it that the file does not say."""
    request, = requests
    revocation = said["revocation"]
    values = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": grant["access_token"],
              "refresh_token": grant["current"], "account_id": "acc-1"}
    url = urllib.parse.urlsplit(filled_in(revocation["url"], values))
    assert (request.method, request.path) == (revocation.get("request_method", "POST"), url.path)
    assert request.query == dict(urllib.parse.parse_qsl(url.query))
    how = revocation.get("authentication", "client")
    how = said.get("token_endpoint_auth_method", "client_secret_basic") if how == "client" else how
    sent = {key: filled_in(value, values) for key, value in revocation.get("parameters", {}).items()}
    headers = {key.lower(): filled_in(value, values) for key, value in revocation.get("headers", {}).items()}
    if how == "client_secret_post":
        sent.update(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    elif how == "client_secret_basic":
        headers["authorization"] = "Basic " + base64.b64encode(("%s:%s" % (CLIENT_ID, CLIENT_SECRET)).encode()).decode()
    elif how == "token":
        header = said["api"].get("token_header")
        headers[(header or "Authorization").lower()] = ("" if header else "Bearer ") + grant["access_token"]
    assert request.form == sent
    assert request.headers.get("authorization") == headers.get("authorization")
    assert headers.items() <= request.headers.items()
    if sent:
        assert request.headers["content-type"].endswith(revocation.get("format", "form").replace("form", "urlencoded"))


@pytest.mark.parametrize("name", [name for name in PLAYED if revocation_of(SAID[name]) == "request"])
def test_failed_revocation_forgets_nothing(home, played, name):
    said, api = played(name)
    home.adopt("acme")
    error = said["revocation"].get("error")
    api.requests.clear()
    api.answers = [(500, {}), (200, {"ok": False, error.strip("/"): "internal_error"})] if error else [(500, {})]
    for _ in list(api.answers):
        home.purser("logout", "acme").expect(EX_TEMPFAIL)
    assert home.status()["state"] == "active" and not api.answers


def test_provider_whose_addresses_lack_a_value_says_how_to_give_it(home):
    home.settings["providers"] = {}
    home.client["provider"] = "shopify"
    home.write()
    assert "variables: {shop: ...}" in home.check().expect(EX_CONFIG).err
    home.settings["providers"] = {"acme-shop": {"extends": "shopify", "variables": {"shop": "acme"}}}
    home.client["provider"] = "acme-shop"
    home.write()
    home.check().expect(EX_OK)


def test_list_of_providers_says_what_the_files_say(home):
    home.start()
    listed = {entry["name"]: entry for entry in home.purser("providers", "--json").expect(EX_OK).json["providers"]}
    table = home.purser("providers").expect(EX_OK).out.splitlines()
    assert table[0].split()[:5] == ["NAME", "VERSION", "ROTATION", "REVOCATION", "WEBHOOKS"]
    rows = {line.split()[0]: line for line in table[1:]}
    assert set(FILES) <= set(listed) == set(rows)
    for name, said in SAID.items():
        entry, row = listed[name], rows[name]
        assert entry["revocation"] == revocation_of(said)
        assert entry.get("refresh_token_rotation") == said.get("refresh_token_rotation")
        assert entry["webhooks_signed"] == ("webhooks" in said)
        assert entry.get("default_version") == said.get("api", {}).get("default_version")
        assert entry["tested"] == bool({"test_url", "test_query"} & set(said.get("api", {})))
        for word in (entry.get("refresh_token_rotation"), entry.get("default_version"), entry.get("token_header")):
            assert word is None or word in row
        assert ("JSON requests" in row) == (said.get("token_request_format") == "json")
        assert ("no PKCE" in row) == (said.get("code_challenge_method") == "off")
    assert listed["shopify"]["variable"] == "shop" and "needs {shop}" in rows["shopify"]


def test_no_provider_is_named_in_the_code():
    names = {word for name in FILES for word in name.split("-")} - {"box", "connect"}
    words = {"linear", "slack", "square"}  # which code may use, but nothing that is printed or compared
    for path in [*TREE.glob("daemon/**/*.[ch]"), *TREE.glob("common/*.[ch]"), *TREE.glob("client/*.[ch]")]:
        code = re.sub(r"/[*].*?[*]/|//[^\n]*", "", path.read_text(), flags=re.DOTALL).lower()
        found = {name for name in names
                 if re.search((r"\"[^\"\n]*\b%s\b" if name in words else r"\b%s\b") % name, code)}
        assert not found, "%s names %s" % (path, found)


@pytest.mark.parametrize("name", PLAYED)
def test_lifetime_holds_where_the_answer_tells_none(home, standin, played, name):
    said, _ = played(name)
    standin.set(expires_in=None)
    home.adopt("acme")
    text = said.get("default_token_lifetime", "1h")
    seconds = int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[text[-1]]
    assert seconds - 60 < home.status()["expires_in_seconds"] <= seconds


@pytest.mark.parametrize("name", PLAYED)
def test_dead_grant_ends_in_a_login(home, standin, played, name):
    played(name)
    home.adopt("acme")
    standin.control(end="g1")
    home.purser("refresh", "acme").expect(EX_CONFIG)
    assert home.status()["state"] == "authorization-required"
    home.purser("token", "acme")
    assert standin.count("token") == 2, "a dead grant is asked about once"
    home.login("acme")
    assert home.status()["state"] == "active"


@pytest.mark.parametrize("rule", TOKEN_RULES, ids=rule_id)
def test_refusal_of_the_token_endpoint_is_understood(home, standin, played, rule):
    name, number = rule
    said, _ = played(name)
    wanted = said["token_endpoint_answers"][number]
    for turn, status in enumerate([wanted["status"]] if "status" in wanted else [200, 400]):
        credential = "acme%d" % turn
        home.adopt(credential)
        standin.always("token", {"do": "answer", "status": status, "body": json.dumps(answer_of(wanted)),
                                 "type": "application/json"})
        with pytest.raises(VarlinkError) as refused:
            home.call("io.purser.Admin.Refresh", credential=credential)
        standin.clear()
        assert wanted["say"].rstrip(".") in refused.value.parameters["reason"]
        state = home.status(credential)["state"]
        if wanted["means"] in ("authorization_required", "disconnected"):
            assert refused.value.name == REQUIRED and state in FINAL
        else:
            assert refused.value.name == UNAVAILABLE and state in SENT | {"unavailable", "retrying"}


@pytest.mark.parametrize("name", TESTED)
def test_rejected_token_is_refreshed(home, standin, played, name):
    said, api = played(name)
    home.adopt("acme")
    rejections = [(401, {"message": "no"})] + [
        (200 if "test_query" not in said["api"] else 400, answer_of(rule))
        for rule in said["api"].get("answers", []) if rule["means"] == "token_rejected"]
    for rejection in rejections:
        before = standin.grants()["g1"]["refreshes"]
        api.answers = [rejection]
        home.purser("test", "acme")
        home.purser("refresh", "acme").expect(EX_OK)
        assert not api.answers and standin.grants()["g1"]["refreshes"] > before
    home.purser("test", "acme").expect(EX_OK)


@pytest.mark.parametrize("rule", API_RULES, ids=rule_id)
def test_answer_of_the_api_is_understood(home, played, rule):
    name, number = rule
    said, api = played(name, tested=True)
    home.adopt("acme")
    wanted = said["api"]["answers"][number]
    api.answers = [(wanted.get("status", 401), answer_of(wanted))] * 5
    result = home.purser("test", "acme")
    ends = wanted["means"] in ("authorization_required", "version_unsupported")
    result.expect(EX_CONFIG if ends else EX_TEMPFAIL)
    if wanted["means"] == "version_unsupported":
        assert "refuses version" in result.err, result
    else:
        assert wanted["say"].rstrip(".") in result.out + result.err, result
    assert (home.status()["state"] in FINAL) == (wanted["means"] == "authorization_required")
