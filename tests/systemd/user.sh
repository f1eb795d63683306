#!/bin/bash
# user.sh: the units of a user's own manager. Prints as inside.sh does.
set -u
# shellcheck source=tests/systemd/lib.sh
. "$(dirname "$0")/lib.sh"

uid=4242
home=/home/tester
runtime=/run/user/$uid

as_user() {
        setpriv --reuid=$uid --regid=$uid --clear-groups env -i PATH="$PATH" HOME=$home XDG_RUNTIME_DIR=$runtime LC_ALL=C.UTF-8 "$@"
}

# A manager as user@.service starts it, but for the session of PAM, whose files the container has not.
start_manager() {
        echo "tester:x:$uid:$uid:Tester:$home:/bin/sh" >>/etc/passwd
        echo "tester:x:$uid:" >>/etc/group
        install -d -o $uid -g $uid -m 700 $home /run/user $runtime
        chmod 755 /run/user
        sed -e '/^PAMName=/d' -e '/^Requires=/d' -e "/^Type=/aEnvironment=XDG_RUNTIME_DIR=$runtime HOME=$home" \
                /usr/lib/systemd/system/user@.service >/etc/systemd/system/user@.service
        systemctl daemon-reload
        systemctl start user@$uid.service
}

install_user_units() {
        local unit units=/etc/systemd/user
        mkdir -p $units
        for unit in purser.service purser.socket purser-credentials.socket; do
                sed 's,@SBINDIR@,/t,g; s,@SYSCONFDIR@,/etc,g' "/tree/systemd/user/$unit.in" >"$units/$unit"
        done
        if grep -q libasan /t/purserd; then
                mkdir -p $units/purser.service.d
                printf '[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >$units/purser.service.d/sanitizer.conf
        fi
}

# unit NAME: its [Service] on standard input
unit() {
        cat >"/etc/systemd/user/$1"
}

journal_of_user() {
        journalctl --sync
        journalctl "_UID=$uid" --no-pager --output=json | grep "$2" | grep -q "$1"
}

start_standin
ok 'the manager of a user starts' start_manager
install_user_units
# The configuration where the unit looks for it, with the secret in a file of the user.
write_configuration
install -d -o $uid -g $uid -m 755 $home/.config $home/.config/purser
printf standin-client-secret-0123456789abcdef | install -o $uid -g $uid -m 600 /dev/stdin $home/.config/purser/secret
sed -e "s,{credential: jobber-app.secret},{file: $home/.config/purser/secret}," -e '/allow:/d' /etc/purser/purser.yaml |
        install -o $uid -g $uid -m 600 /dev/stdin $home/.config/purser/purser.yaml
cat >>$home/.config/purser/purser.yaml <<YAML
credentials:
  birch: {client: jobber-app, allow: [{unit: allowed.service}]}
YAML
unit allowed.service <<'UNIT'
[Service]
Type=oneshot
LoadCredential=acme.headers:%t/purser/credentials.sock
LoadCredential=birch:%t/purser/credentials.sock
ExecStart=sh -c 'cp "$CREDENTIALS_DIRECTORY"/* %h/'
UNIT
unit stranger.service <<'UNIT'
[Service]
Type=oneshot
LoadCredential=birch:%t/purser/credentials.sock
ExecStart=sh -c 'cp "$CREDENTIALS_DIRECTORY"/birch %h/stranger'
UNIT
as_user systemctl --user daemon-reload

ok 'both sockets of the user start' as_user systemctl --user start purser.socket
ok 'which are for the user alone' test "$(stat -c '%U %a' $runtime/purser/purser.sock $runtime/purser/credentials.sock | sort -u)" = 'tester 600'
ok 'the first caller starts the daemon' as_user /t/purser list
# Answers come before the rest of the start: this waits for the job that the socket began.
ok 'it is ready' as_user systemctl --user start purser.service
ok 'its state is closed to others' test "$(stat -c '%U %a' $home/.config/purser/state)" = 'tester 700'
for account in acme birch; do
        token=$(control "{\"grant\": {\"account\": \"$account\"}}" | member 'd["grant"]["current"]')
        ok "a grant for $account is taken over" as_user /t/purser import $account --client jobber-app <<<"$token"
done
refresh_token=$token
# Nobody but the one unit may ask for it: what it is, the stand-in says.
access_token=$(curl -sS "$standin/_control/state" | member 'd["grants"]["g2"]["access_token"]')
ok 'a service of the user is given what it asks for' as_user systemctl --user start allowed.service
ok 'with its rule, the token' test "$(cat $home/birch)" = "$access_token"
ok 'without rules, what the user may have' grep -q '^Authorization: Bearer ' $home/acme.headers
ok 'a service that no rule names starts' as_user systemctl --user start stranger.service
ok 'and has nothing' test -e $home/stranger -a ! -s $home/stranger
ok 'which the journal of the user tells' journal_of_user stranger.service 23e0c29eafbd415382e89edb18f27414
ok 'not even root is believed there' test -z "$(/usr/bin/python3 -c 'import socket
s = socket.socket(socket.AF_UNIX); s.bind("\0" + "1/unit/allowed.service/birch"); s.connect("'$runtime'/purser/credentials.sock"); print(s.recv(100).decode())')"
ok 'a reload is waited for' as_user systemctl --user reload purser.service
ok 'a restart keeps the grant' as_user sh -c 'systemctl --user restart purser.service && /t/purser refresh birch'
ok 'the watchdog is on' test "$(as_user systemctl --user show --property=WatchdogUSec --value purser.service)" = 30s
ok 'stopping the socket stops all three' as_user sh -c 'systemctl --user stop purser.socket && ! systemctl --user is-active purser.service purser-credentials.socket'
ok 'no system call was refused with a signal' sh -c '! journalctl --no-pager | grep -q SIGSYS'
ok 'no secret is in the journal' no_secret_in_journal
[ $failures = 0 ] || journalctl --no-pager | tail -n 50
echo 'done'
