"""System calls fail under a living purserd: it goes on, says what is wrong, and no grant is lost."""

import contextlib
import shutil
import subprocess

import pytest

from purser import BUILD
from rawvarlink import Closed, VarlinkError
from waiting import until

FAILURES = [
    ("fsync,fdatasync", "EIO"), ("pwrite64", "ENOSPC"), ("pread64", "EIO"), ("openat", "EMFILE"), ("openat", "EACCES"),
    ("accept4", "EMFILE"), ("accept4", "ECONNABORTED"), ("socket", "ENFILE"), ("connect", "ENETUNREACH"),
    ("sendto,sendmsg", "ECONNRESET"), ("recvfrom,recvmsg", "ECONNRESET"), ("mmap", "ENOMEM"), ("brk", "ENOMEM"),
    ("getsockopt", "ENOBUFS"), ("setsockopt", "ENOMEM"), ("getrandom", "EINTR"), ("poll", "EINTR"),
]


def attached(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return any(line.startswith("TracerPid:") and int(line.split()[1]) for line in status)


@contextlib.contextmanager
def failing(pid, calls, error):
    """From the second on every third of these system calls fails."""
    tracer = subprocess.Popen(
        ["strace", "-qq", "-f", "-o", "/dev/null", "-p", str(pid), "-e", "trace=" + calls,
         "-e", "inject=%s:error=%s:when=2+3" % (calls, error)], stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: attached(pid) or tracer.poll() is not None, "strace to attach")
        if tracer.poll() is not None:
            pytest.skip("strace may not look at it: " + tracer.stderr.read()[-200:])
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)
        tracer.stderr.close()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("calls,error", FAILURES, ids=["%s %s" % failure for failure in FAILURES])
def test_failing_system_calls_cost_no_grant(home, standin, acme, purserd, calls, error):
    if calls in ("mmap", "brk") and b"__asan_init" in (BUILD / "purserd").read_bytes():
        pytest.skip("AddressSanitizer ends the process when memory is refused")
    if "recv" in calls:
        # An answer that is lost after a rotation is the provider's to forgive, and has tests of its own.
        standin.set(rotation="off")
    with failing(purserd.process.pid, calls, error):
        for method, parameters in [("Admin.Refresh", {"credential": "acme"}), ("Tokens.GetToken", {"credential": "acme"}),
                                   ("Admin.Test", {"credential": "acme"}), ("Admin.Status", {})] * 3:
            with contextlib.suppress(VarlinkError, Closed, ConnectionError, TimeoutError):
                home.call("io.purser." + method, **parameters)
    assert purserd.alive(), purserd.log
    home.wait_status(lambda status: status["saved"])
    until(lambda: refreshed(home), "a refresh that works again")
    assert home.get_token()["access_token"]
    purserd.stop()
    home.start()
    until(lambda: refreshed(home), "a refresh after the restart")


def refreshed(home):
    try:
        return home.call("io.purser.Admin.Refresh", credential="acme")["generation"]
    except (VarlinkError, Closed, ConnectionError):
        return None
