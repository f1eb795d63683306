#!/bin/bash
# inside.sh: what is tried inside the booted container, where /t holds the built programs and /tree the tree; prints "ok WORDS" or
# "FAILED WORDS" for each thing, and "done" at the end. test_units.py starts it and counts.
set -u

standin=
failures=0

# ok WORDS COMMAND...: the command succeeds
ok() {
        local words=$1
        shift
        if "$@" >/tmp/output 2>&1; then
                echo "ok $words"
        else
                echo "FAILED $words (exit status $?)"
                sed 's/^/    /' /tmp/output
                failures=$((failures + 1))
        fi
}

# exits STATUS COMMAND...
exits() {
        local wanted=$1 status=0
        shift
        "$@" || status=$?
        [ $status = "$wanted" ] || { echo "exit status $status, not $wanted"; return 1; }
}

member() {
        /usr/bin/python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

control() {
        curl -sS --fail --max-time 10 -d "$1" "$standin/_control"
}

start_standin() {
        /usr/bin/python3 -B /tree/tests/standin/jobber.py >/tmp/standin.out 2>/tmp/standin.log &
        until standin=$(awk '$1 == "ready" { print $2 }' /tmp/standin.out) && [ -n "$standin" ]; do
                kill -0 $! || exit 1
                sleep 0.02
        done
}

# The units as `make install` would lay them out, with the drop-in examples for the two credentials.
install_units() {
        local unit dropins=/etc/systemd/system/purser.service.d
        for unit in purser.service purser.socket; do
                sed 's,@SBINDIR@,/t,g' "/tree/systemd/$unit.in" >"/etc/systemd/system/$unit"
        done
        systemd-sysusers /tree/systemd/purser.sysusers
        mkdir -p /etc/purser "$dropins"
        install -d -m 700 /etc/credstore.encrypted
        cp /tree/systemd/examples/sealing-key.conf /tree/systemd/examples/client-secret.conf "$dropins/"
        # The filter of system calls leaves out what a sanitizer needs to look for leaks.
        if grep -q libasan /t/purserd; then
                printf '[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >"$dropins/sanitizer.conf"
        fi
        # The host's key: the default wants a TPM, or a state directory that outlives the machine.
        head -c 32 /dev/urandom | systemd-creds encrypt --with-key=host --name=purser.key - /etc/credstore.encrypted/purser.key
        printf standin-client-secret-0123456789abcdef |
                systemd-creds encrypt --with-key=host --name=jobber-app.secret - /etc/credstore.encrypted/jobber-app.secret
}

write_configuration() {
        mkdir -p /etc/purser/providers
        cp /tree/etc/providers/*.yaml /etc/purser/providers/
        cat >/etc/purser/purser.yaml <<-YAML
		providers:
		  standin:
		    extends: jobber
		    authorization_endpoint: $standin/api/oauth/authorize
		    token_endpoint: $standin/api/oauth/token
		    api: {url: $standin/api/graphql}
		clients:
		  jobber-app:
		    provider: standin
		    client_id: 5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22
		    client_secret: {credential: jobber-app.secret}
		    redirect_uri: http://127.0.0.1:8723/callback
		    allow: [{user: root}, {unit: allowed.service}]
		YAML
}

# caller UNIT: a service of an unprivileged user that asks for the token
caller() {
        cat >"/etc/systemd/system/$1" <<-UNIT
		[Service]
		Type=oneshot
		User=daemon
		StandardOutput=null
		ExecStart=/t/purser token acme
		UNIT
}

main_pid() {
        systemctl show --property=MainPID --value purser.service
}

killed_and_back() {
        local before
        before=$(main_pid)
        [ "$before" -gt 1 ] || { echo 'it does not run'; return 1; }
        kill -KILL "$before"
        /t/purser token acme && [ "$(main_pid)" != "$before" ]
}

bad_reload() {
        cp /etc/purser/purser.yaml /tmp/good.yaml
        echo 'cleints: {}' >>/etc/purser/purser.yaml
        exits 1 systemctl reload purser.service && systemctl is-active purser.service && /t/purser token acme
        local status=$?
        cp /tmp/good.yaml /etc/purser/purser.yaml
        return $status
}

journal_holds() {
        journalctl --sync
        journalctl --unit=purser.service --output=json --no-pager | grep -q "$1"
}

no_secret_in_journal() {
        journalctl --sync
        ! journalctl --output=export --no-pager | grep -a -q -e standin-client-secret -e "$refresh_token" -e "${access_token##*.}"
}

start_standin
install_units >/dev/null 2>&1
write_configuration
caller allowed.service
caller stranger.service
systemctl daemon-reload

ok 'the socket starts without the daemon' systemctl start purser.socket
ok 'the daemon does not run yet' exits 3 systemctl is-active --quiet purser.service
ok 'the first caller starts it' /t/purser list
ok 'it is ready' systemctl is-active purser.service
ok 'its state directory is closed to others' test "$(stat -c '%U %a' /var/lib/purser)" = 'purser 700'

refresh_token=$(control '{"grant": {"account": "acme"}}' | member 'd["grant"]["current"]')
echo "$refresh_token" >/tmp/refresh-token
ok 'a grant is taken over, with both secrets from credentials' sh -c '/t/purser import acme --client jobber-app </tmp/refresh-token'
access_token=$(/t/purser token acme)
ok 'the API takes the token' /t/purser test acme
ok 'the unit that is allowed gets the token' systemctl start allowed.service
ok 'another unit of the same user does not' exits 1 systemctl start stranger.service
ok 'a reload is waited for' systemctl reload purser.service
ok 'a reload of a wrong configuration fails and changes nothing' bad_reload
ok 'a killed daemon is back for the next caller' killed_and_back
ok 'a restart keeps the grant' sh -c 'systemctl restart purser.service && /t/purser refresh acme'
ok 'the sealing key is the credential' sh -c '[ ! -e /var/lib/purser/key ]'
ok 'events carry their message ids' journal_holds '"MESSAGE_ID"'
ok 'events name the credential' journal_holds '"PURSER_CREDENTIAL" *: *"acme"'
ok 'no secret is in the journal' no_secret_in_journal
ok 'no system call was refused with a signal' sh -c '! journalctl --no-pager | grep -q SIGSYS'
ok 'stopping the socket stops the daemon' sh -c 'systemctl stop purser.socket && ! systemctl is-active purser.service'
ok 'no socket is left behind' test ! -e /run/purser/purser.sock
[ $failures = 0 ] || journalctl --unit=purser.service --unit=stranger.service --unit=allowed.service --no-pager | tail -n 60
echo 'done'
