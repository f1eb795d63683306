"""A provider that is not Jobber is data: a server by the book, in every flavour that a configuration can name."""

import base64

import pytest

from purser import CLIENT_ID, CLIENT_SECRET, EX_CONFIG, EX_OK, EX_TEMPFAIL


@pytest.fixture
def book(home, standin):
    """A daemon that knows of the server by its issuer alone."""
    def start(auth="post", **provider):
        method = {"post": "client_secret_post", "basic": "client_secret_basic", "none": "none"}[auth]
        home.play("rfc")
        standin.control(app={"auth": auth})
        home.settings["providers"]["standin"] = {"issuer": standin.url, "token_endpoint_auth_method": method, **provider}
        if auth == "none":
            del home.client["client_secret"]
        home.write()
        return home.start()
    return start


def test_issuer_alone_is_enough_for_a_login(home, standin, book):
    book()
    home.login("acme")
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    bundle = home.get_token()
    assert "api_version" not in bundle and [header["name"] for header in bundle["headers"]] == ["Authorization"]
    home.purser("refresh", "acme").expect(EX_OK)


@pytest.mark.parametrize("auth", ["post", "basic", "none"])
def test_client_authenticates_in_the_way_that_is_configured(home, standin, book, auth):
    book(auth)
    home.login("acme")
    home.purser("refresh", "acme").expect(EX_OK)
    for entry in standin.log("token"):
        basic = entry["headers"].get("authorization")
        assert ("client_secret" in entry["form"]) == (auth == "post")
        assert bool(basic) == (auth == "basic")
        if basic:
            assert base64.b64decode(basic.split()[1]).decode() == "%s:%s" % (CLIENT_ID, CLIENT_SECRET)


def test_basic_authentication_encodes_what_is_no_letter(home, standin, book):
    odd = "s e+c%r:e/t&=~\\\"-0123456789"
    home.secret_file.write_text(odd + "\n")
    home.play("rfc")
    standin.control(app={"auth": "basic", "client_secret": odd})
    home.settings["providers"]["standin"] = {"issuer": standin.url, "token_endpoint_auth_method": "client_secret_basic"}
    home.write()
    home.start()
    home.adopt("acme")
    home.purser("refresh", "acme").expect(EX_OK)


def test_lost_discovery_is_passing_trouble(home, standin, book):
    book()
    standin.always("metadata", "503")
    grant = standin.grant()
    home.purser("import", "acme", data=grant["current"]).expect(EX_TEMPFAIL)
    standin.clear()
    home.purser("import", "acme", data=grant["current"]).expect(EX_OK)


def test_metadata_of_another_issuer_is_refused(home, standin, book):
    book()
    standin.set(issuer="https://evil.example")
    home.purser("import", "acme", data=standin.grant()["current"]).expect(EX_TEMPFAIL)
    assert standin.count("token") == 0


def test_answer_without_a_new_refresh_token_keeps_the_old_one(home, standin, book):
    book()
    standin.set(rotation="off", refresh_token_in_refresh=False)
    home.login("acme")
    for _ in range(3):
        home.purser("refresh", "acme").expect(EX_OK)
    sent = {entry["form"]["refresh_token"] for entry in standin.log("token") if "refresh_token" in entry["form"]}
    assert sent == {standin.grants()["g1"]["current"]}


def test_invalid_grant_with_400_ends_in_a_login(home, standin, book):
    book()
    home.login("acme")
    standin.control(end="g1")
    home.purser("refresh", "acme").expect(EX_CONFIG)
    assert home.status()["state"] == "authorization-required"


def test_server_that_revokes_the_family_on_replay_sees_none(home, standin, book):
    book()
    home.login("acme")
    for _ in range(20):
        home.call("io.purser.Admin.Refresh", credential="acme")
    assert standin.grants()["g1"]["alive"] and standin.grants()["g1"]["replays"] == 0


def test_logout_revokes_at_the_discovered_endpoint(home, standin, book):
    book()
    home.login("acme")
    current = standin.grants()["g1"]["current"]
    home.purser("logout", "acme").expect(EX_OK)
    assert standin.grants()["g1"]["ended"] == "revoked"
    assert standin.log("revoke")[0]["form"]["token"] == current


def test_scopes_go_into_the_authorization_url(home, standin):
    home.play("rfc")
    home.settings["providers"]["standin"] = {"issuer": standin.url, "token_endpoint_auth_method": "client_secret_post"}
    home.client["scopes"] = ["read", "write"]
    home.write()
    home.start()
    home.login("acme")
    assert standin.log("authorize")[0]["query"]["scope"] == "read write"


def test_redirect_that_names_its_issuer_is_accepted(home, standin, book):
    book()
    standin.set(iss=True)
    home.login("acme")


def test_provider_without_a_test_query_is_active_after_login(home, standin, book):
    book()
    home.login("acme")
    assert home.status()["state"] == "active" and not home.status()["pending"]
    assert standin.count("graphql") == 0


def test_provider_of_another_api_is_all_data(home, standin):
    """A REST-like API behind an OAuth server, described from scratch."""
    home.play("rfc", api={"url": standin.url + "/api/graphql", "version_header": "X-JOBBER-GRAPHQL-VERSION",
                          "default_version": "2025-01-20", "test_query": "query { account { id name } }"})
    home.start()
    home.adopt("acme")
    bundle = home.get_token()
    assert bundle["api_version"] == "2025-01-20"
    assert {"name": "X-JOBBER-GRAPHQL-VERSION", "value": "2025-01-20"} in bundle["headers"]
