#!/bin/sh
# man-check.sh PAGE...: each page renders without a word of complaint, in groff and in mandoc
set -u
[ $# -gt 0 ] || { echo "man-check: there are no manual pages" >&2; exit 1; }
failed=0
for page; do
        complaints=$({ LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings --encoding=UTF-8 --local-file "$page" >/dev/null; } 2>&1
                mandoc -T lint -W warning "$page" 2>&1)
        [ -z "$complaints" ] && continue
        printf '%s\n' "$page" "$complaints" >&2
        failed=1
done
exit $failed
