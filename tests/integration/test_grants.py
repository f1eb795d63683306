"""Grants beside the authorization code: clients that ask for themselves (RFC 6749 section 4.4)."""

import json

import pytest

from purser import CLIENT_SECRET, EX_CONFIG, EX_OK, EX_TEMPFAIL, EX_USAGE

ACCOUNT = "Acme Landscaping"


@pytest.fixture
def nightly(home, standin):
    """A credential that nobody logs in for."""
    home.play("rfc", token_endpoint_auth_method="client_secret_basic",
              api={"url": standin.url + "/api/graphql", "version_header": "X-JOBBER-GRAPHQL-VERSION",
                   "default_version": "2025-04-16", "test_query": "query { account { id name } }",
                   "test_answer": {"account_id": "/data/account/id", "account_name": "/data/account/name"}})
    standin.control(app={"auth": "basic"})
    home.client.update(grant_type="client_credentials", scopes=["read", "write"])
    home.settings["credentials"] = {"nightly": {"client": "jobber-app"}}
    home.write()
    return home


def test_client_credentials_need_no_login(nightly, standin):
    nightly.start()
    bundle = nightly.get_token("nightly")
    assert bundle["access_token"] == standin.grants()["g1"]["access_token"]
    assert standin.log("token")[0]["form"] == {"grant_type": "client_credentials", "scope": "read write"}
    assert nightly.status("nightly")["state"] == "active"
    result = nightly.purser("test", "nightly").expect(EX_OK)
    assert ACCOUNT in result.out


def test_client_credentials_are_asked_for_anew_and_kept_over_a_restart(nightly, standin):
    daemon = nightly.start()
    first = nightly.get_token("nightly")
    nightly.purser("refresh", "nightly").expect(EX_OK)
    fresh = nightly.get_token("nightly", rejected=nightly.get_token("nightly")["access_token"])
    assert (first["generation"], fresh["generation"]) == (1, 3)
    daemon.stop()
    nightly.start()
    assert nightly.get_token("nightly")["access_token"] == fresh["access_token"]
    assert [entry["form"]["grant_type"] for entry in standin.log("token")] == ["client_credentials"] * 3


def test_refusal_of_client_credentials_is_the_clients_and_mends_itself_when_the_secret_does(nightly, standin):
    nightly.secret_file.write_text("wrong-secret-of-this-client")
    nightly.start()
    result = nightly.purser("token", "nightly").expect(EX_TEMPFAIL)
    assert "client_secret" in result.err and "login" not in result.err
    standin.always("token", {"do": "answer", "status": 400, "body": json.dumps({"error": "invalid_grant"}),
                             "type": "application/json"})
    nightly.purser("refresh", "nightly").expect(EX_TEMPFAIL)
    assert nightly.status("nightly")["state"] == "unavailable"
    standin.clear()
    nightly.secret_file.write_text(CLIENT_SECRET)
    nightly.purser("refresh", "nightly").expect(EX_OK)
    assert nightly.status("nightly")["state"] == "active"


def test_login_and_import_say_that_nobody_logs_in(nightly, standin):
    nightly.start()
    result = nightly.purser("login", "nightly", "--no-browser").expect(EX_USAGE)
    assert "client_credentials" in result.one_line_of_advice()
    nightly.purser("import", "nightly", data=standin.grant("acme")["current"]).expect(EX_USAGE)


def test_logout_revokes_the_access_token(nightly, standin):
    nightly.start()
    token = nightly.get_token("nightly")["access_token"]
    nightly.purser("logout", "nightly").expect(EX_OK)
    assert standin.log("revoke")[0]["form"]["token_type_hint"] == "access_token"
    assert standin.grants()["g1"]["ended"] == "revoked"
    assert nightly.get_token("nightly")["access_token"] not in (token, None)


def test_public_client_cannot_ask_for_itself(nightly):
    nightly.provider["token_endpoint_auth_method"] = "none"
    nightly.write()
    assert "grant_type: is not for a public client" in nightly.check().expect(EX_CONFIG).err
