"""Clients that say who they are with a key of their own (private_key_jwt), as oidc-provider understands it."""

import pytest

from oidc import enter_code, log_in
from purser import EX_CONFIG, EX_OK

@pytest.mark.parametrize("kind, alg", [("rsa", "PS256"), ("p256", None), ("ed25519", None)])
def test_key_logs_in_refreshes_and_revokes(begin, make_key, kind, alg):
    # oidc-provider remembers each jti until it ends: an assertion sent twice would be refused.
    home, server = begin("purser-key", key=str(make_key(kind)), kid="of-purser", **({"alg": alg} if alg else {}))
    home.settings["clients"]["app"]["client_key_id"] = "of-purser"
    if alg:
        home.settings["clients"]["app"]["token_endpoint_auth_signing_alg"] = alg
    home.write()
    home.purser("reload").expect(EX_OK)
    log_in(home)
    for _ in range(3):
        home.purser("refresh", "acme").expect(EX_OK)
    state = server.state()
    assert (state["exchanges"], state["refreshes"], state["errors"]) == (1, 3, [])
    assert home.get_token()["access_token"] == state["access_token"][-1]
    home.purser("logout", "acme").expect(EX_OK)
    assert server.state()["revoked"] == 1


def test_key_is_for_devices_and_for_clients_that_ask_for_themselves_too(begin, make_key):
    home, server = begin("purser-key", key=str(make_key("p256")))
    home.settings["clients"]["itself"] = {**home.settings["clients"]["app"], "grant_type": "client_credentials", "scopes": []}
    home.settings["credentials"] = {"nightly": {"client": "itself"}}
    home.settings["clients"]["app"]["scopes"] = ["openid", "offline_access"]
    home.write()
    home.purser("reload").expect(EX_OK)
    assert home.get_token("nightly")["access_token"] == server.state()["access_token"][-1]
    process = home.spawn("login", "acme", "--device", "--client", "app")
    shown = [process.stdout.readline().split()[-1] for _ in range(3)]
    enter_code(shown[2])
    home.reap(process).expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    assert set(server.state()["errors"]) <= {"authorization_pending"}


def test_key_typed_into_the_store_serves_as_well(begin, make_key):
    key = make_key("rsa")
    home, server = begin("purser-key", key=str(key))
    home.settings["clients"]["app"]["client_key"] = {"store": True}
    home.write()
    home.purser("reload").expect(EX_OK)
    missing = log_in(home, EX_CONFIG)
    assert "purser secret set app < FILE" in missing.one_line_of_advice()
    home.purser("secret", "set", "app", data=key.read_text()).expect(EX_OK)
    log_in(home)
    assert server.state()["exchanges"] == 1


def test_key_that_the_provider_does_not_know_says_so(begin, make_key):
    home, server = begin("purser-key", key=str(make_key("p256")))
    home.settings["clients"]["app"]["client_key"] = {"file": str(make_key("p256", "other.pem"))}
    home.write()
    home.purser("reload").expect(EX_OK)
    result = log_in(home, EX_CONFIG)
    assert "public half of this key" in result.one_line_of_advice()
    assert server.state()["exchanges"] == 0
