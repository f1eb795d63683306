"""Webhooks of a provider, which are verified and believed, and those that somebody forges."""

import base64

from purser import EX_CONFIG, EX_DATAERR, EX_OK, EX_USAGE
from rawvarlink import VarlinkError
from waiting import until


def test_genuine_webhook_is_verified(home, standin, acme):
    hook = standin.control(webhook={"topic": "CLIENT_CREATE"})
    body = base64.b64decode(hook["body"]).decode()
    home.purser("verify-webhook", "jobber-app", "--signature", hook["signature"], data=body).expect(EX_OK)
    home.purser("token", "acme").expect(EX_OK)


def test_forged_webhook_is_not(home, standin, acme):
    hook = standin.control(webhook={})
    body = base64.b64decode(hook["body"]).decode()
    result = home.purser("verify-webhook", "jobber-app", "--signature", hook["signature"], data=body + " ")
    assert result.status not in (EX_OK, EX_USAGE), result
    assert home.purser("verify-webhook", "jobber-app", "--signature", "", data=body).status != EX_OK
    home.purser("token", "acme").expect(EX_OK)


def test_verified_notice_of_disconnection_takes_effect_at_once(home, purserd, standin, acme):
    home.adopt("birch", "birch")
    hook = standin.control(webhook={"topic": "APP_DISCONNECT", "account": "acme"})
    answer = home.call("io.purser.Tokens.VerifyWebhook", client="jobber-app", body=hook["body"],
                       signature=hook["signature"])
    assert answer == {"valid": True, "credential": "acme"}
    home.purser("token", "acme").expect(EX_CONFIG)
    home.purser("token", "birch").expect(EX_OK)
    status = home.purser("status", "acme").expect(EX_OK).out
    assert "disconnected this app" in status and "purser login acme" in status, status
    assert "Credential 'acme' needs an authorization: The account has disconnected this app." in purserd.log


def test_notice_of_a_disconnection_before_the_login_does_not_end_it(home, purserd, standin, acme):
    n_tests = standin.count("graphql")
    hook = standin.control(webhook={"topic": "APP_DISCONNECT", "account": "acme", "occurred_at": 1700000000})
    body = base64.b64decode(hook["body"]).decode()
    home.purser("verify-webhook", "jobber-app", "--signature", hook["signature"], data=body).expect(EX_OK)
    until(lambda: standin.count("graphql") > n_tests, "a test of the credential")
    home.purser("token", "acme").expect(EX_OK)
    assert "the account had disconnected this app, but before the present login" in purserd.log


def test_who_brings_forged_webhooks_is_limited_and_told(home, purserd, standin, acme):
    hook = standin.control(webhook={"topic": "CLIENT_CREATE"})
    forged = dict(client="jobber-app", body=base64.b64encode(b"{}").decode(), signature=hook["signature"])
    errors = []
    for _ in range(40):
        try:
            assert home.call("io.purser.Tokens.VerifyWebhook", **forged) == {"valid": False}
        except VarlinkError as error:
            errors.append(error)
    assert 5 <= len(errors) <= 10 and {error.name for error in errors} == {"io.purser.Tokens.TooManyFailures"}
    home.purser("verify-webhook", "jobber-app", "--signature", hook["signature"], data="{}").expect(EX_DATAERR)
    genuine = home.call("io.purser.Tokens.VerifyWebhook", client="jobber-app", body=hook["body"], signature=hook["signature"])
    assert genuine["valid"]
    lines = [line for line in purserd.log.splitlines() if "a webhook was refused" in line]
    assert 1 <= len(lines) <= 3 and "jobber-app" in lines[0], lines
