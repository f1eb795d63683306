"""The stand-in answers as Jobber is known to answer: what every other test here builds upon."""

import base64
import hashlib
import http.client
import json
import socket
import ssl
import urllib.parse
import urllib.request

import pytest

from browser import authorize, fetch, parameters_of
from purser import CLIENT_ID, CLIENT_SECRET

ACCOUNT = base64.b64encode(b"gid://Jobber/Account/1").decode()
QUERY = {"query": "query { account { id name } }"}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.type = response.getheader("Content-Type")
        self.headers = response
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)


@pytest.fixture
def ask(standin):
    def call(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(standin.address, timeout=10)
        connection.request(method, path, body, headers or {})
        answer = Answer(connection.getresponse())
        connection.close()
        return answer
    return call


@pytest.fixture
def token(ask):
    def call(headers=None, **form):
        form.setdefault("client_id", CLIENT_ID)
        form.setdefault("client_secret", CLIENT_SECRET)
        form = {name: value for name, value in form.items() if value is not None}
        return ask("POST", "/api/oauth/token", urllib.parse.urlencode(form), headers)
    return call


@pytest.fixture
def refresh(token):
    def call(refresh_token, **form):
        return token(grant_type="refresh_token", refresh_token=refresh_token, **form)
    return call


@pytest.fixture
def graphql(ask):
    def call(access_token, version="2023-08-18", query=QUERY):
        headers = {"Content-Type": "application/json"}
        if access_token:
            headers["Authorization"] = "Bearer " + access_token
        if version:
            headers["X-JOBBER-GRAPHQL-VERSION"] = version
        return ask("POST", "/api/graphql", json.dumps(query), headers)
    return call


def authorization_url(standin, **more):
    query = dict(client_id=CLIENT_ID, redirect_uri=standin.redirect_uri, response_type="code", state="st", **more)
    return standin.url + "/api/oauth/authorize?" + urllib.parse.urlencode(query)


def test_code_exchange_answers_two_members_and_nothing_more(standin, token):
    back = parameters_of(authorize(authorization_url(standin)))
    assert back["state"] == "st"
    answer = token(grant_type="authorization_code", code=back["code"], redirect_uri=standin.redirect_uri)
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "refresh_token"}
    assert len(answer.json["refresh_token"]) == 32 and int(answer.json["refresh_token"], 16)


def test_access_token_is_a_jwt_with_exp_and_iat(standin, refresh):
    grant = standin.grant()
    access_token = refresh(grant["current"]).json["access_token"]
    payload = access_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] - claims["iat"] == 3600


def test_authorize_page_is_a_form_until_somebody_clicks(standin):
    page = fetch(authorization_url(standin))
    assert page.status == 200 and "<form" in page.text and page.location is None


def test_auto_approve_redirects_at_once(standin):
    standin.set(auto_approve=True)
    assert "code" in parameters_of(fetch(authorization_url(standin)).location)


def test_denial_redirects_without_parameters(standin):
    assert authorize(authorization_url(standin), decision="deny") == standin.redirect_uri


def test_redirect_uri_that_is_not_registered_is_refused_without_redirect(standin):
    url = authorization_url(standin).replace("callback", "elsewhere")
    page = fetch(url + "&_decision=allow")
    assert page.status == 400 and page.location is None


def test_challenge_makes_the_verifier_mandatory(standin, token):
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    url = authorization_url(standin, code_challenge=challenge, code_challenge_method="S256")
    form = {"grant_type": "authorization_code", "code": parameters_of(authorize(url))["code"],
            "redirect_uri": standin.redirect_uri}
    assert token(**form).status == 400
    assert token(code_verifier="w" * 43, **form).status == 400
    assert token(code_verifier=verifier, **form).status == 200


def test_code_works_once(standin, token):
    form = {"grant_type": "authorization_code", "code": standin.control(code={})["code"],
            "redirect_uri": standin.redirect_uri}
    assert token(**form).status == 200
    assert token(**form).status == 401


def test_strict_rotation_kills_the_old_token_at_once_and_spares_the_grant(standin, refresh):
    old = standin.grant()["current"]
    new = refresh(old).json["refresh_token"]
    assert new != old
    answer = refresh(old)
    assert answer.status == 401 and "The provided refresh token is not valid." in answer.text
    assert refresh(new).status == 200
    assert standin.grants()["g1"]["refreshes"] == 2
    assert standin.grants()["g1"]["replays"] == standin.state()["spent_refresh_tokens_sent"] == 1


def test_older_apps_redeem_an_old_token_with_a_warning(standin, refresh):
    standin.set(rotation="old-apps")
    old = standin.grant()["current"]
    assert "warning" not in refresh(old).json
    assert refresh(old).json["warning"].startswith("Unexpected Refresh Token Redemption: A newer refresh token exists")


def test_without_rotation_the_same_token_comes_back_with_a_warning(standin, refresh):
    standin.set(rotation="off")
    old = standin.grant()["current"]
    answer = refresh(old).json
    assert answer["refresh_token"] == old
    assert answer["warning"].startswith("Refresh token rotation is off.")


def test_refresh_tells_expires_at_where_it_is_switched_on(standin, refresh):
    standin.set(expires_at=True)
    assert refresh(standin.grant()["current"]).json["expires_at"].endswith(" UTC")


def test_refresh_token_of_another_client_does_not_match(standin, refresh):
    standin.control(app={"client_id": "other", "client_secret": "other-secret"})
    answer = refresh(standin.grant()["current"], client_id="other", client_secret="other-secret")
    assert answer.status == 401
    assert "The provided refresh token does not match the authenticated client." in answer.text


def test_wrong_client_secret_is_invalid_client(standin, refresh):
    answer = refresh(standin.grant()["current"], client_secret="wrong")
    assert answer.status == 401 and answer.json["error"] == "invalid_client"


def test_account_query_tells_account_version_and_cost(standin, graphql):
    answer = graphql(standin.grant()["access_token"]).json
    assert answer["data"]["account"] == {"id": ACCOUNT, "name": "Acme Landscaping"}
    assert answer["extensions"]["versioning"] == {"version": "2023-08-18"}
    assert answer["extensions"]["cost"]["throttleStatus"]["maximumAvailable"] == 10000


def test_no_token_is_a_200_that_says_unauthenticated(graphql):
    answer = graphql(None)
    assert answer.status == 200 and answer.json["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_unknown_and_expired_tokens_are_401_as_plain_text(standin, graphql):
    answer = graphql("nonsense")
    assert (answer.status, answer.type) == (401, "text/plain; charset=utf-8")
    assert answer.json == {"message": "Token not recognized"}
    standin.set(lifetime=-5)
    answer = graphql(standin.grant()["access_token"])
    assert (answer.status, answer.type, answer.json) == (401, "text/plain; charset=utf-8", {"message": "Access token expired"})


@pytest.mark.parametrize("version", [None, "1999-01-01"])
def test_version_that_never_existed_is_404(standin, graphql, version):
    answer = graphql(standin.grant()["access_token"], version)
    assert answer.status == 404
    assert answer.json == {"message": "GraphQL API version '%s' does not exist" % (version or "")}


def test_removed_version_is_served_as_another_in_silence(standin, graphql):
    standin.set(versions={"2023-08-18": {"served": "2025-04-16"}})
    answer = graphql(standin.grant()["access_token"])
    assert answer.status == 200 and answer.json["extensions"]["versioning"] == {"version": "2025-04-16"}


def test_field_beyond_the_scopes_is_hidden(standin, graphql):
    answer = graphql(standin.grant()["access_token"], query={"query": "{ jobs { nodes { id } } }"})
    assert answer.status == 200 and "was hidden due to permissions" in answer.json["errors"][0]["message"]


def test_disconnection_ends_all_grants_of_the_account(standin, graphql, refresh):
    one, two, other = standin.grant(), standin.grant(), standin.grant("birch")
    mutation = {"query": "mutation { appDisconnect { app { name author } userErrors { message } } }"}
    assert graphql(one["access_token"], query=mutation).json["data"]["appDisconnect"]["userErrors"] == []
    answer = graphql(two["access_token"])
    assert answer.json["message"].startswith("User has disconnected this app from their account.")
    assert refresh(two["current"]).status == 401
    assert refresh(other["current"]).status == 200


def test_inactive_account_says_so(standin, graphql):
    grant = standin.grant()
    standin.control(deactivate="acme")
    assert graphql(grant["access_token"]).json == {"error": {"message": "This account is not active"}}


def test_who_has_no_account_gets_a_page_and_no_code(standin, ask):
    for url in (authorization_url(standin) + "&_decision=allow&_account=nobody",
                standin.url + "/marketplace?_account=nobody"):
        page = fetch(url)
        assert page.status == 200 and "Sign in" in page.text and page.location is None, url
    for order in ({"grant": {"account": "nobody"}}, {"code": {"account": "nobody"}}, {"set": {"account": "nobody"}}):
        answer = ask("POST", "/_control", json.dumps(order))
        assert answer.status == 400 and "unknown account: nobody" in answer.text
    assert "code" in parameters_of(authorize(authorization_url(standin)))


def test_scripted_answers_come_in_order_and_run_out(standin, refresh):
    standin.next("token", "429_retry", "html", {"do": "answer", "status": 418, "body": "teapot"})
    grant = standin.grant()
    first = refresh(grant["current"])
    assert (first.status, first.headers.getheader("Retry-After")) == (429, "30")
    assert refresh(grant["current"]).text.startswith("<!DOCTYPE html>")
    assert refresh(grant["current"]).status == 418
    assert refresh(grant["current"]).status == 200


@pytest.mark.parametrize("script,refreshes", [("lost_before", 0), ("lost_after", 1)])
def test_lost_answer_closes_before_or_after_the_work(standin, refresh, script, refreshes):
    standin.next("token", script)
    with pytest.raises(http.client.RemoteDisconnected):
        refresh(standin.grant()["current"])
    assert standin.grants()["g1"]["refreshes"] == refreshes


def test_held_request_waits_for_its_release(standin):
    standin.next("token", "hold")
    grant = standin.grant()
    form = urllib.parse.urlencode({"grant_type": "refresh_token", "refresh_token": grant["current"],
                                   "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    connection = http.client.HTTPConnection(standin.address, timeout=10)
    connection.request("POST", "/api/oauth/token", form)
    standin.wait("held")
    assert standin.grants()["g1"]["refreshes"] == 1
    standin.control(release=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_server_by_the_book_tells_type_lifetime_and_scope(standin, refresh):
    standin.reset("rfc")
    answer = refresh(standin.grant()["current"]).json
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 3600, "read")
    assert refresh("0" * 32).json["error"] == "invalid_grant"


def test_server_by_the_book_accepts_basic_authentication(standin, refresh):
    standin.reset("rfc")
    standin.control(app={"auth": "basic"})
    pair = base64.b64encode(("%s:%s" % (CLIENT_ID, CLIENT_SECRET)).encode()).decode()
    grant = standin.grant()
    assert refresh(grant["current"]).status == 401
    answer = refresh(grant["current"], client_id=None, client_secret=None, headers={"Authorization": "Basic " + pair})
    assert answer.status == 200


def test_server_by_the_book_publishes_metadata_and_revokes(standin, ask, refresh):
    standin.reset("rfc")
    found = ask("GET", "/.well-known/oauth-authorization-server").json
    assert found["issuer"] == standin.url
    grant = standin.grant()
    form = urllib.parse.urlencode({"token": grant["current"], "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    assert ask("POST", urllib.parse.urlsplit(found["revocation_endpoint"]).path, form).status == 200
    assert refresh(grant["current"]).status == 400


def test_tls_is_served_with_the_test_authority(standin, tls_files):
    context = ssl.create_default_context(cafile=tls_files["ca.pem"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(standin.tls_url + "/_control/state", timeout=10) as response:
        assert response.status == 200


def test_broken_request_harms_nobody_else(standin, ask):
    with socket.create_connection(urllib.parse.urlsplit(standin.url).netloc.split(":"), timeout=5) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert sock.recv(100) == b""
    assert ask("GET", "/_control/state").status == 200
