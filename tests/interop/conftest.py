"""Interoperation: Purser against programs that others wrote. The harness is that of the integration tests."""

import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
sys.dont_write_bytecode = True

from evidence import Evidence
from oidc import HERE, METHODS, SECRETS, Server
from purser import BUILD, Home


@pytest.fixture(scope="session")
def installed():
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    if not (HERE / "node_modules/oidc-provider").is_dir():
        pytest.skip("oidc-provider is not installed: make node-deps")


@pytest.fixture
def begin(installed, tmp_path):
    """Gives a function that starts server and daemon for one of the clients; afterwards nothing may have shown a secret."""
    started = []

    def start(client="purser-basic", access_token_seconds=600, **options):
        log = open(tmp_path / "oidc-provider.log", "w", encoding="utf-8")
        server = Server(access_token_seconds, log, **options)
        assert (BUILD / "purserd").exists(), "purserd is not built; run make, or set PURSER_BUILD"
        home = Home(server, Evidence())
        started.append((home, server, log))
        home.settings["providers"]["standin"] = {
            "issuer": server.url, "token_endpoint_auth_method": METHODS[client],
            "api": {"url": server.url, "test_url": server.url + "/me", "test_answer": {"account_id": "/sub"}}}
        home.settings["clients"] = {"app": {"provider": "standin", "client_id": client, "scopes": ["openid"],
                                            "redirect_uri": server.redirect_uri}}
        if SECRETS[client]:
            home.secret_file.write_text(SECRETS[client])
            home.settings["clients"]["app"]["client_secret"] = {"file": str(home.secret_file)}
        if "key" in options:
            home.settings["clients"]["app"]["client_key"] = {"file": str(options["key"])}
        home.write()
        home.start()
        return home, server

    yield start
    for home, server, log in started:
        problems = home.close()
        found = home.evidence.find(server.secrets())
        home.remove()
        server.stop()
        log.close()
        assert not found, "secrets were shown: %s" % found
        assert not problems, "\n".join(problems)


KINDS = {"rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "p256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
         "ed25519": ["ED25519"]}


@pytest.fixture
def make_key(tmp_path):
    def make(kind, name="key.pem"):
        path = tmp_path / name
        subprocess.run(["openssl", "genpkey", "-algorithm", *KINDS[kind], "-out", path], check=True, stderr=subprocess.DEVNULL)
        path.chmod(0o600)
        return path
    return make


@pytest.fixture
def client_key(make_key):
    return make_key("p256")
