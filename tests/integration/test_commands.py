"""What each command prints, for a person and for a program."""

import json
import re
import subprocess
import urllib.request

import pytest

from purser import BUILD, CLIENT_SECRET, EX_CONFIG, EX_OK, EX_TEMPFAIL, EX_USAGE
from waiting import first_line

VERSION = "2023-08-18"


def token_count(standin):
    return standin.count("token")


# token, headers, exec

def test_token_prints_the_access_token_and_nothing_else(home, standin, acme):
    result = home.purser("token", "acme").expect(EX_OK)
    assert result.out == standin.grants()["g1"]["access_token"] + "\n" and result.err == ""


def test_token_json_is_the_whole_bundle(home, standin, acme):
    bundle = home.purser("token", "acme", "--json").expect(EX_OK).json
    assert bundle["access_token"] == standin.grants()["g1"]["access_token"]
    assert bundle["token_type"] == "Bearer" and bundle["api_version"] == VERSION
    assert bundle["api_url"] == standin.url + "/api/graphql"
    assert bundle["account"]["name"] == "Acme Landscaping"
    assert bundle["generation"] == 1 and bundle["warnings"] == []
    assert isinstance(bundle["expires_at"], int)
    headers = {header["name"]: header["value"] for header in bundle["headers"]}
    assert headers == {"Authorization": "Bearer " + bundle["access_token"], "X-JOBBER-GRAPHQL-VERSION": VERSION}


def test_headers_are_lines_that_make_a_good_request(home, standin, acme):
    lines = home.purser("headers", "acme").expect(EX_OK).out.splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    assert set(headers) == {"Authorization", "X-JOBBER-GRAPHQL-VERSION"}
    headers["Content-Type"] = "application/json"
    request = urllib.request.Request(standin.url + "/api/graphql", b'{"query": "{ account { name } }"}', headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["data"]["account"]["name"] == "Acme Landscaping"


def test_tokens_for_a_while_come_without_asking_the_provider(home, standin, acme):
    before = token_count(standin)
    for _ in range(20):
        home.get_token()
    home.purser("token", "acme", "--min-valid", "5m").expect(EX_OK)
    assert token_count(standin) == before


def test_min_valid_that_no_token_can_meet_gives_the_newest_with_a_warning(home, standin, acme):
    before = token_count(standin)
    for _ in range(3):
        result = home.purser("token", "acme", "--min-valid", "5h", "--json").expect(EX_OK)
        assert result.json["warnings"]
    assert token_count(standin) <= before + 1


def test_min_valid_beyond_a_day_is_75(home, acme):
    home.purser("token", "acme", "--min-valid", "8d").expect(EX_TEMPFAIL).one_line_of_advice()


def test_exec_sets_three_variables(home, standin, acme):
    script = 'printf "%s\\n" "$PURSER_ACCESS_TOKEN" "$PURSER_API_VERSION" "$PURSER_API_URL"'
    out = home.purser("exec", "acme", "--", "sh", "-c", script).expect(EX_OK).out
    assert out.splitlines() == [standin.grants()["g1"]["access_token"], VERSION, standin.url + "/api/graphql"]


def test_exec_passes_on_arguments_input_and_exit_status(home, acme):
    result = home.purser("exec", "acme", "--", "sh", "-c", 'cat; echo "$2"; exit 7', "sh", "--json", "a b", data="in\n")
    assert result.expect(7).out == "in\na b\n"


def test_exec_of_a_program_that_does_not_exist_says_so(home, acme):
    result = home.purser("exec", "acme", "--", "/nonexistent/program")
    assert result.status in (66, 126, 127), result
    assert "/nonexistent/program" in result.one_line_of_advice()


def test_exec_without_a_token_runs_nothing(home, acme):
    result = home.purser("exec", "nobody", "--", "echo", "ran")
    assert result.status != EX_OK and "ran" not in result.out


# list, status, watch

def test_list_shows_every_credential_with_its_state(home, standin, acme):
    home.adopt("birch", "birch")
    lines = home.purser("list").expect(EX_OK).out
    for word in ("acme", "birch", "active", "Birch & Sons Plumbing"):
        assert word in lines


def test_list_json_holds_what_the_interface_promises(home, standin, acme):
    listed = home.purser("list", "--json").expect(EX_OK).json
    credentials = listed["credentials"] if isinstance(listed, dict) else listed
    assert len(credentials) == 1
    entry = credentials[0]
    assert entry["name"] == "acme" and entry["client"] == "jobber-app" and entry["provider"] == "standin"
    assert entry["state"] == "active" and entry["api_version"] == VERSION and entry["generation"] == 1
    assert isinstance(entry["expires_at"], int) and entry["account"]["name"] == "Acme Landscaping"


def test_list_of_nothing_says_how_to_begin(home, purserd):
    result = home.purser("list").expect(EX_OK)
    assert "purser login" in result.out + result.err


def test_configured_credential_is_listed_before_its_first_login(home, standin):
    home.settings["credentials"] = {"acme": {"client": "jobber-app", "description": "Acme, production account"}}
    home.write()
    home.start()
    result = home.purser("list").expect(EX_OK)
    assert "acme" in result.out and "needs login" in result.out
    result = home.purser("token", "acme").expect(EX_CONFIG)
    assert "purser login acme" in result.one_line_of_advice()


def test_status_tells_a_person_what_there_is_and_how_it_is_doing(home, standin, acme):
    out = home.purser("status", "acme").expect(EX_OK).out
    for word in ("acme", "active", "Acme Landscaping", "jobber-app", VERSION):
        assert word in out


def test_status_json_holds_what_the_interface_promises(home, acme, purserd):
    shown = home.purser("status", "--json").expect(EX_OK).json
    assert shown["daemon"]["pid"] == purserd.process.pid
    assert shown["credentials"][0]["name"] == "acme"
    assert shown["credentials"][0]["test"]["version_state"] == "ok"


def test_status_of_a_sick_credential_names_the_next_step(home, standin, acme):
    standin.control(disconnect="acme")
    home.purser("refresh", "acme").expect(EX_CONFIG)
    assert "purser login acme" in home.purser("status", "acme").out
    assert home.status()["next_step"].startswith("purser login acme")


def test_watch_prints_a_line_for_each_change_and_never_a_token(home, standin, acme):
    process = home.spawn("watch", "acme")
    assert first_line(process)
    home.purser("refresh", "acme").expect(EX_OK)
    assert first_line(process)
    process.terminate()
    home.reap(process)


def test_watch_of_a_credential_that_comes_to_need_a_login_ends_with_78(home, standin, acme):
    process = home.spawn("watch", "acme")
    assert first_line(process)
    standin.control(disconnect="acme")
    home.purser("test", "acme").expect(EX_CONFIG)
    assert "purser login acme" in home.reap(process).expect(EX_CONFIG).one_line_of_advice()


def test_status_watch_goes_on_until_it_is_stopped(home, standin, acme):
    process = home.spawn("status", "acme", "--watch", "--json")
    assert first_line(process)
    home.purser("refresh", "acme").expect(EX_OK)
    assert first_line(process)
    process.terminate()
    home.reap(process)


# test

def test_test_prints_account_and_version(home, standin, acme):
    out = home.purser("test", "acme").expect(EX_OK).out
    assert "Acme Landscaping" in out and VERSION in out


def test_version_that_is_to_be_removed_is_shown_in_the_providers_words(home, standin, acme):
    words = "Support for API version 2023-08-18 is scheduled to stop on May 13, 2027."
    standin.set(versions={VERSION: {"warning": words}})
    result = home.purser("test", "acme").expect(EX_OK)
    assert words in result.err
    assert home.status()["test"]["version_state"] == "to-be-removed"
    assert words in home.status()["test"]["version_warning"]
    assert any(words in warning for warning in home.get_token()["warnings"])


def test_version_that_is_no_longer_supported_is_78(home, standin, acme):
    words = "API Version 2023-08-18 is no longer supported, and will be removed at any time."
    standin.set(versions={VERSION: {"warning": words}})
    result = home.purser("test", "acme").expect(EX_CONFIG)
    assert words in result.out + result.err
    assert home.status()["test"]["version_state"] == "unsupported"


def test_version_served_as_another_is_78(home, standin, acme):
    standin.set(versions={VERSION: {"served": "2025-04-16"}})
    result = home.purser("test", "acme").expect(EX_CONFIG)
    assert "2025-04-16" in result.out + result.err
    assert home.status()["test"]["version_state"] == "served-as-another"
    assert home.get_token()["warnings"]


def test_version_that_never_existed_is_78(home, standin):
    home.client["api_version"] = "2022-02-22"
    home.write()
    home.start()
    grant = standin.grant()
    home.purser("import", "acme", data=grant["current"])
    home.purser("test", "acme").expect(EX_CONFIG)
    assert home.status()["test"]["version_state"] == "unsupported"


FATES = {
    "warned": ({"warning": "Support for API version 2023-08-18 is scheduled to stop on May 13, 2027."}, EX_OK, "to-be-removed",
               "is to be removed", "scheduled to stop on May 13, 2027"),
    "unsupported": ({"warning": "API Version 2023-08-18 is no longer supported, and will be removed at any time."}, EX_CONFIG,
                    "unsupported", "is not supported", "no longer supported, and will be removed"),
    "upgraded in silence": ({"served": "2025-04-16"}, EX_CONFIG, "served-as-another", "2023-08-18 was asked for", "2025-04-16"),
    "never existed": (None, EX_CONFIG, "unsupported", "refuses version 2022-02-22", "GraphQL API version '2022-02-22' does not exist"),
}


@pytest.mark.parametrize("fate", FATES)
def test_each_fate_of_a_version_is_told_apart_everywhere(home, standin, acme, purserd, fate):
    version, status, state, meaning, words = FATES[fate]
    if version:
        standin.set(versions={VERSION: version})
    else:
        home.client["api_version"] = "2022-02-22"
        home.write()
        home.purser("reload").expect(EX_OK)
    tested = home.purser("test", "acme").expect(status)
    assert re.search(r"^account +Acme Landscaping ", tested.out, re.M)
    assert re.search(r"^asked for +%s$" % (VERSION if version else "2022-02-22"), tested.out, re.M)
    served = re.search(r"^served by +(\S+)$", tested.out, re.M)
    assert (served and served[1]) == (version.get("served", VERSION) if version else None)
    [warning] = home.get_token()["warnings"]
    for told in (tested.err, warning):
        assert meaning in told and words in told, told
        assert not any(other[3] in told for name, other in FATES.items() if name != fate), told
    shown = home.purser("status", "acme").expect(EX_OK).out
    assert meaning in shown and words in shown and state in shown
    assert "The API version of 'acme' is now '%s'" % state in purserd.log and words in purserd.log
    assert 'purser_api_version_credentials{client="jobber-app",version_state="%s"} 1' % state in home.purser("metrics").out


def test_version_that_nobody_tells_is_unknown(home, standin, acme):
    standin.set(versioning=False)
    home.purser("test", "acme").expect(EX_CONFIG)
    assert home.status()["test"]["version_state"] == "unknown"


def test_version_warning_is_told_once_it_is_over(home, standin, acme):
    standin.set(versions={VERSION: {"served": "2025-04-16"}})
    home.purser("test", "acme").expect(EX_CONFIG)
    standin.set(versions={})
    home.purser("test", "acme").expect(EX_OK)
    assert home.get_token()["warnings"] == []


def test_pinned_version_of_the_credential_goes_out(home, standin):
    home.settings["credentials"] = {"acme": {"client": "jobber-app", "api_version": "2025-04-16"}}
    home.write()
    home.start()
    home.adopt("acme")
    home.adopt("birch", "birch")
    sent = [entry["headers"]["x-jobber-graphql-version"] for entry in standin.log("graphql")]
    assert sent == ["2025-04-16", VERSION]
    assert home.get_token("acme")["api_version"] == "2025-04-16"


@pytest.mark.parametrize("trouble", ["503", "html", "empty", "throttled", "429", "unavailable", "lost_after"])
def test_test_during_an_outage_is_75_and_the_credential_lives_on(home, standin, acme, trouble):
    before = home.get_token()["access_token"]
    standin.always("graphql", trouble)
    home.purser("test", "acme").expect(EX_TEMPFAIL).one_line_of_advice()
    assert home.get_token()["access_token"] == before


def test_test_refreshes_a_token_that_the_api_rejects(home, standin, acme):
    standin.control(kill_access="g1")
    home.purser("test", "acme").expect(EX_OK)
    assert standin.grants()["g1"]["refreshes"] == 2


# refresh, logout

def test_refresh_gets_a_new_generation(home, standin, acme):
    home.purser("refresh", "acme").expect(EX_OK)
    assert home.get_token()["generation"] == 2
    assert standin.grants()["g1"]["refreshes"] == 2


def test_logout_revokes_at_the_provider_and_forgets(home, standin, acme):
    home.purser("logout", "acme").expect(EX_OK)
    assert standin.grants()["g1"]["ended"] == "disconnected"
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []


def test_logout_names_the_credentials_that_it_ended_too(home, standin, acme):
    home.adopt("acme-copy", "acme")
    home.adopt("birch", "birch")
    result = home.purser("logout", "acme").expect(EX_OK)
    assert "acme-copy" in result.out + result.err
    home.purser("token", "acme-copy").expect(EX_CONFIG)
    home.purser("token", "birch").expect(EX_OK)


def test_logout_while_the_provider_is_away_forgets_nothing(home, standin, acme):
    standin.always("graphql", "503")
    result = home.purser("logout", "acme").expect(EX_TEMPFAIL)
    assert "--force" in result.one_line_of_advice()
    home.purser("token", "acme").expect(EX_OK)


def test_forced_logout_forgets_all_the_same(home, standin, acme):
    standin.always("graphql", "503")
    home.purser("logout", "acme", "--force").expect(EX_OK)
    assert home.call("io.purser.Tokens.ListCredentials")["credentials"] == []


def test_logout_by_rfc_7009_sends_the_refresh_token(home, standin):
    home.play("rfc", revocation_endpoint=standin.url + "/api/oauth/revoke")
    home.start()
    home.adopt("acme")
    home.purser("logout", "acme").expect(EX_OK)
    assert standin.grants()["g1"]["ended"] == "revoked"


# secret set, reload, metrics

def test_client_secret_is_typed_once_and_survives_a_restart(home, standin):
    home.client["client_secret"] = {"store": True}
    home.write()
    daemon = home.start()
    grant = standin.grant()
    result = home.purser("import", "acme", data=grant["current"])
    assert result.status == EX_CONFIG and "purser secret set jobber-app" in result.err
    assert standin.count("token") == 0
    home.purser("secret", "set", "jobber-app", data=CLIENT_SECRET + "\n").expect(EX_OK)
    home.purser("import", "acme", data=grant["current"]).expect(EX_OK)
    daemon.stop()
    home.start()
    home.purser("refresh", "acme").expect(EX_OK)


def test_client_secret_of_a_file_cannot_be_set(home, purserd):
    result = home.purser("secret", "set", "jobber-app", data="something-quite-long\n")
    assert result.status not in (EX_OK, 1), result
    result.one_line_of_advice()


def test_reload_takes_new_clients(home, purserd):
    home.settings["clients"]["second-app"] = dict(home.client)
    home.write()
    home.purser("reload").expect(EX_OK)
    names = [client["name"] for client in home.call("io.purser.Admin.ListClients")["clients"]]
    assert names == ["jobber-app", "second-app"]


def test_reload_pins_another_version_at_once(home, acme):
    home.client["api_version"] = "2025-04-16"
    home.write()
    home.purser("reload").expect(EX_OK)
    bundle = home.get_token()
    assert bundle["api_version"] == "2025-04-16" and bundle["generation"] == 1
    assert {"name": "X-JOBBER-GRAPHQL-VERSION", "value": "2025-04-16"} in bundle["headers"]


def test_client_that_leaves_the_configuration_takes_its_grants_out_of_service_and_back(home, standin, acme):
    home.settings["clients"] = {"second-app": home.settings["clients"].pop("jobber-app")}
    home.write()
    home.purser("reload").expect(EX_OK)
    assert home.status()["state"] == "unavailable" and "jobber-app" in home.status()["message"]
    assert home.purser("token", "acme").status != EX_OK
    home.settings["clients"] = {"jobber-app": home.settings["clients"].pop("second-app")}
    home.write()
    home.purser("reload").expect(EX_OK)
    home.purser("token", "acme").expect(EX_OK)
    assert home.status()["state"] == "active"


def test_bad_reload_keeps_the_running_configuration_and_lists_every_mistake(home, acme):
    home.settings["clients"]["jobber-app"]["client_idd"] = "x"
    home.settings["refrehs"] = {}
    home.write()
    result = home.purser("reload").expect(EX_CONFIG)
    assert "client_idd" in result.err and "refrehs" in result.err and str(home.config) + ":" in result.err
    home.purser("token", "acme").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)


def test_metrics_are_openmetrics_text(home, acme):
    lines = home.purser("metrics").expect(EX_OK).out.splitlines()
    assert lines[-1] == "# EOF"
    sample = re.compile(r'^[a-z_][a-z0-9_]*(\{([a-z_]+="([^"\\\n]|\\.)*",?)*\})? -?[0-9.e+-]+$')
    families = {}
    for line in lines[:-1]:
        if line.startswith("# "):
            keyword, name = line.split()[1:3]
            assert keyword in ("HELP", "TYPE", "UNIT"), line
            families.setdefault(name, set()).add(keyword)
        else:
            assert sample.match(line), line
            assert any(line.startswith(name) for name in families), line
    assert all(name.startswith("purser") and "HELP" in known for name, known in families.items())
    assert 'purser_credentials{client="jobber-app",state="active"} 1' in lines


# the rest

@pytest.mark.parametrize("command", ["token", "headers"])
def test_rejected_token_on_standard_input_is_refreshed_first(home, standin, acme, command):
    old = home.get_token()["access_token"]
    shown = home.purser(command, "acme", "--rejected", data=old + "\n").expect(EX_OK).out
    new = home.get_token()
    assert new["generation"] == 2 and new["access_token"] in shown and old not in shown
    assert standin.count("token") == 2
    home.purser(command, "acme", "--rejected", data=old + "\n").expect(EX_OK)
    assert standin.count("token") == 2


@pytest.mark.parametrize("command", ["token", "headers"])
def test_rejected_token_is_no_argument_and_not_nothing(home, standin, acme, command):
    token = home.get_token()["access_token"]
    advice = home.purser(command, "acme", "--rejected", "not-a-token").expect(EX_USAGE).one_line_of_advice()
    assert "standard input" in advice and "not-a-token" not in advice
    home.purser(command, "acme", "--rejected", data="").expect(EX_USAGE)
    home.purser(command, "acme", "--rejected", data="two words\n").expect(EX_USAGE)
    assert home.get_token()["access_token"] == token and standin.count("token") == 1


@pytest.mark.parametrize("program", ["purserd", "purser"])
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_programs_introduce_themselves(home, program, option):
    shown = subprocess.run([str(BUILD / program), option], capture_output=True, text=True, check=True, timeout=10)
    assert program in shown.stdout and shown.stderr == ""


def test_socket_is_found_by_the_environment(home, acme):
    for environment in ({"PURSER_SOCKET": str(home.socket)}, {"XDG_RUNTIME_DIR": str(home.directory / "run")}):
        runtime = home.directory / "run/purser"
        runtime.mkdir(parents=True, exist_ok=True)
        if not (runtime / "purser.sock").is_symlink():
            (runtime / "purser.sock").symlink_to(home.socket)
        shown = subprocess.run([str(BUILD / "purser"), "list"], capture_output=True, text=True, timeout=10,
                               env={**home.environment(), **environment}, check=False)
        assert shown.returncode == EX_OK and "acme" in shown.stdout, shown


def test_more_credentials_than_one_answer_holds_are_all_listed(home, standin):
    names = ["c%04d" % i for i in range(2100)]
    home.settings["credentials"] = {name: {"client": "jobber-app"} for name in names}
    home.write()
    home.start()
    for command in ("list", "status"):
        shown = home.purser(command, "--json").expect().json
        assert [credential["name"] for credential in shown["credentials"]] == names
    assert len(home.purser("list").expect().out.splitlines()) == 1 + len(names)
    refused = home.purser("status", "--watch").one_line_of_advice()
    assert "more than 2000" in refused
