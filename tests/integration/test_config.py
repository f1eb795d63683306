"""Every mistake in the configuration is an error with file, line, column and the path of the key, and all are told at once."""

import json
import os
import re
import shutil

import pytest

from purser import EX_CONFIG, EX_OK, TREE

GOOD = """\
providers:
  standin:
    extends: jobber
    token_endpoint: http://127.0.0.1:9/token
clients:
  app:
    provider: standin
    client_id: abc
    client_secret: {file: %(secret)s}
    redirect_uri: http://127.0.0.1:8723/callback
"""

APP = "clients:\n  app:\n    provider: jobber\n    client_id: x\n"
STORE = "    client_secret: {store: true}\n"
MINE = "providers:\n  mine:\n    extends: jobber\n"

# name, text, then line, column and words of the message that must be told
MISTAKES = [
    ("unknown key, with the nearest known one", APP + "    redirct_uri: http://127.0.0.1:1/\n" + STORE,
     5, 5, ("clients.app.redirct_uri", "redirect_uri")),
    ("unknown key at the top", "cleints: {}\n", 1, 1, ("cleints", "clients")),
    ("duplicate key", GOOD + "refresh: {timeout: 5s}\nrefresh: {timeout: 6s}\n", 12, 1, ("refresh",)),
    ("mapping expected", "clients: [a, b]\n", 1, 10, ("clients",)),
    ("text expected", "clients:\n  app:\n    provider: [jobber]\n    client_id: x\n" + STORE,
     3, 15, ("clients.app.provider",)),
    ("inline client secret", APP + "    client_secret: hunter2hunter2hunter2\n",
     5, 20, ("clients.app.client_secret", "credential", "file", "store")),
    ("two sources of a secret", APP + "    client_secret: {store: true, credential: a.secret}\n", 5, 20, ("client_secret",)),
    ("no client secret", APP, 3, 5, ("clients.app", "client_secret")),
    ("no client_id", "clients:\n  app:\n    provider: jobber\n" + STORE, 3, 5, ("clients.app", "client_id")),
    ("provider that does not exist", "clients:\n  app:\n    provider: jober\n    client_id: x\n" + STORE,
     3, 15, ("clients.app.provider", "jober", "jobber")),
    ("client that does not exist", GOOD + "credentials:\n  acme:\n    client: ap\n",
     13, 13, ("credentials.acme.client", "ap")),
    ("plain http endpoint", MINE + "    token_endpoint: http://id.example.com/token\n",
     4, 21, ("providers.mine.token_endpoint", "https")),
    ("plain http that only looks like loopback", MINE + "    token_endpoint: http://127.0.0.1.example.com/token\n",
     4, 21, ("providers.mine.token_endpoint", "https")),
    ("plain http issuer", "providers:\n  mine:\n    issuer: http://id.example.com\n",
     3, 13, ("providers.mine.issuer", "https")),
    ("no endpoints", "providers:\n  mine:\n    token_endpoint_auth_method: none\n",
     3, 5, ("providers.mine", "endpoint")),
    ("extending what does not exist", "providers:\n  mine:\n    extends: nobody\n",
     3, 14, ("providers.mine.extends", "nobody")),
    ("version header that is no token", MINE + "    api: {version_header: \"X VERSION\"}\n",
     4, 27, ("providers.mine.api.version_header",)),
    ("control character", "clients:\n  app:\n    provider: jobber\n    client_id: \"a\\nb\"\n" + STORE,
     4, 16, ("clients.app.client_id",)),
    ("unknown auth method", MINE + "    token_endpoint_auth_method: client_secret_jwt\n",
     4, 33, ("token_endpoint_auth_method", "client_secret_post")),
    ("unknown challenge method", MINE + "    code_challenge_method: plain\n", 4, 28, ("code_challenge_method", "S256")),
    ("duration that is none", "refresh: {timeout: soon}\n", 1, 20, ("refresh.timeout",)),
    ("share beyond the whole", "refresh: {before: 250%}\n", 1, 19, ("refresh.before",)),
    ("parallel below one", "refresh: {parallel: 0}\n", 1, 21, ("refresh.parallel",)),
    ("user that does not exist", "admins: [{user: no-such-user-here}]\n", 1, 17, ("admins", "no-such-user-here")),
    ("group that does not exist", "admins: [{group: no-such-group-here}]\n", 1, 18, ("admins", "no-such-group-here")),
    ("unknown kind of rule", "admins: [{usr: root}]\n", 1, 11, ("usr", "user")),
    ("name that is none", "clients:\n  \"a b\":\n    provider: jobber\n    client_id: x\n" + STORE, 2, 3, ("a b",)),
    ("YAML that is broken", "clients:\n  app: [\n", 3, 1, ()),
    ("tab where a blank must be", "clients:\n\tapp: {}\n", 2, 1, ()),
    ("alias", "clients: &a {}\nproviders: *a\n", 1, 10, ()),
    ("several documents", "clients: {}\n---\nclients: {}\n", 2, 1, ()),
    ("secret file that is not there", APP + "    client_secret: {file: /nonexistent/secret}\n",
     None, None, ("/nonexistent/secret",)),
]


def told(result):
    """The mistakes as (file, line, column, message)."""
    found = re.findall(r"^(/[^\n:]+):(\d+):(\d+): (.*)$", result.err + result.out, re.M)
    return [(file, int(line), int(column), message) for file, line, column, message in found]


def test_good_configuration_is_good(home):
    home.write(GOOD % {"secret": home.secret_file})
    home.check().expect(EX_OK)


def test_example_configuration_of_the_tree_is_good(home):
    text = (TREE / "etc/purser.yaml").read_text()
    home.write(text)
    home.check().expect(EX_OK)


@pytest.mark.parametrize("text,line,column,words", [entry[1:] for entry in MISTAKES], ids=[entry[0] for entry in MISTAKES])
def test_mistake_is_told_with_its_place(home, text, line, column, words):
    home.write(text.replace("%(secret)s", str(home.secret_file)))
    result = home.check().expect(EX_CONFIG)
    assert "hunter2" not in result.err + result.out
    fitting = [message for file, at_line, at_column, message in told(result)
               if file == str(home.config) and line in (None, at_line) and column in (None, at_column)
               and all(word in message for word in words)]
    assert fitting, "nothing at %s:%s with %s; %r" % (line, column, words, result)


def test_all_mistakes_are_told_at_once(home):
    home.write("cleints: {}\nrefresh: {timeout: soon, paralel: 3}\nadmins: {}\n")
    assert [(line, column) for _, line, column, _ in told(home.check().expect(EX_CONFIG))] == [
        (1, 1), (2, 20), (2, 26), (3, 9)]


def test_mistakes_of_all_files_are_one_report(home):
    home.write("cleints: {}\n")
    extra = home.directory / "conf.d"
    extra.mkdir()
    (extra / "10-a.yaml").write_text("refresh: {timeout: soon}\n")
    (extra / "20-b.yaml").write_text("admins: {}\n")
    (extra / "30-ignored.txt").write_text("not: [read\n")
    assert [file for file, _, _, _ in told(home.check().expect(EX_CONFIG))] == [
        str(home.config), str(extra / "10-a.yaml"), str(extra / "20-b.yaml")]


def test_conf_d_adds_to_the_main_file(home):
    extra = home.directory / "conf.d"
    extra.mkdir()
    (extra / "app.yaml").write_text('{"clients": {"second-app": %s}}' % json.dumps(home.client))
    home.start()
    assert len(home.call("io.purser.Admin.ListClients")["clients"]) == 2


def test_same_client_in_two_files_is_a_mistake(home):
    extra = home.directory / "conf.d"
    extra.mkdir()
    (extra / "app.yaml").write_text('{"clients": {"jobber-app": %s}}' % json.dumps(home.client))
    result = home.check().expect(EX_CONFIG)
    assert "jobber-app" in result.err + result.out


def test_mistake_in_a_provider_file_names_that_file(home):
    home.providers = home.directory / "providers"
    home.providers.mkdir()
    (home.providers / "broken.yaml").write_text("token_endpont: https://id.example.com/token\n")
    result = home.check()
    assert result.status == EX_CONFIG and str(home.providers / "broken.yaml") + ":1:1:" in result.err + result.out


def test_daemon_ends_with_a_mistake_in_a_provider_file_that_no_client_uses(home):
    home.providers = shutil.copytree(home.providers, home.directory / "providers")
    (home.providers / "broken.yaml").write_text("token_endpont: https://id.example.com/token\n")
    daemon = home.start(ready=False)
    daemon.expect_status = {EX_CONFIG}
    assert daemon.wait() == EX_CONFIG
    assert "%s:1:1: " % (home.providers / "broken.yaml") in daemon.log and " serves; credentials: " not in daemon.log


def test_mistakes_where_no_client_looks_are_told_before_secrets_are_looked_for(home):
    home.providers = shutil.copytree(home.providers, home.directory / "providers")
    (home.providers / "broken.yaml").write_text("token_endpont: https://id.example.com/token\n")
    home.secret_file.unlink()
    daemon = home.start(ready=False)
    daemon.expect_status = {EX_CONFIG}
    assert daemon.wait() == EX_CONFIG
    assert "%s:1:1: " % (home.providers / "broken.yaml") in daemon.log


def test_first_call_of_all_may_ask_for_all_providers(home):
    home.start_activated()
    names = {provider["name"] for provider in home.call("io.purser.Tokens.ListProviders")["providers"]}
    assert names == {path.stem for path in home.providers.glob("*.yaml")} | {"standin"}


def test_daemon_does_not_start_with_a_mistake_and_says_which(home):
    home.write("cleints: {}\n")
    daemon = home.start(ready=False)
    daemon.expect_status = {EX_CONFIG}
    assert daemon.wait() == EX_CONFIG
    assert "%s:1:1: " % home.config in daemon.log


def test_missing_file_is_78(home):
    home.config.unlink()
    result = home.check().expect(EX_CONFIG)
    assert str(home.config) in result.err + result.out


@pytest.mark.parametrize("mode,good", [
    (0o600, True), (0o400, True), (0o640, None), (0o644, False), (0o604, False), (0o666, False)])
def test_client_secret_that_others_can_read_is_refused(home, mode, good):
    home.secret_file.chmod(mode)
    result = home.check()
    if good is not None:
        assert result.status == (EX_OK if good else EX_CONFIG), result
    if not good and result.status:
        assert str(home.secret_file) in result.err + result.out


def test_client_secret_of_somebody_else_is_refused(home, as_root):
    os.chown(home.secret_file, 65534, 65534)
    result = home.check().expect(EX_CONFIG)
    assert str(home.secret_file) in result.err + result.out


def test_client_secret_from_a_systemd_credential(home, standin):
    credentials = home.directory / "credentials"
    credentials.mkdir(mode=0o700)
    secret = credentials / "app.secret"
    secret.write_text(home.secret_file.read_text())
    secret.chmod(0o400)
    home.client["client_secret"] = {"credential": "app.secret"}
    home.write()
    home.start(environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    home.adopt("acme")
    assert home.call("io.purser.Admin.ListClients")["clients"][0]["secret"] == "credential"


def test_empty_systemd_credential_is_a_missing_one(home, standin):
    credentials = home.directory / "credentials"
    credentials.mkdir(mode=0o700)
    (credentials / "app.secret").touch(0o400)
    home.client["client_secret"] = {"credential": "app.secret"}
    home.write()
    daemon = home.start(ready=False, environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    daemon.notify.wait_for("READY=1", alive=daemon.alive)
    if daemon.alive():
        home.purser("import", "acme", data=standin.grant()["current"]).expect(EX_CONFIG)
    else:
        daemon.expect_status = {EX_CONFIG}
    assert "app.secret" in daemon.log or home.call("io.purser.Admin.ListClients")["clients"][0]["secret"] == "missing"


def test_public_client_needs_no_secret(home, standin):
    standin.control(app={"auth": "none"})
    home.provider["token_endpoint_auth_method"] = "none"
    del home.client["client_secret"]
    home.write()
    home.start()
    home.login("acme")
    form = standin.log("token")[0]["form"]
    assert form["client_id"] == home.client["client_id"] and "client_secret" not in form
