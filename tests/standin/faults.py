"""The scripted answers: which one is next at an endpoint, and what it does to the request.

A script is a name out of NAMED or an object with `do`; jobber.py documents both. The endpoint's own work is a function that is
called before, after, or not at all.
"""

import json
import time

from httpd import Response

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
MAINTENANCE = "<!DOCTYPE html><html><head><title>Jobber</title></head><body><h1>We'll be right back</h1></body></html>"

NOT_VALID = "The provided refresh token is not valid."
NOT_MATCH = "The provided refresh token does not match the authenticated client."
DISCONNECTED = "User has disconnected this app from their account. Please delete this token"
INACTIVE = "This account is not active"


def _answer(status, body, content_type=JSON, **headers):
    if not isinstance(body, str):
        body = json.dumps(body)
    return {"do": "answer", "status": status, "body": body, "type": content_type, "headers": headers}


NAMED = {
    "ok": {"do": "ok"},
    "lost_after": {"do": "lost", "after": True},
    "lost_before": {"do": "lost"},
    "hold": {"do": "hold", "after": True},
    "hold_before": {"do": "hold"},
    "429": _answer(429, {"message": "Rate limit exceeded"}),
    "429_retry": _answer(429, {"message": "Rate limit exceeded"}, **{"Retry-After": "30"}),
    "500": _answer(500, "Internal Server Error", TEXT),
    "503": _answer(503, MAINTENANCE, HTML),
    "unavailable": _answer(503, {"message": "Service temporarily unavailable"}, TEXT),
    "html": _answer(200, MAINTENANCE, HTML),
    "empty": _answer(200, ""),
    "garbage": _answer(200, '{"access_token": "half a str'),
    "truncated": dict(_answer(200, '{"access_token": "abc'), wire="truncated"),
    "huge": dict(_answer(200, ""), wire="huge"),
    "endless": dict(_answer(200, ""), wire="endless"),
    "drip": dict(_answer(200, ""), wire="drip"),
    "not_valid": _answer(401, {"message": NOT_VALID}, TEXT),
    "not_match": _answer(401, {"message": NOT_MATCH}, TEXT),
    "invalid_grant": _answer(400, {"error": "invalid_grant"}),
    "invalid_client": _answer(401, {"error": "invalid_client", "error_description": "Client authentication failed."}),
    "expired": _answer(401, {"message": "Access token expired"}, TEXT),
    "not_recognized": _answer(401, {"message": "Token not recognized"}, TEXT),
    "disconnected": _answer(401, {"message": DISCONNECTED}, TEXT),
    "inactive": _answer(401, {"error": {"message": INACTIVE}}, TEXT),
    "unauthenticated": _answer(200, {"errors": [{"message": "Not authenticated",
                                                 "extensions": {"code": "UNAUTHENTICATED"}}]}),
    "throttled": _answer(200, {
        "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
        "extensions": {"cost": {"requestedQueryCost": 10002, "actualQueryCost": None, "throttleStatus": {
            "maximumAvailable": 10000, "currentlyAvailable": 12, "restoreRate": 500}}},
    }),
    "hidden": _answer(200, {"errors": [{
        "message": "The field account on an object of type Query was hidden due to permissions"}]}),
    "forbidden": _answer(403, "<html><body>blocked by policy</body></html>", HTML),
}


def check(script):
    """Gives the script as an object, or raises ValueError."""
    script = NAMED.get(script) if isinstance(script, str) else script
    if not isinstance(script, dict) or script.get("do") not in ("ok", "answer", "lost", "hold", "delay", "merge"):
        raise ValueError("no such scripted answer; known names: " + " ".join(NAMED))
    return script


def take(world, keys):
    """The script for this request, or None. Called with the world's lock held."""
    for key in keys:
        if world.queues[key]:
            return world.queues[key].popleft()
    for key in keys:
        if key in world.always:
            return world.always[key]
    return None


def perform(world, script, work):
    """Plays a script around the endpoint's own work."""
    if script is None:
        return work()
    do = script["do"]
    after = script.get("after", False)
    if do == "answer":
        if after:
            work()
        return Response(script.get("status", 200), script.get("body", ""), script.get("type"), script.get("headers"),
                        script.get("wire"))
    if do == "lost":
        response = work() if after else Response(500)
        response.wire = "close"
        return response
    if do == "merge":
        return _merge(script, work())
    response = work() if after else None
    if do == "hold":
        if not _held(world) or script.get("then") == "lost":
            return Response(500, wire="close")
    elif do == "delay":
        time.sleep(script["seconds"])
    response = response or work()
    response.headers.update(script.get("headers", {}))
    return response


def _merge(script, response):
    """Changes members of the real JSON answer; null takes one away."""
    try:
        value = json.loads(response.body)
    except ValueError:
        value = {}
    value.update(script.get("json", {}))
    response.body = json.dumps({name: member for name, member in value.items() if member is not None}).encode()
    response.status = script.get("status", response.status)
    response.headers.update(script.get("headers", {}))
    return response


def _held(world):
    """Waits for a release; false when the world was reset meanwhile."""
    with world.changed:
        epoch = world.epoch
        world.held += 1
        world.changed.notify_all()
        while world.releases == 0 and epoch == world.epoch:
            world.changed.wait()
        if epoch != world.epoch:
            return False
        world.held -= 1
        world.releases -= 1
        world.changed.notify_all()
        return True
