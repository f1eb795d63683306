"""Who may use what: by user, by group, and nobody else. The kernel says who is calling."""

import grp
import json
import pwd
import subprocess
import sys

import pytest

from purser import EX_NOPERM, EX_OK, STRANGER
from rawvarlink import VarlinkError

DENIED = "org.varlink.service.PermissionDenied"
OTHER_GROUP = 1
# A number alone: nobody has it.
OUTSIDER = 23456

pytestmark = pytest.mark.usefixtures("as_root")


def allow(home, *rules, credential=None):
    if credential is None:
        home.client["allow"] = list(rules)
    else:
        home.settings.setdefault("credentials", {})[credential] = {"client": "jobber-app", "allow": list(rules)}
    home.write()


def user_name():
    return pwd.getpwuid(STRANGER).pw_name


def group_name():
    return grp.getgrgid(OTHER_GROUP).gr_name


def adopt(home, name="acme"):
    """Like Home.adopt(), for credentials that root itself may not read."""
    grant = home.standin.grant()
    home.call("io.purser.Admin.ImportGrant", credential=name, refresh_token=grant["current"])


def test_default_is_root_and_the_daemons_own_user(home, acme):
    home.purser("token", "acme").expect(EX_OK)
    home.purser("token", "acme", user=STRANGER).expect(EX_NOPERM)


def test_user_that_is_named_gets_the_token(home):
    allow(home, {"user": user_name()})
    home.start()
    adopt(home)
    home.purser("token", "acme", user=STRANGER).expect(EX_OK)


def test_user_may_be_named_by_number(home):
    allow(home, {"user": str(STRANGER)})
    home.start()
    adopt(home)
    home.purser("token", "acme", user=STRANGER).expect(EX_OK)


def test_member_of_a_group_that_is_named_gets_the_token(home):
    allow(home, {"group": group_name()})
    home.start()
    adopt(home)
    home.purser("token", "acme", user=STRANGER, groups=[OTHER_GROUP]).expect(EX_OK)
    home.purser("token", "acme", user=STRANGER).expect(EX_NOPERM)


def test_list_that_is_given_replaces_the_default_wholly(home):
    allow(home, {"user": user_name()})
    home.start()
    adopt(home)
    home.purser("token", "acme").expect(EX_NOPERM)
    home.purser("refresh", "acme").expect(EX_OK)
    home.purser("status", "acme").expect(EX_OK)


def test_list_of_a_credential_replaces_that_of_its_client(home):
    allow(home, {"user": user_name()})
    allow(home, {"user": "root"}, credential="acme")
    home.start()
    adopt(home, "acme")
    adopt(home, "birch")
    home.purser("token", "acme", user=STRANGER).expect(EX_NOPERM)
    home.purser("token", "birch", user=STRANGER).expect(EX_OK)


def test_list_shows_a_caller_only_what_it_may_use(home):
    allow(home, {"user": user_name()}, credential="acme")
    home.start()
    adopt(home, "acme")
    adopt(home, "birch")
    shown = home.purser("list", "--json", user=STRANGER).expect(EX_OK).json
    names = [entry["name"] for entry in (shown["credentials"] if isinstance(shown, dict) else shown)]
    assert names == ["acme"]


def test_stranger_gets_an_empty_list(home, acme):
    assert home.varlink_as(STRANGER).call("io.purser.Tokens.ListCredentials") == {"credentials": []}


def test_stranger_cannot_tell_what_exists_from_what_does_not(home, acme):
    stranger = home.varlink_as(STRANGER)
    answers = []
    for name in ("acme", "nobody", "../x", ""):
        with pytest.raises(VarlinkError) as caught:
            stranger.call("io.purser.Tokens.GetToken", credential=name)
        answers.append((caught.value.name, json.dumps(caught.value.parameters)))
    assert answers == [(DENIED, answers[0][1])] * 4


ASK = """
import json, os, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
call = {"method": "io.purser.Tokens.GetToken", "parameters": {"credential": "acme"}}
connection.sendall(json.dumps(call).encode() + b"\\0")
answer = b""
while not answer.endswith(b"\\0"):
    answer += connection.recv(65536)
print(os.getuid(), json.loads(answer[:-1]).get("error", "a token"))
"""


def ask_from_a_namespace(home, user):
    """As a container without privileges does it: root within, this user without."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-I", "-c", ASK, str(home.socket)]
    done = subprocess.run(command, user=user, group=user, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=30,
                          check=False)
    if done.returncode != 0 and "unshare" in done.stderr:
        pytest.skip("no namespaces here: " + done.stderr.strip())
    return done.stdout.strip()


def test_root_of_another_user_namespace_is_the_user_who_made_it(home, acme, purserd):
    assert ask_from_a_namespace(home, OUTSIDER) == "0 " + DENIED
    assert "user %d" % OUTSIDER in purserd.log
    allow(home, {"user": OUTSIDER})
    home.purser("reload").expect(EX_OK)
    assert ask_from_a_namespace(home, OUTSIDER) == "0 a token"


def test_stranger_may_send_no_long_message(home, acme, purserd, as_root):
    """A body of a webhook may be long, and is none of a stranger's business."""
    connection = home.varlink_as(STRANGER)
    with pytest.raises(VarlinkError, match="too long"):
        connection.call("io.purser.Tokens.VerifyWebhook", client="jobber-app", body="A" * 100000, signature="x")
    with pytest.raises(VarlinkError, match="NoSuchClient"):
        home.call("io.purser.Tokens.VerifyWebhook", client="nobody", body="A" * 100000, signature="x")


def test_stranger_may_not_watch(home, acme):
    stranger = home.varlink_as(STRANGER)
    stranger.send("io.purser.Tokens.WatchToken", {"credential": "acme"}, more=True)
    with pytest.raises(VarlinkError, match=DENIED):
        stranger.reply()


def test_stranger_is_told_nothing_about_webhooks(home, standin, acme):
    hook = standin.control(webhook={})
    stranger = home.varlink_as(STRANGER)
    for client in ("jobber-app", "nobody"):
        with pytest.raises(VarlinkError, match=DENIED):
            stranger.call("io.purser.Tokens.VerifyWebhook", client=client, body=hook["body"], signature=hook["signature"])
    assert home.get_token()["access_token"]


def test_denial_is_logged_with_the_caller(home, acme, purserd):
    home.purser("token", "acme", user=STRANGER).expect(EX_NOPERM)
    purserd.wait_log(str(STRANGER))


def test_admins_may_be_a_group(home):
    home.settings["admins"] = [{"group": group_name()}]
    home.write()
    home.start()
    home.purser("status", user=STRANGER, groups=[OTHER_GROUP]).expect(EX_OK)
    home.purser("status", user=STRANGER).expect(EX_NOPERM)
    home.purser("status").expect(EX_NOPERM)


def test_admin_that_no_list_names_gets_no_token(home):
    home.settings["admins"] = [{"user": user_name()}]
    home.write()
    home.start()
    admin = home.varlink_as(STRANGER)
    grant = home.standin.grant()
    admin.call("io.purser.Admin.ImportGrant", credential="acme", refresh_token=grant["current"])
    with pytest.raises(VarlinkError, match=DENIED):
        admin.call("io.purser.Tokens.GetToken", credential="acme")


def test_reload_changes_who_may(home, acme):
    connection = home.varlink_as(STRANGER)
    with pytest.raises(VarlinkError, match=DENIED):
        connection.call("io.purser.Tokens.GetToken", credential="acme")
    allow(home, {"user": user_name()}, {"user": "root"})
    home.purser("reload").expect(EX_OK)
    assert connection.call("io.purser.Tokens.GetToken", credential="acme")["generation"] == 1


def test_reload_that_takes_the_right_away_ends_the_watching(home):
    allow(home, {"user": user_name()}, {"user": "root"})
    home.start()
    adopt(home)
    watcher = home.varlink_as(STRANGER)
    watcher.send("io.purser.Tokens.WatchToken", {"credential": "acme"}, more=True)
    assert watcher.reply()["generation"] == 1
    allow(home, {"user": "root"})
    home.purser("reload").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    with pytest.raises(VarlinkError, match=DENIED):
        watcher.reply()


def test_whoever_may_connect_is_decided_by_who_asks(home, purserd):
    assert home.socket.stat().st_mode & 0o777 == 0o666


def test_daemon_runs_as_an_unprivileged_user(home, standin):
    home.give_to(STRANGER)
    home.start(user=STRANGER)
    grant = standin.grant()
    home.purser("import", "acme", data=grant["current"], user=STRANGER).expect(EX_OK)
    home.purser("token", "acme", user=STRANGER).expect(EX_OK)
    home.purser("token", "acme").expect(EX_OK)
