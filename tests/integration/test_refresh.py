"""Tokens are kept fresh: where the lifetime comes from, one refresh at a time, and what each answer of the provider means."""

import threading
import time

import pytest

from purser import EX_CONFIG, EX_OK, EX_TEMPFAIL
from rawvarlink import VarlinkError
from waiting import free_port, until

REQUIRED = "io.purser.Tokens.AuthorizationRequired"
UNAVAILABLE = "io.purser.Tokens.TokenUnavailable"


def refusal(function, *arguments, **more):
    with pytest.raises(VarlinkError) as caught:
        function(*arguments, **more)
    return caught.value


def refreshes(standin, grant="g1"):
    return standin.grants()[grant]["refreshes"]


class Callers:
    """Many connections that ask for the same at the same time."""

    def __init__(self, home, count, **parameters):
        self.connections = [home.varlink() for _ in range(count)]
        for connection in self.connections:
            connection.send("io.purser.Tokens.GetToken", dict(parameters, credential="acme"))

    def answers(self):
        return [connection.reply() for connection in self.connections]

    def errors(self):
        return [refusal(connection.reply) for connection in self.connections]


# Lifetime

@pytest.mark.parametrize("switches,least,most", [
    ({}, 3598, 3599),
    ({"expires_at": True}, 3598, 3599),
    ({"expires_in": "number", "claims": {"exp": int(time.time()) + 50000, "iat": 0}}, 3600, 3600),
    ({"expires_in": "string"}, 3600, 3600),
    ({"claims": {"iat": None}}, 3597, 3599),
    ({"expires_at": True, "access_token": "opaque"}, 3597, 3599),
    ({"clock_offset": 7200}, 3598, 3599),
    ({"clock_offset": -7200}, 3598, 3599),
    ({"clock_offset": 86400 * 400, "expires_at": True, "access_token": "opaque"}, 3597, 3599),
    ({"clock_offset": -86400, "claims": {"iat": None}}, 3597, 3599),
    ({"date_offset": 600}, 3598, 3599),
    ({"date": False}, 3598, 3599),
    ({"date": False, "claims": {"iat": None}}, 3597, 3600),
])
def test_lifetime_comes_from_whatever_the_answer_tells(home, standin, purserd, switches, least, most):
    standin.set(**switches)
    home.adopt("acme")
    assert least <= home.status()["token_lifetime_seconds"] <= most


def test_lifetime_that_nobody_tells_is_the_providers_default(home, standin):
    home.provider["default_token_lifetime"] = "20m"
    home.write()
    home.start()
    standin.set(access_token="opaque")
    home.adopt("acme")
    assert home.status()["token_lifetime_seconds"] == 1200


def test_token_is_refreshed_before_it_ends_without_anybody_asking(home, standin, purserd):
    standin.set(lifetime=6)
    home.adopt("acme")
    standin.wait("grants.g1.refreshes", 3)
    until(lambda: home.get_token()["generation"] >= 3, "the third token to be saved")
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def test_caller_does_not_wait_while_a_refresh_is_in_flight(home, standin, purserd):
    standin.set(lifetime=8)
    standin.next("token", "ok", "hold")
    home.adopt("acme")
    first = home.get_token()
    standin.wait("held")
    assert home.get_token()["access_token"] == first["access_token"]
    standin.control(release=True)
    home.wait_status(lambda status: status["generation"] == 2)


def test_default_demand_never_costs_a_refresh_of_a_short_lived_token(home, standin, purserd):
    standin.set(lifetime=40)
    home.adopt("acme")
    for _ in range(50):
        home.get_token()
    assert refreshes(standin) == 1


def test_demand_that_only_a_fresh_token_meets_costs_one_refresh(home, standin):
    home.settings["refresh"]["before"] = "1s"
    home.write()
    home.start()
    standin.set(lifetime=12)
    home.adopt("acme")
    until(lambda: home.status()["expires_in_seconds"] <= 8, "a token that is a little older")
    answers = Callers(home, 10, min_valid_seconds=9).answers()
    assert refreshes(standin) == 2
    assert len({answer["access_token"] for answer in answers}) == 1 and not answers[0]["warnings"]


# Single flight

def test_hundred_callers_at_the_end_of_a_token_cost_one_refresh(home, standin, purserd):
    standin.set(lifetime=3)
    standin.next("token", "ok", "hold_before")
    home.adopt("acme")
    standin.wait("held")
    standin.set(lifetime=3600)
    until(lambda: home.status()["expires_in_seconds"] < 0, "the end of the token")
    callers = Callers(home, 100)
    home.status()
    standin.control(release=True)
    answers = callers.answers()
    assert {answer["access_token"] for answer in answers} == {standin.grants()["g1"]["access_token"]}
    assert refreshes(standin) == 2 and standin.count("token") == 2


def test_thousand_callers_at_the_end_of_a_token_cost_one_refresh(home, standin, purserd):
    standin.set(lifetime=3)
    home.adopt("acme")
    standin.next("token", "hold_before")
    standin.wait("held")
    standin.set(lifetime=3600)
    until(lambda: home.status()["expires_in_seconds"] < 0, "the end of the token")
    callers = Callers(home, 1000)
    home.status()
    standin.control(release=True)
    answers = callers.answers()
    assert len(answers) == 1000
    assert {answer["access_token"] for answer in answers} == {standin.grants()["g1"]["access_token"]}
    assert refreshes(standin) == 2 and standin.count("token") == 2


def test_report_of_an_older_generation_costs_nothing(home, standin, acme):
    old = home.get_token()["access_token"]
    home.call("io.purser.Admin.Refresh", credential="acme")
    answers = Callers(home, 100, rejected=old).answers()
    assert {answer["generation"] for answer in answers} == {2}
    assert refreshes(standin) == 2


def test_rejected_token_costs_one_refresh_however_many_report_it(home, standin, acme):
    dead = home.get_token()["access_token"]
    standin.control(kill_access="g1")
    standin.next("token", "hold_before")
    callers = Callers(home, 100, rejected=dead)
    standin.wait("held")
    home.status()
    standin.control(release=True)
    answers = callers.answers()
    assert {answer["generation"] for answer in answers} == {2}
    late = home.get_token(rejected=dead)
    assert late["generation"] == 2
    assert refreshes(standin) == 2


def test_rejected_token_that_is_none_of_ours_costs_nothing(home, standin, acme):
    assert home.get_token(rejected="some-other-token")["generation"] == 1
    assert refreshes(standin) == 1


def test_rejected_token_while_the_provider_is_away_is_withheld_from_its_reporter_alone(home, standin, acme):
    token = home.get_token()["access_token"]
    standin.always("token", "503")
    assert refusal(home.get_token, rejected=token).name == UNAVAILABLE
    assert home.get_token()["access_token"] == token


def test_slow_refresh_of_one_credential_holds_up_no_other(home, standin, acme):
    home.adopt("birch", "birch")
    standin.next("token", "hold")
    slow = home.varlink()
    slow.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    assert home.get_token("birch")["generation"] == 1
    home.purser("refresh", "birch").expect(EX_OK)
    standin.control(release=True)
    assert slow.reply()["generation"] == 2


def test_no_more_requests_are_in_flight_than_configured(home, standin):
    home.settings["refresh"]["parallel"] = 2
    home.write()
    home.start()
    names = ["c%d" % number for number in range(5)]
    for name in names:
        home.adopt(name, "acme")
    before = standin.count("token")
    standin.always("token", {"do": "hold"})
    connections = [home.varlink() for _ in names]
    for connection, name in zip(connections, names):
        connection.send("io.purser.Admin.Refresh", {"credential": name})
    for _ in names:
        standin.wait("held")
        assert standin.count("token") - before <= 2 + _released(standin, before)
        standin.control(release=1)
    for connection in connections:
        assert connection.reply()["generation"] == 2


def _released(standin, before):
    return standin.state()["counts"]["token"]["answered"] - before


# Passing errors

@pytest.mark.parametrize("trouble", [
    "500", "503", "unavailable", "html", "empty", "garbage", "truncated", "huge", "endless", "forbidden", "429",
    "lost_before", {"do": "answer", "status": 200, "body": "[]"}, {"do": "answer", "status": 200, "body": "{}"},
    {"do": "answer", "status": 418, "body": "teapot"},
    {"do": "answer", "status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
    {"do": "answer", "status": 400, "body": '{"error": "temporarily_unavailable"}'},
    {"do": "answer", "status": 200, "body": "\x00" * 100},
])
def test_passing_trouble_keeps_the_token_in_service_and_loses_nothing(home, standin, acme, trouble):
    before = home.get_token()
    standin.next("token", trouble)
    home.purser("refresh", "acme").expect(EX_TEMPFAIL).one_line_of_advice()
    assert home.get_token()["access_token"] == before["access_token"]
    status = home.status()
    assert status["state"] in ("retrying", "outcome-unknown") and status["failures"] == 1 and status["last_error"]
    standin.clear()
    home.purser("refresh", "acme").expect(EX_OK)
    status = home.status()
    assert status["state"] == "active" and status["failures"] == 0 and "last_error" not in status
    assert home.get_token()["generation"] == before["generation"] + 1


def test_trouble_and_recovery_are_both_told_in_the_log(home, standin, acme, purserd):
    standin.next("token", "503")
    home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    trouble = len(purserd.log)
    assert "acme" in purserd.log
    home.purser("refresh", "acme").expect(EX_OK)
    until(lambda: "acme" in purserd.log[trouble:], "a line about the recovery")


def test_failed_refresh_is_tried_again_without_anybody_asking(home, standin, acme):
    standin.next("token", "503")
    home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    status = home.wait_status(lambda status: status["state"] == "active", patience=40)
    assert status["generation"] == 2


def test_retry_after_is_obeyed_even_by_hand(home, standin, acme):
    standin.always("token", "429_retry")
    error = refusal(home.call, "io.purser.Admin.Refresh", credential="acme")
    assert error.name == UNAVAILABLE and 25 <= error.parameters["retry_after_seconds"] <= 30
    sent = standin.count("token")
    home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    assert standin.count("token") == sent
    assert 25 <= home.status()["next_refresh_in_seconds"] <= 31
    home.purser("token", "acme").expect(EX_OK)


def test_retry_after_counts_for_an_hour_at_most(home, standin, acme):
    standin.next("token", {"do": "answer", "status": 503, "headers": {"Retry-After": "999999"}})
    error = refusal(home.call, "io.purser.Admin.Refresh", credential="acme")
    assert 3500 <= error.parameters["retry_after_seconds"] <= 3600


def test_refresh_by_hand_overrides_a_pause_of_our_own(home, standin, acme):
    standin.next("token", "503", "503", "503")
    for _ in range(3):
        home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    home.purser("refresh", "acme").expect(EX_OK)


def test_callers_past_the_end_wait_no_longer_than_their_patience(home, standin):
    home.settings["refresh"]["timeout"] = "1s"
    home.write()
    home.start()
    standin.set(lifetime=3)
    standin.next("token", "ok")
    standin.always("token", "hold_before")
    home.adopt("acme")
    until(lambda: home.status()["expires_in_seconds"] < 0, "the end of the token")
    for error in Callers(home, 5).errors():
        assert error.name == UNAVAILABLE and error.parameters["credential"] == "acme" and error.parameters["reason"]


def test_provider_that_is_not_there_is_passing_trouble(home, standin, acme):
    before = home.get_token()["access_token"]
    home.provider["token_endpoint"] = "http://127.0.0.1:%d/token" % free_port()
    home.write()
    home.purser("reload").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    assert home.get_token()["access_token"] == before


def test_answer_that_never_ends_is_given_up_in_time(home, standin):
    home.settings["refresh"]["timeout"] = "1s"
    home.write()
    home.start()
    home.adopt("acme")
    standin.next("token", "drip")
    home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    home.purser("token", "acme").expect(EX_OK)


def test_provider_of_an_unknown_authority_gets_no_secret(home, standin, tls_files):
    home.provider["token_endpoint"] = standin.tls_url + "/api/oauth/token"
    home.write()
    home.start()
    grant = standin.grant()
    home.purser("import", "acme", data=grant["current"]).expect(EX_TEMPFAIL)
    assert standin.count("token") == 0


def test_provider_of_a_private_authority_is_trusted_by_its_file(home, standin, tls_files):
    home.provider["token_endpoint"] = standin.tls_url + "/api/oauth/token"
    home.provider["ca_file"] = tls_files["ca.pem"]
    home.write()
    home.start()
    home.adopt("acme")
    home.purser("refresh", "acme").expect(EX_OK)


# Odd answers

def test_access_token_of_forbidden_bytes_is_unusable_and_the_new_refresh_token_is_saved(home, standin, acme):
    before = home.get_token()["access_token"]
    standin.next("token", {"do": "merge", "json": {"access_token": "line\nbreak"}})
    home.purser("refresh", "acme")
    home.wait_status(lambda status: status["generation"] == 2 and status["state"] == "active", patience=30)
    assert home.get_token()["access_token"] not in (before, "line\nbreak")
    assert standin.state()["spent_refresh_tokens_sent"] == 0 and refreshes(standin) == 3


def test_new_refresh_token_without_an_access_token_is_saved_and_used(home, standin, acme):
    standin.next("token", {"do": "merge", "json": {"access_token": None}})
    home.purser("refresh", "acme")
    home.wait_status(lambda status: status["generation"] == 2 and status["state"] == "active", patience=30)
    assert standin.state()["spent_refresh_tokens_sent"] == 0


@pytest.mark.parametrize("merge", [
    {"expires_in": "soon"}, {"expires_in": -5}, {"expires_in": 1e300}, {"expires_at": "tomorrow"}, {"expires_at": []},
    {"scope": ["a"]}, {"token_type": "BEARER"}, {"warning": {"text": "x"}}, {"extra": {"deep": [[[[1]]]]}},
])
def test_odd_members_of_a_good_answer_do_no_harm(home, standin, acme, merge):
    standin.next("token", {"do": "merge", "json": merge})
    home.purser("refresh", "acme").expect(EX_OK)
    bundle = home.get_token()
    assert bundle["generation"] == 2 and bundle["token_type"] == "Bearer"
    assert bundle["headers"][0]["value"] == "Bearer " + bundle["access_token"]


# Final errors

@pytest.mark.parametrize("answer", ["not_valid", "not_match", "invalid_grant"])
def test_final_refusal_asks_for_a_login_and_does_not_hammer(home, standin, acme, answer):
    token = home.get_token()["access_token"]
    standin.always("token", answer)
    home.purser("refresh", "acme").expect(EX_CONFIG)
    status = home.status()
    assert status["state"] == "authorization-required" and status["next_step"].startswith("purser login acme")
    sent = standin.count("token")
    bundle = home.get_token()
    assert bundle["access_token"] == token and bundle["warnings"]
    assert refusal(home.get_token, rejected=token).name == REQUIRED
    assert refusal(home.get_token).name == REQUIRED
    assert standin.count("token") == sent


def test_refused_grant_is_served_to_the_end_of_its_token(home, standin, purserd):
    standin.set(lifetime=5)
    home.adopt("acme")
    standin.control(end="g1")
    home.purser("refresh", "acme").expect(EX_CONFIG)
    assert home.get_token()["warnings"]
    until(lambda: home.status().get("expires_in_seconds", -1) < 0, "the end of the token")
    assert refusal(home.get_token).name == REQUIRED


@pytest.mark.parametrize("order", [{"disconnect": "acme"}, {"deactivate": "acme"}])
def test_account_that_is_gone_is_cut_off_at_once(home, standin, acme, order):
    standin.control(**order)
    home.purser("test", "acme").expect(EX_CONFIG)
    assert refusal(home.get_token).name == REQUIRED


def test_wrong_client_secret_says_so_and_spares_the_grant(home, standin, acme, purserd):
    home.secret_file.write_text("rolled-by-somebody-0123456789\n")
    home.purser("reload").expect(EX_OK)
    result = home.purser("refresh", "acme")
    assert result.status in (EX_CONFIG, EX_TEMPFAIL), result
    assert "secret" in result.one_line_of_advice()
    home.purser("token", "acme").expect(EX_OK)
    home.secret_file.write_text(standin.state()["apps"][home.client["client_id"]]["client_secret"])
    home.purser("reload").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)


# By hand, and watched

def test_refreshes_by_hand_at_the_same_time_are_one(home, standin, acme):
    standin.next("token", "hold_before")
    connections = [home.varlink() for _ in range(10)]
    for connection in connections:
        connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    home.status()
    standin.control(release=True)
    assert {connection.reply()["generation"] for connection in connections} == {2}
    assert refreshes(standin) == 2


def test_watcher_gets_one_bundle_at_once_and_one_for_each_new_token(home, standin, acme):
    watcher = home.varlink()
    watcher.send("io.purser.Tokens.WatchToken", {"credential": "acme"}, more=True)
    for generation in (1, 2, 3):
        message = watcher.receive()
        assert message["continues"] is True and message["parameters"]["generation"] == generation
        home.call("io.purser.Admin.Refresh", credential="acme")


def test_watcher_is_told_when_an_authorization_is_needed(home, standin, acme):
    watcher = home.varlink()
    watcher.send("io.purser.Tokens.WatchToken", {"credential": "acme"}, more=True)
    watcher.reply()
    standin.control(disconnect="acme")
    home.purser("test", "acme").expect(EX_CONFIG)
    assert refusal(watcher.reply).name == REQUIRED


def test_many_refreshes_and_callers_at_once_stay_consistent(home, standin, acme):
    names = ["acme"] + ["c%d" % number for number in range(4)]
    for name in names[1:]:
        home.adopt(name, "acme")
    problems = []

    def refresh_all():
        connection = home.varlink()
        for _ in range(10):
            for name in names:
                connection.call("io.purser.Admin.Refresh", credential=name)

    def ask_all():
        connection = home.varlink()
        seen = dict.fromkeys(names, 0)
        for _ in range(100):
            for name in names:
                bundle = connection.call("io.purser.Tokens.GetToken", credential=name)
                if bundle["generation"] < seen[name]:
                    problems.append("generation of %s went back" % name)
                if bundle["headers"][0]["value"] != "Bearer " + bundle["access_token"]:
                    problems.append("incoherent bundle of %s" % name)
                seen[name] = bundle["generation"]

    threads = [threading.Thread(target=target) for target in (refresh_all, ask_all, ask_all)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    assert standin.state()["spent_refresh_tokens_sent"] == 0
    assert {grant["refreshes"] for grant in standin.grants().values()} == {11}
