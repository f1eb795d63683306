"""Logging in at npm's oidc-provider, which is known by its issuer alone, and living with its rotation and revocation."""

import json
import urllib.error
import urllib.request

import pytest

from browser import parameters_of
from oidc import Browser, enter_code, log_in
from purser import EX_CONFIG, EX_NOPERM, EX_OK
from waiting import until

ITSELF = "itself-secret-0123456789abcdefghijklmno"


@pytest.mark.parametrize("client", ["purser-basic", "purser-post", "purser-public"])
def test_login_by_issuer_alone_ends_with_a_tested_token(begin, client):
    home, server = begin(client)
    log_in(home)
    status = home.status()
    assert status["state"] == "active" and status["account"]["id"] == "acme-owner"
    assert 590 <= status["token_lifetime_seconds"] <= 600
    assert home.get_token()["access_token"] == server.state()["access_token"][-1]
    for generation in (2, 3, 4):
        home.purser("refresh", "acme").expect(EX_OK)
        assert home.get_token()["generation"] == generation
    state = server.state()
    assert (state["exchanges"], state["refreshes"], state["revoked"], state["errors"]) == (1, 3, 0, [])


def test_denied_login_exits_77(begin):
    home, server = begin()
    log_in(home, EX_NOPERM, _decision="deny")
    assert server.state()["exchanges"] == 0


def test_another_account_is_refused_and_the_old_grant_serves_on(begin):
    home, _ = begin()
    log_in(home)
    before = home.get_token()
    log_in(home, EX_NOPERM, _account="birch-owner")
    assert home.get_token() == before


def test_short_lived_tokens_are_kept_fresh_and_no_token_is_sent_twice(begin):
    home, server = begin(access_token_seconds=4)
    log_in(home)
    seen = set()

    def four_generations():
        bundle = home.get_token()
        seen.add(bundle["generation"])
        return len(seen) >= 4

    until(four_generations, "the fourth generation", patience=30)
    state = server.state()
    assert state["refreshes"] >= 3 and state["revoked"] == 0 and state["errors"] == []


def test_hundred_rotations_never_replay_a_token(begin):
    home, server = begin("purser-post")
    log_in(home)
    connection = home.varlink()
    for _ in range(100):
        connection.call("io.purser.Admin.Refresh", credential="acme")
    state = server.state()
    assert (state["refreshes"], state["revoked"], state["errors"]) == (100, 0, [])


def test_rejected_token_is_refreshed_and_the_new_one_works(begin):
    home, server = begin()
    log_in(home)
    fresh = home.get_token(rejected=home.get_token()["access_token"])
    assert fresh["generation"] == 2
    request = urllib.request.Request(server.url + "/me", headers={h["name"]: h["value"] for h in fresh["headers"]})
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["sub"] == "acme-owner"


def test_grant_revoked_elsewhere_ends_in_a_login(begin):
    home, server = begin()
    log_in(home)
    server.revoke_elsewhere()
    home.purser("refresh", "acme").expect(EX_CONFIG)
    assert home.status()["state"] == "authorization-required"
    assert server.state()["errors"] == ["invalid_grant"]
    home.purser("test", "acme").expect(EX_CONFIG)
    log_in(home)
    assert home.status()["state"] == "active"


def test_logout_revokes_the_grant_at_the_server(begin):
    home, server = begin()
    log_in(home)
    token = home.get_token()
    home.purser("logout", "acme").expect(EX_OK)
    assert server.state()["revoked"] == 1
    request = urllib.request.Request(server.url + "/me", headers={h["name"]: h["value"] for h in token["headers"]})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    caught.value.close()
    assert caught.value.code == 401


def test_wrong_secret_says_so(begin):
    home, _ = begin()
    home.secret_file.write_text("not-the-secret-of-this-client")
    home.purser("reload").expect(EX_OK)
    result = log_in(home, EX_CONFIG)
    assert "secret" in result.one_line_of_advice()


def test_client_that_asks_for_itself_needs_no_login(begin):
    home, server = begin()
    home.secret_file.write_text(ITSELF)
    home.settings["clients"]["app"].update(client_id="purser-itself", grant_type="client_credentials", scopes=[])
    home.settings["credentials"] = {"nightly": {"client": "app"}}
    home.settings["providers"]["standin"]["api"] = {"url": server.url}
    home.write()
    home.purser("reload").expect(EX_OK)
    assert home.get_token("nightly")["access_token"] == server.state()["access_token"][-1]
    fresh = home.get_token("nightly", rejected=home.get_token("nightly")["access_token"])
    assert fresh["generation"] == 2 and fresh["access_token"] == server.state()["access_token"][-1]
    home.purser("logout", "nightly").expect(EX_OK)
    assert server.state()["errors"] == []


def test_person_at_another_device_logs_in(begin):
    home, server = begin()
    home.secret_file.write_text("device-secret-0123456789abcdefghijklmn")
    home.settings["clients"]["app"].update(client_id="purser-device", scopes=["openid", "offline_access"])
    home.write()
    home.purser("reload").expect(EX_OK)
    process = home.spawn("login", "acme", "--device")
    shown = [process.stdout.readline().split()[-1] for _ in range(3)]
    assert shown[0] == server.url + "/device" and shown[1] in shown[2]
    enter_code(shown[2])
    home.reap(process).expect(EX_OK)
    status = home.status()
    assert status["state"] == "active" and status["account"]["id"] == "acme-owner"
    home.purser("refresh", "acme").expect(EX_OK)
    assert home.get_token()["access_token"] == server.state()["access_token"][-1]
    assert set(server.state()["errors"]) <= {"authorization_pending"}


@pytest.mark.parametrize("client", ["purser-basic", "purser-public", "purser-key"])
def test_request_is_pushed_where_the_server_wants_it(begin, client, client_key):
    home, server = begin(client, par="required", **({"key": str(client_key)} if client == "purser-key" else {}))
    login = home.begin_login("acme")
    assert set(parameters_of(login.url)) == {"client_id", "request_uri"}
    assert Browser().visit(login.url) == 200
    login.finish(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    state = server.state()
    assert (state["pushed"], state["exchanges"], state["refreshes"], state["errors"]) == (1, 1, 1, [])


def test_request_is_not_pushed_where_the_server_merely_offers_it(begin):
    home, server = begin("purser-post")
    log_in(home)
    assert server.state()["pushed"] == 0
    home.settings["providers"]["standin"]["require_pushed_authorization_requests"] = True
    home.write()
    home.purser("reload").expect(EX_OK)
    log_in(home)
    assert (server.state()["pushed"], server.state()["errors"]) == (1, [])


def test_server_that_is_told_another_redirect_uri_says_so_at_once(begin):
    home, server = begin(par="required")
    home.settings["clients"]["app"]["redirect_uri"] = "http://127.0.0.1:1/elsewhere"
    home.write()
    home.purser("reload").expect(EX_OK)
    result = home.purser("login", "acme", "--no-browser").expect(EX_CONFIG)
    assert "redirect_uri" in result.one_line_of_advice()
    assert server.state()["exchanges"] == 0
