"""What purserd says to the service manager, and how it takes a socket from it."""

import os
import shutil
import signal
import threading

import pytest

from purser import EX_CONFIG, EX_OK
from waiting import until


def test_ready_is_told_once_the_socket_is_served(home):
    daemon = home.start()
    assert home.call("org.varlink.service.GetInfo")
    assert daemon.notify.lines().count("READY=1") == 1


def test_status_is_one_line_for_people(home, acme, purserd):
    line = purserd.notify.wait_for("STATUS=")
    assert line and len(line) > len("STATUS=")


def test_status_tells_of_a_credential_in_trouble(home, standin, acme, purserd):
    standin.control(disconnect="acme")
    home.purser("test", "acme").expect(EX_CONFIG)
    assert purserd.notify.wait_for(lambda line: line.startswith("STATUS=") and "login" in line), purserd.notify.lines()


def test_stopping_is_told(home):
    daemon = home.start()
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
    assert daemon.notify.wait_for("STOPPING=1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_end_the_daemon_end_it_well(home, acme, purserd, number):
    purserd.process.send_signal(number)
    assert purserd.wait() == 0


def reload_lines(daemon):
    return [line for line in daemon.notify.lines() if line in ("RELOADING=1", "READY=1")]


def test_reload_by_signal_is_told_from_beginning_to_end(home):
    daemon = home.start()
    home.settings["clients"]["second-app"] = dict(home.client)
    home.write()
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: reload_lines(daemon) == ["READY=1", "RELOADING=1", "READY=1"], "RELOADING and READY")
    assert daemon.notify.wait_for("MONOTONIC_USEC=")
    assert len(home.call("io.purser.Admin.ListClients")["clients"]) == 2


def test_reload_by_command_is_told_as_well(home):
    daemon = home.start()
    home.purser("reload").expect(EX_OK)
    until(lambda: reload_lines(daemon) == ["READY=1", "RELOADING=1", "READY=1"], "RELOADING and READY")


def test_bad_reload_by_signal_is_logged_and_the_old_configuration_stays(home, acme, purserd):
    home.write("cleints: {}\n")
    purserd.process.send_signal(signal.SIGHUP)
    purserd.wait_log("%s:1:1: " % home.config)
    until(lambda: reload_lines(purserd)[-1:] == ["READY=1"] and "RELOADING=1" in reload_lines(purserd), "the end of the reload")
    home.purser("refresh", "acme").expect(EX_OK)


def test_watchdog_is_fed_in_time(home):
    daemon = home.start(environment={"WATCHDOG_USEC": "600000"})
    until(lambda: daemon.notify.lines().count("WATCHDOG=1") >= 3, "WATCHDOG=1 three times", patience=5)


def test_watchdog_meant_for_another_process_is_none_of_ours(home):
    daemon = home.start(environment={"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    home.call("org.varlink.service.GetInfo")
    assert "WATCHDOG=1" not in daemon.notify.lines()


@pytest.fixture
def activator():
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("systemd-socket-activate is not installed")


def test_socket_is_taken_from_the_manager(home, standin, activator):
    home.start_activated()
    grant = standin.grant()
    home.purser("import", "acme", data=grant["current"]).expect(EX_OK)
    home.purser("token", "acme").expect(EX_OK)


def test_hundred_callers_before_the_daemon_runs_are_all_answered(home, standin, activator):
    home.start_activated()
    answers = []

    def ask():
        answers.append(home.call("org.varlink.service.GetInfo")["product"])

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 100


def test_passed_socket_stays_when_the_daemon_ends(home, activator):
    daemon = home.start_activated()
    home.call("org.varlink.service.GetInfo")
    daemon.stop()
    assert home.socket.exists()


def test_own_socket_is_removed_at_the_end_and_a_stale_one_replaced(home):
    first = home.start()
    first.kill()
    assert home.socket.exists()
    second = home.start()
    home.call("org.varlink.service.GetInfo")
    second.stop()
    assert not home.socket.exists()


def test_no_socket_at_all_is_an_error_that_says_what_to_do(home):
    daemon = home.start(ready=False, listen=False)
    status = daemon.wait()
    daemon.expect_status = {status}
    assert status != 0 and "--listen" in daemon.log


def test_process_gives_up_what_it_does_not_need(home, acme, purserd):
    with open("/proc/%d/status" % purserd.process.pid, encoding="ascii") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["Seccomp"].strip() == "2"
    assert "hardened" not in purserd.log
    with open("/proc/%d/limits" % purserd.process.pid, encoding="ascii") as file:
        core = next(line for line in file if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


def test_process_may_not_be_traced_by_its_own_user(home, standin, as_root):
    home.give_to(65534)
    daemon = home.start(user=65534)
    assert os.stat("/proc/%d/environ" % daemon.process.pid).st_uid == 0


def test_no_process_sees_a_secret_in_arguments_or_environment(home, acme, purserd):
    purserd.look()


def test_descriptors_do_not_pile_up(home, standin, acme, purserd, as_root):
    directory = "/proc/%d/fd" % purserd.process.pid
    for _ in range(3):
        home.purser("refresh", "acme").expect(EX_OK)
    before = len(os.listdir(directory))
    for _ in range(30):
        home.call("io.purser.Admin.Refresh", credential="acme")
        home.call("io.purser.Admin.Test", credential="acme")
    until(lambda: len(os.listdir(directory)) <= before + 1, "descriptors to be closed")
