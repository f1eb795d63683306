"""Keys that clients say who they are with: what is wrong with one is told before anything is sent, and no word of it is shown."""

import subprocess

import pytest

from purser import EX_CONFIG, EX_OK, EX_USAGE

EC = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
WEAK = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]
ENCRYPTED = [*EC, "-aes256", "-pass", "pass:hunter2"]


@pytest.fixture
def keyed(home, tmp_path):
    """A client with a key in a file, at a provider that takes no secret; nothing may show a line of the key."""
    home.play("rfc", token_endpoint_auth_method="private_key_jwt")
    home.key = tmp_path / "client.pem"
    home.key.touch(0o600)
    del home.client["client_secret"]
    home.client["client_key"] = {"file": str(home.key)}
    home.write()
    shown = []

    def make(*arguments):
        subprocess.run(["openssl", "genpkey", *arguments, "-out", home.key], check=True, stderr=subprocess.DEVNULL)
        shown.extend(home.key.read_text().splitlines()[1:-1])
    home.make_key = make
    yield home
    assert not home.evidence.find({"client_key": shown})


def test_good_key_is_no_mistake(keyed):
    keyed.make_key(*EC)
    keyed.check().expect(EX_OK)


@pytest.mark.parametrize("arguments, words", [
    (WEAK, "an RSA key of 1024 bits: make one of 2048 to 8192"), (ENCRYPTED, "openssl pkey -in OLD -out NEW"),
    (["-algorithm", "X25519"], "make one of RSA, EC (P-256) or Ed25519")])
def test_key_that_cannot_sign_is_a_mistake_with_its_place(keyed, arguments, words):
    keyed.make_key(*arguments)
    result = keyed.check().expect(EX_CONFIG)
    assert "clients.jobber-app.client_key: the key is" in result.err and words in result.err
    assert result.err.count("\n") == 1


def test_file_that_holds_no_key_or_that_others_may_read_is_a_mistake(keyed):
    keyed.key.write_text("hunter2\n")
    assert "the key is no private key in PEM" in keyed.check().expect(EX_CONFIG).err
    keyed.make_key(*EC)
    keyed.key.chmod(0o644)
    assert "is open to others (mode 0644)" in keyed.check().expect(EX_CONFIG).err


def test_key_that_goes_bad_while_the_daemon_runs_is_told_at_login_and_refresh(keyed, standin):
    keyed.make_key(*EC)
    keyed.start()
    keyed.key.write_text("hunter2\n")
    result = keyed.purser("import", "acme", data=standin.grant("acme")["current"]).expect(EX_CONFIG)
    assert "the key of client 'jobber-app' is no private key in PEM" in result.one_line_of_advice()
    assert not standin.log("token")


def test_store_takes_a_key_only_where_it_can_sign(keyed, tmp_path):
    keyed.client["client_key"] = {"store": True}
    keyed.write()
    keyed.start()
    keyed.make_key(*WEAK)
    result = keyed.purser("secret", "set", "jobber-app", data=keyed.key.read_text()).expect(EX_USAGE)
    assert "an RSA key of 1024 bits" in result.one_line_of_advice()
    keyed.make_key(*EC)
    keyed.purser("secret", "set", "jobber-app", data=keyed.key.read_text()).expect(EX_OK)
    assert keyed.purser("clients", "--json").expect(EX_OK).json["clients"][0]["secret"] == "store"
