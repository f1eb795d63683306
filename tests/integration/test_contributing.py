"""What the README tells a stranger to type works as it stands there."""

import re
import subprocess

from purser import BUILD, TREE
from waiting import free_port

README = (TREE / "README.md").read_text()


def blocks(heading):
    section = re.search(r"^## %s$(.*?)^## " % re.escape(heading), README, re.S | re.M).group(1)
    return re.findall(r"^```sh\n(.*?)^```$", section, re.S | re.M)


def test_every_target_that_is_named_is_there():
    listed = subprocess.run(["make", "help"], cwd=TREE, capture_output=True, text=True, check=True).stdout
    for line in blocks("From a clone to a first change")[0].splitlines():
        for command in re.split(r"\s#", line)[0].split("&&"):
            words = re.sub(r"T=('[^']*'|\S+)", "", command).split()
            assert words[0] == "make" and all(re.search(r"^  %s +" % word, listed, re.M) for word in words[1:] if word != "all")


def test_the_stand_in_is_played_with_as_the_readme_says(tmp_path, home):
    """The person's click is the switch auto_approve; ports and places are the test's own."""
    script = blocks("From a clone to a first change")[1]
    before, login, after = script.partition("build/purser login acme\n")
    assert login
    port = free_port()
    app = '{"app": {"client_id": "5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22", "redirect_uris": ["http://127.0.0.1:%d/callback"]}}' % port
    click = ("curl -sS -d '" + app + "' http://127.0.0.1:8700/_control >/dev/null\n"
             "build/purser login acme --no-browser >/tmp/try/url & login=$!\n"
             "until [ -s /tmp/try/url ]; do kill -0 $login; sleep 0.02; done\n"
             "curl -sS -L \"$(cat /tmp/try/url)\" >/dev/null; wait $login\n")
    ready = ("until curl -s http://127.0.0.1:8700/_control/state >/dev/null; do kill -0 %1; sleep 0.02; done\n"
             "until build/purser list >/dev/null 2>&1; do kill -0 %2; sleep 0.02; done\n")
    before = before.replace("export PURSER_SOCKET=/tmp/try/sock\n", "export PURSER_SOCKET=/tmp/try/sock\n" + ready)
    before = before.replace("--set lifetime", "--set auto_approve=true --set lifetime")
    script = "set -e\ntrap 'kill $(jobs -p)' EXIT\n" + before + click + after + "\nbuild/purser status acme --json\n"
    for old, new in (("/tmp/try", str(tmp_path)), ("8723", str(port)), ("8700", str(free_port())), ("build/purser", str(BUILD.resolve() / "purser"))):
        script = script.replace(old, new)
    done = subprocess.run(["bash", "-c", script], cwd=TREE, env=home.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "503" in done.stdout + done.stderr and '"state":"active"' in done.stdout and '"refreshes": 1' in done.stdout, done.stdout + done.stderr
