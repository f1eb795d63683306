"""What hostile callers do, one function each: attack(place, deadline) goes on until the deadline (time.monotonic()).

Each runs in processes of its own, as a user of its own, and must not fail over what purserd does to it: being cut off is what it
deserves.
"""

import contextlib
import json
import os
import selectors
import socket
import time

TOKENS = "io.purser.Tokens."
TURN_SECONDS = 0.02


class Place:
    """Where to attack, and what an attacker that is allowed a credential knows. half_open: that program, open, wherever it may lie."""

    def __init__(self, path, half_open, credential="cedar", slow="birch"):
        self.path = path
        self.half_open = half_open
        self.credential = credential
        self.slow = slow

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(1)
        try:
            sock.connect(self.path)
        except OSError:
            sock.close()
            return None
        sock.setblocking(False)
        return sock


def message(method, parameters=None, **flags):
    return json.dumps({"method": method, "parameters": parameters or {}, **flags}).encode() + b"\0"


def get_token(name, **parameters):
    return message(TOKENS + "GetToken", dict(parameters, credential=name))


def swallow(sock):
    """Reads what there is; False when the other side has hung up."""
    try:
        while True:
            if not sock.recv(1 << 18):
                return False
    except BlockingIOError:
        return True
    except OSError:
        return False


class Crowd:
    """Connections that are made again when they are cut off; each has something to send, over and over."""

    def __init__(self, place, n, payload, read=True, step=1 << 20, end_of_payload=None):
        self.place, self.payload, self.read, self.step = place, payload, read, step
        self.end_of_payload = end_of_payload
        self.members = [[None, 0] for _ in range(n)]

    def turn(self):
        """One try at each; gives how many bytes went out."""
        sent = 0
        for member in self.members:
            if member[0] is None:
                member[0], member[1] = self.place.connect(), 0
                if member[0] is None:
                    continue
            sent += self._push(member)
        return sent

    def _push(self, member):
        sock, at = member
        n = 0
        try:
            n = sock.send(self.payload[at:at + self.step])
        except BlockingIOError:
            pass
        except OSError:
            self._drop(member)
            return 0
        member[1] = (at + n) % len(self.payload)
        if n and member[1] == 0 and self.end_of_payload:
            self.end_of_payload(sock)
        if self.read and not swallow(sock):
            self._drop(member)
        return n

    @staticmethod
    def _drop(member):
        member[0].close()
        member[0] = None

    def run(self, deadline, pause=0.0):
        """pause: how long to wait between two turns, for those who are slow on purpose."""
        while time.monotonic() < deadline:
            if self.turn() == 0 or pause:
                time.sleep(pause or 0.001)
        self.close()

    def close(self):
        for member in self.members:
            if member[0] is not None:
                self._drop(member)


def fragmented(place, deadline):
    """Good calls, a byte at a time."""
    Crowd(place, 64, get_token(place.credential), step=1).run(deadline)


def pipelined(place, deadline):
    """Thousands of good calls without waiting for an answer."""
    Crowd(place, 8, get_token(place.credential) * 500).run(deadline)


def unread(place, deadline):
    """The same, and the answers are never read."""
    Crowd(place, 64, get_token(place.credential) * 500, read=False).run(deadline)


def oversized(place, deadline):
    """Messages of six megabytes."""
    Crowd(place, 8, b'{"method":"' + b"a" * (6 << 20) + b'"}\0').run(deadline)


def nested(place, deadline):
    """A hundred thousand brackets."""
    Crowd(place, 8, b'{"method":"x","parameters":' + b"[" * 100000 + b"\0").run(deadline)


def many_values(place, deadline):
    """A message of half a million values."""
    Crowd(place, 8, b'{"method":"x","parameters":{"a":[' + b"1," * 500000 + b"1]}}\0").run(deadline)


def invalid(place, deadline):
    """No UTF-8, NULs, no JSON."""
    Crowd(place, 16, b'{"method":"\xff\xfe\xed\xa0\x80"}\0\0\0\0{]\0' + b"\0" * 100 + b"null\0").run(deadline)


def endless(place, deadline):
    """Messages that never end, and stay below the limit for as long as may be."""
    Crowd(place, 32, b'{"method":"' + b"a" * 1000000, step=20000).run(deadline, pause=TURN_SECONDS)


def slow_writers(place, deadline):
    """A thousand callers that never come to the end of their first message."""
    Crowd(place, 1000, get_token(place.credential), step=1).run(deadline, pause=0.1)


def slow_readers(place, deadline):
    """Callers that read their answers by the byte."""
    request = message("org.varlink.service.GetInterfaceDescription", {"interface": "io.purser.Admin"}) * 50
    socks = [sock for sock in (place.connect() for _ in range(64)) if sock]
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    while time.monotonic() < deadline:
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.send(request)
            with contextlib.suppress(OSError):
                sock.recv(1)
        time.sleep(TURN_SECONDS)


def half_open(place, deadline):
    """Connects, says half a word or none, and shuts one side or both: a program of C, since it is all about being fast."""
    os.execve(place.half_open, ["halfopen", place.path, str(deadline - time.monotonic())], {})


def connections(place, deadline):
    """As many connections as one process may have; of four processes they are ten thousand."""
    kept = []
    while time.monotonic() < deadline and len(kept) < 2500:
        sock = place.connect()
        if sock:
            kept.append(sock)
    while time.monotonic() < deadline:
        kept = [sock for sock in kept if swallow(sock)]
        time.sleep(0.1)


def unknown_names(place, deadline):
    """A hundred thousand names that do not exist, then the same again."""
    Crowd(place, 4, b"".join(get_token("name-%06d" % number) for number in range(100000))).run(deadline)


def watchers(place, deadline):
    """WatchToken with `more`, two hundred times, and never a byte read."""
    Crowd(place, 200, message(TOKENS + "WatchToken", {"credential": place.credential}, more=True),
          read=False).run(deadline, pause=0.1)


def waiting(place, deadline):
    """A hundred calls that wait for a provider which does not answer, on and on."""
    selector = selectors.DefaultSelector()
    request = get_token(place.slow, min_valid_seconds=3600)
    for _ in range(100):
        sock = place.connect()
        if sock:
            sock.send(request)
            selector.register(sock, selectors.EVENT_READ)
    while time.monotonic() < deadline:
        for key, _ in selector.select(TURN_SECONDS):
            if not swallow(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()
                continue
            with contextlib.suppress(OSError):
                key.fileobj.send(request)
