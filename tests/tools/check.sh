#!/bin/sh
# check.sh RESULTS TALLY...: what `make check` does; TALLY is the command that counts into RESULTS. Goes on after a failure, so
# that one broken part hides no other; a part that could not even be built counts as one failed test.
set -u
results=$1
shift
rm -rf "$results"

case ${MAKEFLAGS-} in
*jobserver*) jobs= ;;
*) jobs=-j$(nproc) ;;
esac

for part in deps build unit exports layers promises integration crash-sample interop; do
        case $part in
        deps) tests/tools/install-deps.sh ;;
        build) $MAKE --no-print-directory $jobs -k all tests ;;
        layers) $MAKE --no-print-directory layers >/dev/null ;;
        *) $MAKE --no-print-directory "$part" ;;
        esac || "$@" broken "$part"
done
"$@" total
