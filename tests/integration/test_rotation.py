"""Refresh tokens that rotate: one that somebody else has spent, one that never changes, and thirty in a row."""

from purser import EX_CONFIG, EX_OK


def test_foreign_refresher_of_an_older_app_is_an_alarm_of_its_own(home, standin, acme, purserd):
    standin.set(rotation="old-apps")
    standin.spend("g1")
    home.purser("refresh", "acme").expect(EX_OK)
    warnings = home.get_token()["warnings"]
    assert any("somebody else" in warning.lower() for warning in warnings), warnings
    assert "somebody else" in purserd.log.lower()


def test_foreign_refresher_under_strict_rotation_ends_in_a_login(home, standin, acme):
    standin.spend("g1")
    home.purser("refresh", "acme").expect(EX_CONFIG)
    assert home.status()["state"] == "authorization-required"


def test_rotation_that_is_off_is_lived_with_and_told(home, standin, purserd):
    standin.set(rotation="off")
    home.adopt("acme")
    home.purser("refresh", "acme").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    assert home.get_token()["generation"] == 3
    assert any("rotation is off" in warning for warning in home.get_token()["warnings"])


def test_thirty_rotations_send_no_token_twice(home, standin, acme):
    for _ in range(30):
        home.call("io.purser.Admin.Refresh", credential="acme")
    sent = [entry["form"]["refresh_token"] for entry in standin.log("token")]
    assert len(set(sent)) == len(sent) == 31
    assert standin.state()["spent_refresh_tokens_sent"] == 0
