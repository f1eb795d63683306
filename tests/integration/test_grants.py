"""Grants beside the authorization code: clients that ask for themselves (RFC 6749 section 4.4), devices (RFC 8628)."""

import json
import os
import pty
import signal

import pytest

from purser import CLIENT_SECRET, EX_CONFIG, EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_USAGE
from rawvarlink import VarlinkError

ACCOUNT = "Acme Landscaping"


@pytest.fixture
def nightly(home, standin):
    """A credential that nobody logs in for."""
    home.play("rfc", token_endpoint_auth_method="client_secret_basic",
              api={"url": standin.url + "/api/graphql", "version_header": "X-JOBBER-GRAPHQL-VERSION",
                   "default_version": "2025-04-16", "test_query": "query { account { id name } }",
                   "test_answer": {"account_id": "/data/account/id", "account_name": "/data/account/name"}})
    standin.control(app={"auth": "basic"})
    home.client.update(grant_type="client_credentials", scopes=["read", "write"])
    home.settings["credentials"] = {"nightly": {"client": "jobber-app"}}
    home.write()
    return home


def test_client_credentials_need_no_login(nightly, standin):
    nightly.start()
    bundle = nightly.get_token("nightly")
    assert bundle["access_token"] == standin.grants()["g1"]["access_token"]
    assert standin.log("token")[0]["form"] == {"grant_type": "client_credentials", "scope": "read write"}
    assert nightly.status("nightly")["state"] == "active"
    result = nightly.purser("test", "nightly").expect(EX_OK)
    assert ACCOUNT in result.out


def test_client_credentials_are_asked_for_anew_and_kept_over_a_restart(nightly, standin):
    daemon = nightly.start()
    first = nightly.get_token("nightly")
    nightly.purser("refresh", "nightly").expect(EX_OK)
    fresh = nightly.get_token("nightly", rejected=nightly.get_token("nightly")["access_token"])
    assert (first["generation"], fresh["generation"]) == (1, 3)
    daemon.stop()
    nightly.start()
    assert nightly.get_token("nightly")["access_token"] == fresh["access_token"]
    assert [entry["form"]["grant_type"] for entry in standin.log("token")] == ["client_credentials"] * 3


def test_refusal_of_client_credentials_is_the_clients_and_mends_itself_when_the_secret_does(nightly, standin):
    nightly.secret_file.write_text("wrong-secret-of-this-client")
    nightly.start()
    result = nightly.purser("token", "nightly").expect(EX_TEMPFAIL)
    assert "client_secret" in result.err and "login" not in result.err
    standin.always("token", {"do": "answer", "status": 400, "body": json.dumps({"error": "invalid_grant"}),
                             "type": "application/json"})
    nightly.purser("refresh", "nightly").expect(EX_TEMPFAIL)
    assert nightly.status("nightly")["state"] == "unavailable"
    standin.clear()
    nightly.secret_file.write_text(CLIENT_SECRET)
    nightly.purser("refresh", "nightly").expect(EX_OK)
    assert nightly.status("nightly")["state"] == "active"


def test_login_and_import_say_that_nobody_logs_in(nightly, standin):
    nightly.start()
    result = nightly.purser("login", "nightly", "--no-browser").expect(EX_USAGE)
    assert "client_credentials" in result.one_line_of_advice()
    nightly.purser("import", "nightly", data=standin.grant("acme")["current"]).expect(EX_USAGE)


def test_logout_revokes_the_access_token(nightly, standin):
    nightly.start()
    token = nightly.get_token("nightly")["access_token"]
    nightly.purser("logout", "nightly").expect(EX_OK)
    assert standin.log("revoke")[0]["form"]["token_type_hint"] == "access_token"
    assert standin.grants()["g1"]["ended"] == "revoked"
    assert nightly.get_token("nightly")["access_token"] not in (token, None)


def test_public_client_cannot_ask_for_itself(nightly):
    nightly.provider["token_endpoint_auth_method"] = "none"
    nightly.write()
    assert "grant_type: is not for a public client" in nightly.check().expect(EX_CONFIG).err


@pytest.fixture
def kiosk(home, standin):
    """A provider that lets people answer at another device, and a daemon whose client has no redirect_uri."""
    home.play("rfc", device_authorization_endpoint=standin.url + "/api/oauth/device")
    del home.client["redirect_uri"]
    home.client["scopes"] = ["read"]
    home.write()
    home.start()
    return home


def begin_at_device(home, *arguments):
    """`purser login --device`, and what it shows before it waits."""
    process = home.spawn("login", "acme", "--device", *arguments)
    lines = [process.stdout.readline() for _ in range(3)]
    return process, lines


def test_person_enters_the_code_at_another_device(kiosk, standin):
    process, lines = begin_at_device(kiosk, "--description", "at the till")
    assert lines[0].split()[-1] == standin.url + "/device" and lines[2].split()[-1].startswith(standin.url + "/device?user_code=")
    code = lines[1].split()[-1]
    assert len(code) == 9 and lines[2].strip().endswith(code)
    standin.wait("counts.token.answered", 2)
    assert kiosk.call("io.purser.Tokens.ListCredentials")["credentials"] == []
    standin.control(device="allow")
    result = kiosk.reap(process)
    result.expect(EX_OK)
    assert kiosk.status()["state"] == "active" and kiosk.status()["description"] == "at the till"
    assert kiosk.get_token()["access_token"] == standin.grants()["g1"]["access_token"]
    assert standin.log("device")[0]["form"]["scope"] == "read"
    kinds = {entry["form"]["grant_type"] for entry in standin.log("token")}
    assert kinds == {"urn:ietf:params:oauth:grant-type:device_code"}
    kiosk.purser("refresh", "acme").expect(EX_OK)


@pytest.mark.parametrize("answer, status, words", [
    ("deny", EX_NOPERM, "access_denied"), ("expire", EX_TEMPFAIL, "took too long")])
def test_person_says_no_or_comes_too_late(kiosk, standin, answer, status, words):
    process, _ = begin_at_device(kiosk)
    standin.control(device=answer)
    result = kiosk.reap(process)
    assert words in result.expect(status).one_line_of_advice()
    assert kiosk.call("io.purser.Tokens.ListCredentials")["credentials"] == []


def test_interrupted_login_at_a_device_ends_asking(kiosk, standin):
    process, _ = begin_at_device(kiosk)
    standin.wait("counts.token.answered", 1)
    process.send_signal(signal.SIGINT)
    kiosk.reap(process)
    with pytest.raises(VarlinkError) as refused:
        kiosk.call("io.purser.Admin.CompleteDeviceAuthorization", login="x")
    assert refused.value.name == "io.purser.Admin.NoSuchLogin"
    asked = standin.count("token")
    standin.control(device="allow")
    again, _ = begin_at_device(kiosk)
    standin.wait("counts.token.answered", asked + 2)
    standin.control(device="allow")
    kiosk.reap(again).expect(EX_OK)
    assert list(standin.grants()) == ["g1"], "the login that was interrupted went on"


def test_person_at_a_terminal_sees_the_time_run_down(kiosk, standin):
    ours, theirs = pty.openpty()
    arguments = kiosk.command("login", "acme", "--device")
    pid = os.fork()
    if pid == 0:
        os.dup2(theirs, 0), os.dup2(theirs, 1), os.dup2(theirs, 2)
        os.execve(arguments[0], arguments, kiosk.environment())
    os.close(theirs)
    seen = b""
    while b"009:5" not in seen:
        seen += os.read(ours, 4096)
    standin.control(device="allow")
    try:
        while True:
            more = os.read(ours, 4096)
            if not more:
                break
            seen += more
    except OSError:
        pass
    os.close(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == EX_OK
    kiosk.evidence.add("terminal of purser login --device", seen.decode())
    assert b"waiting for the answer: 010:00 left" in seen and b"On any device, open" in seen


def test_provider_without_devices_says_how_to_log_in(purserd, home):
    result = home.purser("login", "acme", "--device").expect(EX_USAGE)
    assert "device_authorization_endpoint" in result.one_line_of_advice()
    home.purser("login", "acme", "--device", "--paste").expect(EX_USAGE)
