#!/usr/bin/python3
"""A service manager of a few lines: holds the listening socket, passes it to purserd, and starts it again when it ends.

    supervisor.py SOCKET COMMAND...     serves until standard input ends, and ends the daemon then
    supervisor.py --say SOCKET ORDER    restart (SIGTERM, then a new one), kill (SIGKILL, then a new one) or reload (SIGHUP)

An order is done when the daemon has said READY=1 again. `ready` is printed when that was so for the first time.
"""

import os
import select
import signal
import socket
import subprocess
import sys

PATIENCE = 30


class Supervisor:
    def __init__(self, path, command):
        self.command = command
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4096)
        os.chmod(path, 0o666)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path + ".notify")
        self.notify.settimeout(PATIENCE)
        self.process = None
        self.start()

    def start(self):
        environment = dict(os.environ, NOTIFY_SOCKET=self.notify.getsockname(), LISTEN_FDS="1")
        # What LISTEN_PID must be is known in the child alone.
        script = 'exec 3<&%d; LISTEN_PID=$$ exec "$@"' % self.listener.fileno()
        self.process = subprocess.Popen(["bash", "-c", script, "bash", *self.command], env=environment,
                                        stdin=subprocess.DEVNULL, pass_fds=[self.listener.fileno()])
        self.wait_ready()

    def wait_ready(self):
        while "READY=1" not in self.notify.recv(65536).decode().splitlines():
            pass

    def forget(self):
        """What an earlier process still said."""
        self.notify.setblocking(False)
        try:
            while True:
                self.notify.recv(65536)
        except BlockingIOError:
            self.notify.settimeout(PATIENCE)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def restart(self):
        assert self.end(signal.SIGTERM) == 0, "purserd did not end well"
        self.forget()
        self.start()

    def kill(self):
        self.end(signal.SIGKILL)
        self.forget()
        self.start()

    def reload(self):
        self.forget()
        self.process.send_signal(signal.SIGHUP)
        self.wait_ready()


def serve(path, command):
    supervisor = Supervisor(path, command)
    control = socket.socket(socket.AF_UNIX)
    control.bind(path + ".control")
    control.listen()
    print("ready", flush=True)
    try:
        while control in select.select([control, sys.stdin], [], [])[0]:
            with control.accept()[0] as order:
                getattr(supervisor, order.recv(64).decode())()
                order.sendall(b"done")
    finally:
        supervisor.end(signal.SIGTERM)
    return 0


def say(path, order):
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect(path + ".control")
        control.sendall(order.encode())
        return 0 if control.recv(64) == b"done" else 1


if __name__ == "__main__":
    sys.exit(say(*sys.argv[2:]) if sys.argv[1] == "--say" else serve(sys.argv[1], sys.argv[2:]))
