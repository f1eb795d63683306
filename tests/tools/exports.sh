#!/bin/sh
# exports.sh list SYM: the names that the version script SYM exports, one a line
# exports.sh check SYM LIBRARY...: each library defines exactly these names
set -eu

list() {
        tr -s '[:space:]{};' '\n' <"$1" |
                awk '/^(global|local):$/ { on = $1 == "global:"; next } on && /./' | sort -u
}

defined() {
        case $1 in
        *.a) nm --defined-only --extern-only --format=posix "$1" ;;
        *) nm --dynamic --defined-only --format=posix "$1" ;;
        esac | awk '$2 ~ /^[A-Zu]$/ && $2 != "A" { sub(/@.*/, "", $1); print $1 }' | sort -u
}

command=$1 sym=$2
shift 2
case $command in
list) list "$sym" ;;
check)
        wanted=$(list "$sym")
        [ -n "$wanted" ] || { echo "$sym exports nothing" >&2; exit 1; }
        for library; do
                found=$(defined "$library")
                [ "$found" = "$wanted" ] && continue
                echo "$library does not export what $sym lists ('<' listed only, '>' exported only):" >&2
                scratch=$(mktemp -d)
                echo "$wanted" >"$scratch/wanted"
                echo "$found" >"$scratch/found"
                diff "$scratch/wanted" "$scratch/found" | grep '^[<>]' >&2 || :
                rm -r "$scratch"
                exit 1
        done
        echo "$(echo "$wanted" | wc -l) symbols, as $sym lists them"
        ;;
*) echo "usage: exports.sh list|check SYM [LIBRARY...]" >&2; exit 64 ;;
esac
