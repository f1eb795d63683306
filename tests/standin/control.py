"""What tests say to the stand-in while it runs, and what it tells them. jobber.py documents the requests."""

import base64
import hashlib
import hmac
import json
import time

import faults
import oauth
from httpd import Response


def handle(world, request):
    try:
        if request.method == "POST" and request.path == "/_control":
            return Response.json(200, _apply(world, request.json()))
        if request.path == "/_control/state":
            return Response.json(200, world.state())
        if request.path == "/_control/secrets":
            return Response.json(200, world.secrets())
        if request.path == "/_control/log":
            return Response.json(200, _log(world, int(request.query.get("since", 0)), request.query.get("endpoint")))
        if request.path == "/_control/wait":
            query = request.query
            met, value = world.wait_for(query["for"], float(query.get("at_least", 1)), float(query.get("timeout", 10)))
            return Response.json(200, {"met": met, "value": value})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Response.json(400, {"error": "%s: %s" % (type(error).__name__, error)})
    return Response.json(404, {"error": "no such control"})


def _log(world, since, endpoint):
    with world.lock:
        return [entry for entry in world.log
                if entry["number"] >= since and (not endpoint or entry["endpoint"] == endpoint)]


def _apply(world, orders):
    """Carries the orders out in the order of this table, whatever their order in the request."""
    unknown = set(orders) - set(ORDERS)
    if unknown:
        raise ValueError("unknown order: " + " ".join(sorted(unknown)))
    result = {"ok": True}
    with world.changed:
        for name, order in ORDERS.items():
            if name in orders:
                result.update(order(world, orders[name]) or {})
        world.changed.notify_all()
    return result


def _reset(world, profile):
    world.reset(profile if isinstance(profile, str) else None)


def _set(world, values):
    unknown = set(values) - set(world.switches)
    if unknown:
        raise ValueError("unknown switch: " + " ".join(sorted(unknown)))
    _check_account(world, values.get("account", world.switches["account"]))
    world.switches.update(values)


def _app(world, app):
    default = next(iter(world.apps.values()))
    base = world.apps.get(app.get("client_id", default["client_id"]), default)
    merged = dict(base, **app)
    world.apps[merged["client_id"]] = merged
    return {"app": merged}


def _account(world, account):
    key = account.pop("key")
    world.accounts.setdefault(key, {"id": key, "name": key, "active": True}).update(account)


def _next(world, queues):
    for endpoint, scripts in queues.items():
        scripts = scripts if isinstance(scripts, list) else [scripts]
        world.queues[endpoint].extend([faults.check(script) for script in scripts])


def _always(world, scripts):
    for endpoint, script in scripts.items():
        if script is None:
            world.always.pop(endpoint, None)
        else:
            world.always[endpoint] = faults.check(script)


def _clear(world, _):
    world.queues.clear()
    world.always.clear()


def _release(world, count):
    world.releases += world.held if count is True else count


def _check_account(world, key):
    if key not in world.accounts:
        raise ValueError("unknown account: %s" % key)


def _grant(world, wish):
    _check_account(world, wish.get("account", world.switches["account"]))
    app = world.apps[wish["client_id"]] if "client_id" in wish else next(iter(world.apps.values()))
    grant = world.new_grant(app, wish.get("account", world.switches["account"]))
    world.new_access_token(grant)
    return {"grant": grant.show()}


def _code(world, wish):
    _check_account(world, wish.get("account", world.switches["account"]))
    app = world.apps[wish["client_id"]] if "client_id" in wish else next(iter(world.apps.values()))
    params = {"redirect_uri": wish.get("redirect_uri", app["redirect_uris"][0])}
    return {"code": oauth.new_code(world, app, wish.get("account", world.switches["account"]), params)}


def _end(world, gid):
    world.end_grant(world.grants[gid], "ended")


def _kill_access(world, gid):
    grant = world.grants[gid]
    grant.oldest_good = grant.generation + 1


def _active(value):
    def order(world, key):
        world.accounts[key]["active"] = value
    return order


def _rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S-06:00", time.gmtime(seconds - 6 * 3600))


def _webhook(world, wish):
    app = world.apps[wish["client_id"]] if "client_id" in wish else next(iter(world.apps.values()))
    body = json.dumps({"data": {"webHookEvent": {
        "topic": wish.get("topic", "APP_DISCONNECT"), "appId": app["client_id"],
        "accountId": world.accounts[wish.get("account", world.switches["account"])]["id"],
        "itemId": wish.get("item", "Z2lkOi8vSm9iYmVyL0FwcC8x"), "occurredAt": _rfc3339(wish.get("occurred_at", time.time()))}}}).encode()
    mac = hmac.new(app["client_secret"].encode(), body, hashlib.sha256).digest()
    return {"body": base64.b64encode(body).decode(), "signature": base64.b64encode(mac).decode()}


def _device(world, answer):
    """What everybody answers who was given a code."""
    for entry in world.devices.values():
        entry["answer"] = answer


ORDERS = {
    "reset": _reset, "clear": _clear, "app": _app, "account": _account, "set": _set, "always": _always, "next": _next,
    "grant": _grant, "code": _code, "end": _end, "kill_access": _kill_access,
    "disconnect": lambda world, key: world.disconnect(key),
    "device": _device, "deactivate": _active(False), "activate": _active(True), "webhook": _webhook, "release": _release,
}
