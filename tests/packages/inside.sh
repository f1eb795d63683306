#!/bin/bash
# inside.sh: what an administrator does with the packages in /debs, inside a booted container that holds little but dpkg and
# systemd. /debs/old has the same packages under a lower version.
# shellcheck disable=SC2154
set -u
# shellcheck source=tests/systemd/lib.sh
. /tree/tests/systemd/lib.sh

state=/var/lib/purser

# A provider that lives on this machine, and a client of it; beside the packaged purser.yaml, which stays as it came.
configure() {
        install -d -m 700 -o purser -g purser /etc/purser/secrets
        (umask 077 && printf standin-client-secret-0123456789abcdef >/etc/purser/secrets/jobber-app)
        chown purser: /etc/purser/secrets/jobber-app
        cat >/etc/purser/conf.d/standin.yaml <<-YAML
		providers:
		  standin:
		    extends: jobber
		    authorization_endpoint: $standin/api/oauth/authorize
		    token_endpoint: $standin/api/oauth/token
		    revocation_endpoint: $standin/api/oauth/revoke
		    api: {url: $standin/api/graphql}
		clients:
		  jobber-app:
		    provider: standin
		    client_id: 5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22
		    client_secret: {file: /etc/purser/secrets/jobber-app}
		    redirect_uri: http://127.0.0.1:8723/callback
		YAML
        systemctl reload purser.service
}

alive() {
        [ "$(curl -sS "$standin/_control/state" | member 'd["grants"]["g1"]["alive"] and d["spent_refresh_tokens_sent"] == 0')" = True ]
}

# Asks without a pause while the packages change under it; its failures are lines of /tmp/asked.
asks_on() {
        while [ -e /tmp/asking ]; do
                purser token acme >/dev/null 2>>/tmp/failures && echo ok >>/tmp/asked
        done
}

# The socket that callers wait at is the same one, the daemon behind it is another, and nobody was refused.
upgraded() {
        local socket daemon asker
        socket=$(stat -c %i /run/purser/purser.sock)
        daemon=$(main_pid)
        : >/tmp/asking
        : >/tmp/failures
        asks_on &
        asker=$!
        within 10 test -s /tmp/asked || return 1
        dpkg --install /debs/*.deb || return 1
        within 10 sh -c "[ \"\$(systemctl show --property=MainPID --value purser.service)\" != $daemon ]" || { echo 'not restarted'; return 1; }
        rm /tmp/asking
        wait "$asker"
        [ "$socket" = "$(stat -c %i /run/purser/purser.sock)" ] || { echo 'another socket'; return 1; }
        [ ! -s /tmp/failures ] || { cat /tmp/failures; return 1; }
        systemctl is-active purser.service | grep -E "^(active|activating)$"
}

removed() {
        systemctl start purser-metrics.timer && systemctl is-active purser-credentials.socket || return 1
        dpkg --remove purser || return 1
        ! systemctl is-active purser-metrics.timer purser-credentials.socket || return 1
        [ ! -e /run/purser/purser.sock ] && [ ! -e /usr/sbin/purserd ] && exits 3 systemctl is-active --quiet purser.service
}

purged_with_grants() {
        dpkg --purge purser >/tmp/purge 2>&1 || { cat /tmp/purge; return 1; }
        cat /tmp/purge
        grep -q "purser: $state is kept" /tmp/purge && [ -e $state/purser.db ] && [ ! -e /etc/purser/purser.yaml ] &&
                [ -e /etc/purser/conf.d/standin.yaml ]
}

purged_without_grants() {
        dpkg --install /debs/*.deb && purser logout acme && dpkg --remove purser && rm -r ${state:?}/* && dpkg --purge purser >/tmp/purge 2>&1 || return 1
        cat /tmp/purge
        ! grep -q 'is kept' /tmp/purge && [ ! -e $state ]
}

# The installation says nothing that a person would have to look into.
quiet() {
        "$@" >/tmp/dpkg 2>&1
        local status=$?
        cat /tmp/dpkg
        [ $status = 0 ] && ! grep -i -e warning -e error -e fail /tmp/dpkg
}

start_standin
ok 'the packages are installed on a machine without anything but what they depend on' quiet dpkg --install /debs/old/*.deb
ok 'nothing is left to be done' sh -c '[ -z "$(dpkg --audit)" ]'
ok 'the socket is there' test -S /run/purser/purser.sock
ok 'the socket comes back at each boot' systemctl is-enabled purser.socket
ok 'the daemon does not run yet' exits 3 systemctl is-active --quiet purser.service
ok 'the daemon is not started at boot' exits 1 systemctl is-enabled purser.service
ok 'nobody gets a purserd of their own unasked' exits 1 systemctl --global is-enabled purser.socket
ok 'the first request starts the daemon' purser list
ok 'it runs as its own user' sh -c '[ "$(stat -c %U "/proc/$(systemctl show --property=MainPID --value purser.service)")" = purser ]'
ok 'its state is its own' test "$(stat -c '%U %a' $state)" = 'purser 700'
ok 'its configuration is not' test "$(stat -c '%U %a' /etc/purser /etc/purser/conf.d /etc/purser/purser.yaml | sort -u | tr '\n' ' ')" = 'root 644 root 755 '
ok 'the packaged configuration is valid' purserd --check
ok 'the providers come along' test -e /usr/share/purser/providers/jobber.yaml
ok 'the login program is found' sh -c 'purser login --help | grep -q switch-account'
ok 'a configuration is put in force' configure
refresh_token=$(control '{"grant": {"account": "acme"}}' | member 'd["grant"]["current"]')
echo "$refresh_token" >/tmp/refresh-token
ok 'a grant is taken over' sh -c 'purser import acme --client jobber-app </tmp/refresh-token'
ok 'the API takes the token' purser test acme
ok 'the journal explains its events' sh -c 'journalctl --sync; journalctl --unit=purser.service --catalog --no-pager | grep -q "Defined-By: purser"'
ok 'an upgrade restarts the daemon behind the same socket, and no caller notices' upgraded
ok 'the upgrade keeps the grant' sh -c 'purser refresh acme && purser test acme'
ok 'the version is the new one' sh -c '[ "$(dpkg-query --show --showformat="\${Version}" purser)" != "$(dpkg-deb --field /debs/old/purser_*.deb Version)" ]'
ok 'a removal takes socket and daemon away' removed
ok 'a removal keeps state and configuration' sh -c "[ -e $state/purser.db ] && [ -e /etc/purser/purser.yaml ] && [ -e /etc/purser/conf.d/standin.yaml ]"
ok 'after an installation the grant is in service again' sh -c 'dpkg --install /debs/*.deb && purser refresh acme && purser test acme'
systemctl disable --now purser.socket
ok 'an upgrade does not start a socket that the administrator disabled' sh -c 'dpkg --install /debs/*.deb && ! systemctl is-active purser.socket &&
        ! systemctl is-enabled purser.socket'
systemctl enable --now purser.socket
ok 'a purge keeps the grants, and says so' purged_with_grants
ok 'the grant survives even that' sh -c 'dpkg --install /debs/*.deb && purser refresh acme && purser test acme'
ok 'the grant is alive, and no spent token was ever sent' alive
ok 'a purge after the grants are gone leaves no state behind' purged_without_grants
ok 'the user stays, as owner of what there may be elsewhere' id purser
ok 'no unit failed' sh -c '[ -z "$(systemctl --failed --plain --no-legend)" ]'
[ $failures = 0 ] || journalctl --no-pager | tail -n 60
echo 'done'
