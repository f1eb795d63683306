"""Every exit status: a sysexit, and one line on standard error that says what to do next."""

import concurrent.futures

import pytest

from purser import EX_CONFIG, EX_NOINPUT, EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_UNAVAILABLE, EX_USAGE, STRANGER
from waiting import until

ABOUT_ONE = [("token", "NAME"), ("token", "NAME", "--json"), ("headers", "NAME"), ("exec", "NAME", "--", "true"),
             ("watch", "NAME"), ("status", "NAME"), ("test", "NAME"), ("refresh", "NAME"), ("logout", "NAME")]
OF_TOKENS = ABOUT_ONE[:5]


def named(arguments, name):
    return [name if word == "NAME" else word for word in arguments]


@pytest.mark.parametrize("arguments", [
    (), ("nonsense",), ("token",), ("token", "a", "b"), ("token", "acme", "--nonsense"),
    ("token", "acme", "--min-valid", "soon"), ("token", "acme", "--min-valid"), ("headers",), ("exec", "acme"),
    ("exec",), ("import",), ("test",), ("refresh",), ("logout",), ("watch",), ("login",), ("secret",),
    ("secret", "set"), ("secret", "get", "x"), ("verify-webhook", "jobber-app"), ("verify-webhook",),
    ("metrics", "x"), ("reload", "x"),
])
def test_misuse_is_64(home, purserd, arguments):
    result = home.purser(*arguments).expect(EX_USAGE)
    assert result.err.strip() and result.out == ""


def test_no_daemon_is_69(home):
    """All at once, since each waits a little for a daemon that is just being started."""
    commands = [named(arguments, "acme") for arguments in ABOUT_ONE] + [
        ["list"], ["status"], ["reload"], ["metrics"], ["login", "acme", "--no-browser"], ["import", "acme"],
        ["secret", "set", "jobber-app"], ["verify-webhook", "jobber-app", "--signature", "x"]]
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
        for result in pool.map(lambda command: home.purser(*command, data="0" * 32), commands):
            assert str(home.socket) in result.expect(EX_UNAVAILABLE).one_line_of_advice()


@pytest.mark.parametrize("arguments", ABOUT_ONE)
def test_admin_learns_that_there_is_no_such_credential(home, acme, arguments):
    result = home.purser(*named(arguments, "nobody")).expect(EX_NOINPUT)
    assert "nobody" in result.one_line_of_advice()


@pytest.mark.parametrize("arguments", OF_TOKENS)
@pytest.mark.parametrize("name", ["acme", "nobody"])
def test_stranger_learns_nothing_and_gets_77(home, acme, as_root, arguments, name):
    result = home.purser(*named(arguments, name), user=STRANGER).expect(EX_NOPERM)
    assert result.one_line_of_advice().endswith(
        "no credential '%s' that you may use; `purser list` shows yours" % name)


@pytest.mark.parametrize("arguments", [
    ("test", "acme"), ("refresh", "acme"), ("logout", "acme"), ("status",), ("reload",), ("metrics",),
    ("secret", "set", "jobber-app")])
def test_commands_of_admins_are_77_for_others(home, acme, as_root, arguments):
    home.purser(*arguments, data="x" * 20, user=STRANGER).expect(EX_NOPERM).one_line_of_advice()


@pytest.mark.parametrize("arguments", OF_TOKENS[:4] + [("test", "NAME"), ("refresh", "NAME")])
def test_authorization_required_is_78_and_names_the_login(home, standin, acme, arguments):
    standin.control(disconnect="acme")
    home.purser("test", "acme").expect(EX_CONFIG)
    result = home.purser(*named(arguments, "acme")).expect(EX_CONFIG)
    assert "purser login acme" in result.one_line_of_advice()


def test_no_token_now_is_75(home, standin, purserd):
    standin.set(lifetime=3)
    standin.next("token", "ok")
    standin.always("token", "503")
    home.adopt("acme")
    until(lambda: home.status()["expires_in_seconds"] < 0, "the end of the token")
    for arguments in OF_TOKENS[:4]:
        home.purser(*named(arguments, "acme")).expect(EX_TEMPFAIL).one_line_of_advice()


def test_success_is_0_and_silent_on_standard_error(home, acme):
    for arguments in ABOUT_ONE[:4] + [("status", "NAME"), ("list",), ("refresh", "NAME"), ("test", "NAME"), ("reload",),
                                      ("metrics",), ("logout", "NAME")]:
        result = home.purser(*named(arguments, "acme")).expect(EX_OK)
        assert result.err == "", result
