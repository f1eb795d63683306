#!/bin/bash
# load.sh RESTARTS KILLS RELOADS: tests/load/load.py inside the booted container, where the real manager restarts the daemon.
set -u
# shellcheck source=tests/systemd/lib.sh
. "$(dirname "$0")/lib.sh"

start_standin
install_units >/dev/null 2>&1
write_configuration
systemctl daemon-reload
systemctl start purser.socket
refresh_token=$(control '{"grant": {"account": "acme"}}' | member 'd["grant"]["current"]')
echo "$refresh_token" | /t/purser import acme --client jobber-app || exit 1

# A unit that is started this often is given up by the manager: the limit is for daemons that cannot start.
reset='systemctl reset-failed purser.service;'
kill_it='old=$(systemctl show --property=MainPID --value purser.service); kill -KILL "$old";
        until new=$(systemctl show --property=MainPID --value purser.service) && [ "$new" != "$old" ] && [ "$new" != 0 ] &&
                systemctl is-active --quiet purser.service; do sleep 0.02; done'
/usr/bin/python3 -B /tree/tests/load/load.py --asker /t/tests/load/asker --socket /run/purser/purser.sock --credential acme \
        --restarts "$1" --kills "$2" --reloads "$3" --restart "$reset systemctl restart purser.service" --kill "$reset $kill_it" \
        --reload 'systemctl reload purser.service' --break 'cp /etc/purser/purser.yaml /tmp/good.yaml; echo wrong: 1 >>/etc/purser/purser.yaml' \
        --mend 'cp /tmp/good.yaml /etc/purser/purser.yaml'
status=$?
alive=$(curl -sS "$standin/_control/state" | member 'd["grants"]["g1"]["alive"] and d["spent_refresh_tokens_sent"] == 0')
[ "$alive" = True ] || { echo 'the grant is not well'; status=1; }
exit $status
