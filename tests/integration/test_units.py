"""The units as they are shipped, under a real systemd: PID 1 of a container that is thrown away afterwards."""

import functools
import os
import subprocess

import pytest

from purser import BUILD, TREE

BOOT = TREE / "tests/systemd/boot.sh"


def boot(*arguments):
    return subprocess.run([str(BOOT), *arguments], capture_output=True, text=True, timeout=300, check=False)


@functools.cache
def cannot_boot():
    probe = boot("--timeout", "20", "--", "/bin/true")
    return None if probe.returncode == 0 else probe.stderr.strip()[:200]


def run(script):
    """The lines that a script of tests/systemd prints inside the container."""
    if os.geteuid() != 0:
        pytest.skip("booting systemd needs root")
    why_not = cannot_boot()
    if why_not is not None:
        pytest.skip("systemd cannot be booted in a container here: " + why_not)
    done = boot("--bind-ro", "%s:/t" % BUILD.resolve(), "--bind-ro", "%s:/tree" % TREE, "--timeout", "240",
                "--", "/tree/tests/systemd/" + script)
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    return done.stdout


def expect(script, n_things):
    report = run(script)
    assert "FAILED" not in report, report
    assert sum(line.startswith("ok ") for line in report.splitlines()) == n_things, report


def test_units_work_under_a_real_systemd():
    expect("inside.sh", 40)


def test_services_are_given_credentials_by_a_real_systemd():
    expect("credentials.sh", 27)


def test_units_work_under_the_manager_of_a_user():
    expect("user.sh", 21)


def test_a_full_disk_costs_no_grant_under_a_real_systemd():
    expect("disk.sh", 14)
