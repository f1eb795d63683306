"""A grant is never lost: lost answers, kill -9 at the worst moments, restarts, and a second daemon."""

import os
import secrets
import subprocess

import pytest

from purser import EX_CONFIG, EX_OK
from rawvarlink import VarlinkError
from waiting import until

THREE = ["acme", "birch", "cedar"]


def test_tokens_survive_a_restart_without_a_refresh(home, standin):
    first = home.start()
    home.adopt("acme")
    before = home.get_token()
    first.stop()
    home.start()
    after = home.get_token()
    assert after["access_token"] == before["access_token"] and after["generation"] == before["generation"]
    assert after["account"] == before["account"]
    assert abs(after["expires_at"] - before["expires_at"]) <= 2
    assert standin.count("token") == 1


def test_kill_after_a_refresh_was_told_loses_nothing(home, standin):
    first = home.start()
    home.adopt("acme")
    home.call("io.purser.Admin.Refresh", credential="acme")
    first.kill()
    home.start()
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    home.purser("refresh", "acme").expect(EX_OK)
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def kill_in_flight(home, standin, script):
    """A refresh is on the wire, purserd dies, and nobody ever hears the answer."""
    first = home.start()
    home.adopt("acme")
    standin.next("token", script)
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    first.kill()
    standin.control(release=True)
    standin.wait("counts.token.answered", 2)


def test_kill_before_the_provider_acted_costs_nothing(home, standin):
    first = home.start()
    home.adopt("acme")
    standin.next("token", {"do": "hold", "then": "lost"})
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    first.kill()
    standin.control(release=True)
    home.start()
    home.purser("token", "acme").expect(EX_OK)
    home.wait_status(lambda status: status["state"] == "active" and status["generation"] == 2, patience=30)
    assert standin.grants()["g1"]["refreshes"] == 2
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def test_kill_between_rotation_and_saving_is_healed_where_old_tokens_still_work(home, standin):
    standin.set(rotation="old-apps")
    kill_in_flight(home, standin, "hold")
    daemon = home.start()
    assert home.purser("token", "acme").expect(EX_OK).out
    home.wait_status(lambda status: status["state"] == "active" and status["generation"] >= 2, patience=30)
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    assert "unknown" in daemon.log


def test_kill_between_rotation_and_saving_under_strict_rotation_asks_for_a_login_in_words(home, standin):
    kill_in_flight(home, standin, "hold")
    daemon = home.start()
    status = home.wait_status(lambda status: status["state"] == "authorization-required", patience=30)
    assert "was lost" in daemon.log and status["next_step"].startswith("purser login acme")
    spent = standin.state()["spent_refresh_tokens_sent"]
    assert 1 <= spent <= 5
    home.purser("refresh", "acme").expect(EX_CONFIG)
    home.login("acme")
    assert home.status()["state"] == "active"


def test_lost_answer_is_an_unknown_outcome_and_the_old_token_is_tried(home, standin, acme, purserd):
    standin.set(rotation="old-apps")
    standin.next("token", "lost_after")
    with pytest.raises(VarlinkError):
        home.call("io.purser.Admin.Refresh", credential="acme")
    assert home.status()["state"] == "outcome-unknown"
    assert home.get_token()["generation"] == 1
    status = home.wait_status(lambda status: status["state"] == "active", patience=40)
    assert status["generation"] == 2
    assert standin.grants()["g1"]["alive"] and standin.state()["spent_refresh_tokens_sent"] == 1
    assert not any("somebody else" in warning.lower() for warning in home.get_token()["warnings"])


def test_lost_answer_under_strict_rotation_is_told_in_words(home, standin, acme):
    standin.next("token", "lost_after")
    with pytest.raises(VarlinkError):
        home.call("io.purser.Admin.Refresh", credential="acme")
    status = home.wait_status(lambda status: status["state"] == "authorization-required", patience=40)
    assert status["next_step"].startswith("purser login acme")
    assert standin.state()["spent_refresh_tokens_sent"] == 1


def test_request_lost_on_its_way_costs_nothing(home, standin, acme):
    standin.next("token", "lost_before")
    with pytest.raises(VarlinkError):
        home.call("io.purser.Admin.Refresh", credential="acme")
    status = home.wait_status(lambda status: status["state"] == "active", patience=40)
    assert status["generation"] == 2
    assert standin.state()["spent_refresh_tokens_sent"] == 0


@pytest.mark.parametrize("round_number", range(6))
def test_kill_at_any_moment_leaves_a_grant_that_the_next_caller_can_use(home, standin, round_number):
    """The provider forgives, as for older apps; whatever the moment, a valid token comes back."""
    standin.set(rotation="old-apps")
    first = home.start()
    home.adopt("acme")
    connection = home.varlink()
    for _ in range(4 + 3 * round_number):
        connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("grants.g1.refreshes", 2 + round_number % 3)
    first.kill()
    home.start()
    home.wait_status(lambda status: status["state"] == "active", patience=40)
    token = home.get_token()["access_token"]
    home.purser("test", "acme").expect(EX_OK)
    assert token == home.get_token()["access_token"]


def test_sigterm_waits_for_the_refresh_in_flight(home, standin):
    first = home.start()
    home.adopt("acme")
    standin.next("token", "hold")
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    first.process.terminate()
    assert first.notify.wait_for("STOPPING=1")
    assert first.alive()
    standin.control(release=True)
    assert connection.reply()["generation"] == 2
    assert first.wait() == 0
    home.start()
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    assert home.get_token()["generation"] == 2
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def refresh_three_through_one_place(home, standin, script):
    """One is on the wire; the intent of the next one is saved, or is being saved; the third waits."""
    home.settings["refresh"]["parallel"] = 1
    home.write()
    first = home.start()
    for name in THREE:
        home.adopt(name, name)
    standin.next("token", script)
    connections = [home.varlink() for _ in THREE]
    for connection, name in zip(connections, THREE):
        connection.send("io.purser.Admin.Refresh", {"credential": name})
        standin.wait("held")
    until(lambda: "purser_refreshes_queued 2\n" in home.call("io.purser.Admin.Metrics")["text"], "two that wait")
    return first, connections


def test_kill_while_others_wait_for_a_place_costs_none_of_them(home, standin):
    first, _ = refresh_three_through_one_place(home, standin, {"do": "hold", "then": "lost"})
    first.kill()
    standin.control(release=True)
    home.start()
    for name in THREE:
        home.purser("refresh", name).expect(EX_OK)
        assert home.get_token(name)["generation"] >= 2
    assert all(grant["alive"] for grant in standin.grants().values())
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def test_sigterm_leaves_no_doubt_of_those_that_wait_for_a_place(home, standin):
    first, connections = refresh_three_through_one_place(home, standin, "hold")
    first.process.terminate()
    assert first.notify.wait_for("STOPPING=1")
    standin.control(release=True)
    assert connections[0].reply()["generation"] == 2
    assert first.wait() == 0
    again = home.start()
    assert [home.get_token(name)["generation"] for name in THREE] == [2, 1, 1]
    assert "unknown" not in again.log
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def test_second_daemon_on_the_same_state_refuses_and_the_first_never_notices(home, acme):
    second = home.start("--listen", str(home.directory / "second.sock"), ready=False, listen=False)
    assert second.wait() != 0
    second.expect_status = {second.process.returncode}
    assert str(home.state) in second.log
    home.purser("refresh", "acme").expect(EX_OK)


def test_state_is_readable_by_its_owner_alone(home, acme):
    for path in [home.state, *home.state.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_state_holds_no_name_of_an_account_in_plaintext(home, acme):
    for path in home.state.rglob("*"):
        if path.is_file():
            assert b"Acme Landscaping" not in path.read_bytes(), path


def test_key_file_that_was_made_is_told(home, purserd):
    assert "key" in purserd.log.lower()
    keys = [path for path in home.state.rglob("*") if "key" in path.name]
    assert keys and all(path.stat().st_mode & 0o777 == 0o600 for path in keys)


def test_wrong_key_stops_the_daemon_and_changes_nothing(home, standin):
    first = home.start()
    home.adopt("acme")
    first.stop()
    key = [path for path in home.state.rglob("*") if "key" in path.name][0]
    good = key.read_bytes()
    key.write_bytes(os.urandom(len(good)))
    second = home.start(ready=False)
    second.notify.wait_for("READY=1", alive=second.alive)
    if second.alive():
        with pytest.raises(VarlinkError):
            home.get_token()
        second.stop()
    else:
        second.expect_status = {second.wait()}
        assert second.process.returncode > 0
    assert "key" in second.log
    key.write_bytes(good)
    home.start()
    assert home.get_token()["generation"] == 1


def credentials_with_key(home, key):
    directory = home.directory / "credentials"
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / "purser.key").write_text(key)
    (directory / "purser.key").chmod(0o400)
    home.evidence.planted["sealing key"] = [key] if key else []
    return {"CREDENTIALS_DIRECTORY": str(directory)}


def test_sealing_key_from_a_systemd_credential_leaves_no_key_on_disk(home, standin):
    environment = credentials_with_key(home, secrets.token_hex(32))
    first = home.start(environment=environment)
    home.adopt("acme")
    assert home.call("io.purser.Admin.Status")["daemon"]["sealing_key"] == "systemd-credential"
    assert not [path for path in home.state.rglob("*") if "key" in path.name]
    first.stop()
    home.start(environment=environment)
    assert home.get_token()["generation"] == 1


def test_store_without_its_credential_gets_no_second_key(home, standin):
    first = home.start(environment=credentials_with_key(home, secrets.token_hex(32)))
    home.adopt("acme")
    first.stop()
    second = home.start(ready=False)
    second.expect_status = {second.wait()}
    assert second.process.returncode != 0 and "key" in second.log
    assert not [path for path in home.state.rglob("*") if "key" in path.name]


def test_empty_credential_for_the_key_is_a_failure(home, standin):
    daemon = home.start(ready=False, environment=credentials_with_key(home, ""))
    daemon.expect_status = {daemon.wait()}
    assert daemon.process.returncode != 0 and "purser.key" in daemon.log


def test_key_file_of_wrong_mode_is_refused(home, standin):
    home.start().stop()
    key = [path for path in home.state.rglob("*") if "key" in path.name][0]
    key.chmod(0o644)
    second = home.start(ready=False)
    second.expect_status = {second.wait()}
    assert second.process.returncode != 0 and str(key) in second.log


@pytest.fixture
def small_disk(home, as_root):
    """The state lies on a file system of its own that can be filled."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(home.state)],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small file system: " + mounted.stderr.strip())
    filler = home.state / "filler"

    def fill():
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass

    yield fill, lambda: filler.unlink(missing_ok=True)
    for daemon in home.daemons:
        if daemon.alive():
            daemon.stop()
    subprocess.run(["umount", str(home.state)], check=True)


def test_full_disk_costs_no_grant_and_is_loud(home, standin, small_disk):
    fill, free = small_disk
    daemon = home.start()
    home.adopt("acme")
    fill()

    def in_trouble():
        # What the write-ahead log holds already is written over before it grows.
        try:
            home.call("io.purser.Admin.Refresh", credential="acme")
        except VarlinkError:
            pass
        return home.call("io.purser.Admin.Status")["daemon"]["store"] != "ok"

    until(in_trouble, "a store in trouble")
    assert home.get_token()["access_token"]
    assert "acme" in daemon.log
    free()
    until(lambda: _well(home), "a store that is well again", patience=40)
    home.call("io.purser.Admin.Refresh", credential="acme")
    token = home.get_token()["access_token"]
    daemon.kill()
    home.start()
    assert home.get_token()["access_token"] == token
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def _well(home):
    state = home.call("io.purser.Admin.Status")
    return state["daemon"]["store"] == "ok" and state["daemon"]["unsaved"] == 0
