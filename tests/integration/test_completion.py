"""Completion in the shells themselves: what a person gets who types so far and presses Tab."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from purser import BUILD, TREE
from waiting import PATIENCE

FILES = TREE / "client/completion"

BASH = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
$(complete -p purser | sed 's/.*-F \\([^ ]*\\) .*/\\1/') purser "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

FISH = 'source $argv[1]; complete -C (string join " " -- $argv[2..])'

# The list is caught where zsh would show it: compadd itself says what it would add for the word at the cursor.
ZSH = """
PS1= PROMPT= RPS1=
fpath=("$PURSER_FPATH" $fpath)
autoload -Uz compinit && compinit -u -d "$HOME/.zcompdump"
zstyle ':completion:*' verbose no
show() {
        compadd() {
                local -a hits
                builtin compadd -A hits -O hits "$@"
                print -rl -- hit:${^hits} >> "$HOME/hits"
        }
        _main_complete
        unfunction compadd
        print -r -- done >> "$HOME/hits"
}
zle -C show list-choices show
bindkey '^T' show
print -r -- ready >> "$HOME/hits"
"""


def in_bash(environment, words, _):
    return subprocess.run(["bash", "-c", BASH, "bash", str(FILES / "purser.bash"), *words], capture_output=True, text=True,
                          env=environment, timeout=PATIENCE, check=True)


def in_fish(environment, words, _):
    done = subprocess.run(["fish", "--no-config", "-c", FISH, str(FILES / "purser.fish"), *words], capture_output=True,
                          text=True, env=environment, timeout=PATIENCE, check=True)
    done.stdout = "".join(line.partition("\t")[0] + "\n" for line in done.stdout.splitlines())
    return done


def in_zsh(environment, words, directory):
    """Only a line that is being edited is completed, and only a terminal has one."""
    functions = directory / "functions"
    functions.mkdir(exist_ok=True)
    shutil.copy(FILES / "purser.zsh", functions / "_purser")
    hits = directory / "hits"
    hits.write_text("")
    (directory / ".zshrc").write_text(ZSH)
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(["zsh", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                             env=dict(environment, HOME=str(directory), ZDOTDIR=str(directory), TERM="dumb",
                                      PURSER_FPATH=str(functions)))
    os.close(theirs)
    shown = b""
    try:
        for wanted, typed in (("ready", " ".join(words).encode() + b"\x14"), ("done", b"")):
            deadline = time.monotonic() + PATIENCE
            while wanted not in hits.read_text().split("\n"):
                assert time.monotonic() < deadline, shown
                if select.select([ours], [], [], 0.02)[0]:
                    shown += os.read(ours, 4096)
            os.write(ours, typed)
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    found = "\n".join(re.findall("^hit:(.+)$", hits.read_text(), re.M)) + "\n"
    return subprocess.CompletedProcess(words, 0, found, "")


SHELLS = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


@pytest.fixture(params=SHELLS)
def complete(request, home, tmp_path):
    if not shutil.which(request.param):
        pytest.skip("%s is not installed here" % request.param)
    environment = dict(home.environment(), PURSER_SOCKET=str(home.socket), HOME=str(tmp_path))
    environment["PATH"] = "%s:%s" % (BUILD.resolve(), environment["PATH"])

    def run(*words, **changes):
        done = SHELLS[request.param](dict(environment, **changes), ("purser", *words), tmp_path)
        assert not done.stderr, done.stderr
        return sorted(set(filter(None, done.stdout.splitlines())))

    run.shell = request.param
    return run


def commands_of_the_help(home):
    return set(re.findall("^  ([a-z][a-z-]*) ", home.purser("--help").out, re.M))


def test_every_command_of_the_help_is_completed(complete, home, purserd):
    assert set(complete("")) - {"--socket", "--help", "--version"} == commands_of_the_help(home)
    assert complete("st") == ["status"]
    assert complete("secret", "") == ["set"]


def test_options_are_those_of_the_command(complete, home, purserd):
    assert complete("login", "--") == ["--client", "--description", "--device", "--help", "--no-browser", "--paste", "--socket",
                                       "--switch-account"]
    assert complete("token", "acme", "--m") == ["--min-valid"]


def test_names_are_what_the_daemon_has_now(complete, home, acme):
    assert complete("token", "") == ["acme"]
    home.adopt("globex-2.b", account="acme")
    for command in ("token", "headers", "exec", "status", "watch", "login", "logout"):
        assert complete(command, "") == ["acme", "globex-2.b"], command
    assert complete("token", "g") == ["globex-2.b"]
    assert complete("token", "--min-valid", "5m", "a") == ["acme"]
    assert complete("token", "acme", "") == []


def test_clients_are_completed_where_one_is_wanted(complete, home, acme):
    assert complete("verify-webhook", "") == ["jobber-app"]
    assert complete("secret", "set", "") == ["jobber-app"]
    assert complete("login", "acme", "--client", "") == ["jobber-app"]


def test_clients_that_no_credential_uses_are_completed_too(complete, home):
    home.settings["clients"]["other-app"] = home.client
    home.write()
    home.start()
    assert complete("secret", "set", "") == ["jobber-app", "other-app"]
    assert complete("login", "acme", "--client", "o") == ["other-app"]


def test_the_socket_is_the_one_on_the_line(complete, home, acme):
    assert complete("--socket", str(home.socket), "token", "", PURSER_SOCKET="/nonexistent") == ["acme"]


def test_without_a_daemon_there_are_commands_and_no_names(complete, home):
    assert complete("to") == ["token"]
    assert complete("token", "") == []


def test_behind_exec_another_command_begins(complete, home, acme):
    assert "--" in complete("exec", "acme", "-" if complete.shell == "fish" else "")  # fish keeps dashes until one is typed
    assert "purser-login" in complete("exec", "acme", "--", "purser-l")


def test_completion_is_installed_where_the_shells_look_for_it(tmp_path):
    orders = subprocess.run(["make", "-n", "-C", str(TREE), "BUILD=%s" % tmp_path, "PREFIX=/usr", "DESTDIR=/root-of-it", "install"],
                            capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}).stdout
    for source, place in (("bash", "bash-completion/completions/purser"), ("zsh", "zsh/site-functions/_purser"),
                          ("fish", "fish/vendor_completions.d/purser.fish")):
        assert re.search("client/completion/purser.%s /root-of-it/usr/share/%s$" % (source, place), orders, re.M), source
