"""Lost, late and broken answers of the token endpoint, one row each: the state, what callers get, how often it is tried, and that
the grant works afterwards."""

import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from rawvarlink import VarlinkError
from waiting import free_port, until

REQUIRED = "io.purser.Tokens.AuthorizationRequired"
UNAVAILABLE = "io.purser.Tokens.TokenUnavailable"
SENT = {"retrying", "outcome-unknown"}
LOST = {"outcome-unknown"}
TRYING = {"retrying"}
FINAL = {"authorization-required"}
CUT = {"disconnected", "inactive"}
CALLERS = 20

# What the stand-in answers, the states that may follow, what callers past the end of the token get.
ROWS = {
    "lost before it was served": ("lost_before", LOST, UNAVAILABLE),
    "lost after it was served": ("lost_after", LOST, UNAVAILABLE),
    "timeout": ("hold_before", LOST, UNAVAILABLE),
    "truncated": ("truncated", SENT, UNAVAILABLE),
    "a page with 200": ("html", SENT, UNAVAILABLE),
    "an empty 200": ("empty", SENT, UNAVAILABLE),
    "half a JSON text": ("garbage", SENT, UNAVAILABLE),
    "100 MB": ("huge", SENT, UNAVAILABLE),
    "a body that never ends": ("endless", SENT, UNAVAILABLE),
    "a byte now and then": ("drip", SENT, UNAVAILABLE),
    "429": ("429", TRYING, UNAVAILABLE),
    "429 with Retry-After": ("429_retry", TRYING, UNAVAILABLE),
    "500": ("500", SENT, UNAVAILABLE),
    "503": ("503", SENT, UNAVAILABLE),
    "temporarily unavailable": ("unavailable", SENT, UNAVAILABLE),
    "a firewall's 403": ("forbidden", SENT, UNAVAILABLE),
    "401, not valid": ("not_valid", FINAL, REQUIRED),
    "401, does not match": ("not_match", FINAL, REQUIRED),
    "401, disconnected": ("disconnected", FINAL, REQUIRED),
    "401, account inactive": ("inactive", FINAL, REQUIRED),
    "invalid_grant": ("invalid_grant", FINAL, REQUIRED),
    "invalid_client": ("invalid_client", {"unavailable", "retrying"}, UNAVAILABLE),
}


def refusal(function, *arguments, **more):
    with pytest.raises(VarlinkError) as caught:
        function(*arguments, **more)
    return caught.value


def refresh(home):
    return home.call("io.purser.Admin.Refresh", credential="acme")


def works(home):
    """A refresh that is on the wire already is joined, and may still end in the trouble that it began in."""
    try:
        return refresh(home)
    except VarlinkError:
        return None


def has_token_of_now(home, standin, grant):
    return home.get_token()["access_token"] == standin.grants()[grant["id"]]["access_token"]


def start(home, **more):
    home.settings["refresh"] = {"timeout": "1s"}
    home.write()
    return home.start(**more)


def short_life(home, standin):
    """The credential has a token that ends in a second, and a grant that is well."""
    standin.clear()
    standin.next("token", {"do": "merge", "json": {"expires_in": 1}})
    return home.adopt("acme", "acme")


def ended(home):
    until(lambda: home.status()["expires_in_seconds"] < 0, "the end of the token")


def ask_all(home):
    """Many callers at once; the names of their errors, and how long they waited in all."""
    began = time.monotonic()
    connections = [home.varlink() for _ in range(CALLERS)]
    for connection in connections:
        connection.send("io.purser.Tokens.GetToken", {"credential": "acme"})
    names = {refusal(connection.reply).name for connection in connections}
    return names, time.monotonic() - began


@pytest.mark.parametrize("row", ROWS)
def test_broken_answer(home, standin, row):
    script, states, error = ROWS[row]
    start(home)
    # As for older apps: a token that is spent still works, so that a lost answer costs nothing and shows nothing else.
    standin.set(rotation="old-apps")
    home.adopt("acme")
    token = home.get_token()["access_token"]
    standin.always("token", script)

    told = refusal(refresh, home)
    assert told.parameters["reason"] and told.name in (UNAVAILABLE, REQUIRED)
    status = home.status()
    assert status["state"] in states and status["last_error"], status
    if script in CUT:
        assert refusal(home.get_token).name == REQUIRED, "a disconnected app is handed no token"
    else:
        assert home.get_token()["access_token"] == token

    grant = short_life(home, standin)
    standin.always("token", script)
    ended(home)
    sent = standin.count("token")
    names, took = ask_all(home)
    assert names == {error} and took < 6, (names, took)
    assert standin.count("token") - sent <= 3
    # Where it is tried again later rather than now, there is no valid token for a while.
    assert home.status()["state"] in states | ({"unavailable"} if error == UNAVAILABLE else set())
    final = error == REQUIRED
    sent = standin.count("token")
    if final or script == "429_retry":
        with pytest.raises(VarlinkError):
            home.get_token()
        assert standin.count("token") == sent, "it is no use to ask again"

    standin.clear()
    standin.control(release=True)
    if final:
        home.call("io.purser.Admin.ImportGrant", credential="acme",
                  refresh_token=standin.grants()[grant["id"]]["current"])
    elif script != "429_retry":
        until(lambda: works(home), "a refresh that works")
    else:
        assert home.status()["next_refresh_in_seconds"] <= 31
        assert standin.grants()[grant["id"]]["alive"]
        return
    assert home.status()["state"] == "active"
    # A request that was given up may reach the provider after it, whose token nobody has then: the next refresh brings one.
    until(lambda: has_token_of_now(home, standin, grant) or (works(home) and has_token_of_now(home, standin, grant)),
          "the token of now")


# What never becomes a request

class Deaf:
    """A server that does not get as far as a request: `meet` is what becomes of each connection."""

    def __init__(self, meet):
        self.meet, self.connections, self.heard = meet, 0, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                self.heard += self.meet(connection) or b""

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def speak_tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def meet(connection):
        with context.wrap_socket(connection, server_side=True) as tls:
            return tls.recv(65536)
    return meet


@pytest.fixture(scope="session")
def bad_certificates(tls_files, tmp_path_factory):
    """Of the authority that is trusted: one that has ended, and one of another host."""
    directory = tmp_path_factory.mktemp("bad-tls")
    made = {}
    for name, host, clock in (("expired", "DNS:localhost,IP:127.0.0.1", ["faketime", "10 days ago"]),
                              ("other host", "DNS:elsewhere.example", [])):
        prefix = str(directory / name.replace(" ", "-"))
        (directory / "extensions").write_text("subjectAltName=%s\n" % host)
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                        "-keyout", prefix + ".key", "-out", prefix + ".csr"], check=True, capture_output=True)
        subprocess.run([*clock, "openssl", "x509", "-req", "-in", prefix + ".csr", "-CA", tls_files["ca.pem"],
                        "-CAkey", tls_files["ca.pem"].replace("ca.pem", "ca.key"), "-days", "2",
                        "-extfile", str(directory / "extensions"), "-out", prefix + ".pem"], check=True, capture_output=True)
        made[name] = (prefix + ".pem", prefix + ".key")
    return made


def goes_nowhere(home, standin, url, ca_file=None, **more):
    """The token endpoint is at `url`, where no request can be sent to; then it is back where it was."""
    daemon = start(home, **more)
    home.adopt("acme")
    token = home.get_token()["access_token"]
    good = home.provider["token_endpoint"]
    home.provider["token_endpoint"] = url
    if ca_file:
        home.provider["ca_file"] = ca_file
    home.write()
    home.call("io.purser.Admin.Reload")

    told = refusal(refresh, home)
    assert told.name == UNAVAILABLE and told.parameters["reason"]
    began = time.monotonic()
    assert home.get_token()["access_token"] == token
    assert time.monotonic() - began < 0.5, "a caller waited for the network"
    # Nothing was sent, so that nothing is unknown.
    assert home.status()["state"] == "retrying" and home.status()["failures"] == 1

    reported = refusal(home.get_token, rejected=token)
    assert reported.name == UNAVAILABLE
    home.provider["token_endpoint"] = good
    home.provider.pop("ca_file", None)
    home.write()
    home.call("io.purser.Admin.Reload")
    refresh(home)
    assert home.status()["state"] == "active"
    assert home.get_token()["access_token"] == standin.grants()["g1"]["access_token"] != token
    assert standin.state()["spent_refresh_tokens_sent"] == 0
    return daemon


def test_connection_refused(home, standin):
    goes_nowhere(home, standin, "http://127.0.0.1:%d/token" % free_port())


def test_connection_reset_before_the_request_was_taken(home, standin):
    deaf = Deaf(reset)
    try:
        start(home)
        home.adopt("acme")
        home.provider["token_endpoint"] = "http://127.0.0.1:%d/token" % deaf.port
        home.write()
        home.call("io.purser.Admin.Reload")
        assert refusal(refresh, home).name == UNAVAILABLE
        # The request may have been in the kernel's hands already: what became of it is not known then.
        assert home.status()["state"] in SENT and home.get_token()["generation"] == 1
        assert 1 <= deaf.connections <= 2
        home.settings = home.default_settings()
        home.write()
        home.call("io.purser.Admin.Reload")
        refresh(home)
        assert home.status()["state"] == "active" and home.get_token()["generation"] == 2
    finally:
        deaf.close()


@pytest.mark.parametrize("certificate", ["unknown authority", "expired", "other host"])
def test_certificate_that_must_not_be_trusted_gets_no_secret(home, standin, tls_files, bad_certificates, certificate):
    pair = bad_certificates.get(certificate, (tls_files["server.pem"], tls_files["server.key"]))
    deaf = Deaf(speak_tls(*pair))
    try:
        goes_nowhere(home, standin, "https://localhost:%d/token" % deaf.port,
                     tls_files["ca.pem"] if certificate in bad_certificates else None)
        assert deaf.connections >= 1 and deaf.heard == b""
    finally:
        deaf.close()


def test_names_that_are_never_resolved_hold_up_nobody(home, standin, as_root):
    """The daemon has a resolv.conf of its own, with a name server that never answers."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        silent.bind(("127.0.0.77", 53))
    except OSError as error:
        silent.close()
        pytest.skip("cannot bind port 53 of a loopback address: %s" % error)
    resolv = home.directory / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.77\n")
    wrapper = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
               'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolv)]
    try:
        goes_nowhere(home, standin, "https://provider.example/token", wrapper=wrapper)
        silent.setblocking(False)
        assert b"provider" in silent.recv(4096), "nobody asked the name server"
    finally:
        silent.close()
