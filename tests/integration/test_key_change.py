"""The sealing key is changed: everything opens with the new one alone, whatever comes in between."""

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess

import pytest

from purser import EX_CONFIG, EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, STRANGER
from waiting import until

WRITING = "pwrite64,write,fsync,fdatasync,renameat2,renameat,rename,unlinkat,unlink,openat,ftruncate"


def blobs(home):
    with contextlib.closing(sqlite3.connect(home.state / "purser.db")) as connection:
        return dict(((kind, name), blob) for kind, name, blob in
                    connection.execute("SELECT kind, name, blob FROM record"))


def test_new_key_opens_everything_and_the_old_one_nothing(home, standin):
    first = home.start()
    home.adopt("acme")
    home.adopt("birch", "birch")
    old = (home.state / "key").read_bytes()
    tokens = [home.get_token(name)["access_token"] for name in ("acme", "birch")]
    result = home.purser("key", "change").expect(EX_OK)
    n = int(re.match(r"(\d+) records", result.out).group(1))
    new = (home.state / "key").read_bytes()
    assert new != old and not (home.state / "key.new").exists()
    assert (home.state / "key").stat().st_mode & 0o7777 == 0o600
    home.purser("refresh", "acme").expect(EX_OK)
    first.stop()
    assert n == len(blobs(home))

    (home.state / "key").write_bytes(old)
    refused = home.start(ready=False)
    refused.expect_status = {EX_CONFIG}
    assert refused.wait() == EX_CONFIG and "another key" in refused.log

    (home.state / "key").write_bytes(new)
    home.start()
    assert home.get_token("birch")["access_token"] == tokens[1]
    assert home.get_token("acme")["generation"] == 2


def test_every_record_is_sealed_anew(home, standin):
    first = home.start()
    home.adopt("acme")
    first.stop()
    before = blobs(home)
    second = home.start()
    home.purser("key", "change").expect(EX_OK)
    home.purser("key", "change").expect(EX_OK)
    second.stop()
    after = blobs(home)
    assert before.keys() == after.keys() and len(before) >= 3
    assert all(before[place] != after[place] for place in before)


def test_only_an_administrator_changes_the_key(home, acme, as_root):
    key = (home.state / "key").read_bytes()
    home.purser("key", "change", user=STRANGER).expect(EX_NOPERM)
    assert (home.state / "key").read_bytes() == key


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("call", WRITING.split(","))
def test_killed_at_any_write_it_starts_with_the_right_key(home, standin, call):
    """SIGKILL at the first, second and third such system call of a change; each time the grant is still there."""
    home.start()
    home.adopt("acme")
    token = home.get_token()["access_token"]
    for nth in (1, 2, 3):
        daemon = home.daemons[-1]
        tracer = subprocess.Popen(
            ["strace", "-qq", "-o", "/dev/null", "-p", str(daemon.process.pid), "-e", "trace=" + call,
             "-e", "inject=%s:signal=KILL:when=%d" % (call, nth)], stderr=subprocess.PIPE, text=True)
        try:
            until(lambda: attached(daemon.process.pid) or tracer.poll() is not None, "strace to attach")
            if tracer.poll() is not None:
                pytest.skip("strace may not look at it: " + tracer.stderr.read()[-200:])
            daemon.expect_status = {0, -signal.SIGKILL}
            result = home.purser("key", "change")
            assert result.status in (EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE), result
        finally:
            tracer.terminate()
            tracer.wait(10)
            tracer.stderr.close()
        if daemon.alive():
            daemon.stop()
        else:
            daemon.wait()
        home.start()
        assert home.get_token()["access_token"] == token
        assert not (home.state / "key.new").exists()


def attached(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return any(line.startswith("TracerPid:") and int(line.split()[1]) for line in status)


def credentials(home, **keys):
    directory = home.directory / "credentials"
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        path.unlink()
    for name, key in keys.items():
        (directory / name.replace("_", ".")).write_bytes(key)
    return {"CREDENTIALS_DIRECTORY": str(directory)}


def test_key_of_a_systemd_credential_is_changed_to_the_new_credential(home, standin):
    one, two = os.urandom(32), os.urandom(32)
    first = home.start(environment=credentials(home, purser_key=one))
    home.adopt("acme")
    refused = home.purser("key", "change")
    assert refused.status != EX_OK and "purser.key.new" in refused.one_line_of_advice()
    first.stop()

    second = home.start(environment=credentials(home, purser_key=one, purser_key_new=two))
    assert "purser.key" in home.purser("key", "change").expect(EX_OK).out
    second.stop()

    third = home.start(environment=credentials(home, purser_key=one, purser_key_new=two))
    assert home.get_token()["generation"] == 1
    third.stop()
    home.start(environment=credentials(home, purser_key=two))
    assert home.get_token()["generation"] == 1
    assert not (home.state / "key").exists()
