"""Every provider file that comes along, played by the stand-in: what the file says is all that shapes it."""

import json
import pathlib
import sys

import pytest
import yaml

from purser import EX_CONFIG, EX_OK, EX_TEMPFAIL, TREE
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
AUTH = {"client_secret_post": "post", "client_secret_basic": "basic", "none": "none"}


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
        turned = {key: api.url + "/" + key for key in ("url", "test_url") if key in said.get("api", {})}
        if tested and name not in TESTED:
            turned["test_url"] = api.url
        if turned:
            provider["api"] = turned
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
    home.settings["providers"] = {}
    home.client["provider"] = name
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
    assert bundle["Authorization"] == "Bearer " + standin.grants()["g1"]["access_token"]
    assert bundle.get(header) == version
    assert bool(api.requests) == (name in TESTED)
    for request in api.requests:
        assert request.headers.get((header or "none").lower()) == version
        assert request.method == ("POST" if "test_query" in said["api"] else "GET")

    # Those that rotate, and those that never repeat the refresh token.
    home.purser("refresh", "acme").expect(EX_OK)
    standin.set(rotation="off", refresh_token_in_refresh=False)
    home.purser("refresh", "acme").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    assert standin.grants()["g1"]["replays"] == 0
    for entry in standin.log("token"):
        assert ("client_secret" in entry["form"]) == (said.get("token_endpoint_auth_method") == "client_secret_post")

    result = home.purser("logout", "acme")
    revokes = said.get("revocation", {}).get("method", "rfc7009") == "rfc7009" and "revocation_endpoint" in said
    assert standin.count("revoke") == int(revokes), result
    if revokes:
        result.expect(EX_OK)
        assert standin.grants()["g1"]["ended"] == "revoked"


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
        assert "is not supported" in result.err, result
    else:
        assert wanted["say"].rstrip(".") in result.out + result.err, result
    assert (home.status()["state"] in FINAL) == (wanted["means"] == "authorization_required")
