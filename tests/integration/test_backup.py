"""Backups: out of one daemon and into another, at a provider that never takes an old refresh token twice."""

import base64
import os
import pty

import pytest

from evidence import Evidence
from purser import CLIENT_SECRET, EX_CONFIG, EX_NOINPUT, EX_NOPERM, EX_OK, EX_USAGE, STRANGER, Home
from rawvarlink import VarlinkError
from waiting import until

EX_DATAERR, EX_CANTCREAT = 65, 73
PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def other(standin, programs):
    """Another machine with the same configuration."""
    evidence = Evidence()
    home = Home(standin, evidence)
    home.start()
    yield home
    problems = home.close()
    found = evidence.find(standin.secrets())
    home.remove()
    assert not found and not problems, (found, problems)


def export(home, *arguments, name="backup", status=EX_OK):
    path = home.directory / name
    result = home.purser("export", str(path), *arguments, data=PASSPHRASE + "\n").expect(status)
    return path, result


def restore(home, path, *arguments, passphrase=PASSPHRASE, status=EX_OK):
    return home.purser("restore", str(path), *arguments, data=passphrase + "\n").expect(status)


def refreshed(home, name="acme"):
    return home.wait_status(lambda status: status["state"] == "active", name)


def refused(home, name="acme"):
    return home.wait_status(lambda status: status["state"] == "authorization-required", name)


def test_a_moved_grant_goes_on_elsewhere_and_is_not_refreshed_here(home, other, standin, acme):
    before = home.status()
    path, result = export(home, "--move")
    assert "1 credentials" in result.out and "not refreshed here any more" in result.err
    restore(other, path)
    after = refreshed(other)
    assert after["generation"] == before["generation"] + 1 and "exported_at" not in after
    assert after["description"] == before["description"] and after["account"] == before["account"]
    assert other.get_token()["access_token"] == standin.grants()[acme["id"]]["access_token"]
    # Here its token is served to its end, with a word about it, and nothing is refreshed, not even after a restart.
    bundle = home.get_token()
    assert any("moved to another machine" in warning for warning in bundle["warnings"]), bundle["warnings"]
    home.daemons[0].kill()
    home.start()
    result = home.purser("refresh", "acme").expect(EX_CONFIG)
    assert "moved to another machine" in result.one_line_of_advice()
    assert "purser keep acme" in result.err and "purser login" not in result.err
    status = home.status()
    assert status["state"] == "authorization-required" and "purser keep acme" in status["next_step"]
    assert status["exported_at"] > 0
    assert standin.state()["spent_refresh_tokens_sent"] == 0 and standin.grants()[acme["id"]]["alive"]


def test_a_moved_grant_may_stay_after_all(home, standin, acme):
    export(home, "--move")
    home.purser("refresh", "acme").expect(EX_CONFIG)
    home.purser("keep", "acme").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)
    status = home.status()
    assert status["state"] == "active" and "exported_at" not in status and not status["warnings"]
    home.daemons[0].stop()
    home.start()
    assert home.status()["state"] == "active"


def test_a_grant_that_was_exported_is_marked_until_it_is_kept(home, acme):
    export(home)
    status = home.status()
    assert status["state"] == "active" and status["exported_at"] > 0
    for warnings in (status["warnings"], home.get_token()["warnings"]):
        assert any("left in a backup" in warning and "purser keep acme" in warning for warning in warnings), warnings
    assert "The grant of 'acme' leaves in a backup" in home.daemons[0].log
    assert "User %d makes a backup of all grants" % os.getuid() in home.daemons[0].log
    home.daemons[0].kill()
    home.start()
    assert home.status()["exported_at"] == status["exported_at"]
    assert "1 credentials" in home.purser("keep").expect(EX_OK).out
    assert not home.get_token()["warnings"] and "exported_at" not in home.status()


def test_a_grant_that_was_rotated_since_is_told_at_once(home, other, standin, acme):
    path, _ = export(home)
    home.purser("refresh", "acme").expect(EX_OK)
    result = restore(other, path)
    assert "goes on refreshing" in result.err
    status = refused(other)
    assert status["next_step"] == "purser login acme"
    assert other.purser("token", "acme").status == EX_CONFIG


def test_what_is_here_already_is_replaced_only_when_told(home, other, standin, acme):
    path, _ = export(home, "--move")
    other.adopt("acme", "birch")
    token = other.get_token()["access_token"]
    result = restore(other, path, status=EX_CANTCREAT)
    assert "acme" in result.one_line_of_advice() and "--replace" in result.err
    assert other.get_token()["access_token"] == token
    restore(other, path, "--replace")
    refreshed(other)
    assert other.get_token()["access_token"] == standin.grants()[acme["id"]]["access_token"]
    other.daemons[0].kill()
    other.start()
    assert other.status()["account"]["id"] == home.status()["account"]["id"]


def test_a_backup_may_be_taken_back_by_the_machine_that_moved_it(home, standin, acme):
    path, _ = export(home, "--move")
    restore(home, path, status=EX_CANTCREAT)
    restore(home, path, "--replace")
    assert "exported_at" not in refreshed(home)
    home.purser("refresh", "acme").expect(EX_OK)


def spoilt(data):
    middle = len(data) // 2
    return {
        "cut short": (data[:-1], EX_DATAERR, "cut short"),
        "cut at a frame": (data[:66], EX_DATAERR, "cut short"),
        "tampered": (data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1:], EX_DATAERR, "damaged"),
        "prolonged": (data + b"\0", EX_DATAERR, "damaged"),
        "newer": (data[:8] + b"\2" + data[9:], EX_DATAERR, "later version"),
        "costly": (data[:18] + b"\xff" * 8 + data[26:], EX_DATAERR, "more memory or time"),
        "another file": (b"once upon a time", EX_DATAERR, "no backup"),
        "empty": (b"", EX_DATAERR, "no backup"),
    }


def test_a_spoilt_backup_is_one_clear_line_and_changes_nothing(home, other, acme):
    path, _ = export(home)
    for name, (data, status, words) in spoilt(path.read_bytes()).items():
        path.write_bytes(data)
        result = restore(other, path, status=status)
        assert words in result.one_line_of_advice() and "nothing was restored" in result.err, (name, result)
    assert other.call("io.purser.Admin.Status")["credentials"] == []


def test_a_wrong_passphrase_is_told(home, other, acme):
    path, _ = export(home)
    result = restore(other, path, passphrase="correct horse battery stable", status=EX_NOPERM)
    assert "does not open with this passphrase" in result.one_line_of_advice()
    restore(other, path)


def test_a_backup_is_for_its_owner_alone_and_holds_nothing_in_clear(home, standin, acme):
    path, _ = export(home)
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    for secret in (CLIENT_SECRET, acme["current"], home.get_token()["access_token"], "acme", PASSPHRASE):
        assert secret.encode() not in data
    before = data
    export(home, status=EX_CANTCREAT)
    assert path.read_bytes() == before
    streamed = home.spawn("export", "-")
    streamed.stdin.write(PASSPHRASE + "\n")
    streamed.stdin.close()
    streamed_bytes = streamed.stdout.buffer.read()
    assert streamed.wait() == EX_OK and streamed_bytes.startswith(b"PURSERBK") and len(streamed_bytes) == len(data)


@pytest.mark.parametrize("passphrase", ["", "short", "eleven char"])
def test_a_passphrase_that_is_too_short_is_refused(home, acme, passphrase):
    path = home.directory / "backup"
    result = home.purser("export", str(path), data=passphrase + "\n")
    assert result.status == EX_USAGE and not path.exists(), result
    assert "exported_at" not in home.status()


def type_at_prompts(home, path, *lines):
    """A person who types each line when asked for it. Gives the result and what the terminal showed of it."""
    ours, theirs = pty.openpty()
    process = home.spawn("export", str(path), terminal=theirs)
    os.close(theirs)
    asked = b""
    for i, line in enumerate(lines, 1):
        while asked.count(b": ") < i:
            asked += os.read(process.stderr.fileno(), 4096)
        os.write(ours, line.encode() + b"\n")
    result = home.reap(process)
    os.set_blocking(ours, False)
    try:
        shown = os.read(ours, 4096)
    except OSError:
        shown = b""
    os.close(ours)
    return result, shown


def test_a_passphrase_is_typed_twice_without_echo(home, acme):
    path = home.directory / "typed"
    result, shown = type_at_prompts(home, path, PASSPHRASE, "something else entirely")
    assert result.status == EX_USAGE and "differ" in result.err and not path.exists()
    assert b"horse" not in shown and b"entirely" not in shown
    result, shown = type_at_prompts(home, path, PASSPHRASE, PASSPHRASE)
    assert result.status == EX_OK and path.exists() and b"horse" not in shown


def test_client_secrets_of_the_store_come_along(home, other, standin, acme):
    for machine in (home, other):
        machine.client["client_secret"] = {"store": True}
        machine.write()
        machine.purser("reload").expect(EX_OK)
    home.purser("secret", "set", "jobber-app", data=CLIENT_SECRET + "\n").expect(EX_OK)
    path, result = export(home, "--move")
    assert "1 client secrets" in result.out
    restore(other, path)
    refreshed(other)
    assert other.call("io.purser.Admin.ListClients")["clients"][0]["secret"] == "store"
    other.purser("secret", "set", "jobber-app", data=CLIENT_SECRET + "\n").expect(EX_OK)
    assert "were here already" not in restore(other, path, "--replace").err


def test_a_client_that_is_not_configured_is_named(home, other, acme):
    other.settings["clients"] = {"another-app": other.settings["clients"].pop("jobber-app")}
    other.write()
    other.purser("reload").expect(EX_OK)
    path, _ = export(home, "--move")
    assert "no client 'jobber-app'" in restore(other, path).err
    assert other.status()["state"] == "unavailable"
    other.settings = other.default_settings()
    other.write()
    other.purser("reload").expect(EX_OK)
    refreshed(other)


def test_forgetting_a_moved_credential_does_not_end_its_grant(home, other, standin, acme):
    path, _ = export(home, "--move")
    restore(other, path)
    refreshed(other)
    result = home.purser("logout", "acme").expect(EX_OK)
    assert "lives on" in result.out + result.err
    assert standin.grants()[acme["id"]]["alive"]
    other.purser("refresh", "acme").expect(EX_OK)


def test_a_login_makes_a_moved_credential_ones_own_again(home, standin, acme):
    export(home, "--move")
    home.adopt("acme", "acme")
    status = refreshed(home)
    assert "exported_at" not in status and not status["warnings"]


def test_more_credentials_than_fit_into_one_piece(home, other, standin, purserd):
    names = ["c%03d" % i for i in range(150)]
    for name in names:
        home.adopt(name, "acme")
    path, result = export(home, "--move")
    assert "150 credentials" in result.out
    assert "150 credentials" in restore(other, path).out
    def all_active():
        return all(c["state"] == "active" for c in other.call("io.purser.Admin.Status")["credentials"])
    until(all_active, "all of them to be refreshed")
    assert sorted(c["name"] for c in other.call("io.purser.Admin.Status")["credentials"]) == names
    assert standin.state()["spent_refresh_tokens_sent"] == 0


def test_a_refresh_on_the_wire_is_waited_for_before_its_grant_moves(home, other, standin, acme):
    standin.next("token", "hold")
    refresh = home.spawn("refresh", "acme")
    standin.wait("held")
    move = home.spawn("export", str(home.directory / "backup"), "--move")
    move.stdin.write(PASSPHRASE + "\n")
    move.stdin.close()
    move.stdin = None
    home.purser("list").expect(EX_OK)
    standin.control(release=True)
    home.reap(refresh).expect(EX_OK)
    home.reap(move).expect(EX_OK)
    restore(other, home.directory / "backup")
    refreshed(other)
    assert standin.state()["spent_refresh_tokens_sent"] == 0 and standin.grants()[acme["id"]]["alive"]


def test_an_export_that_is_cut_off_leaves_a_way_back(home, standin, acme):
    connection = home.varlink()
    connection.send("io.purser.Admin.Export", {"passphrase": PASSPHRASE, "move": True}, more=True)
    until(lambda: "exported_at" in home.status(), "the mark")
    connection.close()
    home.purser("keep").expect(EX_OK)
    home.purser("refresh", "acme").expect(EX_OK)


def test_strangers_neither_export_nor_restore(home, acme, as_root, other):
    path, _ = export(home)
    for arguments in (["export", "-"], ["keep"]):
        assert home.purser(*arguments, data=PASSPHRASE + "\n", user=STRANGER).status == EX_NOPERM
    path.chmod(0o644)
    assert other.purser("restore", str(path), data=PASSPHRASE + "\n", user=STRANGER).status == EX_NOPERM


def test_a_backup_that_is_not_there(home, purserd):
    assert restore(home, home.directory / "nothing", status=EX_NOINPUT).err


# Callers who speak the protocol themselves

ADMIN = "io.purser.Admin."


def refusal(home, method, **parameters):
    with pytest.raises(VarlinkError) as raised:
        home.call(ADMIN + method, **parameters)
    return raised.value


def test_an_export_is_called_with_more(home, acme):
    assert refusal(home, "Export", passphrase=PASSPHRASE).parameters["parameter"] == "more"
    assert "exported_at" not in home.status()


def test_pieces_of_any_size_make_the_same_backup(home, other, acme):
    path, _ = export(home, "--move")
    data = path.read_bytes()
    begun = other.call(ADMIN + "BeginRestore", passphrase=PASSPHRASE)["restore"]
    for i in range(0, len(data), 100):
        other.call(ADMIN + "PutRestoreData", restore=begun, data=base64.b64encode(data[i:i + 100]).decode())
    reply = other.call(ADMIN + "CompleteRestore", restore=begun)
    assert reply["credentials"] == 1 and reply["moved"] is True and reply["unknown_clients"] == []
    refreshed(other)
    assert refusal(other, "CompleteRestore", restore=begun).name == ADMIN + "NoSuchRestore"


def test_a_restore_takes_the_place_of_one_that_was_begun_before(home, purserd):
    first = home.call(ADMIN + "BeginRestore", passphrase=PASSPHRASE)["restore"]
    second = home.call(ADMIN + "BeginRestore", passphrase=PASSPHRASE)["restore"]
    assert first != second
    assert refusal(home, "PutRestoreData", restore=first, data="").name == ADMIN + "NoSuchRestore"
    assert refusal(home, "PutRestoreData", restore="", data="").name == ADMIN + "NoSuchRestore"
    assert refusal(home, "PutRestoreData", restore=second, data="?").parameters["parameter"] == "data"
    big = base64.b64encode(bytes(2 * 1024 * 1024 + 10)).decode()
    assert refusal(home, "PutRestoreData", restore=second, data=big).parameters["parameter"] == "data"
    home.call(ADMIN + "PutRestoreData", restore=second, data="")
    assert refusal(home, "CompleteRestore", restore=second).name == ADMIN + "BackupUnusable"


def test_the_pieces_of_an_export_are_the_file(home, acme):
    connection = home.varlink()
    replies = list(connection.stream(ADMIN + "Export", passphrase=PASSPHRASE))
    assert [reply["credentials"] for reply in replies] == [1, 1]
    data = b"".join(base64.b64decode(reply["data"]) for reply in replies)
    begun = home.call(ADMIN + "BeginRestore", passphrase=PASSPHRASE, replace=True)["restore"]
    home.call(ADMIN + "PutRestoreData", restore=begun, data=base64.b64encode(data).decode())
    assert home.call(ADMIN + "CompleteRestore", restore=begun)["credentials"] == 1
    refreshed(home)
