"""What root finds of the secrets in a purserd that is at rest: in its memory, a core dump, its files and what ps shows."""

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

from purser import BUILD, CLIENT_ID, CLIENT_SECRET, EX_CONFIG, EX_TEMPFAIL
from rawvarlink import Varlink, VarlinkError
from waiting import until

N_REQUESTS = 3000
CHUNK = 1 << 20
# What of a secret is looked for: a part that was left behind is as bad as the whole.
PART = 16
# The end of the client secret, and the digits of everybody who prints numbers.
NO_SECRET = {b"0123456789abcdef"}


def regions(pid):
    """What is mapped and readable: (start, end, name)."""
    for line in pathlib.Path("/proc/%d/maps" % pid).read_text().splitlines():
        fields = line.split(None, 5)
        if fields[1].startswith("r"):
            start, end = (int(number, 16) for number in fields[0].split("-"))
            yield start, end, fields[5] if len(fields) > 5 else "anonymous"


def read_memory(pid):
    """Everything that /proc/PID/mem gives to root, as (name, bytes); what it refuses is not there."""
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for start, end, name in regions(pid):
            data = bytearray()
            try:
                memory.seek(start)
                while start + len(data) < end:
                    piece = memory.read(min(CHUNK, end - start - len(data)))
                    if not piece:
                        break
                    data += piece
            except (OSError, OverflowError, ValueError):
                pass
            yield "%s at %x" % (name, start), bytes(data)


def parts(secret):
    """Beginning, middle and end. All JWTs of one key begin alike, and that beginning is no secret."""
    if len(secret) <= PART:
        return {secret}
    middle = len(secret) // 2
    return {secret[middle - PART // 2:middle + PART // 2], secret[-PART:]} - NO_SECRET | (
        set() if secret.startswith(b"eyJ") else {secret[:PART]})


def find(places, secrets):
    """(kind, place, offset) of everything found, without the secret."""
    return sorted({(kind, place, data.find(part)) for place, data in places for kind, values in secrets.items()
                   for value in values for part in parts(value) if part in data})


@pytest.fixture
def plain_build(programs):
    if b"__asan_init" in (BUILD / "purserd").read_bytes():
        pytest.skip("AddressSanitizer maps terabytes, and keeps what was freed")


def planted(home, standin):
    secrets = {kind: {value.encode() for value in values} for kind, values in standin.secrets().items()}
    secrets.setdefault("client_secret", set()).add(CLIENT_SECRET.encode())
    secrets["sealing_key"] = {(home.state / "key").read_bytes()}
    return secrets


def busy_life(home, standin):
    """Login, import, refreshes, requests of all kinds, errors, a reload; then nothing more to do."""
    home.login("acme")
    home.adopt("birch", "birch")
    with contextlib.closing(Varlink(str(home.socket))) as connection:
        for _ in range(N_REQUESTS // 100):
            for name in ("acme", "birch"):
                token = connection.call("io.purser.Tokens.GetToken", credential=name)["access_token"]
            for _ in range(48):
                connection.call("io.purser.Tokens.GetToken", credential=name)
            with pytest.raises(VarlinkError):
                connection.call("io.purser.Tokens.GetToken", credential="nobody")
            connection.call("io.purser.Tokens.ListCredentials")
    home.get_token("birch", rejected=token)
    for _ in range(3):
        home.purser("refresh", "acme")
    home.purser("test", "acme")
    secret = standin.grants()["g1"]["current"]
    standin.next("token", {"do": "answer", "status": 500, "body": "<p>%s %s</p>" % (secret, CLIENT_SECRET),
                           "type": "text/html"})
    assert home.purser("refresh", "acme").status in (EX_CONFIG, EX_TEMPFAIL)
    home.purser("reload").expect()
    home.purser("refresh", "birch").expect()
    until(lambda: home.call("io.purser.Admin.Status")["daemon"]["refreshes_in_flight"] == 0, "rest")
    home.get_token("birch")


def test_nothing_that_root_reads_of_a_daemon_at_rest_holds_a_secret(home, standin, as_root, plain_build):
    daemon = home.start()
    try:
        open("/proc/%d/mem" % daemon.process.pid, "rb").close()
    except OSError:
        pytest.skip("may not read the memory of others")
    busy_life(home, standin)
    secrets = planted(home, standin)
    assert all(kind in secrets and secrets[kind] for kind in ("refresh_token", "access_token", "verifier")), \
        sorted(secrets)

    memory = list(read_memory(daemon.process.pid))
    assert any(CLIENT_ID.encode() in data for _, data in memory), "the search finds nothing at all"
    hidden = sum(end - start for start, end, name in regions(daemon.process.pid) if "secretmem" in name)
    if not hidden:
        pytest.skip("this kernel has no memfd_secret: root can read locked pages")
    assert find(memory, secrets) == []


def test_core_dump_holds_no_secret(home, standin, as_root, plain_build):
    gcore = shutil.which("gcore")
    if not gcore:
        pytest.skip("gcore (gdb) is not installed")
    daemon = home.start()
    busy_life(home, standin)
    secrets = planted(home, standin)
    prefix = home.directory / "core"
    made = subprocess.run([gcore, "-o", str(prefix), str(daemon.process.pid)], capture_output=True, text=True,
                          timeout=120, check=False)
    core = prefix.with_name("core.%d" % daemon.process.pid)
    if made.returncode != 0 or not core.exists():
        pytest.skip("gcore may not look at it: " + made.stderr[-200:])
    data = core.read_bytes()
    assert CLIENT_ID.encode() in data, "the core is empty"
    assert find([("core", data)], secrets) == []


def test_files_arguments_environment_and_log_hold_no_secret(home, standin):
    daemon = home.start()
    busy_life(home, standin)
    secrets = planted(home, standin)
    process = pathlib.Path("/proc/%d" % daemon.process.pid)
    places = [(name, (process / name).read_bytes()) for name in ("cmdline", "environ")
              if os.geteuid() == 0 or name == "cmdline"]
    places += [(str(path), path.read_bytes()) for path in home.state.rglob("*")
               if path.is_file() and path.name != "key"]
    places.append(("log", daemon.log_path.read_bytes()))
    assert any(name.endswith("purser.db") for name, _ in places)
    assert find(places, secrets) == []
