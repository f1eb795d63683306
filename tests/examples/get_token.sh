#!/bin/sh
# get_token.sh CREDENTIAL URL: one request to the API with purser and curl; socat takes the report of a 401 to the socket.
# The token goes through pipes alone: an argument would show it to everybody who runs ps.
set -eu
name=$1 url=$2 socket=${PURSER_SOCKET:-/run/purser/purser.sock}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

ask() {
        curl -sS -o "$answer" -w '%{http_code}' -H @- -H 'Content-Type: application/json' \
                -d '{"query":"{ account { id name } }"}' "$url"
}

headers=$(purser headers "$name")
status=$(printf '%s\n' "$headers" | ask)
if [ "$status" = 401 ]; then
        rejected=$(printf '%s\n' "$headers" | sed -n 's/["\\]/\\&/g; s/^Authorization: [^ ]* //p')
        printf '{"method":"io.purser.Tokens.GetToken","parameters":{"credential":"%s","rejected":"%s"}}\0' \
                "$name" "$rejected" | socat -t 60 - "UNIX-CONNECT:$socket" >/dev/null
        status=$(purser headers "$name" | ask)
fi
cat "$answer"
[ "$status" = 200 ]
