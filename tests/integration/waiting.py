"""Waiting for conditions, with a deadline; nothing here sleeps to let something happen."""

import os
import select
import socket
import time

PATIENCE = float(os.environ.get("PURSER_TEST_PATIENCE", "15"))


def until(condition, what, patience=PATIENCE):
    """Asks again and again until condition() gives something true, and gives that."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited %g s in vain: %s" % (patience, what)
        time.sleep(0.01)


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def first_line(process, patience=PATIENCE):
    """The first line of standard output, read so that communicate() finds the rest; "" where none comes."""
    deadline = time.monotonic() + patience
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        byte = os.read(process.stdout.fileno(), 1) if ready else b""
        if not byte:
            break
        line += byte
    return line.decode().strip()
