"""Authorization requests that are pushed to the provider before the browser goes there (RFC 9126)."""

import json

import pytest

from browser import fetch, parameters_of
from purser import EX_CONFIG, EX_OK, EX_TEMPFAIL
from waiting import until


@pytest.fixture
def pushing(home, standin):
    """A provider that takes authorization requests in no other way, and a daemon that knows."""
    home.play("rfc", pushed_authorization_request_endpoint=standin.url + "/api/oauth/par")
    standin.control(set={"pushed": "required"})
    home.write()
    home.start()
    return home


def answer(standin, status, body, **more):
    standin.always("par", {"do": "answer", "status": status, "body": body, "type": "application/json", **more})


def test_browser_carries_nothing_but_a_name_for_what_was_pushed(pushing, standin):
    login = pushing.begin_login("acme")
    assert set(parameters_of(login.url)) == {"client_id", "request_uri"}
    pushed = standin.log("par")[0]["form"]
    assert pushed["code_challenge_method"] == "S256" and pushed["response_type"] == "code"
    login.browse()
    login.finish(EX_OK)
    assert pushing.status()["state"] == "active"
    assert standin.log("token")[0]["form"]["redirect_uri"] == pushed["redirect_uri"]


def test_address_tells_how_long_it_lasts(pushing, standin):
    standin.control(set={"code_lifetime": 90})
    begun = pushing.varlink().call("io.purser.Admin.BeginAuthorization", credential="acme")
    assert (begun["authorization_url_expires_in"], begun["expires_in"]) == (90, 600)


def test_address_that_was_opened_once_is_of_no_use_again(pushing, standin):
    first = pushing.begin_login("acme")
    first.browse()
    first.finish(EX_OK)
    assert fetch(first.url).status == 400
    second = pushing.begin_login("acme")
    second.browse()
    second.finish(EX_OK)


def test_login_at_a_provider_that_is_not_told_beforehand_is_refused_there(home, standin):
    # So that the tests above would fail if nothing was pushed.
    home.play("rfc")
    standin.control(set={"pushed": "required"})
    home.start()
    login = home.begin_login("acme")
    assert fetch(login.url).status == 400
    login.abandon()


@pytest.mark.parametrize("status, body, exit_status, words", [
    (401, {"error": "invalid_client"}, EX_CONFIG, "client_secret"),
    (400, {"error": "invalid_request", "error_description": "this redirect_uri is not registered"}, EX_CONFIG, "is not registered"),
    (404, {}, EX_TEMPFAIL, "pushed_authorization_request_endpoint"),
    (503, {}, EX_TEMPFAIL, "trouble of its own"),
    (201, {"request_uri": "urn:x y", "expires_in": 60}, EX_TEMPFAIL, "no usable request_uri"),
    (201, {"request_uri": "urn:x"}, EX_TEMPFAIL, "no usable request_uri"),
    (201, {"request_uri": "urn:x", "expires_in": -1}, EX_TEMPFAIL, "no usable request_uri")])
def test_refusal_is_told_in_a_line_and_nobody_is_sent_anywhere(pushing, standin, status, body, exit_status, words):
    answer(standin, status, json.dumps(body))
    result = pushing.purser("login", "acme", "--no-browser").expect(exit_status)
    assert words in result.one_line_of_advice() and not result.out
    assert not standin.log("authorize")


@pytest.mark.parametrize("script", ["endless", "huge", "truncated", "lost_after", "html", "empty"])
def test_broken_answer_ends_the_login(pushing, standin, script):
    standin.always("par", script)
    pushing.purser("login", "acme", "--no-browser").expect(EX_TEMPFAIL).one_line_of_advice()
    standin.clear()
    pushing.login()


def test_redirect_of_the_endpoint_is_not_followed(pushing, standin):
    answer(standin, 307, "", headers={"Location": standin.url + "/elsewhere"})
    result = pushing.purser("login", "acme", "--no-browser").expect(EX_TEMPFAIL)
    assert "pushed_authorization_request_endpoint" in result.one_line_of_advice()
    assert len(standin.log("par")) == 1 and not standin.log("other")


def test_person_who_leaves_before_the_provider_has_answered_leaves_nothing(pushing, standin):
    standin.always("par", "hold")
    process = pushing.spawn("login", "acme", "--no-browser")
    until(lambda: standin.log("par"), "the pushed request")
    process.terminate()
    pushing.reap(process)
    standin.control(clear=True, release=True)
    pushing.login()
    assert pushing.status()["state"] == "active"


def test_provider_that_must_be_told_needs_an_address_for_it(home, standin):
    home.play("rfc", require_pushed_authorization_requests=True)
    result = home.check().expect(EX_CONFIG)
    assert "pushed_authorization_request_endpoint: is missing, but require_pushed" in result.err
