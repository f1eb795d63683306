"""purserd as a process: what it tells the service manager, what it logs, how it ends."""

import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

from waiting import PATIENCE, until


class Notify:
    """The manager's end of sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        os.chmod(path, 0o666)
        self.received = []
        self.condition = threading.Condition()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while True:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            if data == b"stop":
                return
            with self.condition:
                self.received.append(data.decode("utf-8", "replace"))
                self.condition.notify_all()

    def lines(self):
        with self.condition:
            return [line for message in self.received for line in message.splitlines()]

    def wait_for(self, wanted, patience=PATIENCE, alive=lambda: True, since=0):
        """Waits until wanted(line) is true of a line after the first `since` of them; a text is a line's beginning."""
        test = wanted if callable(wanted) else (lambda line: line.startswith(wanted))
        deadline = time.monotonic() + patience
        with self.condition:
            while True:
                lines = [line for message in self.received for line in message.splitlines()]
                for line in lines[since:]:
                    if test(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not alive():
                    return None
                self.condition.wait(min(left, 0.05))

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"stop", str(self.path))
        self.thread.join(5)
        self.socket.close()


class Daemon:
    """One purserd process."""

    def __init__(self, home, arguments, environment=None, wrapper=(), user=None, number=1):
        self.home = home
        self.log_path = home.directory / ("purserd.%d.log" % number)
        home.evidence.files.append(self.log_path)
        self.notify = Notify(home.directory / ("notify.%d" % number))
        environment = dict(home.environment(), NOTIFY_SOCKET=str(self.notify.path), **(environment or {}))
        self.command = [*wrapper, str(home.programs / "purserd"), *arguments]
        identity = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
        self.log_path.touch()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, **identity)
        self.expect_status = {0}

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def wait_ready(self, patience=PATIENCE):
        ready = self.notify.wait_for("READY=1", patience, self.alive)
        assert ready, "purserd is not ready (exit status %s):\n%s" % (self.process.poll(), self.log)
        return self

    def wait_log(self, text):
        return until(lambda: text in self.log, "%r in the log:\n%s" % (text, self.log))

    def wait(self, patience=PATIENCE):
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("purserd did not end by itself:\n" + self.log) from None

    def look(self):
        """Adds to the evidence what other processes can see of this one."""
        for name in ("cmdline", "environ"):
            try:
                data = pathlib.Path("/proc/%d/%s" % (self.process.pid, name)).read_bytes()
            except OSError:
                continue
            self.home.evidence.add("/proc/PID/" + name, data)

    def stop(self, patience=PATIENCE):
        if self.alive():
            self.look()
            self.process.send_signal(signal.SIGTERM)
        status = self.wait(patience)
        assert status in self.expect_status, "purserd ended with %s:\n%s" % (status, self.log)
        return status

    def kill(self):
        """As a power cut would: no time to say goodbye."""
        self.look()
        self.expect_status = {-signal.SIGKILL}
        self.process.kill()
        return self.wait()
