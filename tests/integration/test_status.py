"""`purser status` as a person sees it: on terminals of different widths, watched in place, and into a pipe."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from purser import EX_NOPERM, EX_OK, STRANGER
from waiting import PATIENCE, first_line, until

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Terminal:
    """One that a command runs on, as its controlling terminal."""

    def __init__(self, home, *arguments, columns=80, rows=24, **environment):
        self.ours, theirs = os.openpty()
        self.resize(columns, rows, tell=False)
        self.shown = ""

        def take_terminal():
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(home.command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, cwd="/",
                                        start_new_session=True, preexec_fn=take_terminal,
                                        env={**home.environment(), "TERM": "xterm", **environment})
        self.process.arguments_shown = list(arguments)
        home.processes.append(self.process)
        self.home = home
        os.close(theirs)

    def resize(self, columns, rows, tell=True):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, wait):
        if select.select([self.ours], [], [], wait)[0]:
            try:
                self.shown += os.read(self.ours, 65536).decode("utf-8", "replace")
            except OSError:
                return False
        return True

    def wait(self, condition, what):
        def look():
            self.read(0.02)
            return condition(self.shown)
        return until(look, "%s on the terminal: %r" % (what, self.shown[-2000:]))

    def type(self, keys):
        os.write(self.ours, keys)

    def finish(self):
        deadline = time.monotonic() + PATIENCE
        while self.read(0.02) and time.monotonic() < deadline:
            pass
        status = self.process.wait(PATIENCE)
        os.close(self.ours)
        self.home.evidence.add("a terminal", self.shown)
        return status


def plain(text):
    return re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def frames(text):
    """What was painted, screen by screen, as lines; of the last one nothing until it is there to its end."""
    return [plain(part).split("\n") for part in text.split("\x1b[H")[1:] if "\x1b[J" in part]


def shown_once(home, columns, **environment):
    terminal = Terminal(home, "status", columns=columns, **environment)
    assert terminal.finish() == EX_OK, terminal.shown
    return terminal.shown


def test_the_table_fits_the_terminal_and_says_what_is_the_matter(home, standin, acme):
    home.adopt("birch", "birch")
    standin.control(end=acme["id"])
    home.purser("refresh", "acme")
    for columns in (80, 120):
        lines = plain(shown_once(home, columns)).split("\n")
        assert max(map(len, lines)) <= columns, lines
        head = next(line for line in lines if line.startswith("NAME"))
        assert head.split() == ["NAME", "STATE", "LEFT", "LAST", "NEXT", "TOKEN", "VERSION", "ACCOUNT"]
        assert re.search(r"^acme +needs login +\d+m( \d+s)? +(\d+s|now) +- +1 +2023-08-18 ok +Acme L", "\n".join(lines), re.M)
        assert re.search(r"^birch +active +\d+m( \d+s)? +(\d+s|now) +\d+m( \d+s)? +1 +2023-08-18 ok +Birch", "\n".join(lines), re.M)
        assert "2 credentials: 1 needs login, 1 active" in lines
        assert "acme: needs login" in lines
        assert "    next: purser login acme" in lines
        assert "The provider refuses to refresh it: " in " ".join(lines)
        assert any(line.startswith("The others are active: ") for line in lines)


def test_colours_are_for_terminals_alone_and_not_for_those_who_want_none(home, acme):
    assert "\x1b[32m" in shown_once(home, 80)
    assert "\x1b" not in shown_once(home, 80, NO_COLOR="1")
    assert "\x1b" not in shown_once(home, 80, TERM="dumb")
    assert "\x1b" not in home.purser("status").expect(EX_OK).out


def test_all_is_well_in_a_word(home, acme):
    out = home.purser("status").expect(EX_OK).out
    assert "1 credential: 1 active" in out and "There is nothing to do." in out and "next:" not in out


def test_one_credential_has_its_whole_story(home, standin, acme):
    out = home.purser("status", "acme").expect(EX_OK).out
    for field in ("meaning", "account", "client", "provider", "API version", "token", "ends", "refreshed", "next refresh",
                  "authorized", "tested", "version is", "answered by"):
        assert re.search("^  %s " % field, out, re.M), field
    standin.control(end=acme["id"])
    home.purser("refresh", "acme")
    out = home.purser("status", "acme").expect(EX_OK).out
    assert out.count("no longer accepts the refresh token") == 1, out


def test_watching_paints_in_place_follows_changes_and_sizes_and_leaves_the_terminal_as_it_was(home, standin, acme):
    for number in range(12):
        home.adopt("c%02d" % number, "birch")
    terminal = Terminal(home, "status", "--watch", columns=80, rows=24)
    terminal.wait(frames, "a first frame")
    assert "\nacme " in "\n".join(frames(terminal.shown)[0])
    assert terminal.shown.startswith(ENTER)
    standin.control(end=acme["id"])
    home.purser("refresh", "acme")
    terminal.wait(lambda shown: "next: purser login acme" in "\n".join(frames(shown)[-1]), "the change")
    terminal.resize(100, 14)
    terminal.wait(lambda shown: frames(shown)[-1][-1] == "... more than fits here" and len(frames(shown)[-1]) == 14, "14 rows")
    assert max(map(len, frames(terminal.shown)[-1])) <= 100
    assert "\n    next: purser login acme" in "\n".join(frames(terminal.shown)[-1])
    terminal.type(b"\x03")
    assert terminal.finish() == -signal.SIGINT
    assert terminal.shown.rstrip("^C\r\n").endswith(LEAVE) and "\x1b[?25h" in terminal.shown.rsplit("\x1b[H", 1)[1]


def test_watching_waits_for_a_daemon_that_goes_away(home, acme):
    terminal = Terminal(home, "status", "--watch")
    terminal.wait(frames, "a first frame")
    home.daemons[0].stop()
    terminal.wait(lambda shown: "waiting for it" in "\n".join(frames(shown)[-1]), "that it is away")
    assert "\nacme " in "\n".join(frames(terminal.shown)[-1])
    home.start()
    terminal.wait(lambda shown: "waiting for it" not in "\n".join(frames(shown)[-1]), "that it is back")
    assert "\nacme " in "\n".join(frames(terminal.shown)[-1])
    terminal.process.terminate()
    assert terminal.finish() == -signal.SIGTERM


def test_watching_into_a_pipe_prints_the_whole_again(home, acme):
    process = home.spawn("status", "--watch")
    assert first_line(process).startswith("purserd ")
    home.purser("refresh", "acme").expect(EX_OK)
    lines = [first_line(process) for _ in range(10)]
    assert sum(line.startswith("purserd ") for line in lines) == 1, lines
    process.terminate()
    assert "\x1b" not in home.reap(process).out


def test_clients_are_listed_for_administrators_whether_they_have_credentials_or_not(home):
    home.settings["clients"]["other-app"] = dict(home.client, client_secret={"store": True})
    home.write()
    home.start()
    lines = home.purser("clients").expect(EX_OK).out.splitlines()
    assert lines[0].split()[:3] == ["NAME", "PROVIDER", "SECRET"]
    assert [line.split()[:3] for line in lines[1:]] == [["jobber-app", "standin", "file"], ["other-app", "standin", "missing"]]
    assert [client["name"] for client in home.purser("clients", "--json").expect(EX_OK).json["clients"]] == ["jobber-app", "other-app"]


def test_clients_are_no_strangers_business(home, purserd, as_root):
    assert home.purser("clients", user=STRANGER).expect(EX_NOPERM).out == ""
