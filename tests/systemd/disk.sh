#!/bin/bash
# disk.sh: a disk that is full to the last byte, and the real manager's file descriptor store. Prints as inside.sh does.
set -u
# shellcheck source=tests/systemd/lib.sh
. "$(dirname "$0")/lib.sh"

state() {
        curl -sS "$standin/_control/state" | member "$1"
}

holds() {
        [ "$(state 'd["held"]')" = "$1" ]
}

fill() {
        cat /dev/zero >/var/lib/purser/filler 2>/dev/null
        ! (echo x >>/var/lib/purser/filler) 2>/dev/null
}

# The disk is full when the provider has rotated the grant, and its answer is still on the wire.
rotated_onto_a_full_disk() {
        control '{"next": {"token": ["hold"]}}' >/dev/null
        /t/purser refresh acme &
        within 10 holds 1 && fill || return 1
        control '{"release": true}' >/dev/null
        wait $!
        [ "$(/t/purser token acme)" = "$(state 'd["grants"]["g1"]["access_token"]')" ]
}

journal_says() {
        journalctl --sync
        journalctl --unit=purser.service --no-pager --output=cat | grep -q "$1"
}

kept() {
        [ "$(systemctl show --property=NFileDescriptorStore --value purser.service)" = "$1" ]
}

# The new purserd has what no disk has: the token, and the grant that it is of.
restarted() {
        local before
        before=$(main_pid)
        systemctl restart purser.service && [ "$(main_pid)" != "$before" ] &&
                [ "$(/t/purser token acme)" = "$(state 'd["grants"]["g1"]["access_token"]')" ]
}

saved() {
        rm /var/lib/purser/filler
        within 20 journal_says 'takes writes again; everything is saved' && within 20 kept 0
}

start_standin
install_units >/dev/null 2>&1
write_configuration
mkdir -p /var/lib/purser
mount -t tmpfs -o "size=1m,mode=700,uid=$(id -u purser),gid=$(id -g purser)" tmpfs /var/lib/purser
# What a stop gives back of the disk is taken at once by somebody else.
printf '[Service]\nExecStopPost=+-/bin/sh -c "test ! -e /var/lib/purser/filler || exec cat /dev/zero >>/var/lib/purser/filler"\n' \
        >/etc/systemd/system/purser.service.d/filler.conf
systemctl daemon-reload
systemctl start purser.socket

refresh_token=$(control '{"grant": {"account": "acme"}}' | member 'd["grant"]["current"]')
echo "$refresh_token" >/tmp/refresh-token
ok 'a grant is taken over' sh -c '/t/purser import acme --client jobber-app </tmp/refresh-token'
access_token=$(/t/purser token acme)
ok 'a grant that is rotated onto a full disk is served' rotated_onto_a_full_disk
ok 'which is told loudly' journal_says 'No space left\|is full\|not on disk'
ok 'a restart hands it to the next one through the manager' restarted
ok 'which says so' journal_says 'were handed over'
ok 'the manager keeps it as long as the disk refuses' kept 1
ok 'a second restart hands it on' restarted
ok 'a kill loses nothing either, since the manager keeps it still' killed_and_back
ok 'it is the newest grant' test "$(/t/purser token acme)" = "$(state 'd["grants"]["g1"]["access_token"]')"
ok 'with room again it is saved, and the manager lets it go' saved
ok 'a restart reads it from the disk' restarted
ok 'and it goes on being refreshed' /t/purser refresh acme
ok 'no spent refresh token was ever sent' test "$(state 'd["spent_refresh_tokens_sent"]')" = 0
ok 'no secret is in the journal' no_secret_in_journal
[ $failures = 0 ] || journalctl --unit=purser.service --no-pager | tail -n 60
echo 'done'
