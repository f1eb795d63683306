"""16 clients ask all the time while purserd is restarted, killed and reloaded: tests/load/load.py, under a manager of a few lines."""

import shlex
import subprocess
import sys

import pytest

from purser import BUILD, TREE
from waiting import first_line

SUPERVISOR = TREE / "tests/integration/supervisor.py"
LOAD = TREE / "tests/load/load.py"
ASKER = BUILD / "tests/load/asker"


@pytest.fixture
def managed(home):
    """purserd under the supervisor, with a credential; gives what orders begin with."""
    log_path = home.directory / "supervised.log"
    home.evidence.files.append(log_path)
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(home.socket), str(home.programs / "purserd"), *home.daemon_arguments()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=home.environment())
    try:
        assert first_line(process) == "ready", log_path.read_text()
        home.adopt("acme")
        yield "%s %s --say %s " % (sys.executable, SUPERVISOR, shlex.quote(str(home.socket)))
    finally:
        process.communicate(timeout=60)
    assert process.returncode == 0, log_path.read_text()
    assert "Sanitizer" not in log_path.read_text(), log_path.read_text()


@pytest.mark.parametrize("kind,rounds", [("restarts", 5), ("reloads", 10), ("kills", 5)])
def test_callers_never_notice(home, standin, managed, kind, rounds):
    config = shlex.quote(str(home.config))
    counts = dict({"restarts": 0, "reloads": 0, "kills": 0}, **{kind: rounds})
    done = subprocess.run(
        [sys.executable, str(LOAD), "--asker", str(ASKER), "--socket", str(home.socket), "--credential", "acme",
         *[word for name, count in counts.items() for word in ("--" + name, str(count))],
         "--restart", managed + "restart", "--kill", managed + "kill", "--reload", managed + "reload",
         "--break", "cp {0} {0}.good && echo wrong >{0}".format(config), "--mend", "cp {0}.good {0}".format(config)],
        capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert standin.grants()["g1"]["alive"] and standin.state()["spent_refresh_tokens_sent"] == 0
