"""A disk that refuses, files that were damaged, and state that two daemons want: no grant is lost, and none is thought away."""

import errno
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess

import pytest

from manager import Manager
from purser import EX_CONFIG, EX_TEMPFAIL
from rawvarlink import VarlinkError
from waiting import until

SHIM = pathlib.Path(__file__).with_name("refusing_disk.c")


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "refusing_disk.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"], check=True)
    return library


class Disk:
    """Of the daemons that are started with its environment."""

    def __init__(self, home, shim):
        self.orders = home.directory / "refusing-disk"
        self.environment = {"LD_PRELOAD": str(shim), "REFUSING_DISK": str(self.orders),
                            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def refuse(self, call, error):
        new = self.orders.with_suffix(".new")
        new.write_text("%s %d" % (call, error))
        new.replace(self.orders)

    def mend(self):
        self.orders.unlink(missing_ok=True)


@pytest.fixture
def disk(home, shim):
    disk = Disk(home, shim)
    yield disk
    disk.mend()


def daemon_status(home):
    return home.call("io.purser.Admin.Status")["daemon"]


def refresh_while(home, standin, breaking):
    """The disk breaks when a refresh is on the wire: its answer cannot be saved."""
    standin.next("token", "hold")
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    breaking()
    standin.control(release=True)
    return connection


def assert_served_and_loud(home, standin, daemon, generation=2):
    until(lambda: home.status()["generation"] == generation, "the new generation")
    token = home.get_token()
    assert token["access_token"] == standin.grants()["g1"]["access_token"]
    assert token["generation"] == generation and any("could not be saved" in w for w in token["warnings"])
    status = daemon_status(home)
    assert status["unsaved"] == 1 and status["store"] != "ok"
    assert home.status()["saved"] is False
    assert "refuses to save" in daemon.log and "Do not kill" in daemon.log
    return token


def assert_still_there(home, token):
    """After a kill: what is on disk is the newest, and the grant lives."""
    for daemon in home.daemons:
        if daemon.alive():
            daemon.kill()
    home.start()
    assert home.get_token()["access_token"] == token["access_token"]
    home.call("io.purser.Admin.Refresh", credential="acme")
    assert home.standin.state()["spent_refresh_tokens_sent"] == 0


def wait_saved(home):
    until(lambda: daemon_status(home)["unsaved"] == 0 and daemon_status(home)["store"] == "ok", "everything saved", 40)


@pytest.mark.parametrize("call, error", [("pwrite", errno.ENOSPC), ("pwrite", errno.EROFS), ("pwrite", errno.EIO),
                                         ("fdatasync", errno.EIO)])
def test_tokens_that_the_disk_refuses_are_served_and_saved_later(home, standin, disk, call, error):
    daemon = home.start(environment=disk.environment)
    home.adopt("acme")
    refresh_while(home, standin, lambda: disk.refuse(call, error))
    token = assert_served_and_loud(home, standin, daemon)
    disk.mend()
    wait_saved(home)
    assert "everything is saved" in daemon.log
    assert_still_there(home, token)


def test_tokens_beyond_a_file_size_limit_are_served_and_saved_later(home, standin):
    daemon = home.start()
    home.adopt("acme")
    limit = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    # Room for the log, and none for the journal.
    room = 16384
    assert (home.state / "purser.db-wal").stat().st_size > room
    refresh_while(home, standin,
                  lambda: resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (room, limit[1])))
    token = assert_served_and_loud(home, standin, daemon)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, limit)
    wait_saved(home)
    assert_still_there(home, token)


def test_no_refresh_is_risked_while_the_disk_refuses_and_the_token_lives(home, standin, disk):
    home.start(environment=disk.environment)
    home.adopt("acme")
    disk.refuse("pwrite", errno.ENOSPC)
    with pytest.raises(VarlinkError) as told:
        home.call("io.purser.Admin.Refresh", credential="acme")
    assert told.value.name == "io.purser.Tokens.TokenUnavailable" and "disk" in told.value.parameters["reason"]
    assert standin.count("token") == 1 and home.get_token()["generation"] == 1


def spoil_truncate(path):
    os.truncate(path, 0)


def spoil_half(path):
    os.truncate(path, path.stat().st_size // 2)


def spoil_garbage(path):
    path.write_bytes(os.urandom(path.stat().st_size))


def spoil_delete(path):
    path.unlink()


def spoil_replace(path):
    other = path.with_suffix(".other")
    shutil.copy(path, other)
    other.replace(path)


@pytest.mark.parametrize("spoil", [spoil_truncate, spoil_half, spoil_garbage, spoil_delete, spoil_replace])
def test_store_that_is_spoilt_while_it_is_used_is_made_anew_from_memory(home, standin, spoil):
    daemon = home.start()
    home.adopt("acme")
    refresh_while(home, standin, lambda: spoil(home.state / "purser.db"))
    until(lambda: home.status()["generation"] == 2, "the new generation")
    token = home.get_token()
    assert token["access_token"] == standin.grants()["g1"]["access_token"]
    wait_saved(home)
    assert "was lost while purserd ran" in daemon.log
    assert_still_there(home, token)


def stopped_with_grant(home):
    daemon = home.start()
    home.adopt("acme")
    token = home.get_token()
    daemon.stop()
    return token


def assert_refused_untouched(home, status, word):
    before = {path.name: path.read_bytes() for path in home.state.iterdir() if path.name != "lock"}
    daemon = home.start(ready=False)
    daemon.expect_status = {status}
    assert daemon.wait() == status, daemon.log
    assert not daemon.notify.wait_for("READY=1", patience=0)
    assert word in daemon.log and str(home.state) in daemon.log, daemon.log
    assert {path.name: path.read_bytes() for path in home.state.iterdir() if path.name != "lock"} == before


@pytest.mark.parametrize("spoil", [spoil_truncate, spoil_half, spoil_garbage])
def test_store_that_was_spoilt_while_nobody_ran_is_refused_and_not_touched(home, standin, spoil):
    token = stopped_with_grant(home)
    path = home.state / "purser.db"
    good = path.read_bytes()
    spoil(path)
    assert_refused_untouched(home, os.EX_DATAERR, "damaged")
    path.write_bytes(good)
    assert_still_there(home, token)


def test_store_of_a_newer_version_is_refused_and_not_touched(home, standin):
    token = stopped_with_grant(home)
    path = home.state / "purser.db"
    good = path.read_bytes()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert_refused_untouched(home, EX_CONFIG, "later version")
    path.write_bytes(good)
    assert_still_there(home, token)


def test_journal_without_its_store_is_refused(home, standin):
    home.start()
    home.adopt("acme")
    token = home.get_token()
    home.daemons[-1].kill()
    path = home.state / "purser.db"
    path.rename(home.directory / "aside")
    assert_refused_untouched(home, os.EX_DATAERR, "backup")
    (home.directory / "aside").rename(path)
    assert_still_there(home, token)


def test_lost_key_file_is_refused_and_no_new_one_made(home, standin):
    token = stopped_with_grant(home)
    key = home.state / "key"
    key.rename(home.directory / "key")
    assert_refused_untouched(home, EX_CONFIG, "key")
    (home.directory / "key").rename(key)
    assert_still_there(home, token)


def test_store_that_is_gone_beside_its_key_is_not_taken_for_a_first_start(home, standin):
    stopped_with_grant(home)
    (home.state / "purser.db").unlink()
    daemon = home.start()
    assert "no store beside" in daemon.log


# What could not be saved when purserd is told to stop


@pytest.fixture
def manager(home):
    manager = Manager(home.directory / "manager", places=4)
    yield manager
    for daemon in home.daemons:
        if daemon.alive():
            daemon.process.kill()
            daemon.process.wait()
            daemon.expect_status.add(daemon.process.returncode)
    manager.close()


def test_unsaved_tokens_are_handed_over_a_restart(home, standin, disk, manager):
    first = manager.start(home, disk.environment)
    home.adopt("acme")
    refresh_while(home, standin, lambda: disk.refuse("pwrite", errno.ENOSPC))
    token = assert_served_and_loud(home, standin, first)
    first.process.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0, first.log
    assert "keeps them over a restart" in first.log and manager.names() == ["purser-unsaved"]

    # Still full: the next one has them in memory, serves them, and hands them over in its turn.
    second = manager.start(home, disk.environment)
    assert home.get_token()["access_token"] == token["access_token"]
    assert daemon_status(home)["unsaved"] == 1 and "handed over" in second.log
    second.process.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0, second.log
    assert manager.names() == ["purser-unsaved-2"]

    disk.mend()
    third = manager.start(home, disk.environment)
    assert home.get_token()["access_token"] == token["access_token"]
    wait_saved(home)
    until(lambda: not manager.names(), "the manager to be told to forget them")
    third.kill()
    assert_still_there(home, token)


def test_handed_over_tokens_that_are_older_than_the_store_are_not_taken(home, standin, disk, manager):
    first = manager.start(home, disk.environment)
    home.adopt("acme")
    refresh_while(home, standin, lambda: disk.refuse("pwrite", errno.ENOSPC))
    assert_served_and_loud(home, standin, first)
    first.process.send_signal(signal.SIGTERM)
    assert first.wait(30) == 0
    disk.mend()
    stale = [(name, os.dup(fd)) for name, fd in manager.kept if name == "purser-unsaved"]
    second = manager.start(home, disk.environment)
    wait_saved(home)
    home.call("io.purser.Admin.Refresh", credential="acme")
    token = home.get_token()
    until(lambda: not manager.names(), "the manager to be told to forget them")
    second.kill()
    manager.kept += stale
    third = manager.start(home, disk.environment)
    assert home.get_token()["access_token"] == token["access_token"] and token["generation"] == 3
    until(lambda: not manager.names(), "the manager to be told to forget them")
    third.kill()


def test_where_nobody_keeps_them_purserd_does_not_end_before_they_are_saved(home, standin, disk):
    daemon = home.start(environment=disk.environment)
    home.adopt("acme")
    refresh_while(home, standin, lambda: disk.refuse("pwrite", errno.ENOSPC))
    token = assert_served_and_loud(home, standin, daemon)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.notify.wait_for("EXTEND_TIMEOUT_USEC=")
    assert daemon.notify.wait_for("STATUS=1 credentials are not on disk")
    daemon.wait_log("nobody keeps them")
    assert daemon.alive()
    disk.mend()
    assert daemon.wait(30) == 0, daemon.log
    home.start()
    assert home.get_token()["access_token"] == token["access_token"]
    assert standin.state()["spent_refresh_tokens_sent"] == 0


# Two daemons


def refuse_second(home, state):
    arguments = home.daemon_arguments()
    arguments[arguments.index("--state-dir") + 1] = str(state)
    original, home.daemon_arguments = home.daemon_arguments, lambda: arguments
    try:
        second = home.start("--listen", str(home.directory / "second.sock"), ready=False, listen=False)
    finally:
        home.daemon_arguments = original
    second.expect_status = {EX_TEMPFAIL}
    assert second.wait() == EX_TEMPFAIL, second.log
    assert "another purserd (process %d) uses the state directory" % home.daemons[0].process.pid in second.log
    assert not second.notify.wait_for("READY=1", patience=0)


def assert_first_is_well(home, standin):
    home.call("io.purser.Admin.Refresh", credential="acme")
    token = home.get_token()
    assert daemon_status(home)["store"] == "ok"
    assert_still_there(home, token)


def test_second_daemon_on_the_same_directory_refuses_and_harms_nothing(home, standin, acme):
    before = {path.name: path.read_bytes() for path in home.state.iterdir()}
    refuse_second(home, home.state)
    assert {path.name: path.read_bytes() for path in home.state.iterdir()} == before
    assert_first_is_well(home, standin)


def test_second_daemon_over_a_symbolic_link_refuses_and_harms_nothing(home, standin, acme):
    link = home.directory / "link"
    link.symlink_to(home.state)
    refuse_second(home, link)
    assert_first_is_well(home, standin)


def test_second_daemon_over_a_bind_mount_refuses_and_harms_nothing(home, standin, acme, as_root):
    other = home.directory / "other"
    other.mkdir()
    mounted = subprocess.run(["mount", "--bind", str(home.state), str(other)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot bind-mount: " + mounted.stderr.strip())
    try:
        refuse_second(home, other)
    finally:
        subprocess.run(["umount", str(other)], check=True)
    assert_first_is_well(home, standin)
