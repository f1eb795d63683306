"""libcurl is joined when it is first needed: what a machine without it sees, and that nothing is lost by it."""

import pathlib
import subprocess

import pytest

from purser import BUILD, EX_OK, EX_TEMPFAIL
from waiting import until

EX_OSERR = 71


def joined(daemon):
    return "libcurl" in pathlib.Path("/proc/%d/maps" % daemon.process.pid).read_text()


@pytest.fixture
def without(home):
    """An environment in which libcurl is a file that is no library, and that file."""
    file = home.directory / "lib/libcurl.so.4"
    file.parent.mkdir()
    file.write_text("")
    return {"LD_LIBRARY_PATH": str(file.parent)}, file


def test_the_first_callers_do_not_wait_for_libcurl_and_it_is_there_soon_all_the_same(home, acme, purserd):
    purserd.stop()
    daemon = home.start_activated()
    assert home.purser("token", "acme").expect(EX_OK).out
    until(lambda: joined(daemon), "libcurl, which nobody has asked for")
    assert "libcurl" not in daemon.log


def test_without_libcurl_tokens_are_served_and_refreshes_wait_until_it_is_there(home, standin, acme, purserd, without):
    environment, file = without
    purserd.stop()
    daemon = home.start(environment=environment)
    token = home.purser("token", "acme").expect(EX_OK).out
    daemon.wait_log("No provider can be asked, so that no token is refreshed: libcurl cannot be used")
    told = [line for line in daemon.log.splitlines() if "No provider can be asked" in line]
    assert len(told) == 1 and "install the package libcurl4" in told[0]

    assert "libcurl cannot be used" in home.purser("refresh", "acme").expect(EX_TEMPFAIL).one_line_of_advice()
    status = home.status()
    assert status["state"] == "retrying" and "libcurl cannot be used" in status["last_error"]
    assert home.purser("token", "acme").expect(EX_OK).out == token and not joined(daemon)

    file.unlink()
    home.purser("refresh", "acme").expect(EX_OK)
    assert joined(daemon) and home.status()["state"] == "active"
    assert standin.grants()["g1"]["alive"]


def test_check_tells_that_libcurl_is_missing(home, without):
    environment, file = without
    command = [str(BUILD / "purserd"), *home.daemon_arguments(), "--check"]
    done = subprocess.run(command, env={**home.environment(), **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == EX_OSERR and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "install the package libcurl4" in done.stderr, done.stderr
    file.unlink()
    done = subprocess.run(command, env={**home.environment(), **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == EX_OK and "no mistakes" in done.stdout
