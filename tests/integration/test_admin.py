"""io.purser.Admin as a web application uses it, which hosts the redirect URI itself."""

import threading

import pytest

from browser import authorize, parameters_of
from purser import STRANGER
from rawvarlink import VarlinkError

ADMIN = "io.purser.Admin."
ACME = {"id": "Z2lkOi8vSm9iYmVyL0FjY291bnQvMQ==", "name": "Acme Landscaping"}
BIRCH = {"id": "Z2lkOi8vSm9iYmVyL0FjY291bnQvMg==", "name": "Birch & Sons Plumbing"}


def begin(home, credential="acme", **more):
    return home.call(ADMIN + "BeginAuthorization", credential=credential, **more)


def complete(home, begun, redirect=None, **more):
    if redirect is None:
        redirect = authorize(begun["authorization_url"])
    return home.call(ADMIN + "CompleteAuthorization", login=begun["login"], redirect=redirect, **more)


def refusal(function, *arguments, **more):
    with pytest.raises(VarlinkError) as caught:
        function(*arguments, **more)
    return caught.value


def test_web_application_begins_and_completes_a_login(home, standin, purserd):
    begun = begin(home, description="Acme, from the web")
    assert begun["redirect_uri"] == standin.redirect_uri and begun["expires_in"] > 60
    done = complete(home, begun)
    assert (done["credential"], done["state"]) == ("acme", "active")
    assert done["test"]["outcome"] == "ok" and done["test"]["account"] == ACME
    assert done["test"]["version_state"] == "ok" and done["test"]["served_version"] == "2023-08-18"
    assert home.status()["description"] == "Acme, from the web"


def test_query_of_the_redirect_alone_completes_a_login(home, standin, purserd):
    begun = begin(home)
    query = authorize(begun["authorization_url"]).partition("?")[2]
    assert complete(home, begun, query)["state"] == "active"


def test_redirect_uri_of_the_web_application_is_used(home, standin, purserd):
    uri = "https://app.example/oauth/jobber"
    standin.control(app={"redirect_uris": [standin.redirect_uri, uri]})
    begun = begin(home, redirect_uri=uri)
    assert begun["redirect_uri"] == uri == parameters_of(begun["authorization_url"])["redirect_uri"]
    assert complete(home, begun)["state"] == "active"
    assert standin.log("token")[0]["form"]["redirect_uri"] == uri


@pytest.mark.parametrize("redirect", ["code=x&state=wrong", "code=x", "https://app.example/cb?code=x&state=wrong"])
def test_redirect_that_does_not_belong_leaves_the_login_waiting(home, standin, purserd, redirect):
    begun = begin(home)
    assert refusal(complete, home, begun, redirect).name == ADMIN + "RedirectMismatch"
    assert standin.count("token") == 0
    assert complete(home, begun)["state"] == "active"


def test_denial_is_told_as_such(home, standin, purserd):
    begun = begin(home)
    redirect = authorize(begun["authorization_url"], decision="deny")
    assert refusal(complete, home, begun, redirect).name == ADMIN + "AuthorizationDenied"


def test_login_is_completed_once(home, standin, purserd):
    begun = begin(home)
    redirect = authorize(begun["authorization_url"])
    complete(home, begun, redirect)
    assert refusal(complete, home, begun, redirect).name == ADMIN + "NoSuchLogin"
    assert standin.count("token") == 1


def test_code_is_exchanged_once_however_many_complete_at_a_time(home, standin, purserd):
    standin.next("token", "hold_before")
    begun = begin(home)
    redirect = authorize(begun["authorization_url"])
    outcomes = []

    def run():
        try:
            outcomes.append(complete(home, begun, redirect)["state"])
        except VarlinkError as error:
            outcomes.append(error.name)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    standin.wait("held")
    standin.control(release=True)
    for thread in threads:
        thread.join(20)
    assert outcomes.count("active") == 1 and outcomes.count(ADMIN + "NoSuchLogin") == 7, outcomes
    assert standin.count("token") == 1


def test_cancelled_login_is_gone(home, standin, purserd):
    begun = begin(home)
    assert home.call(ADMIN + "CancelAuthorization", login=begun["login"]) == {}
    assert refusal(complete, home, begun, "code=x&state=y").name == ADMIN + "NoSuchLogin"
    assert refusal(home.call, ADMIN + "CancelAuthorization", login=begun["login"]).name == ADMIN + "NoSuchLogin"


def test_another_account_is_refused_with_both_accounts_named(home, standin, purserd):
    complete(home, begin(home))
    before = home.get_token()
    begun = begin(home)
    error = refusal(complete, home, begun, authorize(begun["authorization_url"], account="birch"))
    assert error.name == ADMIN + "AccountMismatch"
    assert error.parameters["expected"] == ACME and error.parameters["found"] == BIRCH
    assert home.get_token() == before


def test_another_account_is_taken_where_it_is_allowed(home, standin, purserd):
    complete(home, begin(home))
    begun = begin(home)
    redirect = authorize(begun["authorization_url"], account="birch")
    assert complete(home, begun, redirect, switch_account=True)["test"]["account"] == BIRCH
    assert home.get_token()["account"] == BIRCH


def test_marketplace_code_without_state_is_adopted_by_name(home, standin, purserd):
    code = standin.control(code={"account": "birch"})["code"]
    done = home.call(ADMIN + "AdoptAuthorizationCode", credential="birch", client="jobber-app", code=code)
    assert done["state"] == "active" and done["test"]["account"] == BIRCH
    form = standin.log("token")[0]["form"]
    assert "code_verifier" not in form and form["redirect_uri"] == standin.redirect_uri


def test_marketplace_code_of_another_account_replaces_nothing(home, standin, purserd):
    complete(home, begin(home))
    before = home.get_token()
    code = standin.control(code={"account": "birch"})["code"]
    error = refusal(home.call, ADMIN + "AdoptAuthorizationCode", credential="acme", client="jobber-app", code=code)
    assert error.name == ADMIN + "AccountMismatch"
    assert home.get_token() == before


def test_dead_marketplace_code_is_refused(home, standin, purserd):
    standin.next("token", "invalid_grant")
    error = refusal(home.call, ADMIN + "AdoptAuthorizationCode", credential="acme", client="jobber-app", code="0" * 32)
    assert error.name == ADMIN + "GrantRefused"


def test_code_that_is_refused_in_words_that_nobody_knows_makes_no_credential(home, standin, purserd):
    error = refusal(home.call, ADMIN + "AdoptAuthorizationCode", credential="acme", client="jobber-app", code="0" * 32)
    assert error.name in (ADMIN + "GrantRefused", ADMIN + "ProviderUnavailable")
    assert "authorization code is not valid" in error.parameters["reason"]
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []
    assert standin.count("token") == 1


def test_grant_survives_a_crash_between_saving_and_testing(home, standin):
    first = home.start()
    standin.next("graphql", "hold")
    begun = begin(home)
    redirect = authorize(begun["authorization_url"])
    connection = home.varlink()
    connection.send(ADMIN + "CompleteAuthorization", {"login": begun["login"], "redirect": redirect})
    standin.wait("held")
    first.kill()
    standin.control(release=True)
    home.start()
    status = home.wait_status(lambda status: status["state"] == "active", patience=40)
    assert status["account"] == ACME
    assert home.get_token()["access_token"]
    assert standin.state()["spent_refresh_tokens_sent"] == 0
    assert list(standin.grants()) == ["g1"]


def test_unknown_client_is_named(home, purserd):
    error = refusal(begin, home, client="nobody")
    assert (error.name, error.parameters["client"]) == (ADMIN + "NoSuchClient", "nobody")


def test_client_must_be_named_where_there_are_several(home):
    home.settings["clients"]["second-app"] = dict(home.client)
    home.write()
    home.start()
    error = refusal(begin, home)
    assert error.name == ADMIN + "ClientRequired"
    assert sorted(error.parameters["clients"]) == ["jobber-app", "second-app"]


def test_credential_name_that_is_none_is_an_invalid_parameter(home, purserd):
    error = refusal(begin, home, credential="../etc")
    assert (error.name, error.parameters["parameter"]) == ("org.varlink.service.InvalidParameter", "credential")


def test_clients_are_listed_in_order_of_their_names(home):
    home.settings["clients"]["a-first"] = dict(home.client, client_secret={"store": True}, api_version="2025-04-16")
    home.write()
    home.start()
    first, second = home.call(ADMIN + "ListClients")["clients"]
    assert (first["name"], first["secret"], first["api_version"]) == ("a-first", "missing", "2025-04-16")
    assert (second["name"], second["secret"]) == ("jobber-app", "file")
    assert second["provider"] == "standin" and second["redirect_uri"] == home.standin.redirect_uri


def test_status_tells_of_the_daemon_itself(home, acme, purserd):
    daemon = home.call(ADMIN + "Status")["daemon"]
    assert daemon["pid"] == purserd.process.pid
    assert daemon["configuration"] == str(home.config) and daemon["state_directory"] == str(home.state)
    assert daemon["sealing_key"] == "key-file" and daemon["store"] == "ok"
    assert daemon["unsaved"] == 0 and daemon["connections"] >= 1
    assert daemon["secret_memory"] in ("memfd_secret", "locked")


def test_memory_that_is_not_protected_is_told(home, standin):
    daemon = home.start(wrapper=["prlimit", "--memlock=0:0"])
    home.adopt("acme")
    told = home.call("io.purser.Admin.Status")["daemon"]["secret_memory"]
    assert "ordinary memory" in told and "LimitMEMLOCK=" in told
    shown = home.purser("status").expect().out
    assert "secret memory" in shown and told in shown
    assert daemon.log.count("ordinary memory") == 1


def test_status_of_a_credential_tells_the_whole_story(home, standin, acme):
    status = home.status()
    assert status["state"] == "active" and status["generation"] == 1 and status["failures"] == 0
    assert status["saved"] is True and status["pending"] is False
    assert 3590 <= status["token_lifetime_seconds"] <= 3600
    assert 3580 <= status["expires_in_seconds"] <= 3600
    assert 2000 <= status["next_refresh_in_seconds"] <= 3200
    assert status["refreshed_at"] > 0 and status["authorized_at"] > 0
    assert status["test"]["outcome"] == "ok" and status["test"]["account"] == ACME
    assert status["warnings"] == [] and "last_error" not in status


def test_refusal_of_the_secret_is_told_as_the_clients(home, standin, purserd):
    standin.next("token", "invalid_client")
    error = refusal(complete, home, begin(home))
    assert error.name == ADMIN + "ClientRefused" and error.parameters["client"] == "jobber-app"


def test_provider_that_is_down_at_the_exchange_is_told_as_such(home, standin, purserd):
    standin.next("token", "503")
    assert refusal(complete, home, begin(home)).name == ADMIN + "ProviderUnavailable"


@pytest.mark.parametrize("method,parameters", [
    ("BeginAuthorization", {"credential": "acme"}), ("CompleteAuthorization", {"login": "x", "redirect": "y"}),
    ("CancelAuthorization", {"login": "x"}),
    ("AdoptAuthorizationCode", {"credential": "acme", "client": "jobber-app", "code": "x"}),
    ("ImportGrant", {"credential": "acme", "refresh_token": "x"}), ("Refresh", {"credential": "acme"}),
    ("Test", {"credential": "acme"}), ("Revoke", {"credential": "acme"}),
    ("SetClientSecret", {"client": "jobber-app", "client_secret": "x"}), ("ListClients", {}), ("Status", {}),
    ("Reload", {}), ("Metrics", {}),
    ("Export", {"passphrase": "x"}), ("KeepGrants", {}), ("BeginRestore", {"passphrase": "x"}),
    ("PutRestoreData", {"restore": "x", "data": ""}), ("CompleteRestore", {"restore": "x"}),
])
def test_no_admin_method_is_for_strangers(home, acme, as_root, method, parameters):
    stranger = home.varlink_as(STRANGER)
    assert refusal(stranger.call, ADMIN + method, **parameters).name == "org.varlink.service.PermissionDenied"
