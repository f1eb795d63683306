"""The units as they are shipped, under a real systemd: PID 1 of a container that is thrown away afterwards."""

import os
import subprocess

import pytest

from purser import BUILD, TREE

BOOT = TREE / "tests/units/boot.sh"


def boot(*arguments):
    return subprocess.run([str(BOOT), *arguments], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def report():
    """The lines of tests/units/inside.sh."""
    if os.geteuid() != 0:
        pytest.skip("booting systemd needs root")
    probe = boot("--timeout", "20", "--", "/bin/true")
    if probe.returncode != 0:
        pytest.skip("systemd cannot be booted in a container here: " + probe.stderr.strip()[:200])
    done = boot("--bind-ro", "%s:/t" % BUILD.resolve(), "--bind-ro", "%s:/tree" % TREE, "--timeout", "120",
                "--", "/tree/tests/units/inside.sh")
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    return done.stdout


def test_units_work_under_a_real_systemd(report):
    assert "FAILED" not in report, report
    assert sum(line.startswith("ok ") for line in report.splitlines()) == 39, report
