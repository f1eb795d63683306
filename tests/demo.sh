#!/bin/bash
# demo.sh: a grant's life in under a minute, against a stand-in for Jobber on loopback: login, use, refreshes, a crash, recovery.
# Needs the built programs ($PURSER_BUILD, or build/). Exits with 1 and a word when anything is not as it should be.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${PURSER_DEMO_BOUND-}" ]; then
        PURSER_DEMO_BOUND=1 exec timeout --foreground --kill-after=5 90 "$0" "$@"
fi

build=$(readlink -f "${PURSER_BUILD:-build}")
python=/usr/bin/python3
lifetime_seconds=6
generations_to_watch=4
callers=4
dir=$(mktemp -d "${TMPDIR:-/tmp}/purser-demo.XXXXXX")
socket=$dir/purser.sock
standin_pid='' daemon_pid='' login_pid='' caller_pids=()

cleanup() {
        trap '' EXIT INT TERM
        rm -f "$dir/asking"
        local pid
        for pid in $login_pid $daemon_pid $standin_pid "${caller_pids[@]}"; do
                kill "$pid" 2>/dev/null || :
        done
        wait 2>/dev/null || :
        rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
        printf '\n\033[1m%s\033[0m\n' "$*"
}

say() {
        printf '  %s\n' "$*"
}

die() {
        printf '\ndemo: %s\n' "$*" >&2
        [ ! -s "$dir/purserd.log" ] || { echo '--- the last words of purserd' >&2; tail -n 15 "$dir/purserd.log" >&2; }
        exit 1
}

# Shows a command as a person would type it, without the paths of this demo.
show() {
        printf '  \033[2m$ %s\033[0m\n' "$*"
}

purser() {
        timeout 20 "$build/purser" --socket "$socket" "$@"
}

# until_true SECONDS WHAT COMMAND...
until_true() {
        local seconds=$1 what=$2 deadline=$((SECONDS + $1 + 1))
        shift 2
        until "$@"; do
                [ $SECONDS -lt $deadline ] || die "waited $seconds s in vain for $what"
                sleep 0.05
        done
}

# member EXPRESSION < JSON: a value out of standard input, where EXPRESSION is Python and the document is called d
member() {
        $python -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

shorten_tokens() {
        sed -E 's/(eyJ[A-Za-z0-9_-]{12})[A-Za-z0-9_.-]+/\1.../g'
}

# The provider's own count: the refreshes it carried out, and how often a spent refresh token was sent to it.
provider_count() {
        curl -sS --max-time 5 "$standin/_control/state" | member "$1"
}
refreshes='sum(grant["refreshes"] for grant in d["grants"].values())'
spent='d["spent_refresh_tokens_sent"]'

start_standin() {
        port=$($python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        redirect_uri=http://127.0.0.1:$port/callback
        client_id=5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22
        (umask 077 && echo standin-client-secret-0123456789abcdef >"$dir/client-secret")
        cat >"$dir/apps.json" <<-APPS
		[{"client_id": "$client_id", "client_secret": "$(cat "$dir/client-secret")",
		  "redirect_uris": ["$redirect_uri"], "auth": "post", "name": "Demo"}]
		APPS
        $python -B tests/standin/jobber.py --apps "$dir/apps.json" --set auto_approve=true --set lifetime=$lifetime_seconds \
                >"$dir/standin.out" 2>"$dir/standin.log" &
        standin_pid=$!
        until_true 10 'the stand-in to be ready' grep -q '^ready ' "$dir/standin.out"
        standin=$(awk '{ print $2 }' "$dir/standin.out")
}

write_configuration() {
        cat >"$dir/purser.yaml" <<-YAML
		providers:
		  standin:
		    extends: jobber
		    authorization_endpoint: $standin/api/oauth/authorize
		    token_endpoint: $standin/api/oauth/token
		    api: {url: $standin/api/graphql}
		clients:
		  jobber-app:
		    provider: standin
		    client_id: $client_id
		    client_secret: {file: $dir/client-secret}
		    redirect_uri: $redirect_uri
		YAML
        mkdir -m 700 "$dir/state"
}

# systemd's part: holds the socket, and becomes purserd when somebody connects.
start_activation() {
        rm -f "$socket"
        systemd-socket-activate --fdname=varlink --listen="$socket" "$build/purserd" --config "$dir/purser.yaml" \
                --state-dir "$dir/state" --providers etc/providers >>"$dir/purserd.log" 2>&1 &
        daemon_pid=$!
        until_true 5 'the socket' test -S "$socket"
}

purserd_runs() {
        [ "$(readlink "/proc/$daemon_pid/exe")" = "$build/purserd" ]
}

# account_of_headers: asks the API with the header lines of standard input; prints the account's name, or fails
account_of_headers() {
        curl -sS --max-time 5 -H @- -H 'Content-Type: application/json' -d '{"query": "query { account { id name } }"}' "$api_url" |
                member 'd["data"]["account"]["name"]'
}

bundle() {
        purser token demo --json
}

log_in() {
        show 'purser login demo --no-browser'
        touch "$dir/login.out"
        purser login demo --no-browser --description 'Acme, for the demo' >"$dir/login.out" 2>"$dir/login.err" &
        login_pid=$!
        until_true 10 'the authorization URL' grep -q '^http' "$dir/login.out"
        local url
        url=$(grep -m 1 '^http' "$dir/login.out")
        say "the authorization URL: ${url%%\?*}?..."
        curl -sSL --max-time 15 "$url" >"$dir/page.html" || die 'the browser could not follow the redirects'
        say "the browser was sent back, and shows: $(sed -n 's/.*<title>\(.*\)<\/title>.*/\1/p' "$dir/page.html")"
        wait "$login_pid" || die "the login failed: $(cat "$dir/login.err")"
        login_pid=
        grep -v '^http' "$dir/login.out" "$dir/login.err" --no-filename | sed 's/^/  /' || :
}

use_token() {
        show 'purser token demo --json'
        bundle >"$dir/bundle.json" || die 'no token'
        shorten_tokens <"$dir/bundle.json" | sed 's/^/  /'
        api_url=$(member 'd["api_url"]' <"$dir/bundle.json")
        show "purser headers demo | curl -H @- -d '{\"query\": \"query { account { id name } }\"}' $api_url"
        local name
        name=$(purser headers demo | account_of_headers) || die 'the API did not take the token'
        say "the account's name: $name"
}

# One of the callers: asks for a token, uses it, and writes down which generation it was.
keep_asking() {
        while [ -e "$dir/asking" ]; do
                local generation
                generation=$(bundle | member 'd["generation"]') || { echo 'no token' >>"$dir/failed"; return; }
                purser headers demo | account_of_headers >/dev/null || { echo 'token refused' >>"$dir/failed"; return; }
                echo "$generation" >>"$dir/served"
                sleep 0.1
        done
}

# counts_agree FIRST_GENERATION REFRESHES_BEFORE
counts_agree() {
        new_generations=$(($(bundle | member 'd["generation"]') - $1))
        [ $(($(provider_count "$refreshes") - $2)) -eq $new_generations ]
}

watch_refreshes() {
        local first shown before now last new_generations
        first=$(bundle | member 'd["generation"]')
        before=$(provider_count "$refreshes")
        shown=$((first - 1)) last=$((first + generations_to_watch))
        touch "$dir/asking" "$dir/served"
        for _ in $(seq $callers); do
                keep_asking &
                caller_pids+=($!)
        done
        local deadline=$((SECONDS + generations_to_watch * lifetime_seconds + 10))
        while [ $shown -lt $last ]; do
                [ ! -e "$dir/failed" ] || die "a caller was let down: $(head -n 1 "$dir/failed")"
                [ $SECONDS -lt $deadline ] || die "generation $last did not come"
                now=$(bundle | member 'd["generation"]') || die 'no token while all is well'
                while [ $shown -lt "$now" ]; do
                        shown=$((shown + 1))
                        say "generation $shown"
                done
                sleep 0.1
        done
        rm "$dir/asking"
        wait "${caller_pids[@]}"
        caller_pids=()
        [ ! -e "$dir/failed" ] || die "a caller was let down: $(head -n 1 "$dir/failed")"
        # A refresh may be on its way just now, counted there and not yet here.
        until_true 3 'one refresh for each generation' counts_agree "$first" "$before"
        say "$(wc -l <"$dir/served") requests by $callers callers, all answered; $new_generations new generations," \
                "$new_generations refreshes at the provider"
}

crash() {
        local before after name
        before=$(bundle | member 'd["generation"]')
        show "kill -9 $daemon_pid   # purserd"
        kill -KILL "$daemon_pid"
        wait "$daemon_pid" 2>/dev/null || :
        say "purserd is gone, at generation $before; its socket waits for the next caller, as under systemd"
        start_activation
        bundle >"$dir/bundle.json" || die 'no token after the crash'
        after=$(member 'd["generation"]' <"$dir/bundle.json")
        name=$(purser headers demo | account_of_headers) || die 'the API did not take the token after the crash'
        say "the next caller gets generation $after, and the API answers: $name"
        [ "$after" -ge "$before" ] || die 'the generation went back'
        [ "$(provider_count "$spent")" = 0 ] || die 'a spent refresh token was sent'
        say 'no spent refresh token was ever sent to the provider'
}

for program in purserd purser purser-login; do
        [ -x "$build/$program" ] || die "$build/$program is not built: run make"
done
command -v systemd-socket-activate >/dev/null || die 'systemd-socket-activate is missing: run make deps'

step "1. A provider, and a socket that nobody serves yet"
start_standin
write_configuration
start_activation
say "Jobber's stand-in: $standin; its access tokens live $lifetime_seconds seconds, each refresh token works once"
purserd_runs && die 'purserd runs before anybody asked'
show 'purser list'
purser list 2>&1 | sed 's/^/  /' || die 'purserd did not answer'
purserd_runs || die 'the first connection did not start purserd'
say "the first connection started purserd (process $daemon_pid)"

step '2. A login, with the redirects followed as a browser would'
log_in

step '3. The bundle, and a request with it'
use_token

step "4. $callers callers keep asking while tokens run out; nobody is told to refresh anything"
watch_refreshes

step '5. A crash'
crash

step '6. How it is doing'
show 'purser status'
purser status | sed 's/^/  /' || die 'no status'

step "All as it should be, in $SECONDS seconds."
