#!/bin/bash
# inside.sh: what is tried inside the booted container; prints "ok WORDS" or "FAILED WORDS" for each thing, and "done" at the end.
# test_units.py starts it and counts.
set -u
# shellcheck source=tests/systemd/lib.sh
. "$(dirname "$0")/lib.sh"

# A loop that stands still is ended by the manager, and the caller who waited meanwhile is answered by the next one.
stopped_and_back() {
        local before
        before=$(main_pid)
        kill -STOP "$before"
        /t/purser token acme && [ "$(main_pid)" != "$before" ] || return 1
        journalctl --sync
        journalctl --unit=purser.service --no-pager | grep -q 'Watchdog timeout'
}

held() {
        [ "$(control '{}' >/dev/null && curl -sS "$standin/_control/state" | member 'd["held"]')" = "$1" ]
}

# The refresh that is on the wire when the manager says stop is waited for, saved, and there for the next one.
stopped_in_flight() {
        control '{"next": {"token": ["hold"]}}'
        /t/purser refresh acme &
        local caller=$!
        within 10 held 1 || return 1
        systemctl stop --no-block purser.service
        within 10 sh -c '[ "$(systemctl show --property=ActiveState --value purser.service)" = deactivating ]' || return 1
        control '{"release": true}'
        wait $caller || { echo 'the caller was not answered'; return 1; }
        within 10 exits 3 systemctl is-active --quiet purser.service || return 1
        [ "$(/t/purser token acme)" = "$(curl -sS "$standin/_control/state" | member 'd["grants"]["g1"]["access_token"]')" ] &&
                [ "$(curl -sS "$standin/_control/state" | member 'd["spent_refresh_tokens_sent"]')" = 0 ]
}

# Both secrets as LoadCredential= instead of LoadCredentialEncrypted=: the same key opens the same store.
plain_credentials() {
        (umask 077
        systemd-creds decrypt --name=purser.key /etc/credstore.encrypted/purser.key /etc/plain-key
        systemd-creds decrypt --name=jobber-app.secret /etc/credstore.encrypted/jobber-app.secret /etc/plain-secret)
        printf '[Service]\nLoadCredentialEncrypted=\nLoadCredential=\nLoadCredential=purser.key:/etc/plain-key\n%s\n' \
                LoadCredential=jobber-app.secret:/etc/plain-secret >/etc/systemd/system/purser.service.d/zz-plain.conf
        systemctl daemon-reload && systemctl restart purser.service && /t/purser refresh acme && [ ! -e /var/lib/purser/key ]
}

# The tree as another root, since /usr is the machine's: its catalogue holds our entries alone.
update_catalog() {
        mkdir -p /tmp/root/usr/lib/systemd/catalog /tmp/root/var/lib/systemd/catalog /var/lib/systemd/catalog
        cp /tree/systemd/purser.catalog /tmp/root/usr/lib/systemd/catalog/
        journalctl --update-catalog --root=/tmp/root || return 1
        cp /tmp/root/var/lib/systemd/catalog/database /var/lib/systemd/catalog/database
        [ "$(journalctl --list-catalog | grep -c ' purser: ')" = "$(grep -c '^-- ' /tree/systemd/purser.catalog)" ]
}

# Every event that was told has its explanation, and no @FIELD@ in it was left without a value.
explained() {
        journalctl --sync
        journalctl --unit=purser.service --catalog --no-pager >/tmp/explained
        journalctl --unit=purser.service --output=json --no-pager |
                /usr/bin/python3 -c 'import json, sys; print(*sorted({json.loads(l).get("MESSAGE_ID", "") for l in sys.stdin}), sep="\n")' |
                grep 23e0c29eafbd415382e89edb18f274 >/tmp/ids
        [ "$(wc -l </tmp/ids)" -ge 5 ] || { echo 'too few events'; return 1; }
        while read -r id; do
                subject=$(journalctl --dump-catalog "$id" | sed -n 's/^Subject: //p')
                grep -q "^░░ Subject: $subject" /tmp/explained || { echo "$id is not explained"; return 1; }
        done </tmp/ids
        grep -q '^░░ The provider has given acme its access token' /tmp/explained || return 1
        ! grep '^░░.*\(@\|PURSER_\)' /tmp/explained
}

# A second credential, which has a life of its own.
another_comes_and_goes() {
        control '{"grant": {"account": "birch"}}' | member 'd["grant"]["current"]' |
                /t/purser import birch --client jobber-app && /t/purser logout birch
}

life_of_acme() {
        local other=/tmp/other.log
        journalctl --sync
        journalctl PURSER_CREDENTIAL=acme --no-pager --output=json >/tmp/life
        journalctl PURSER_CREDENTIAL=birch --no-pager --output=json >$other
        for id in 02 03 11; do grep -q "23e0c29eafbd415382e89edb18f274$id" /tmp/life || { echo "no event $id"; return 1; }; done
        grep -q 23e0c29eafbd415382e89edb18f2740d $other && ! grep -q birch /tmp/life && ! grep -q '"acme"' $other
}

metrics_written() {
        systemctl start purser-metrics.service || return 1
        local file=/run/purser-metrics/purser.prom
        [ "$(stat -c '%U %a' $file)" = 'purser 644' ] && tail -n 1 $file | grep -qx '# EOF' &&
                [ "$(ls -A /run/purser-metrics)" = purser.prom ] || return 1
        ! command -v promtool >/dev/null || promtool check metrics <$file
}

# One of the past would be taken for the present.
old_metrics_go() {
        systemctl stop purser.socket purser.service
        exits 1 systemctl start purser-metrics.service && [ ! -e /run/purser-metrics/purser.prom ]
        local status=$?
        systemctl start purser.socket
        return $status
}

metrics_each_minute() {
        systemctl start purser-metrics.timer && within 15 test -e /run/purser-metrics/purser.prom && systemctl stop purser-metrics.timer
}

# A command that shows what a program can do under the unit: its own limits, the network, the system's programs.
configure_hooks() {
        mkdir -p /etc/purser/hooks
        cat >/etc/purser/hooks/on_event <<-HOOK
		#!/bin/sh
		cd /var/lib/purser || exit
		cat >event.new
		curl -sS --max-time 5 $standin/_control/state >/dev/null && echo online >>event.new
		grep '^Max open files *1024 ' /proc/self/limits >>event.new
		id -un >>event.new
		env >>event.new
		mv event.new event
		HOOK
        cp /etc/purser/hooks/on_event /var/lib/purser/smuggled
        chmod 755 /etc/purser/hooks/on_event /var/lib/purser/smuggled
        cp /etc/purser/purser.yaml /tmp/without-hooks.yaml
        echo 'on_event: [{command: /etc/purser/hooks/on_event}, {command: /var/lib/purser/smuggled}]' >>/etc/purser/purser.yaml
        systemctl reload purser.service
}

hook_told() {
        grants=$(curl -sS "$standin/_control/state" | member '[k for k, g in d["grants"].items() if g["account"] == "cedar"][-1]')
        control "{\"end\": \"$grants\"}"
        exits 78 /t/purser refresh cedar || return 1
        within 10 test -e /var/lib/purser/event && cat /var/lib/purser/event &&
                head -n 1 /var/lib/purser/event | member 'd["event"], d["credential"]' | grep "'authorization-required', 'cedar'" &&
                grep -x online /var/lib/purser/event && grep '^Max open files' /var/lib/purser/event &&
                grep -x purser /var/lib/purser/event && ! grep CREDENTIALS_DIRECTORY /var/lib/purser/event
}

hook_from_state_refused() {
        within 10 journal_holds '"PURSER_REASON" *: *".*it cannot be run: Permission denied"' && journal_holds 23e0c29eafbd415382e89edb18f27420
        local status=$?
        cp /tmp/without-hooks.yaml /etc/purser/purser.yaml
        systemctl reload purser.service && return $status
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
# Answers come before the rest of the start: this waits for the job that the socket began.
ok 'it is ready' systemctl start purser.service
ok 'its state directory is closed to others' test "$(stat -c '%U %a' /var/lib/purser)" = 'purser 700'

refresh_token=$(control '{"grant": {"account": "acme"}}' | member 'd["grant"]["current"]')
echo "$refresh_token" >/tmp/refresh-token
ok 'a grant is taken over, with both secrets from credentials' sh -c '/t/purser import acme --client jobber-app </tmp/refresh-token'
access_token=$(/t/purser token acme)
ok 'another one comes and goes' another_comes_and_goes
ok 'it was saved by the thread that is there for it' eval 'grep -qx purserd-store /proc/"$(main_pid)"/task/*/comm'
ok 'the API takes the token' /t/purser test acme
ok 'the unit that is allowed gets the token' systemctl start allowed.service
ok 'another unit of the same user does not' exits 1 systemctl start stranger.service
ok 'a reload is waited for' systemctl reload purser.service
ok 'a third grant is taken over' sh -c "curl -sS -d '{\"grant\": {\"account\": \"cedar\"}}' $standin/_control |
        sed 's/.*\"current\": *\"\([^\"]*\)\".*/\1/' | /t/purser import cedar --client jobber-app"
ok 'commands of on_event are configured' configure_hooks
ok 'a command is told, and can do its work under the unit' hook_told
ok 'a program that purserd could have written is not run' hook_from_state_refused
ok 'a reload of a wrong configuration fails and changes nothing' bad_reload
ok 'a killed daemon is back for the next caller' killed_and_back
ok 'a restart keeps the grant' sh -c 'systemctl restart purser.service && /t/purser refresh acme'
ok 'a stop waits for the refresh in flight, and its caller is answered' stopped_in_flight
printf '[Service]\nWatchdogSec=2s\n' >/etc/systemd/system/purser.service.d/watchdog.conf
systemctl daemon-reload
ok 'a shorter watchdog is kept fed' sh -c 'systemctl restart purser.service && sleep 3 && systemctl is-active purser.service &&
        [ "$(systemctl show --property=NRestarts --value purser.service)" = 0 ]'
ok 'a daemon that stands still is killed by the watchdog and back for the caller' stopped_and_back
ok 'the manager counted the restart' sh -c '[ "$(systemctl show --property=NRestarts --value purser.service)" -ge 1 ]'
ok 'the figures are written for node_exporter, whole, by an unprivileged user' metrics_written
ok 'figures of a daemon that is gone go' old_metrics_go
ok 'a timer writes them' metrics_each_minute
ok 'both secrets may be plain credentials' plain_credentials
ok 'the sealing key is the credential' sh -c '[ ! -e /var/lib/purser/key ]'
ok 'events carry their message ids' journal_holds '"MESSAGE_ID"'
ok 'events name the credential' journal_holds '"PURSER_CREDENTIAL" *: *"acme"'
ok 'a start is told with its id' journal_holds '"MESSAGE_ID" *: *"23e0c29eafbd415382e89edb18f27401"'
ok 'a refresh is told with its id' journal_holds '"MESSAGE_ID" *: *"23e0c29eafbd415382e89edb18f27403"'
ok 'lines carry their priority and the program' journal_holds '"SYSLOG_IDENTIFIER" *: *"purserd"'
ok 'the catalogue is accepted' update_catalog
ok 'the catalogue explains what happened to the credential' explained
ok 'the journal tells the life of one credential, and of no other' life_of_acme
ok 'no secret is in the journal' no_secret_in_journal
ok 'no system call was refused with a signal' sh -c '! journalctl --no-pager | grep -q SIGSYS'
ok 'stopping the socket stops the daemon' sh -c 'systemctl stop purser.socket && ! systemctl is-active purser.service'
ok 'no socket is left behind' test ! -e /run/purser/purser.sock
[ $failures = 0 ] || journalctl --unit=purser.service --unit=stranger.service --unit=allowed.service --no-pager | tail -n 60
echo 'done'
