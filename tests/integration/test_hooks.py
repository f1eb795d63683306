"""Commands that are told of events: what they get, what they do not get, and that none of them can do harm."""

import http.server
import json
import os
import pathlib
import shutil
import threading

import pytest

from purser import EX_CONFIG, EX_OK, TREE
from test_disk import disk, shim  # noqa: F401
from waiting import until

EXAMPLES = TREE / "tests/examples"

# Keeps the event, and how it was run.
KEEP = """#!/bin/sh
cd %(place)s || exit 1
cat >event.new
env >environment
ls -l /proc/$$/fd >descriptors
cut -d' ' -f6 /proc/$$/stat >session
echo $$ >pid
cat /proc/$$/limits >limits
cat /proc/$$/oom_score_adj >oom
cat /proc/self/status >status
n=$(ls | grep -c '^event\\.[0-9]')
mv event.new event.$((n + 1))
"""


class Hook:
    def __init__(self, home, name, script):
        self.place = home.directory / name
        self.place.mkdir(mode=0o755)
        home.evidence.directories.append(self.place)
        self.program = self.place / "hook"
        self.program.write_text(script % {"place": self.place})
        self.program.chmod(0o755)

    @property
    def command(self):
        return [str(self.program)]

    def text(self, name):
        return (self.place / name).read_text()

    def events(self):
        found = sorted(self.place.glob("event.[0-9]*"), key=lambda path: int(path.suffix[1:]))
        return [json.loads(path.read_text()) for path in found]

    def wait(self, n):
        return until(lambda: len(self.events()) >= n and self.events(), "%d events" % n)


@pytest.fixture
def hook(home):
    return Hook(home, "hook-place", KEEP)


def start(home, *items):
    home.settings["on_event"] = list(items)
    home.write()
    return home.start()


def lose(home, standin, grant):
    standin.control(end=grant["id"])
    assert home.purser("refresh", "acme").status == EX_CONFIG


def test_a_lost_grant_and_its_recovery_are_told_once_each(home, standin, hook):
    start(home, {"command": hook.command})
    lose(home, standin, home.adopt("acme"))
    event = hook.wait(1)[0]
    assert event["event"] == "authorization-required" and event["credential"] == "acme" and "after" not in event
    assert event["client"] == "jobber-app" and event["next_step"] == "purser login acme" and event["also"] == []
    assert event["subject"].endswith(": acme needs a login") and event["message"] in event["text"]
    assert event["status"]["state"] == "authorization-required" and event["status"]["account"]["name"]

    home.login("acme")
    event = hook.wait(2)[1]
    assert event["event"] == "recovered" and event["after"] == "authorization-required"
    assert event["status"]["state"] == "active" and "next_step" not in event
    assert len(hook.events()) == 2


def test_a_command_has_its_own_session_three_descriptors_limits_and_a_bare_environment(home, standin, hook):
    daemon = start(home, {"command": hook.command, "timeout": "7s"})
    lose(home, standin, home.adopt("acme"))
    hook.wait(1)
    names = {line.split("=")[0] for line in hook.text("environment").splitlines()}
    assert names <= {"PATH", "LC_ALL", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}, names
    descriptors = {line.split()[8] for line in hook.text("descriptors").splitlines()[1:]}
    assert descriptors <= {"0", "1", "2", "10", "11"}, hook.text("descriptors")  # from 10 on, the shell's own
    assert hook.text("session") == hook.text("pid") and int(hook.text("session")) != daemon.process.pid
    assert hook.text("oom").strip() == "1000"
    limits = {line[:26].strip(): line[26:].split()[0] for line in hook.text("limits").splitlines()}
    assert limits["Max core file size"] == "0" and limits["Max open files"] == "1024" and limits["Max cpu time"] == "8"
    status = dict(line.split(":\t", 1) for line in hook.text("status").splitlines() if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and int(status["SigBlk"], 16) == 0 and int(status["SigIgn"], 16) & 0x7fffffff == 0


def test_commands_that_hang_fail_or_are_gone_harm_nothing_and_are_told_once(home, standin, hook):
    hanging = Hook(home, "hanging", "#!/bin/sh\necho $$ >%(place)s/pid\nsleep 1000 & echo $! >%(place)s/child\nwait\n")
    failing = Hook(home, "failing", "#!/bin/sh\nhead -c 3000000 /dev/zero\necho\necho no way through >&2\nexit 7\n")
    gone = Hook(home, "gone", "")
    daemon = start(home, {"command": hanging.command, "timeout": "1s"}, {"command": failing.command},
                   {"command": gone.command}, {"command": hook.command})
    gone.program.unlink()
    lose(home, standin, home.adopt("acme"))
    hook.wait(1)
    daemon.wait_log("%s of on_event failed (1 in a row): it did not end within 1s, and was killed." % hanging.program)
    for name in ("pid", "child"):
        until(lambda name=name: not os.path.exists("/proc/" + hanging.text(name).strip())
              or "zombie" in pathlib.Path("/proc/%s/status" % hanging.text(name).strip()).read_text(), name + " is gone")
    daemon.wait_log("%s of on_event failed (1 in a row): exit status 7: no way through." % failing.program)
    daemon.wait_log("%s cannot be used: No such file or directory" % gone.program)
    home.login("acme")
    hook.wait(2)
    assert home.get_token()["generation"] == 2
    until(lambda: daemon.log.count("cannot be used") == 2, "the second failure")


def test_what_happens_to_many_at_once_is_one_event(home, standin, hook):
    start(home, {"command": hook.command, "events": ["authorization-required"]})
    names = ["acme", "birch", "cedar"]
    for name in names:
        home.adopt(name, account=name)
    standin.control(always={"token": "invalid_grant"})
    for name in names:
        home.purser("refresh", name)
    event = hook.wait(1)[0]
    assert sorted([event["credential"], *event["also"]]) == names and event["also_more"] == 0
    assert "The same of 2 others" in event["text"]


def test_a_disk_that_refuses_is_told_and_that_it_mended(home, standin, hook, disk):  # noqa: F811
    home.settings["on_event"] = [{"command": hook.command, "events": ["saving-fails", "recovered"]}]
    home.write()
    home.start(environment=disk.environment)
    home.adopt("acme")
    disk.refuse("pwrite", 28)
    home.purser("refresh", "acme")
    event = hook.wait(1)[0]
    assert event["event"] == "saving-fails" and "credential" not in event and "do not kill purserd" in event["next_step"]
    disk.mend()
    event = until(lambda: len(hook.events()) >= 2 and hook.events()[1], "the recovery", 60)
    assert event["event"] == "recovered" and event["after"] == "saving-fails" and event["unsaved"] == 0


def test_a_reload_adds_and_takes_away_commands_and_refuses_wrong_ones(home, standin, hook):
    home.start()
    grant = home.adopt("acme")
    lose(home, standin, grant)
    home.settings["on_event"] = [{"command": "hook"}]
    home.write()
    result = home.purser("reload").expect(EX_CONFIG)
    assert "on_event[0].command: must be an absolute path" in result.err
    home.settings["on_event"] = [{"command": str(hook.place / "nothing")}]
    home.write()
    assert "cannot be used" in home.purser("reload").expect(EX_CONFIG).err
    assert "cannot be used" in home.check().expect(EX_CONFIG).err
    home.settings["on_event"] = [{"command": hook.command}]
    home.write()
    home.purser("reload").expect(EX_OK)
    home.login("acme")
    assert [event["event"] for event in hook.wait(1)] == ["recovered"]
    home.settings["on_event"] = []
    home.write()
    home.purser("reload").expect(EX_OK)
    lose(home, standin, standin.grants()["g2"])
    home.login("acme")
    assert len(hook.events()) == 1


@pytest.mark.skipif(not shutil.which("jq"), reason="the examples pick members with jq")
def test_the_example_mails_what_happened(home, standin):
    sendmail = Hook(home, "bin", "#!/bin/sh\necho \"$@\" >%(place)s/arguments\ncat >%(place)s/mail.new && mv %(place)s/mail.new %(place)s/mail\n")
    sendmail.program.rename(sendmail.place / "sendmail")
    start(home, {"command": ["/usr/bin/env", "PATH=%s:/usr/bin:/bin" % sendmail.place, str(EXAMPLES / "on_event_mail.sh"),
                             "ops@example.com", "boss@example.com"]})
    lose(home, standin, home.adopt("acme"))
    until(lambda: (sendmail.place / "mail").exists(), "a mail")
    head, body = sendmail.text("mail").split("\n\n", 1)
    assert "To: ops@example.com, boss@example.com\n" in head and "acme needs a login\n" in head
    assert "purser login acme" in body.replace("\n", " ") and "PURSER_CREDENTIAL=acme" in body
    assert sendmail.text("arguments") == "-i -t\n"


@pytest.mark.skipif(not shutil.which("jq"), reason="the examples pick members with jq")
def test_the_example_posts_what_happened_to_a_chat(home, standin):
    posts = []

    class Chat(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            posts.append((self.path, self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        webhook = home.directory / "chat-webhook"
        webhook.write_text("http://127.0.0.1:%d/services/T0/secret-part\n" % server.server_port)
        start(home, {"command": [str(EXAMPLES / "on_event_chat.sh"), str(webhook)]})
        lose(home, standin, home.adopt("acme"))
        until(lambda: posts, "a post")
    finally:
        server.shutdown()
        server.server_close()
    path, kind, body = posts[0]
    assert path == "/services/T0/secret-part" and kind == "application/json"
    assert json.loads(body)["text"].endswith("Next: purser login acme") and "secret-part" not in home.daemons[0].log
