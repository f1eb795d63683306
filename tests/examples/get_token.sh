#!/bin/sh
# get_token.sh CREDENTIAL URL: one request to the API with purser and curl, and another one after a 401.
# The token goes through pipes alone: an argument would show it to everybody who runs ps.
set -eu
name=$1 url=$2
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

ask() {
        curl -sS -o "$answer" -w '%{http_code}' -H @- -H 'Content-Type: application/json' \
                -d '{"query":"{ account { id name } }"}' "$url"
}

headers=$(purser headers "$name")
status=$(printf '%s\n' "$headers" | ask)
if [ "$status" = 401 ]; then
        status=$(printf '%s\n' "$headers" | sed -n 's/^Authorization: [^ ]* //p' | purser headers "$name" --rejected | ask)
fi
cat "$answer"
[ "$status" = 200 ]
