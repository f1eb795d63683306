"""The GraphQL endpoint: the account query, the jobs query that is hidden, and the mutation that disconnects the app."""

import re

import faults
from httpd import Response
from world import KNOWN_VERSIONS

UNAUTHENTICATED = "UNAUTHENTICATED"


def graphql(world, request):
    with world.lock:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return _answer(world, None, errors=[{"message": "You must be authenticated to access this resource",
                                                 "extensions": {"code": UNAUTHENTICATED}}])
        grant, trouble = world.find_access_token(token.strip())
        if trouble:
            return _refusal(world, trouble)
        version = request.headers.get("x-jobber-graphql-version")
        if version not in KNOWN_VERSIONS and version not in world.switches["versions"]:
            return Response.json(404, {"message": "GraphQL API version '%s' does not exist" % (version or "")})
        return _run(world, request, grant, version)


def _refusal(world, trouble):
    status, body = {
        "unknown": (401, {"message": "Token not recognized"}),
        "expired": (401, {"message": "Access token expired"}),
        "disconnected": (world.switches["disconnected_status"], {"message": faults.DISCONNECTED}),
        "inactive": (world.switches["inactive_status"], {"error": {"message": faults.INACTIVE}}),
    }[trouble]
    return Response.json(status, body, faults.TEXT)


def _run(world, request, grant, version):
    try:
        query = request.json()["query"]
    except (ValueError, KeyError, TypeError):
        return Response.json(400, {"errors": [{"message": "No query string was present"}]})
    if "appDisconnect" in query:
        world.disconnect(grant.account, grant.app)
        app = {"name": world.apps[grant.app]["name"], "author": "Stand-in"}
        return _answer(world, version, {"appDisconnect": {"app": app, "userErrors": []}})
    if re.search(r"\bjobs\b", query):
        return _answer(world, version, errors=[{
            "message": "The field jobs on an object of type Query was hidden due to permissions"}])
    if re.search(r"\baccount\b", query):
        account = world.accounts[grant.account]
        fields = {"id": account["id"], "name": account["name"]}
        return _answer(world, version, {"account": {n: v for n, v in fields.items() if re.search(r"\b%s\b" % n, query)}})
    return _answer(world, version, errors=[{"message": "Field doesn't exist on type 'Query'"}])


def _answer(world, version, data=None, errors=None):
    extensions = {"cost": {"requestedQueryCost": 2, "actualQueryCost": 2, "throttleStatus": {
        "maximumAvailable": 10000, "currentlyAvailable": 9998, "restoreRate": 500}}}
    if version and world.switches["versioning"]:
        fate = world.switches["versions"].get(version, {})
        extensions["versioning"] = {"version": fate.get("served", version)}
        if fate.get("warning"):
            extensions["versioning"]["warning"] = fate["warning"]
    body = {}
    if errors:
        body["errors"] = errors
    if data is not None or not errors:
        body["data"] = data
    body["extensions"] = extensions
    return Response.json(200, body)
