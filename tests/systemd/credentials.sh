#!/bin/bash
# credentials.sh: LoadCredential= from purser's socket, under the real manager. Prints as inside.sh does.
set -u
# shellcheck source=tests/systemd/lib.sh
. "$(dirname "$0")/lib.sh"

# loader UNIT IDS...: a service of another user that copies what it was given to where the test can see it
loader() {
        local unit=$1 id
        shift
        {
                printf '[Service]\nType=oneshot\nUser=daemon\n'
                for id in "$@"; do echo "LoadCredential=$id:/run/purser/credentials.sock"; done
                echo 'ExecStart=/tmp/copy %p'
        } >"/etc/systemd/system/$unit"
}

journal_tells() {
        journalctl --sync
        journalctl --unit=purser.service --no-pager --output=json | grep "$2" | grep -q "$1"
}

current() {
        curl -sS "$standin/_control/state" | member 'd["grants"]["g1"]["access_token"]'
}

given() {
        [ "$(cat "/tmp/given/$1")" = "$2" ] || { echo "it holds $(wc -c <"/tmp/given/$1") bytes"; return 1; }
}

# The example as it is written, but for the address of the API and the user's name space, which is the machine's own here.
run_example() {
        sed "s,https://api.getjobber.com,$standin," /tree/tests/examples/jobber-report.service >/etc/systemd/system/jobber-report.service
        systemctl daemon-reload && systemctl start jobber-report.service && journalctl --sync &&
                journalctl --unit=jobber-report.service --no-pager --output=cat | grep -q 'Acme Landscaping'
}

kept_from_running() {
        exits 1 systemctl start jobber-report.service &&
                systemctl show --property=ExecStartPre --value jobber-report.service | grep -q 'code=exited ; status=1' &&
                systemctl show --property=ExecStart --value jobber-report.service | grep -q 'start_time=\[n/a\]'
}

forged() {
        setpriv --reuid=daemon --regid=daemon --clear-groups /usr/bin/python3 - <<-'PY'
		import socket
		s = socket.socket(socket.AF_UNIX)
		s.bind("\0" + "0123456789abcdef/unit/allowed.service/acme")
		try:
		    s.connect("/run/purser/credentials.sock")
		    s.shutdown(socket.SHUT_WR)
		    raise SystemExit(0 if s.recv(100) == b"" else 3)
		except PermissionError:
		    raise SystemExit(2)
		PY
}

disconnected() {
        local hook
        hook=$(control '{"webhook": {"topic": "APP_DISCONNECT", "account": "acme"}}')
        member 'd["body"]' <<<"$hook" | base64 -d | /t/purser verify-webhook jobber-app --signature "$(member 'd["signature"]' <<<"$hook")"
}

refreshed() {
        /t/purser refresh acme && systemctl start allowed.service && given allowed/acme "$(current)"
}

cat >/tmp/copy <<'SH'
#!/bin/sh
rm -rf "/tmp/given/$1" && mkdir -p "/tmp/given/$1" && cp "$CREDENTIALS_DIRECTORY"/* "/tmp/given/$1/"
SH
chmod 755 /tmp/copy
start_standin
install_units >/dev/null 2>&1
write_configuration
sed -i 's/{unit: allowed.service}/{unit: allowed.service}, {unit: jobber-report.service}, {unit: tb@a-b\\x2dc.service}/' /etc/purser/purser.yaml
loader allowed.service acme acme.token acme.headers acme.json none.headers
loader stranger.service acme acme.json
loader tb@.service acme
systemctl daemon-reload

ok 'the sockets start together' sh -c 'systemctl start purser.socket && systemctl is-active purser-credentials.socket'
ok 'the credentials socket is for root alone' test "$(stat -c '%U %a' /run/purser/credentials.sock)" = 'root 600'
refresh_token=$(control '{"grant": {"account": "acme"}}' | member 'd["grant"]["current"]')
echo "$refresh_token" >/tmp/refresh-token
ok 'a grant is taken over' sh -c '/t/purser import acme --client jobber-app </tmp/refresh-token'
access_token=$(/t/purser token acme)
systemctl stop purser.service
ok 'a service that loads a credential starts the daemon' sh -c 'systemctl start allowed.service && systemctl is-active purser.service | grep -E "^(active|activating)$"'
ok 'it has the token, and nothing after it' test "$(wc -c </tmp/given/allowed/acme)" = "${#access_token}"
ok 'which is the current one' given allowed/acme "$access_token"
ok 'the form token is the same' cmp /tmp/given/allowed/acme /tmp/given/allowed/acme.token
ok 'the form headers has both headers' given allowed/acme.headers "Authorization: Bearer $access_token
X-JOBBER-GRAPHQL-VERSION: 2023-08-18"
ok 'the form json is the bundle' test "$(member 'd["access_token"]' </tmp/given/allowed/acme.json)" = "$access_token"
ok 'a credential that is not there is an empty file' test ! -s /tmp/given/allowed/none.headers
ok 'and the journal tells which unit had nothing, and why' journal_tells 'no such credential' 23e0c29eafbd415382e89edb18f27414
ok 'the use is told with the unit' journal_tells '"PURSER_PEER_UNIT" *: *"allowed.service"' 23e0c29eafbd415382e89edb18f27411
ok 'another unit starts, and has nothing' sh -c 'systemctl start stranger.service && test ! -s /tmp/given/stranger/acme -a ! -s /tmp/given/stranger/acme.json'
ok 'that is told as a denial' journal_tells '"PURSER_PEER_UNIT" *: *"stranger.service"' 23e0c29eafbd415382e89edb18f2740e
ok 'and as an empty credential' journal_tells '"PURSER_PEER_UNIT" *: *"stranger.service"' 23e0c29eafbd415382e89edb18f27414
ok 'an instance is named as systemd writes it' sh -c 'systemctl start "tb@a-b\\x2dc.service" && test -s /tmp/given/tb/acme'
ok 'another instance has nothing' sh -c 'systemctl start "tb@other.service" && test ! -s /tmp/given/tb/acme'
ok 'the example asks the API with the headers it was given' run_example
ok 'the next start has the token of that time' refreshed
ok 'who is not root may not even connect' exits 2 forged
chmod 666 /run/purser/credentials.sock
ok 'and is given nothing where the socket lets it in' forged
ok 'which is told, with its own user' journal_tells '"PURSER_PEER_UID" *: *"1"' 23e0c29eafbd415382e89edb18f2740e
chmod 600 /run/purser/credentials.sock
ok 'a genuine notice of disconnection is taken' disconnected
ok 'the example does not run while there is no token' kept_from_running
ok 'and the journal says that a login is needed' journal_tells 'jobber-report.service' 23e0c29eafbd415382e89edb18f27414
ok 'no secret is in the journal' no_secret_in_journal
ok 'stopping the socket stops all three' sh -c 'systemctl stop purser.socket && ! systemctl is-active purser.service purser-credentials.socket &&
        test ! -e /run/purser/credentials.sock'
[ $failures = 0 ] || journalctl --no-pager | tail -n 60
echo 'done'
