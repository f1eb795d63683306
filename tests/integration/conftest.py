"""Fixtures: one stand-in for the session, a home for each test, and the search for secrets after every test."""

import os
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
sys.dont_write_bytecode = True

from evidence import Evidence  # noqa: E402
from purser import BUILD, PROGRAMS, Home  # noqa: E402
from standin import Standin  # noqa: E402

# A shell that starts tests in the background has ctrl-C ignored, and what is ignored stays so in every program they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory):
    """A certificate authority that nobody knows, and the stand-in's certificate from it."""
    directory = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test CA", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr")
    (directory / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
            "-extfile", "extensions", "-out", "server.pem")
    return {name: str(directory / name) for name in ("ca.pem", "server.pem", "server.key")}


@pytest.fixture(scope="session")
def standin_process(tls_files):
    standin = Standin(["--tls-cert", tls_files["server.pem"], "--tls-key", tls_files["server.key"]])
    yield standin
    standin.stop()


@pytest.fixture
def standin(standin_process):
    assert standin_process.process.poll() is None, "the stand-in died"
    standin_process.reset()
    return standin_process


@pytest.fixture(scope="session")
def programs():
    for name in PROGRAMS:
        if not (BUILD / name).exists():
            pytest.exit("%s is not built; run make, or set PURSER_BUILD" % (BUILD / name), 2)


@pytest.fixture
def home(standin, programs):
    """A configuration and a state directory; no daemon yet. Afterwards nothing that was shown may hold a secret."""
    evidence = Evidence()
    home = Home(standin, evidence)
    yield home
    problems = home.close()
    found = evidence.find(standin.secrets())
    home.remove()
    assert not found, "secrets were shown: %s" % found
    assert not problems, "\n".join(problems)


@pytest.fixture
def purserd(home):
    """The daemon, running with the default configuration."""
    return home.start()


@pytest.fixture
def acme(home, purserd):
    """The daemon, and a credential `acme` whose grant is alive; gives the stand-in's grant."""
    return home.adopt("acme")


@pytest.fixture
def as_root():
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
