"""`purser import`: a refresh token that exists already is adopted, or told to be dead at once."""

import pytest

from purser import EX_CONFIG, EX_NOPERM, EX_OK, EX_TEMPFAIL, STRANGER


def test_imported_grant_is_refreshed_tested_and_served(home, standin, purserd):
    grant = standin.grant()
    home.purser("import", "acme", "--client", "jobber-app", "--description", "from the old tool",
                data=grant["current"] + "\n").expect(EX_OK)
    now = standin.grants()[grant["id"]]
    assert (now["refreshes"], now["replays"]) == (1, 0)
    assert home.get_token()["access_token"] == now["access_token"]
    status = home.status()
    assert status["description"] == "from the old tool" and status["account"]["name"] == "Acme Landscaping"


def test_token_is_taken_with_or_without_a_newline_at_its_end(home, standin, purserd):
    home.purser("import", "one", data=standin.grant()["current"]).expect(EX_OK)
    home.purser("import", "two", data=standin.grant()["current"] + "\r\n").expect(EX_OK)
    assert standin.state()["unknown_refresh_tokens"] == 0


def test_dead_token_is_told_at_once(home, standin, purserd):
    grant = standin.grant()
    standin.control(end=grant["id"])
    home.purser("import", "acme", data=grant["current"]).expect(EX_CONFIG).one_line_of_advice()
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []


def test_token_of_another_client_is_told_at_once(home, standin, purserd):
    standin.control(app={"client_id": "other", "client_secret": "other-client-secret-0123456789"})
    grant = standin.grant(client_id="other")
    home.purser("import", "acme", data=grant["current"]).expect(EX_CONFIG).one_line_of_advice()


def test_dead_token_leaves_the_old_grant_as_it_was(home, standin, acme):
    before = home.get_token()
    home.purser("import", "acme", data="0" * 32).expect(EX_CONFIG)
    assert home.get_token() == before
    assert home.status()["state"] == "active"


def test_token_of_another_account_leaves_the_old_grant_as_it_was(home, standin, acme):
    before = home.get_token()
    result = home.purser("import", "acme", data=standin.grant("birch")["current"])
    assert result.status in (EX_NOPERM, EX_CONFIG), result
    assert "Birch" in result.one_line_of_advice()
    assert home.get_token() == before


def test_rotated_token_is_not_lost_when_the_account_is_another(home, standin, acme):
    grant = standin.grant("birch")
    home.call("io.purser.Admin.ImportGrant", credential="acme", refresh_token=grant["current"], switch_account=True)
    assert home.get_token()["account"]["name"] == "Birch & Sons Plumbing"


@pytest.mark.parametrize("data", ["", "\n", "two words\n", "tab\there", "nöt-ascii"])
def test_input_that_is_no_token_is_refused_without_asking_the_provider(home, standin, purserd, data):
    result = home.purser("import", "acme", data=data)
    assert result.status not in (EX_OK, 1, EX_TEMPFAIL), result
    result.one_line_of_advice()
    assert standin.count("token") == 0


@pytest.mark.parametrize("trouble", ["503", "html", "429", "lost_before"])
def test_import_during_an_outage_is_75(home, standin, purserd, trouble):
    standin.next("token", trouble)
    home.purser("import", "acme", data=standin.grant()["current"]).expect(EX_TEMPFAIL).one_line_of_advice()


def test_import_whose_test_cannot_run_is_75_and_the_rotated_grant_is_kept(home, standin, purserd):
    standin.always("graphql", "503")
    home.purser("import", "acme", data=standin.grant()["current"]).expect(EX_TEMPFAIL)
    assert home.status()["pending"]
    standin.clear()
    home.purser("test", "acme").expect(EX_OK)
    assert home.status()["state"] == "active" and not home.status()["pending"]
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def test_answer_without_a_refresh_token_keeps_the_imported_one(home, standin, purserd):
    standin.set(rotation="off", refresh_token_in_refresh=False)
    grant = standin.grant()
    home.purser("import", "acme", data=grant["current"]).expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    assert [entry["form"]["refresh_token"] for entry in standin.log("token")] == [grant["current"]] * 2


def test_stranger_may_not_import(home, standin, purserd, as_root):
    home.purser("import", "acme", data=standin.grant()["current"], user=STRANGER).expect(EX_NOPERM)
    assert standin.count("token") == 0
