"""`purser login` as a person meets it: at a terminal, and in a browser that people use."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import urllib.parse
import zlib

import pytest

from browser import browse, fetch
from purser import EX_OK
from waiting import PATIENCE, until

CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars", "--enable-logging=stderr"]


class Terminal:
    """A terminal of 80 columns with a command in it."""

    def __init__(self, home, *arguments, environment=None):
        self.home = home
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        variables = {"TERM": "xterm", **(environment or {})}
        self.process = subprocess.Popen(
            home.command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, cwd="/", start_new_session=True,
            env=dict(home.environment(), **variables), preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        home.processes.append(self.process)
        os.close(theirs)
        self.shown = ""

    def read(self):
        while select.select([self.ours], [], [], 0)[0]:
            try:
                part = os.read(self.ours, 4096)
            except OSError:
                break
            if not part:
                break
            self.shown += part.decode()
        return self.shown

    def wait_for(self, pattern):
        until(lambda: re.search(pattern, self.read()), "%r at the terminal" % pattern)
        return re.search(pattern, self.shown)

    def type(self, keys):
        os.write(self.ours, keys)

    def end(self):
        status = self.process.wait(PATIENCE)
        self.read()
        os.close(self.ours)
        self.home.evidence.add("the terminal", self.shown)
        return status

    def lines(self):
        """What is left on the screen: a line that was rewritten is what it was last."""
        return [line.split("\r\x1b[K")[-1] for line in self.shown.replace("\r\n", "\n").split("\n")]


def short_address(standin):
    return r"(?m)^(%s/[a-z2-9]{8})\r?$" % re.escape(standin.redirect_uri.rpartition("/")[0])


def test_person_gets_a_short_address_that_leads_to_the_provider(home, standin, purserd):
    terminal = Terminal(home, "login", "acme")
    short = terminal.wait_for(short_address(standin)).group(1)
    for _ in range(2):
        led = fetch(short)
        assert led.status == 302 and led.location.startswith(standin.url + "/api/oauth/authorize?")
    assert browse(led.location).status == 200
    assert terminal.end() == EX_OK
    assert "Acme Landscaping" in terminal.shown
    assert "/api/oauth/authorize" not in terminal.shown


def test_person_sees_how_much_time_is_left_and_it_leaves_no_trace(home, standin, purserd):
    terminal = Terminal(home, "login", "acme")
    short = terminal.wait_for(short_address(standin)).group(1)
    until(lambda: len(set(re.findall(r"(\d+:\d\d) left", terminal.read()))) >= 3, "a clock that runs")
    times = re.findall(r"(\d+):(\d\d) left", terminal.shown)
    seconds = [int(minutes) * 60 + int(rest) for minutes, rest in times]
    assert seconds == sorted(seconds, reverse=True) and seconds[0] <= 600
    browse(fetch(short).location)
    assert terminal.end() == EX_OK
    assert not [line for line in terminal.lines() if "left" in line], terminal.lines()


def test_terminal_that_cannot_rewrite_a_line_is_spared_the_count_down(home, standin, purserd):
    terminal = Terminal(home, "login", "acme", environment={"TERM": "dumb"})
    browse(fetch(terminal.wait_for(short_address(standin)).group(1)).location)
    assert terminal.end() == EX_OK
    assert "left" not in terminal.shown and "\x1b[K" not in terminal.shown


def test_person_on_a_server_is_told_how_to_forward_the_port_and_how_to_paste(home, standin, purserd):
    environment = {"SSH_CONNECTION": "198.51.100.4 50022 192.0.2.7 2222", "USER": "alice"}
    terminal = Terminal(home, "login", "acme", environment=environment)
    terminal.wait_for(short_address(standin))
    port = urllib.parse.urlsplit(standin.redirect_uri).port
    terminal.wait_for(r"ssh -p 2222 -L %d:127\.0\.0\.1:%d alice@192\.0\.2\.7" % (port, port))
    terminal.wait_for("purser login acme --paste")
    terminal.type(b"\x03")
    terminal.end()


def test_interrupt_at_the_terminal_leaves_nothing_behind(home, standin, purserd):
    terminal = Terminal(home, "login", "acme")
    short = terminal.wait_for(short_address(standin)).group(1)
    url = fetch(short).location
    terminal.wait_for("left")
    terminal.type(b"\x03")
    assert terminal.end() == 128 + 2
    assert terminal.lines()[-2] == "purser: interrupted; nothing was changed" and terminal.lines()[-1] == ""
    with pytest.raises(OSError):
        fetch(short)

    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []
    # The daemon has forgotten the login: its state belongs to none that waits.
    again = home.begin_login("acme")
    late = browse(url)
    assert late.status == 400 and standin.count("token") == 0
    again.browse()
    again.finish(EX_OK)


# ---- the page, in Chromium

def pixels(path):
    """The rows of a PNG of eight bits a channel, each a list of (r, g, b)."""
    data, header, packed = path.read_bytes(), None, b""
    offset = 8
    while offset < len(data):
        length, kind = struct.unpack(">I4s", data[offset:offset + 8])
        body = data[offset + 8:offset + 8 + length]
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        packed += body if kind == b"IDAT" else b""
        offset += length + 12
    width, height, depth, colours = header[:4]
    assert depth == 8 and colours in (2, 6)
    step = 3 if colours == 2 else 4
    raw, rows, above = zlib.decompress(packed), [], bytes(width * step)
    for y in range(height):
        start = y * (width * step + 1)
        above = unfilter(raw[start], bytearray(raw[start + 1:start + 1 + width * step]), above, step)
        rows.append([tuple(above[x:x + 3]) for x in range(0, width * step, step)])
    return rows


def unfilter(kind, line, above, step):
    """PNG's five filters."""
    for i in range(len(line) if kind else 0):
        left, up, corner = line[i - step] if i >= step else 0, above[i], above[i - step] if i >= step else 0
        if kind == 4:
            guess = left + up - corner
            nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
        line[i] = (line[i] + {1: left, 2: up, 3: (left + up) // 2, 4: nearest if kind == 4 else 0}[kind]) & 255
    return bytes(line)


@pytest.fixture
def chromium(home, tmp_path):
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed here")

    def visit(url, width, dark):
        """What it shows after all redirects: the document, what it complained of, and the picture."""
        picture = tmp_path / "page.png"
        done = subprocess.run([*CHROMIUM, "--user-data-dir=%s" % (tmp_path / "profile"), "--window-size=%d,800" % width,
                               "--blink-settings=preferredColorScheme=%d" % (0 if dark else 1), "--screenshot=%s" % picture,
                               "--dump-dom", url], capture_output=True, text=True, timeout=60, check=False,
                              env=dict(os.environ, HOME=str(tmp_path)))
        assert done.returncode == 0, done.stderr
        home.evidence.add("the document", done.stdout)
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line], pixels(picture)

    return visit


def brightness(pixel):
    return sum(pixel) / 3


@pytest.mark.parametrize("width,dark", [(500, False), (500, True), (1280, True)], ids=["phone", "phone-dark", "desktop-dark"])
def test_page_in_chromium_names_the_account_and_suits_the_screen(home, standin, purserd, chromium, width, dark):
    standin.set(auto_approve=True, account="birch")
    terminal = Terminal(home, "login", "acme")
    document, complaints, rows = chromium(terminal.wait_for(short_address(standin)).group(1), width, dark)
    assert terminal.end() == EX_OK

    assert "<h1 class=\"done\">acme is connected to Birch &amp; Sons Plumbing</h1>" in document
    assert "<script" not in document and "code=" not in document
    assert not complaints, complaints
    ground = rows[4][4]
    assert brightness(ground) < 60 if dark else brightness(ground) > 220
    assert len(rows[0]) == width and all(row[-4] == ground and row[4] == ground for row in rows), "something leaves the screen"
    inks = [pixel for row in rows for pixel in row if abs(brightness(pixel) - brightness(ground)) > 120]
    assert len(inks) > 500, "nothing can be read"


def test_page_in_chromium_tells_of_a_denial(home, standin, purserd, chromium):
    standin.set(auto_approve=True, decision="deny")
    terminal = Terminal(home, "login", "acme")
    document, complaints, _ = chromium(terminal.wait_for(short_address(standin)).group(1), 500, False)
    assert terminal.end() == 77
    assert "<h1 class=\"refused\">acme is not connected</h1>" in document and not complaints
