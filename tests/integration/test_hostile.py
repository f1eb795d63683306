"""A provider, a store or a neighbour that means harm, or is broken: clear errors, no secret shown, nobody else notices."""

import contextlib
import json
import os
import pty
import resource
import socket
import sqlite3
import stat
import termios

import pytest

from evidence import Evidence
from purser import CLIENT_SECRET, EX_CONFIG, EX_OK, EX_TEMPFAIL
from rawvarlink import Closed, Varlink, VarlinkError
from waiting import until

ESCAPES = "\x1b[31mEvil\x1b]0;owned\x07\nInc\u202e"


def test_search_for_secrets_finds_what_is_planted():
    """The search after every test is worth something only if it can find."""
    secret = "0123456789abcdef0123456789ABCDEF"
    for shown, found in ((secret, True), (secret[:20], True), (secret[12:], True), ("nothing", False)):
        evidence = Evidence()
        evidence.add("a log", "before " + shown + " after")
        assert bool(evidence.find({"refresh_token": [secret]})) == found
    evidence = Evidence()
    evidence.add("stdout", secret, {"access_token"})
    assert not evidence.find({"access_token": [secret]}) and evidence.find({"refresh_token": [secret]})


@pytest.mark.parametrize("shape", [
    lambda secrets: json.dumps({"error": "invalid_grant", "error_description": "bad token " + secrets["refresh_token"]}),
    lambda secrets: json.dumps({"error": secrets["client_secret"]}),
    lambda secrets: json.dumps({"message": "client_secret=%(client_secret)s&refresh_token=%(refresh_token)s" % secrets}),
    lambda secrets: "<html><body>%(refresh_token)s %(client_secret)s</body></html>" % secrets,
    lambda secrets: "grant_type=refresh_token&refresh_token=%(refresh_token)s" % secrets,
], ids=["description", "error code", "message", "page", "echo"])
@pytest.mark.parametrize("status", [400, 401, 500])
def test_provider_that_repeats_our_secrets_finds_no_listener(home, standin, acme, status, shape):
    secrets = {"refresh_token": standin.grants()["g1"]["current"], "client_secret": CLIENT_SECRET}
    standin.next("token", {"do": "answer", "status": status, "body": shape(secrets), "type": "application/json"})
    assert home.purser("refresh", "acme").status in (EX_CONFIG, EX_TEMPFAIL)
    home.purser("status", "acme")
    home.purser("token", "acme", "--json")


def test_warning_that_repeats_the_new_tokens_is_not_passed_on(home, standin, acme):
    """The provider's own words are shown to people, but not where they hold what was just given."""
    standin.set(rotation="off")
    current = standin.grants()["g1"]["current"]
    standin.next("token", {"do": "merge", "json": {"warning": "your refresh token is " + current}})
    home.purser("refresh", "acme").expect(EX_OK)
    home.purser("status", "acme").expect(EX_OK)
    home.get_token()


def test_api_that_repeats_the_access_token_finds_no_listener(home, standin, acme):
    token = home.get_token()["access_token"]
    standin.next("graphql", {"do": "answer", "status": 500, "body": json.dumps({"message": "what is " + token})})
    home.purser("test", "acme").expect(EX_TEMPFAIL)
    home.purser("status", "acme").expect(EX_OK)


def test_names_from_outside_reach_no_terminal_as_they_are(home, standin, purserd):
    standin.control(account={"key": "evil", "name": ESCAPES})
    standin.set(versions={"2023-08-18": {"warning": "stop " + ESCAPES}})
    home.adopt("acme", "evil")
    for arguments in (("list",), ("status", "acme"), ("test", "acme")):
        result = home.purser(*arguments)
        for text in (result.out, result.err):
            assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert "\x1b" not in purserd.log and "\nInc" not in purserd.log
    assert all("\x1b" not in line for line in home.call("io.purser.Admin.Metrics")["text"].splitlines())


def test_description_is_kept_by_a_login_that_gives_none_and_cleaned_of_nothing(home, standin, purserd):
    home.login("acme", "--description", "Acme \u2014 \u201cproduction\u201d")
    home.login("acme")
    assert home.status()["description"] == "Acme \u2014 \u201cproduction\u201d"


def test_account_name_in_html_is_harmless_on_the_page_after_the_redirect(home, standin, purserd):
    standin.control(account={"key": "evil", "name": "<script>alert(1)</script>"})
    login = home.begin_login("acme")
    page = login.browse(account="evil")
    login.finish(EX_OK)
    assert "<script>alert" not in page.text


def test_old_token_after_lost_answers_is_tried_as_often_as_configured(home, standin):
    home.provider["max_replays"] = 1
    home.write()
    home.start()
    home.adopt("acme")
    token = home.get_token()["access_token"]
    standin.always("token", "lost_after")
    home.purser("refresh", "acme").expect(EX_TEMPFAIL)
    home.wait_status(lambda status: "by itself" in status.get("last_error", ""), patience=30)
    sent = standin.count("token")
    assert sent == 3
    with pytest.raises(VarlinkError, match="AuthorizationRequired|TokenUnavailable"):
        home.get_token(rejected=token)
    assert home.get_token()["access_token"] == token
    assert standin.count("token") == sent


def test_store_that_is_no_store_is_left_as_it_is(home, standin):
    first = home.start()
    home.adopt("acme")
    first.stop()
    stores = [path for path in home.state.rglob("*") if path.read_bytes()[:15] == b"SQLite format 3"]
    assert len(stores) == 1
    good = stores[0].read_bytes()
    broken = b"this is no store at all" * 1000
    stores[0].write_bytes(broken)
    second = home.start(ready=False)
    second.notify.wait_for("READY=1", alive=second.alive)
    assert not second.alive(), second.log
    second.expect_status = {second.wait()}
    assert second.process.returncode > 0 and str(stores[0]) in second.log
    assert stores[0].read_bytes() == broken
    stores[0].write_bytes(good)
    home.start()
    assert home.get_token()["generation"] == 1


def in_store(home, statement, *values):
    """Does what somebody with the file could do."""
    path = next(path for path in home.state.rglob("*") if path.read_bytes()[:15] == b"SQLite format 3")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def test_record_that_was_changed_is_told_and_the_others_serve_on(home, standin):
    first = home.start()
    home.adopt("acme")
    home.adopt("birch", "birch")
    first.stop()
    ((sealed,),) = in_store(home, "SELECT blob FROM record WHERE kind = 'grant' AND name = 'acme'")
    spoilt = sealed[:-1] + bytes([sealed[-1] ^ 1])
    in_store(home, "UPDATE record SET blob = ? WHERE kind = 'grant' AND name = 'acme'", spoilt)
    second = home.start()
    assert home.get_token("birch")["generation"] == 1
    assert home.status("acme")["state"] == "unavailable"
    with pytest.raises(VarlinkError):
        home.get_token("acme")
    assert "acme" in second.log
    second.stop()
    assert in_store(home, "SELECT blob FROM record WHERE kind = 'grant' AND name = 'acme'") == [(spoilt,)]


def test_record_put_in_anothers_place_does_not_open(home, standin):
    first = home.start()
    home.adopt("acme")
    home.adopt("birch", "birch")
    first.stop()
    in_store(home, "UPDATE record SET blob = (SELECT blob FROM record WHERE kind = 'grant' AND name = 'birch') "
                   "WHERE kind = 'grant' AND name = 'acme'")
    home.start()
    assert home.status("acme")["state"] == "unavailable"
    assert home.get_token("birch")["account"]["name"].startswith("Birch")


def test_thousands_of_connections_do_not_keep_others_out(home, acme, purserd):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 12000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    crowd = []
    try:
        for _ in range(wanted - 500):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(2)
            try:
                sock.connect(str(home.socket))
            except OSError:
                sock.close()
                break
            crowd.append(sock)
        assert len(crowd) > 400
        answered = until(lambda: _served(home), "an answer in the crowd")
        assert answered
        home.call("io.purser.Admin.Refresh", credential="acme")
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: home.call("io.purser.Admin.Status")["daemon"]["connections"] <= 3, "the crowd to be gone")


def test_table_of_descriptors_has_its_size_before_callers_come(home, purserd):
    """The kernel makes everybody wait while the table of a process with threads grows."""
    pid = purserd.process.pid
    size = next(int(line.split()[1]) for line in open("/proc/%d/status" % pid, encoding="ascii") if line.startswith("FDSize:"))
    assert size >= min(resource.prlimit(pid, resource.RLIMIT_NOFILE)[0], 20000)


def _served(home):
    try:
        return home.get_token()["generation"]
    except (OSError, Closed):
        return None


def test_secret_typed_at_a_terminal_is_not_echoed(home, standin):
    home.client["client_secret"] = {"store": True}
    home.write()
    home.start()
    master, slave = pty.openpty()
    process = home.spawn("secret", "set", "jobber-app", terminal=slave)
    os.close(slave)
    until(lambda: not termios.tcgetattr(master)[3] & termios.ECHO, "a terminal without echo")
    os.write(master, CLIENT_SECRET.encode() + b"\n")
    home.reap(process).expect(EX_OK)
    home.evidence.add("the terminal", _drain(master))
    assert termios.tcgetattr(master)[3] & termios.ECHO
    os.close(master)
    home.adopt("acme")


def _drain(descriptor):
    os.set_blocking(descriptor, False)
    shown = b""
    try:
        while True:
            data = os.read(descriptor, 65536)
            if not data:
                break
            shown += data
    except OSError:
        pass
    return shown


def test_something_else_in_the_sockets_place_is_not_removed(home):
    home.socket.write_text("precious")
    daemon = home.start(ready=False)
    daemon.expect_status = {daemon.wait()}
    assert daemon.process.returncode != 0 and home.socket.read_text() == "precious"
    assert stat.S_ISREG(home.socket.stat().st_mode)


def test_socket_that_is_served_is_not_taken_away(home, acme, purserd):
    other = home.directory / "state2"
    other.mkdir(mode=0o700)
    home.state = other
    second = home.start(ready=False)
    second.expect_status = {second.wait()}
    assert second.process.returncode != 0
    assert home.get_token()["generation"] == 1


def test_reply_is_never_mixed_up_between_connections(home, standin, purserd):
    names = ["acme", "birch", "cedar"]
    tokens = {}
    for name in names:
        home.adopt(name, name)
        tokens[name] = home.get_token(name)["access_token"]
    connections = [(name, Varlink(str(home.socket), 15, home.evidence)) for name in names for _ in range(20)]
    for _ in range(20):
        for name, connection in connections:
            connection.send("io.purser.Tokens.GetToken", {"credential": name})
        for name, connection in reversed(connections):
            bundle = connection.reply()
            assert bundle["access_token"] == tokens[name] and bundle["account"]["name"].lower().startswith(name)
    for _, connection in connections:
        connection.close()
