"""A store of 5,000 credentials: who asks for one of them waits for none of the others, and no end in the midst of the reading costs anything."""

import hashlib
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess

import pytest

from purser import BUILD, EX_DATAERR, EX_OK
from rawvarlink import VarlinkError
from waiting import until

EX_IOERR = 74
COUNT = 5000
PAGE = 4096
ALL_READ = "All %d credentials are read from the store" % COUNT


@pytest.fixture(scope="module")
def template(tmp_path_factory, programs):
    """A state directory, made once."""
    return tmp_path_factory.mktemp("big") / "state"


@pytest.fixture
def big(home, template):
    home.settings["providers"]["standin"] = {
        "authorization_endpoint": home.standin.url + "/api/oauth/authorize", "token_endpoint": home.standin.url + "/api/oauth/token"}
    home.settings["refresh"]["test"] = "off"
    home.write()
    if not template.exists():
        template.mkdir(mode=0o700)
        subprocess.run([BUILD / "tests/bench/populate", home.config, template, "jobber-app", "c", str(COUNT), "100", "86400"], check=True)
    shutil.copytree(template, home.state, dirs_exist_ok=True)
    return home


def digest(home):
    return hashlib.sha256((home.state / "purser.db").read_bytes()).hexdigest()


def traced(home, *options):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    # A sanitizer cannot look for leaks where somebody else traces.
    options = ("-E", "ASAN_OPTIONS=%s:detect_leaks=0" % os.environ.get("ASAN_OPTIONS", ""), *options)
    return home.start(ready=False, wrapper=["strace", "-f", "-qq", "-s", "200", *options])


def reads_at_the_start(home, known=[]):
    """How often it reads of its file before it serves: each page is looked at, always in the same order."""
    if not known:
        trace = home.directory / "trace"
        daemon = traced(home, "-o", trace, "-e", "trace=pread64,writev").wait_ready()
        daemon.wait_log(ALL_READ)
        child = pathlib.Path("/proc/%d/task/%d/children" % (daemon.process.pid, daemon.process.pid)).read_text().split()
        os.kill(int(child[0]), signal.SIGTERM)
        daemon.wait()
        before, served, after = trace.read_text(errors="replace").partition("so far")
        assert served and after.count("pread64(") > 500
        known.append(before.count("pread64("))
    return known[0]


def in_the_midst(home, what, when):
    """A purserd to which this is done at such a read of credentials beyond the first ones."""
    nth = reads_at_the_start(home) + when
    return traced(home, "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:%s:when=%d" % (what, nth))


def expect_all(home):
    result = home.purser("list").expect(EX_OK)
    assert len(set(re.findall(r"^(c\d+)\s", result.out, re.M))) == COUNT


def test_callers_are_answered_before_all_is_read(big):
    daemon = big.start_activated()
    connection = big.varlink()
    for name in ("nobody", "c%d" % (COUNT - 1), "c10"):
        connection.send("io.purser.Tokens.GetToken", {"credential": name})
    with pytest.raises(VarlinkError) as caught:
        connection.reply()
    assert caught.value.name == "io.purser.Tokens.NoSuchCredential"
    assert connection.reply()["generation"] == 1 and connection.reply()["generation"] == 1
    daemon.wait_log(ALL_READ)
    told = [daemon.log.index(words) for words in ("so far", "c%d: generation 1" % (COUNT - 1), "c10: generation 1", ALL_READ)]
    assert told == sorted(told), daemon.log
    assert daemon.notify.wait_for("STATUS=Serving %d credentials." % COUNT)


def test_what_speaks_of_all_is_answered_with_all(big):
    daemon = big.start_activated()
    expect_all(big)
    daemon.wait_log(ALL_READ)


def test_others_are_served_while_who_speaks_of_all_waits(big):
    daemon = big.start_activated()
    patient, other = big.varlink(), big.varlink()
    patient.send("io.purser.Tokens.ListCredentials", {"most": 10})
    served = 0
    while not select.select([patient.socket], [], [], 0)[0]:
        assert other.call("io.purser.Tokens.GetToken", credential="c%d" % (COUNT - 1 - served))["generation"] == 1
        served += 1
    assert [credential["name"] for credential in patient.reply()["credentials"]][:3] == ["c0", "c1", "c10"]
    assert served >= 3
    daemon.wait_log(ALL_READ)


def test_who_waits_for_all_when_the_daemon_is_told_to_stop_is_answered(big):
    # Reading takes some seconds, a few milliseconds at a time.
    daemon = traced(big, "-o", "/dev/null", "-e", "trace=pread64", "-e", "inject=pread64:delay_enter=4000:when=%d+" % reads_at_the_start(big))
    daemon.wait_ready()
    patient = big.varlink()
    patient.send("io.purser.Tokens.ListCredentials", {"most": 10})
    assert big.call("io.purser.Tokens.GetToken", credential="c10")["generation"] == 1
    child = pathlib.Path("/proc/%d/task/%d/children" % (daemon.process.pid, daemon.process.pid)).read_text().split()
    os.kill(int(child[0]), signal.SIGTERM)
    assert len(patient.reply()["credentials"]) == 10
    daemon.wait()
    assert ALL_READ not in daemon.log


@pytest.mark.parametrize("when", [1, 400])
def test_a_kill_in_the_midst_of_the_reading_costs_nothing(big, when):
    daemon = in_the_midst(big, "signal=KILL", when)
    daemon.expect_status = {-9}
    daemon.wait()
    assert "so far" in daemon.log and ALL_READ not in daemon.log
    big.start()
    assert big.purser("token", "c17").expect(EX_OK).out
    expect_all(big)


# To SQLite, EIO is a damaged file system.
@pytest.mark.parametrize("error,status", [("EIO", EX_DATAERR), ("EPERM", EX_IOERR)])
def test_a_store_that_cannot_be_read_any_more_ends_the_daemon_and_is_left_as_it_is(big, error, status):
    before = digest(big)
    daemon = in_the_midst(big, "error=" + error, 100)
    daemon.expect_status = {status}
    assert daemon.wait() == status
    assert "The store cannot be read to its end" in daemon.log and ALL_READ not in daemon.log
    assert "made anew" not in daemon.log
    assert digest(big) == before
    big.start()
    expect_all(big)


def test_a_damaged_store_is_refused_before_anybody_is_answered(big):
    file = big.state / "purser.db"
    data = bytearray(file.read_bytes())
    middle = len(data) // PAGE // 2 * PAGE
    data[middle:middle + PAGE] = b"\xff" * PAGE
    file.write_bytes(data)
    daemon = big.start(ready=False)
    daemon.expect_status = {EX_DATAERR}
    assert daemon.wait() == EX_DATAERR
    assert file.read_bytes() == data


def test_a_stop_in_the_midst_of_the_reading_is_orderly(big):
    daemon = big.start()
    daemon.stop()
    big.start()
    until(lambda: ALL_READ in big.daemons[-1].log, "the end of the reading")
    expect_all(big)
