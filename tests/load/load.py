#!/usr/bin/python3
"""16 clients ask all the time while purserd is restarted, killed and reloaded.

    load.py --asker PROGRAM --socket PATH --credential NAME --restarts N --kills N --reloads N
            --restart CMD --kill CMD --reload CMD --break CMD --mend CMD

Each CMD is a shell command: restart and reload return when the daemon is there again; kill is SIGKILL; break makes the configuration wrong, mend
makes it right. Half of the reloads are of a wrong configuration. Eight clients are libpurser's (asker.c), four are bare sockets with a connection
for each request, and four are bare sockets that keep their connection. Prints a table and ends with 0 when nobody saw an error that must not be.

A bare client that keeps its connection may find it closed. A send that fails never was a request: it connects anew and asks
again, which is counted as `reconnected`. A request that was sent and not answered is an error.
"""

import argparse
import json
import socket
import subprocess
import sys
import threading
import time

ASKERS, SINGLE, KEPT = 8, 4, 4


class Lost(Exception):
    pass


class Bare(threading.Thread):
    """A client of a few lines that knows nothing of restarts."""

    def __init__(self, path, credential, kept):
        super().__init__(daemon=True)
        self.path, self.kept = path, kept
        self.message = json.dumps({"method": "io.purser.Tokens.GetToken",
                                   "parameters": {"credential": credential}}).encode() + b"\0"
        self.stop = threading.Event()
        self.answers, self.errors, self.reconnected, self.words = 0, 0, 0, []
        self.socket = None

    def run(self):
        while not self.stop.is_set():
            try:
                self.ask()
                self.answers += 1
            except (Lost, OSError) as error:
                self.errors += 1
                self.words.append("%s %s" % (type(error).__name__, error))
                self.hang_up()

    def hang_up(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(self.path)

    def send(self):
        if not self.socket:
            self.connect()
            self.socket.sendall(self.message)
            return
        try:
            self.socket.sendall(self.message)
        except BrokenPipeError:
            self.reconnected += 1
            self.connect()
            self.socket.sendall(self.message)

    def ask(self):
        self.send()
        data = b""
        while not data.endswith(b"\0"):
            more = self.socket.recv(65536)
            if not more:
                raise Lost("closed without an answer")
            data += more
        reply = json.loads(data[:-1])
        if "error" in reply:
            raise Lost(data.decode())
        if not self.kept:
            self.hang_up()


def run(command, may_fail=False):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0 and not may_fail:
        raise SystemExit("%s: exit status %d\n%s%s" % (command, done.returncode, done.stdout, done.stderr))


class Clients:
    def __init__(self, options):
        self.askers = [subprocess.Popen([options.asker, options.socket, options.credential], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(ASKERS)]
        self.bare = [Bare(options.socket, options.credential, kept) for kept in [False] * SINGLE + [True] * KEPT]
        for asker in self.askers:
            if asker.stdout.readline() != "ready\n":
                raise SystemExit("an asker did not start")
        for client in self.bare:
            client.start()

    def stop(self):
        """Rows of (who, answers, errors, reconnected), and the errors in words."""
        for client in self.bare:
            client.stop.set()
        answers = errors = 0
        words = []
        longest = 0.0
        for asker in self.askers:
            out, err = asker.communicate(timeout=60)
            fields = out.split()
            answers, errors, longest = answers + int(fields[0]), errors + int(fields[2]), max(longest, float(fields[5]))
            words += err.splitlines()
        rows = [("libpurser", len(self.askers), answers, errors, 0)]
        for client in self.bare:
            client.join(60)
            words += client.words[:3]
        for who, kept in (("bare, a connection for each request", False), ("bare, connection kept", True)):
            group = [client for client in self.bare if client.kept == kept]
            rows.append((who, len(group), *(sum(getattr(client, name) for client in group)
                                            for name in ("answers", "errors", "reconnected"))))
        return rows, words, longest


def phase(options, name, rounds, strict):
    """Clients ask while one thing is done again and again; strict: bare sockets may see no error either."""
    if not rounds:
        return True
    clients = Clients(options)
    began = time.monotonic()
    for number in range(rounds):
        if name == "reload" and number % 2:
            run(options.breaking)
            run(options.reload, may_fail=True)
            run(options.mend)
        else:
            run(getattr(options, name))
    took = time.monotonic() - began
    rows, words, longest = clients.stop()
    bad = 0
    for who, count, answers, errors, reconnected in rows:
        allowed = not strict and who != "libpurser"
        print("%-8s x%-3d  %-38s x%-2d %9d answers %5d errors%s %6d reconnected" % (
            name, rounds, who, count, answers, errors, " (as must be)" if allowed and errors else "", reconnected))
        bad += (errors and not allowed) or answers == 0
    print("%-8s x%-3d  took %.1f s; no libpurser call took longer than %.3f s" % (name, rounds, took, longest), flush=True)
    if bad:
        print("\n".join(words[:10]))
    return not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("asker", "socket", "credential", "restart", "kill", "reload", "mend"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--break", dest="breaking", required=True)
    for name in ("restarts", "kills", "reloads"):
        parser.add_argument("--" + name, type=int, required=True)
    options = parser.parse_args()
    good = [phase(options, "restart", options.restarts, True), phase(options, "reload", options.reloads, True),
            phase(options, "kill", options.kills, False)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
