#!/bin/sh
# units-check.sh BUILD: systemd itself reads the units, with the built programs in the place of the installed ones; then it
# reckons how exposed the service is. 13 is 1.3, what is left when the callers must be seen and the network reached.
set -u
build=$(readlink -f "$1")
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
mkdir "$scratch/system" "$scratch/user" "$scratch/run"

# place UNIT.in DIRECTORY
place() {
        sed -e "s,@SBINDIR@,$build,g" -e "s,@BINDIR@,$build,g" -e 's,@SYSCONFDIR@,/etc,g' "$1" >"$2/$(basename "$1" .in)"
}
for unit in systemd/*.in; do place "$unit" "$scratch/system"; done
for unit in systemd/user/*.in; do place "$unit" "$scratch/user"; done

failed=0
systemd-analyze verify --recursive-errors=yes --man=no "$scratch"/system/* || failed=1
XDG_RUNTIME_DIR=$scratch/run systemd-analyze --user verify --recursive-errors=yes --man=no "$scratch"/user/* || failed=1

# Each example is a drop-in of the service; its credentials need not exist for this.
for example in systemd/examples/*.conf; do
        dropins=$scratch/system/purser.service.d
        mkdir -p "$dropins"
        cp "$example" "$dropins/"
        systemd-analyze verify --recursive-errors=yes --man=no "$scratch/system/purser.service" || failed=1
        rm -r "$dropins"
done

systemd-analyze security --offline=true --no-pager --threshold=13 "$scratch/system/purser.service" >"$scratch/security" || failed=1
tail -n 1 "$scratch/security"
[ $failed = 0 ] || grep '✗' "$scratch/security"
exit $failed
