"""The session that io.purser(7) shows is what the daemon says."""

import json
import re
import subprocess

from purser import BUILD, TREE

PAGE = TREE / "include/io.purser.7"


def rendered():
    text = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=200", str(PAGE)], capture_output=True, text=True, check=True)
    return re.sub(".\b", "", text.stdout)


def session():
    """The messages of the page as (who, bytes), joined as they were before they were broken for the page."""
    messages = []
    for line in rendered().splitlines():
        said = re.fullmatch(r" *([CS]): (.*)", line)
        if said:
            messages.append([said.group(1), said.group(2)])
        elif messages and not messages[-1][1].endswith("\\0"):
            messages[-1][1] += line.strip()
    return [(who, text.removesuffix("\\0")) for who, text in messages]


def shape(value):
    """A bundle holds what is another's each time; what its members are, and in which order, is the same."""
    if isinstance(value, dict):
        return [(name, shape(member)) for name, member in value.items()]
    return [shape(member) for member in value] if isinstance(value, list) else type(value).__name__


def test_the_manual_shows_the_session_as_it_is(home, acme):
    messages = session()
    assert [who for who, _ in messages] == ["C", "S"] * 7
    connection, token = home.varlink(), None
    for (_, call), (_, reply) in zip(messages[::2], messages[1::2]):
        connection.send_raw(call.replace("eyJhbGciOi", token or "").encode() + b"\0")
        while b"\0" not in connection.buffer:
            connection.buffer += connection.socket.recv(65536)
        said, _, rest = connection.buffer.partition(b"\0")
        connection.buffer = rest
        if "access_token" not in reply:
            assert said.decode() == reply
            continue
        told, shown = json.loads(said), json.loads(reply)
        assert shape(told) == shape(shown)
        assert told["parameters"]["generation"] == shown["parameters"]["generation"]
        token = told["parameters"]["access_token"]
    assert connection.at_end()


def test_the_manual_counts_its_bytes_right():
    call = session()[0][1].encode() + b"\0"
    lines = re.findall(r"^ *(?:[0-9a-f]{8})  ((?:[0-9a-f]{2} +)+)\|", rendered(), re.M)
    assert bytes.fromhex("".join(lines)) == call
    assert "%d bytes and a NUL" % (len(call) - 1) in rendered()


def help_of(*command):
    done = subprocess.run([str(BUILD / "purser"), *command, "--help"], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.splitlines()


def commands():
    """As the help lists them: "secret set" is the one name of two words."""
    listed = [re.match(r"  ((?:[a-z][a-z-]* )+)", line + " ") for line in help_of()]
    return [words.group(1).split() for words in listed if words]


def test_the_help_fits_a_screen_and_leaves_room_for_the_prompt():
    lines = help_of()
    assert len(lines) <= 23 and max(map(len, lines)) <= 79, "\n".join(lines)


def test_every_command_has_a_help_of_its_own_that_fits_a_screen():
    assert ["token"] in commands() and ["secret", "set"] in commands() and len(commands()) >= 16
    for command in commands():
        lines = help_of(*command)
        assert lines[0].startswith("usage: purser " + " ".join(command))
        assert len(lines) <= 23 and max(map(len, lines)) <= 79, "\n".join(lines)


def test_the_manual_tells_of_every_command():
    page = (TREE / "client/purser.1").read_text()
    for command in commands():
        assert ".It Ic " + " ".join(command) in page, command
