"""`purser login`: the person at the browser, what can go wrong on the way, and whose grant it turns out to be."""

import signal
import subprocess
import sys
import urllib.parse

import pytest

from browser import authorize, browse, fetch, parameters_of
from purser import EX_CONFIG, EX_NOPERM, EX_OK, EX_TEMPFAIL, EX_USAGE, STRANGER
from waiting import free_port, until


def only_grant(standin):
    grants = list(standin.grants().values())
    assert len(grants) == 1, grants
    return grants[0]


def test_login_in_a_browser_ends_with_a_tested_credential(home, standin, purserd):
    login = home.begin_login("acme", "--client", "jobber-app", "--description", "Acme, production")
    page = login.browse()
    assert page.status == 200, page.text
    shown = login.finish(EX_OK)
    assert "Acme Landscaping" in shown.out + shown.err
    status = home.status()
    assert status["state"] == "active" and not status["pending"]
    assert status["description"] == "Acme, production"
    assert status["account"]["name"] == "Acme Landscaping"
    assert home.get_token()["access_token"] == only_grant(standin)["access_token"]


def test_authorization_url_is_alone_on_one_line_of_standard_output(home, standin, purserd):
    login = home.begin_login("acme")
    query = parameters_of(login.url)
    assert login.url.startswith(standin.url + "/api/oauth/authorize?")
    assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == standin.redirect_uri
    assert len(query["state"]) >= 22 and len(query["code_challenge"]) == 43
    assert "scope" not in query and "client_secret" not in query
    login.browse()
    login.finish(EX_OK)


def test_every_login_has_a_state_and_a_challenge_of_its_own(home, standin, purserd):
    first, second = (home.call("io.purser.Admin.BeginAuthorization", credential="acme") for _ in range(2))
    one, two = parameters_of(first["authorization_url"]), parameters_of(second["authorization_url"])
    assert one["state"] != two["state"] and one["code_challenge"] != two["code_challenge"]


def test_the_only_client_need_not_be_named(home, standin, purserd):
    home.login("acme")
    assert home.status()["client"] == "jobber-app"


def test_pasted_redirect_completes_a_login_without_a_browser(home, standin, purserd):
    login = home.begin_login("acme", "--paste")
    result = home.reap(login.process, data=authorize(login.url) + "\n")
    result.expect(EX_OK)
    assert home.status()["state"] == "active"


def test_pasted_denial_exits_77(home, standin, purserd):
    login = home.begin_login("acme", "--paste")
    result = home.reap(login.process, data=authorize(login.url, decision="deny") + "\n")
    result.expect(EX_NOPERM)


@pytest.mark.parametrize("denial", ["bare", "error"])
def test_denied_login_exits_77_and_leaves_no_credential(home, standin, purserd, denial):
    standin.set(denial=denial)
    login = home.begin_login("acme")
    page = login.browse(decision="deny")
    assert page.status < 500
    login.finish(EX_NOPERM).one_line_of_advice()
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []


def test_denied_login_leaves_the_old_grant_in_service(home, standin, acme):
    before = home.get_token()
    login = home.begin_login("acme")
    login.browse(decision="deny")
    login.finish(EX_NOPERM)
    assert home.get_token() == before


@pytest.mark.parametrize("query", ["code=forged&state=forged", "code=forged", "error=access_denied&state=forged"])
def test_redirect_that_is_not_ours_gets_an_error_page_and_the_login_goes_on(home, standin, purserd, query):
    login = home.begin_login("acme")
    page = fetch(standin.redirect_uri + "?" + query)
    assert 400 <= page.status < 500
    assert login.process.poll() is None
    assert standin.count("token") == 0
    login.browse()
    login.finish(EX_OK)


def listening(port):
    """Addresses that are listened on at this port, as /proc/net/tcp and tcp6 have them."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as file:
            rows = [line.split() for line in file.readlines()[1:]]
        found += [row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port]
    return found


def test_redirect_port_is_open_to_this_machine_alone_and_for_one_login(home, standin, purserd):
    port = urllib.parse.urlsplit(standin.redirect_uri).port
    login = home.begin_login("acme")
    assert listening(port) == ["0100007F" if sys.byteorder == "little" else "7F000001"]
    first = login.browse()
    login.finish(EX_OK)
    assert listening(port) == []
    with pytest.raises(OSError):
        fetch(first.url)


def test_another_user_of_the_machine_cannot_end_a_login(home, standin, purserd, as_root):
    """A redirect without anything in it is a "no" (Jobber sends no more), so that it matters who brings it."""
    login = home.begin_login("acme")
    script = ("import sys, urllib.request, urllib.error\n"
              "try:\n    print(urllib.request.urlopen(sys.argv[1], timeout=10).status)\n"
              "except urllib.error.HTTPError as error:\n    print(error.code)\n")
    for query in ("", "?error=access_denied"):
        done = subprocess.run([sys.executable, "-I", "-c", script, standin.redirect_uri + query], user=STRANGER, group=STRANGER,
                              extra_groups=[], cwd="/", capture_output=True, text=True, timeout=30, check=False)
        assert done.stdout.strip() == "403", done
    assert login.process.poll() is None
    login.browse()
    login.finish(EX_OK)


def test_code_without_state_is_refused(home, standin, purserd):
    standin.set(redirect_state="omit")
    login = home.begin_login("acme")
    assert 400 <= login.browse().status < 500
    assert standin.count("token") == 0
    standin.set(redirect_state="echo")
    login.browse()
    login.finish(EX_OK)


def test_other_paths_of_the_redirect_port_are_not_found(home, standin, purserd):
    login = home.begin_login("acme")
    base = standin.redirect_uri.rpartition("/")[0]
    assert fetch(base + "/favicon.ico").status == 404
    login.browse()
    login.finish(EX_OK)


def test_page_after_the_redirect_shows_neither_code_nor_state(home, standin, purserd):
    login = home.begin_login("acme")
    redirect = authorize(login.url)
    page = fetch(redirect)
    login.finish(EX_OK)
    back = parameters_of(redirect)
    assert back["code"] not in page.text and back["state"] not in page.text


def test_login_again_with_the_same_account_takes_the_new_grant(home, standin, purserd):
    home.login("acme")
    before = home.get_token()
    home.login("acme")
    after = home.get_token()
    assert after["generation"] > before["generation"]
    assert after["access_token"] == standin.grants()["g2"]["access_token"]
    assert after["account"] == before["account"]


def test_another_account_is_refused_and_the_old_grant_stays(home, standin, purserd):
    home.login("acme")
    before = home.get_token()
    login = home.begin_login("acme")
    login.browse(account="birch")
    result = login.finish()
    assert result.status in (EX_NOPERM, EX_CONFIG), result
    advice = result.one_line_of_advice()
    assert "Birch" in advice and "--switch-account" in advice
    assert home.get_token() == before
    assert not home.status()["pending"]


def test_switch_account_allows_another_account(home, standin, purserd):
    home.login("acme")
    home.login("acme", "--switch-account", account="birch")
    assert home.get_token()["account"]["name"] == "Birch & Sons Plumbing"
    assert home.status()["account"]["name"] == "Birch & Sons Plumbing"


def test_login_whose_test_cannot_run_is_pending_and_tested_again_later(home, standin, purserd):
    standin.always("graphql", "503")
    login = home.begin_login("acme")
    login.browse()
    login.finish(EX_TEMPFAIL)
    assert home.status()["pending"]
    standin.clear()
    status = home.wait_status(lambda status: not status["pending"], patience=40)
    assert status["state"] == "active" and status["account"]["name"] == "Acme Landscaping"


def test_old_grant_serves_while_a_later_one_waits_for_its_test(home, standin, purserd):
    home.login("acme")
    before = home.get_token()
    standin.always("graphql", "html")
    login = home.begin_login("acme")
    login.browse(account="birch")
    login.finish(EX_TEMPFAIL)
    assert home.get_token()["access_token"] == before["access_token"]
    standin.clear()
    home.purser("test", "acme").expect(EX_NOPERM)
    status = home.status()
    assert not status["pending"] and status["account"]["name"] == "Acme Landscaping"
    assert home.get_token()["access_token"] == before["access_token"]


def test_code_that_the_provider_refuses_is_78(home, standin, purserd):
    standin.next("token", "invalid_grant")
    login = home.begin_login("acme")
    login.browse()
    login.finish(EX_CONFIG).one_line_of_advice()
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []


def test_code_is_sent_once_even_when_its_answer_is_lost(home, standin, purserd):
    standin.next("token", "lost_after")
    login = home.begin_login("acme")
    login.browse()
    login.finish(EX_TEMPFAIL)
    assert standin.count("token") == 1


def test_wrong_client_secret_at_login_says_so(home, standin):
    home.secret_file.write_text("not-the-client-secret-at-all\n")
    home.start()
    login = home.begin_login("acme")
    login.browse()
    assert "secret" in login.finish(EX_CONFIG).one_line_of_advice()


def test_exchange_proves_possession_of_the_verifier(home, standin, purserd):
    standin.set(pkce="required")
    home.login("acme")
    form = standin.log("token")[0]["form"]
    assert 43 <= len(form["code_verifier"]) <= 128
    assert form["grant_type"] == "authorization_code" and form["redirect_uri"] == standin.redirect_uri


def test_provider_without_pkce_gets_no_challenge(home, standin):
    home.provider["code_challenge_method"] = "off"
    home.write()
    home.start()
    home.login("acme")
    assert "code_challenge" not in standin.log("authorize")[0]["query"]
    assert "code_verifier" not in standin.log("token")[0]["form"]


def test_redirect_of_another_issuer_is_refused(home, standin):
    home.play("rfc", issuer=standin.url)
    home.start()
    standin.set(issuer="https://evil.example")
    login = home.begin_login("acme")
    assert 400 <= login.browse().status < 500
    assert standin.count("token") == 0
    standin.set(issuer=None)
    login.browse()
    login.finish(EX_OK)
    assert standin.count("token") == 1


def test_login_where_several_clients_exist_must_name_one(home, standin):
    home.settings["clients"]["second-app"] = dict(home.client)
    home.write()
    home.start()
    result = home.purser("login", "acme", "--no-browser")
    result.expect(EX_USAGE)
    assert "jobber-app" in result.err and "second-app" in result.err
    home.login("acme", "--client", "second-app")
    assert home.status()["client"] == "second-app"


def test_login_with_a_client_that_does_not_exist_names_it(home, purserd):
    result = home.purser("login", "acme", "--client", "jober-app", "--no-browser")
    assert result.status in (EX_USAGE, EX_CONFIG), result
    assert "jober-app" in result.one_line_of_advice()


@pytest.mark.parametrize("name", ["", "../acme", "a b", ".hidden", "x" * 65])
def test_credential_name_that_is_none_is_refused(home, purserd, name):
    home.purser("login", name, "--no-browser").expect(EX_USAGE)


def test_redirect_port_in_use_is_told(home, standin, purserd):
    login = home.begin_login("acme")
    result = home.purser("login", "birch", "--no-browser")
    assert result.status not in (EX_OK, 1), result
    assert str(standin.redirect_uri.split(":")[2].split("/")[0]) in result.one_line_of_advice()
    login.browse()
    login.finish(EX_OK)


def test_browser_of_a_desktop_is_opened_without_a_shell(home, standin, as_root):
    """Never root's browser; so the person is somebody else here, with a desktop and an xdg-open that writes down its URL."""
    home.give_to(STRANGER)
    opened = home.directory / "opened"
    desktop = home.directory / "desktop"
    desktop.mkdir(mode=0o755)
    script = '#!/bin/sh\nprintf "%%s\\n" "$#" "$1" > %s.new && mv %s.new %s\n' % (opened, opened, opened)
    (desktop / "xdg-open").write_text(script)
    (desktop / "xdg-open").chmod(0o755)
    home.start(user=STRANGER)
    process = home.spawn("login", "acme", user=STRANGER,
                         environment={"DISPLAY": ":0", "PATH": "%s:/usr/bin:/bin" % desktop})
    until(opened.exists, "the browser")
    count, url = opened.read_text().splitlines()
    assert count == "1" and url.startswith(standin.redirect_uri.rpartition("/")[0])
    led = fetch(url)
    assert led.status == 302 and led.location.startswith(standin.url + "/api/oauth/authorize?")
    again = fetch(url)
    assert again.status == 410 and again.location is None and "used already" in again.text
    assert browse(led.location).status == 200
    result = home.reap(process).expect(EX_OK)
    assert result.out.splitlines()[0] == led.location and "Acme Landscaping" in result.out


def test_interrupted_login_is_forgotten(home, standin, purserd):
    login = home.begin_login("acme")
    login.process.send_signal(signal.SIGINT)
    assert login.finish().status != EX_OK
    assert standin.count("token") == 0
    home.login("acme")


def test_stranger_may_not_log_in(home, purserd, as_root):
    home.purser("login", "acme", "--no-browser", user=STRANGER).expect(EX_NOPERM).one_line_of_advice()


def test_credential_that_needs_authorization_is_well_again_after_a_login(home, standin, acme):
    standin.control(disconnect="acme")
    home.purser("test", "acme").expect(EX_CONFIG)
    home.purser("token", "acme").expect(EX_CONFIG)
    home.login("acme")
    home.purser("token", "acme").expect(EX_OK)
    assert home.status()["state"] == "active"


def test_redirect_with_a_code_given_twice_is_refused(home, standin, purserd):
    login = home.begin_login("acme")
    redirect = authorize(login.url)
    assert 400 <= fetch(redirect + "&code=another").status < 500
    assert standin.count("token") == 0
    browse(login.url)
    login.finish(EX_OK)


def test_redirect_uri_of_the_localhost_name_is_served(home, standin):
    uri = "http://localhost:%d/oauth/done" % free_port()
    standin.control(app={"redirect_uris": [uri]})
    home.client["redirect_uri"] = uri
    home.write()
    home.start()
    assert home.login("acme").status == EX_OK
