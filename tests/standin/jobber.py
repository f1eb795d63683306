#!/usr/bin/python3
"""A stand-in for Jobber's authorization server and GraphQL API, for tests and for trying things out. Loopback only.

    jobber.py [--port N] [--profile jobber|rfc] [--apps FILE] [--set SWITCH=JSON]... [--tls-cert FILE --tls-key FILE]

Prints one line `ready http://127.0.0.1:PORT` (with TLS: `ready http://127.0.0.1:PORT https://127.0.0.1:PORT`) and serves until
it gets SIGTERM or SIGINT. Port 0, the default, lets the system choose. --apps names a JSON file with a list of objects
{"client_id", "client_secret", "redirect_uris", "auth": post|basic|none|any, "name"}; without it there is one app:
    client_id      5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22
    client_secret  standin-client-secret-0123456789abcdef
    redirect_uris  http://127.0.0.1:8723/callback
There are three accounts: acme, birch and cedar. The person at the browser is acme until a test says otherwise.

What it serves
    GET  /api/oauth/authorize   the page with a form; POST of that form. Redirects at once where the switch auto_approve is on
                                or the URL carries _decision=allow|deny; _account=KEY says who the person is; who has no
                                account gets the page where one signs in
    POST /api/oauth/token       authorization_code and refresh_token
    POST /api/graphql           `account { id name }`, `jobs` (hidden), the mutation appDisconnect
    GET  /marketplace           a login that the marketplace starts: redirects with a code and no state
    POST /api/oauth/revoke      RFC 7009, where the switch revocation is on
    POST /api/oauth/device      RFC 8628; the person answers by the order `device`
    POST /api/oauth/par         RFC 9126
    GET  /.well-known/oauth-authorization-server, /.well-known/openid-configuration   where the switch metadata is on

Switches (profile jobber / profile rfc)
    auto_approve    false   the person clicks at once
    decision        "allow" or "deny": what they click then
    account         "acme"  who they are
    redirect_state  "echo" | "omit" | "wrong"
    denial          "bare" (Jobber: no parameters) | "error" (RFC 6749 section 4.1.2.1)
    iss             false / true    RFC 9207 parameter in the redirect
    lifetime        3600    seconds that an access token lives
    code_lifetime   600
    rotation        "strict" | "old-apps" (spent tokens still work, with the warning) | "off" (same token, with a warning)
    refresh_token_in_refresh  true  whether refresh answers hold a refresh token at all
    replay_revokes_grant      false / true
    refresh_kills_access      false: does a refresh end the access tokens before it?
    expires_in      null / "number" | "string"
    expires_at      false   true: refresh answers carry "YYYY-MM-DD HH:MM:SS UTC"
    token_type, scope   null / "Bearer", "read"
    extra           {}      members added to every token answer
    access_token    "jwt" / "opaque"
    claims          {}      members added to the JWT; null takes one away
    errors          "jobber" / "rfc"    words and status of the token endpoint's refusals
    pkce            "honoured" | "required" | "ignored"
    pushed          "offered" | "required"      whether authorization requests must be pushed
    clock_offset    0       seconds that this server's clock is ahead (iat, exp, expires_at)
    date_offset     0       the same for the Date header, beyond clock_offset
    date            true    whether there is a Date header
    metadata, revocation    false / true
    issuer          null    its own URL
    disconnected_status, inactive_status    401
    versions        {}      {"2023-08-18": {"served": "2024-04-17", "warning": "words"}}; names not known are added
    versioning      true    whether answers carry extensions.versioning

POST /_control with a JSON object; any of these members, carried out in this order:
    reset: true or a profile    clear: true (forget scripts)
    app: {...}                  add or change an app (no client_id: the first)    account: {"key", "id", "name"}
    set: {switch: value}        always: {endpoint: script or null}     next: {endpoint: script or [script, ...]}
    grant: {"account", "client_id"}   makes a grant; answers "grant" with "current" (refresh token) and "access_token"
    code: {"account", "client_id", "redirect_uri"}  answers "code", as the marketplace would
    end: grant id               kill_access: grant id     disconnect, deactivate, activate: account key
    webhook: {"account", "topic", "client_id", "occurred_at"}      answers "body" (base64) and "signature"
    release: true or a number   lets held requests go
    device: allow|deny|expire   what those who were given a device's code answer
An endpoint is authorize, token, token.refresh_token, token.authorization_code, graphql, revoke, par or metadata. A script is one of
the names in faults.py (ok lost_after lost_before hold hold_before 429 429_retry 500 503 unavailable html empty garbage truncated
huge endless drip not_valid not_match invalid_grant invalid_client expired not_recognized disconnected inactive unauthenticated
throttled hidden forbidden) or an object:
    {"do": "answer", "status", "body", "type", "headers", "after": true when the work is done all the same}
    {"do": "merge", "json": {member: value or null}, "status", "headers"}   the real answer, changed
    {"do": "delay", "seconds", "after"}    {"do": "lost", "after"}
    {"do": "hold", "after", "then": "lost" when nothing is done or answered once it is released}

GET /_control/state         everything, with counts.ENDPOINT.arrived and .answered, held, spent_refresh_tokens_sent and, for
                            each grant, alive, current, refreshes, replays, generation
GET /_control/wait?for=counts.token.arrived&at_least=3&timeout=10   blocks until that number of the state is reached; answers
                            {"met", "value"}
GET /_control/secrets       every secret that was handed out or came in, by kind: what no log may show
GET /_control/log?since=0&endpoint=token    the last 5000 requests: number, endpoint, method, path, query, form, headers, status
"""

import argparse
import json
import signal
import sys
import threading

import control
import faults
import graphql
import oauth
from httpd import Response, Server
from world import PROFILES, World

ROUTES = {
    "/api/oauth/authorize": ("authorize", oauth.authorize),
    "/api/oauth/token": ("token", oauth.token),
    "/api/oauth/revoke": ("revoke", oauth.revoke),
    "/api/oauth/device": ("device", oauth.device),
    "/api/oauth/par": ("par", oauth.push),
    "/api/graphql": ("graphql", graphql.graphql),
    "/marketplace": ("marketplace", oauth.marketplace),
    "/.well-known/oauth-authorization-server": ("metadata", oauth.metadata),
    "/.well-known/openid-configuration": ("metadata", oauth.metadata),
}
ONLY_POST = ("token", "revoke", "device", "par", "graphql")


def handler_of(world):
    def handle(request):
        if request.path.startswith("/_control"):
            return control.handle(world, request)
        endpoint, work = ROUTES.get(request.path, ("other", None))
        return serve(world, request, endpoint, work)
    return handle


def serve(world, request, endpoint, work):
    entry, epoch = arrive(world, request, endpoint)
    if work is None:
        response = Response(404, "not found", faults.TEXT)
    elif endpoint in ONLY_POST and request.method != "POST":
        response = Response(405, "use POST", faults.TEXT)
    else:
        keys = [endpoint]
        if endpoint == "token":
            keys.insert(0, "token." + request.form.get("grant_type", ""))
        with world.lock:
            script = faults.take(world, keys)
        response = faults.perform(world, script, lambda: work(world, request))
    finish(world, endpoint, entry, epoch, response)
    return response


def arrive(world, request, endpoint):
    with world.changed:
        world.counts[endpoint]["arrived"] += 1
        entry = {
            "number": sum(count["arrived"] for count in world.counts.values()), "endpoint": endpoint,
            "method": request.method, "path": request.path, "query": request.query,
            "form": request.form if endpoint in ("token", "revoke", "device", "par") else None, "headers": request.headers, "status": None,
        }
        if endpoint == "graphql":
            entry["body"] = request.body.decode("utf-8", "replace")
        world.log.append(entry)
        world.changed.notify_all()
        return entry, world.epoch


def finish(world, endpoint, entry, epoch, response):
    with world.changed:
        switches = world.switches
        offset = switches["clock_offset"] + switches["date_offset"]
        response.date_offset = offset if switches["date"] else None
        entry["status"] = response.wire or response.status
        if epoch == world.epoch:
            world.counts[endpoint]["answered"] += 1
        world.changed.notify_all()


def parse_arguments():
    parser = argparse.ArgumentParser(description="A stand-in for Jobber; the head of this file tells all.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="jobber")
    parser.add_argument("--apps", metavar="FILE")
    parser.add_argument("--set", metavar="SWITCH=JSON", action="append", default=[])
    parser.add_argument("--tls-cert", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")
    arguments = parser.parse_args()
    if bool(arguments.tls_cert) != bool(arguments.tls_key):
        parser.error("--tls-cert and --tls-key go together")
    settings = {}
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        if name not in PROFILES["jobber"] or not equals:
            parser.error("no such switch: " + setting)
        settings[name] = json.loads(value)
    return arguments, settings


def main():
    arguments, settings = parse_arguments()
    apps = None
    if arguments.apps:
        with open(arguments.apps, encoding="utf-8") as file:
            apps = json.load(file)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    handle = handler_of(World(arguments.profile, apps, settings))
    servers = [Server(handle, port=arguments.port).start()]
    if arguments.tls_cert:
        servers.append(Server(handle, tls=(arguments.tls_cert, arguments.tls_key)).start())
    print("ready", *(server.url for server in servers), flush=True)
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
