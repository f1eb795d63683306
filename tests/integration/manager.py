"""A service manager's end of sd_notify(3) that keeps descriptors (FDSTORE=1), and gives them to the next purserd."""

import array
import json
import os
import socket
import sys
import threading

from waiting import until

# Puts the descriptors of another process where sd_listen_fds(3) looks for them, and becomes the program.
PASS_ON = """
import json, os, sys
paths, names = sys.argv[1].split(","), sys.argv[2]
opened = [os.open(path, os.O_RDONLY) for path in paths if path]
high = [os.dup2(fd, 100 + i) for i, fd in enumerate(opened)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
os.environ["NOTIFY_SOCKET"] = sys.argv[3]
if high:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=names)
os.environ.update(json.loads(sys.argv[4]))
os.execv(sys.argv[5], sys.argv[5:])
"""


class Manager:
    """`places`: how many descriptors it keeps, as FileDescriptorStoreMax= says."""

    def __init__(self, path, places):
        self.path = path
        self.places = places
        self.kept = []
        self.lines = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            data, control, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(16 * 4))
            if data == b"end":
                return
            fds = array.array("i")
            for _, kind, value in control:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(value[:len(value) - len(value) % fds.itemsize])
            self._take(data.decode().splitlines(), list(fds))

    def _take(self, lines, fds):
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
        if "FDSTOREREMOVE=1" in lines:
            for fd in [fd for kept, fd in self.kept if kept == name]:
                os.close(fd)
            self.kept = [entry for entry in self.kept if entry[0] != name]
        for fd in fds:
            if "FDSTORE=1" in lines and len(self.kept) < self.places:
                self.kept.append((name, fd))
            else:
                os.close(fd)
        self.lines += lines

    def names(self):
        return [name for name, _ in self.kept if name != "purser-probe"]

    def _wrapper(self, environment):
        given = [(name, fd) for name, fd in self.kept if name != "purser-probe"]
        return [sys.executable, "-I", "-c", PASS_ON, ",".join("/proc/%d/fd/%d" % (os.getpid(), fd) for _, fd in given),
                ":".join(name for name, _ in given), str(self.path), json.dumps(environment)]

    def start(self, home, environment):
        """A purserd that is told of this manager and given what it keeps; `environment` is for it alone."""
        since = len(self.lines)
        daemon = home.start(ready=False, wrapper=self._wrapper(environment))
        until(lambda: "READY=1" in self.lines[since:] or not daemon.alive(), "READY=1")
        assert daemon.alive(), daemon.log
        return daemon

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", str(self.path))
        self.thread.join(5)
        self.socket.close()
        for _, fd in self.kept:
            os.close(fd)
