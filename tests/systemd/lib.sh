#!/bin/bash
# lib.sh: for what runs inside the booted container, where /t holds the built programs and /tree the tree: the stand-in, the units
# and a configuration.
# shellcheck disable=SC2034,SC2154
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
        for unit in purser.service purser.socket purser-credentials.socket purser-metrics.service purser-metrics.timer; do
                sed 's,@SBINDIR@,/t,g; s,@BINDIR@,/t,g; s,@SYSCONFDIR@,/etc,g' "/tree/systemd/$unit.in" >"/etc/systemd/system/$unit"
        done
        systemd-sysusers /tree/systemd/purser.sysusers
        mkdir -p /etc/purser "$dropins"
        install -d -m 700 /etc/credstore.encrypted
        cp /tree/systemd/examples/sealing-key.conf /tree/systemd/examples/client-secret.conf "$dropins/"
        # The filter of system calls leaves out what a sanitizer needs to look for leaks.
        if grep -q libasan /t/purserd; then
                printf '[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >"$dropins/sanitizer.conf"
                install -D -m 644 "$dropins/sanitizer.conf" /etc/systemd/system/purser-metrics.service.d/sanitizer.conf
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

# within SECONDS COMMAND...: the command succeeds in that time
within() {
        local deadline=$((SECONDS + $1))
        shift
        until "$@"; do
                [ $SECONDS -lt $deadline ] || return 1
                sleep 0.05
        done
}
