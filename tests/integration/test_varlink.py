"""The protocol as varlink.org specifies it, and what happens to those who do not keep to it."""

import contextlib
import json
import re
import shutil
import socket
import subprocess

import pytest

from purser import TREE
from rawvarlink import Closed, VarlinkError

SERVICE = "org.varlink.service."
INTERFACES = ["io.purser.Admin", "io.purser.Tokens", "org.varlink.service"]


def refusal(connection, method, *parameters):
    connection.send(method, *parameters)
    with pytest.raises(VarlinkError) as caught:
        connection.reply()
    return caught.value


def still_serves(home):
    assert home.call(SERVICE + "GetInfo")["interfaces"]


def test_get_info_tells_who_answers(home, purserd):
    info = home.call(SERVICE + "GetInfo")
    assert set(info) == {"vendor", "product", "version", "url", "interfaces"}
    assert all(isinstance(info[name], str) and info[name] for name in ("vendor", "product", "version"))
    assert isinstance(info["url"], str)
    assert sorted(info["interfaces"]) == INTERFACES


@pytest.mark.parametrize("interface", ["io.purser.Tokens", "io.purser.Admin"])
def test_description_is_the_published_file(home, purserd, interface):
    description = home.call(SERVICE + "GetInterfaceDescription", interface=interface)["description"]
    assert description == (TREE / "include" / (interface + ".varlink")).read_text()


def test_description_of_the_service_interface_is_complete(home, purserd):
    description = home.call(SERVICE + "GetInterfaceDescription", interface="org.varlink.service")["description"]
    for word in ("interface org.varlink.service", "method GetInfo", "method GetInterfaceDescription",
                 "error InterfaceNotFound", "error MethodNotFound", "error MethodNotImplemented",
                 "error InvalidParameter", "error PermissionDenied", "error ExpectedMore"):
        assert word in description


@pytest.mark.parametrize("interface", INTERFACES)
def test_name_is_declared_once_in_an_interface_be_it_of_a_type_a_method_or_an_error(home, purserd, interface):
    """They share one name space: libvarlink, systemd and the Go library refuse an interface that declares one twice."""
    description = home.call(SERVICE + "GetInterfaceDescription", interface=interface)["description"]
    names = re.findall(r"^(?:type|method|error) (\w+)", description, re.M)
    assert names and sorted(names) == sorted(set(names)), sorted(name for name in set(names) if names.count(name) > 1)


@pytest.mark.parametrize("method,name,parameters", [
    ("io.purser.Tokens.Nonsense", "MethodNotFound", {"method": "io.purser.Tokens.Nonsense"}),
    ("io.purser.Admin.Nonsense", "MethodNotFound", {"method": "io.purser.Admin.Nonsense"}),
    (SERVICE + "Nonsense", "MethodNotFound", {"method": SERVICE + "Nonsense"}),
    ("io.purser.Nonsense.Get", "InterfaceNotFound", {"interface": "io.purser.Nonsense"}),
    ("io.purser.Tokens.getToken", "MethodNotFound", {"method": "io.purser.Tokens.getToken"}),
])
def test_unknown_names_are_told_as_the_specification_says(home, purserd, method, name, parameters):
    error = refusal(home.varlink(), method, {})
    assert error.name == SERVICE + name
    assert error.parameters == parameters


def test_description_of_an_unknown_interface_is_interface_not_found(home, purserd):
    error = refusal(home.varlink(), SERVICE + "GetInterfaceDescription", {"interface": "io.example.Nothing"})
    assert (error.name, error.parameters) == (SERVICE + "InterfaceNotFound", {"interface": "io.example.Nothing"})


@pytest.mark.parametrize("parameters,parameter", [
    ({}, "credential"), ({"credential": 5}, "credential"), ({"credential": None}, "credential"),
    ({"credential": "acme", "min_valid_seconds": "5"}, "min_valid_seconds"),
    ({"credential": "acme", "min_valid_seconds": -1}, "min_valid_seconds"),
    ({"credential": "acme", "min_valid_seconds": 1.5}, "min_valid_seconds"),
    ({"credential": "acme", "rejected": True}, "rejected"),
])
def test_wrong_parameter_is_named(home, acme, parameters, parameter):
    error = refusal(home.varlink(), "io.purser.Tokens.GetToken", parameters)
    assert (error.name, error.parameters["parameter"]) == (SERVICE + "InvalidParameter", parameter)


def test_null_stands_for_an_absent_optional_parameter(home, acme):
    assert home.get_token(min_valid_seconds=None, rejected=None)["generation"] == 1


@pytest.mark.parametrize("parameters", [None, {}])
def test_parameters_may_be_absent_or_empty(home, purserd, parameters):
    connection = home.varlink()
    connection.send("io.purser.Tokens.ListCredentials", parameters)
    assert connection.reply() == {"credentials": []}


def test_parameters_may_be_null(home, purserd):
    connection = home.varlink()
    connection.send_raw(b'{"method":"io.purser.Tokens.ListCredentials","parameters":null}\0')
    assert connection.reply() == {"credentials": []}


def test_unknown_members_are_ignored(home, acme):
    connection = home.varlink()
    connection.send("io.purser.Tokens.GetToken", {"credential": "acme"}, comment="hello", number=5)
    assert connection.reply()["generation"] == 1


def test_message_in_small_pieces_is_one_message(home, acme):
    connection = home.varlink()
    message = json.dumps({"method": "io.purser.Tokens.GetToken", "parameters": {"credential": "acme"}}).encode() + b"\0"
    for byte in message:
        connection.send_raw(bytes([byte]))
    assert connection.reply()["generation"] == 1


def test_pipelined_calls_are_answered_in_order(home, acme):
    connection = home.varlink()
    calls = []
    for number in range(200):
        name = "acme" if number % 2 else "missing-%d" % number
        calls.append({"method": "io.purser.Tokens.GetToken", "parameters": {"credential": name}})
    connection.send_raw(b"".join(json.dumps(call).encode() + b"\0" for call in calls))
    for number in range(200):
        answer = connection.receive()
        if number % 2:
            assert answer["parameters"]["generation"] == 1
        else:
            assert answer["error"] == "io.purser.Tokens.NoSuchCredential"
            assert answer["parameters"]["credential"] == "missing-%d" % number


def test_pipelined_call_waits_for_the_slow_one_before_it(home, standin, acme):
    standin.next("token", "hold_before")
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    connection.send(SERVICE + "GetInfo")
    standin.wait("held")
    standin.control(release=True)
    assert connection.reply()["generation"] == 2
    assert connection.reply()["interfaces"]


def test_oneway_call_gets_no_answer_and_takes_effect(home, standin, acme):
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"}, oneway=True)
    connection.send("io.purser.Tokens.GetToken", {"credential": "nobody"}, oneway=True)
    connection.send("io.purser.Tokens.Nonsense", {}, oneway=True)
    connection.send(SERVICE + "GetInfo")
    assert connection.reply()["interfaces"]
    standin.wait("grants.g1.refreshes", 2)


def test_more_where_it_is_not_needed_gives_one_last_reply(home, acme):
    connection = home.varlink()
    connection.send("io.purser.Tokens.GetToken", {"credential": "acme"}, more=True)
    message = connection.receive()
    assert not message.get("continues") and message["parameters"]["generation"] == 1


def test_watch_without_more_answers_once(home, acme):
    connection = home.varlink()
    connection.send("io.purser.Tokens.WatchToken", {"credential": "acme"})
    message = connection.receive()
    assert not message.get("continues") and message["parameters"]["generation"] == 1
    assert connection.call(SERVICE + "GetInfo")["interfaces"]


def test_upgrade_is_not_for_us(home, acme):
    connection = home.varlink()
    connection.send("io.purser.Tokens.GetToken", {"credential": "acme"}, upgrade=True)
    answer = connection.receive()
    assert answer.get("error") or answer["parameters"]["generation"] == 1
    still_serves(home)


BROKEN = {
    "no JSON": b"nonsense\0", "nothing": b"\0", "array": b"[]\0", "number": b"5\0", "text": b'"text"\0', "no method": b"{}\0",
    "method is a number": b'{"method":5}\0', "parameters are an array": b'{"method":"a.b.C","parameters":[]}\0',
    "more is a text": b'{"method":"a.b.C","more":"yes"}\0', "cut off": b'{"method":"a.b.C"',
    "more than one value": b'{"method":"io.purser.Tokens.GetToken"}}\0', "no UTF-8": b'{"method":"\xff\xfe"}\0',
    "braces": b"{" * 100000 + b"\0", "deep": b'{"a":' * 50000 + b"1" + b"}" * 50000 + b"\0",
    "NUL in a text": b'{"method":"org.varlink.service.GetInfo\\u0000x"}\0',
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_message_drops_the_connection_and_nobody_else_notices(home, acme, data):
    bystander = home.varlink()
    connection = home.varlink()
    # What is too deep is refused before it is whole.
    with contextlib.suppress(OSError):
        connection.send_raw(data)
        connection.socket.shutdown(socket.SHUT_WR)
    assert connection.at_end()
    assert bystander.call("io.purser.Tokens.GetToken", credential="acme")["generation"] == 1


@pytest.mark.parametrize("method", ["GetInfo", "", ".", "a..b", "io.purser.Tokens.", ".GetToken", "ünïcode.a.B",
                                    pytest.param("x" * 10000, id="long")])
def test_method_that_is_no_name_is_refused(home, purserd, method):
    connection = home.varlink()
    connection.send(method, {})
    try:
        assert connection.receive()["error"].startswith(SERVICE)
    except Closed:
        pass
    still_serves(home)


def test_oversized_message_is_refused_before_it_is_whole(home, acme):
    bystander = home.varlink()
    connection = home.varlink()
    piece = b"x" * 65536
    sent = 0
    with pytest.raises(OSError):
        connection.send_raw(b'{"method":"')
        while sent < 64 * 1024 * 1024:
            connection.send_raw(piece)
            sent += len(piece)
    assert sent < 16 * 1024 * 1024
    assert bystander.call("io.purser.Tokens.GetToken", credential="acme")["generation"] == 1


def test_ten_megabytes_of_a_parameter_harm_nobody(home, acme):
    connection = home.varlink()
    try:
        connection.send("io.purser.Tokens.GetToken", {"credential": "x" * 10_000_000})
        connection.reply()
    except (VarlinkError, Closed, OSError):
        pass
    still_serves(home)


def test_client_that_never_reads_is_dropped_and_holds_up_nobody(home, acme):
    lazy = home.varlink()
    lazy.socket.settimeout(1)
    call = json.dumps({"method": "io.purser.Tokens.GetToken", "parameters": {"credential": "acme"}}).encode() + b"\0"
    try:
        for _ in range(20000):
            lazy.send_raw(call * 10)
    except OSError:
        pass
    assert home.get_token()["generation"] == 1


def test_client_that_leaves_in_the_middle_of_a_call_harms_nobody(home, standin, acme):
    standin.next("token", "hold_before")
    connection = home.varlink()
    connection.send("io.purser.Admin.Refresh", {"credential": "acme"})
    standin.wait("held")
    connection.close()
    standin.control(release=True)
    home.wait_status(lambda status: status["generation"] == 2)


def test_client_that_says_nothing_holds_up_nobody(home, acme):
    silent = [home.varlink() for _ in range(200)]
    assert home.get_token()["generation"] == 1
    assert home.call("io.purser.Admin.Status")["daemon"]["connections"] >= len(silent)


def test_connections_are_let_go_when_their_clients_leave(home, purserd):
    for connection in [home.varlink() for _ in range(100)]:
        connection.close()
    from purser import until
    until(lambda: home.call("io.purser.Admin.Status")["daemon"]["connections"] <= 2, "the end of all connections")


def members(description, what):
    """The members that an interface's method returns, or that a type has: name -> is it optional."""
    text = re.sub(r"#.*", "", description)
    if what.startswith("type "):
        body = re.search(r"\btype %s\s*\(([^)]*)\)" % what[5:], text).group(1)
    else:
        body = re.search(r"\bmethod %s\s*\([^)]*\)\s*->\s*\(([^)]*)\)" % what, text).group(1)
    found = {}
    for field in filter(None, (part.strip() for part in body.split(","))):
        name, kind = (part.strip() for part in field.split(":", 1))
        found[name] = kind.startswith("?")
    return found


def check_members(found, declared):
    assert set(found) <= set(declared), "undeclared: %s" % (set(found) - set(declared))
    missing = {name for name, optional in declared.items() if not optional} - set(found)
    assert not missing, "missing: %s" % missing


def test_replies_hold_exactly_what_the_interfaces_declare(home, acme):
    tokens = (TREE / "include/io.purser.Tokens.varlink").read_text()
    admin = (TREE / "include/io.purser.Admin.varlink").read_text()
    check_members(home.get_token(), members(tokens, "GetToken"))
    for entry in home.call("io.purser.Tokens.ListCredentials")["credentials"]:
        check_members(entry, members(tokens, "type Credential"))
    status = home.call("io.purser.Admin.Status")
    check_members(status["daemon"], members(admin, "type Daemon"))
    check_members(status["credentials"][0], members(admin, "type CredentialStatus"))
    check_members(status["credentials"][0]["test"], members(admin, "type " + re.search(r"test: \?(\w+)", admin).group(1)))
    check_members(home.call("io.purser.Admin.ListClients")["clients"][0], members(admin, "type Client"))
    for method, parameters in (("Refresh", {"credential": "acme"}), ("Metrics", {}), ("Reload", {}),
                               ("BeginAuthorization", {"credential": "acme"}), ("Revoke", {"credential": "acme"})):
        check_members(home.call("io.purser.Admin." + method, **parameters), members(admin, method)
                      if "-> ()" not in re.search(r"method %s\(.*?-> \(.?" % method, admin, re.S).group() else {})


def test_varlinkctl_understands_us(home, acme):
    varlinkctl = shutil.which("varlinkctl")
    if not varlinkctl:
        pytest.skip("varlinkctl (systemd 255 and later) is not installed")
    for arguments in (["info", str(home.socket)], ["introspect", str(home.socket), "io.purser.Tokens"],
                      ["call", str(home.socket), "io.purser.Tokens.ListCredentials", "{}"]):
        shown = subprocess.run([varlinkctl, *arguments], capture_output=True, text=True, timeout=20, check=False)
        assert shown.returncode == 0, shown
