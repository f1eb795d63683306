"""The authorization server's endpoints: authorize, token, revocation, metadata, and the marketplace's login."""

import base64
import hashlib
import html
import secrets
import time
import urllib.parse

import faults
from httpd import Response

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
NEWER_EXISTS = (
    "Unexpected Refresh Token Redemption: A newer refresh token exists than the one that was used for token redemption on "
    "this request. Please use the newest refresh token."
)
ROTATION_OFF = (
    "Refresh token rotation is off. This setting is required for apps to be published in the Jobber App Marketplace."
)


# Authorize

def authorize(world, request):
    """The page where the person says yes or no. `_account` and `_decision` in the URL are the person, for tests."""
    params = dict(request.query if request.method == "GET" else request.form)
    with world.lock:
        switches = world.switches
        app = world.apps.get(params.get("client_id"))
        trouble = _take_pushed(world, request, params) or _authorize_trouble(switches, app, params)
        if trouble:
            return _page(400, "<h1>Invalid request</h1><p>%s</p>" % html.escape(trouble))
        decision = params.get("_decision")
        if not decision and switches["auto_approve"]:
            decision = switches["decision"]
        if not decision:
            return _page(200, _form(world, app, params))
        account = params.get("_account") or switches["account"]
        if account not in world.accounts:
            return _stranger()
        return _redirect(params["redirect_uri"], _outcome(world, request, app, params, account, decision))


def _take_pushed(world, request, params):
    """RFC 9126 section 4: what the request_uri stands for takes its place, once."""
    if "request_uri" not in params:
        # The page's own form brings what was pushed.
        wrong = world.switches["pushed"] == "required" and request.method == "GET"
        return "the request must be pushed" if wrong else None
    entry = world.pushed.pop(params.pop("request_uri"), None)
    if not entry or entry["app"] != params.get("client_id") or entry["expires"] < time.monotonic():
        return "the request_uri is not valid, or no longer"
    params.update(entry["params"])
    return None


def push(world, request):
    """RFC 9126 section 2."""
    with world.lock:
        params = dict(request.form)
        try:
            app = _authenticate(world, request, params)
            trouble = _authorize_trouble(world.switches, app, params)
            if trouble or "request_uri" in params:
                raise Refused("invalid_request", trouble or "request_uri is not for here")
        except Refused as refused:
            return refused.response(world.switches)
        uri = "urn:ietf:params:oauth:request_uri:" + secrets.token_urlsafe(16)
        for name in ("client_secret", "client_assertion", "client_assertion_type"):
            params.pop(name, None)
        world.pushed[uri] = {"app": app["client_id"], "params": params,
                             "expires": time.monotonic() + world.switches["code_lifetime"]}
        return Response.json(201, {"request_uri": uri, "expires_in": world.switches["code_lifetime"]})


def _authorize_trouble(switches, app, params):
    if not app:
        return "unknown client_id"
    if params.get("redirect_uri") not in app["redirect_uris"]:
        return "the redirect_uri is not registered for this app"
    if params.get("response_type") != "code":
        return "response_type must be code"
    if switches["pkce"] == "required" and not params.get("code_challenge"):
        return "code_challenge is required"
    if params.get("code_challenge") and params.get("code_challenge_method", "plain") not in ("plain", "S256"):
        return "unknown code_challenge_method"
    return None


def _outcome(world, request, app, params, account, decision):
    """The parameters that the browser carries back."""
    switches = world.switches
    back = {}
    if decision != "allow":
        if switches["denial"] == "bare":
            return back
        back = {"error": "access_denied", "error_description": "The resource owner denied the request."}
    else:
        back["code"] = new_code(world, app, account, params)
    if switches["redirect_state"] == "echo" and "state" in params:
        back["state"] = params["state"]
    elif switches["redirect_state"] == "wrong":
        back["state"] = secrets.token_urlsafe(16)
    if switches["iss"]:
        back["iss"] = switches["issuer"] or request.base
    return back


def new_code(world, app, account, params):
    code = secrets.token_hex(16)
    world.codes[code] = {
        "app": app["client_id"], "account": account, "redirect_uri": params.get("redirect_uri"),
        "challenge": params.get("code_challenge") if world.switches["pkce"] != "ignored" else None,
        "method": params.get("code_challenge_method", "plain"), "scope": params.get("scope"),
        "expires": time.monotonic() + world.switches["code_lifetime"], "grant": None,
    }
    return code


def marketplace(world, request):
    """A login that Jobber's marketplace starts: it sends the browser off with a code and no state."""
    with world.lock:
        app = world.apps.get(request.query.get("client_id")) or next(iter(world.apps.values()))
        uri = request.query.get("redirect_uri") or app["redirect_uris"][0]
        account = request.query.get("_account") or world.switches["account"]
        if account not in world.accounts:
            return _stranger()
        return _redirect(uri, {"code": new_code(world, app, account, {"redirect_uri": uri})})


def _stranger():
    """Somebody without an account gets no further than to the page where one signs in."""
    return _page(200, "<h1>Sign in</h1><p>There is no such account.</p>")


def _redirect(uri, params):
    if params:
        uri += ("&" if "?" in uri else "?") + urllib.parse.urlencode(params)
    return Response(302, headers={"Location": uri, "Cache-Control": "no-store"})


def _page(status, body):
    return Response(status, "<!DOCTYPE html><html><head><title>Stand-in</title></head><body>%s</body></html>" % body,
                    "text/html; charset=utf-8", {"Cache-Control": "no-store"})


def _form(world, app, params):
    hidden = "".join('<input type="hidden" name="%s" value="%s">' % (html.escape(name), html.escape(value))
                     for name, value in params.items())
    options = "".join('<option value="%s"%s>%s</option>' % (
        html.escape(key), " selected" if key == world.switches["account"] else "", html.escape(account["name"]))
        for key, account in world.accounts.items())
    return ('<h1>%s would like access to your account</h1><form method="post" action="/api/oauth/authorize">%s'
            '<p><select name="_account">%s</select></p>'
            '<button name="_decision" value="allow">Allow access</button> '
            '<button name="_decision" value="deny">Deny</button></form>' % (html.escape(app["name"]), hidden, options))


# Token endpoint

class Refused(Exception):
    """An error answer, with the words of either kind of server."""

    def __init__(self, code, words, jobber_status=401, rfc_status=400, jobber_words=None):
        super().__init__(code)
        self.code = code
        self.words = words
        self.jobber_status = jobber_status
        self.rfc_status = rfc_status
        self.jobber_words = jobber_words or words

    def response(self, switches):
        if switches["errors"] == "jobber" and self.code not in ("invalid_client", "unsupported_grant_type"):
            return Response.json(self.jobber_status, {"message": self.jobber_words})
        headers = {"WWW-Authenticate": 'Basic realm="stand-in"'} if self.rfc_status == 401 else {}
        return Response.json(self.rfc_status, {"error": self.code, "error_description": self.words},
                             headers=dict(headers, **{"Cache-Control": "no-store"}))


def token(world, request):
    with world.lock:
        try:
            form = request.form
            app = _authenticate(world, request, form)
            kind = form.get("grant_type")
            if kind == "authorization_code":
                return _exchange(world, app, form)
            if kind == "refresh_token":
                return _refresh(world, app, form)
            if kind == DEVICE_CODE:
                return _device_token(world, app, form)
            if kind == "client_credentials" and app["auth"] != "none":
                return _client_credentials(world, app, form)
            raise Refused("unsupported_grant_type", "unknown grant_type")
        except Refused as refused:
            return refused.response(world.switches)


def _authenticate(world, request, form):
    header = request.headers.get("authorization", "")
    how, client_id, secret = "none", form.get("client_id"), form.get("client_secret")
    if header.lower().startswith("basic "):
        try:
            pair = base64.b64decode(header[6:], validate=True).decode()
        except ValueError:
            raise Refused("invalid_client", "malformed Authorization header", rfc_status=401) from None
        client_id, _, secret = (urllib.parse.unquote_plus(part) for part in pair.partition(":"))
        how = "basic"
    elif secret is not None:
        how = "post"
    app = world.apps.get(client_id)
    if not app or app["auth"] not in (how, "any") or (how != "none" and secret != app["client_secret"]):
        raise Refused("invalid_client", "Client authentication failed due to unknown client, no client authentication "
                      "included, or unsupported authentication method.", rfc_status=401)
    return app


def _exchange(world, app, form):
    if form.get("code_verifier"):
        world.verifiers.append(form["code_verifier"])
    entry = world.codes.get(form.get("code"))
    if not entry or entry["app"] != app["client_id"] or entry["expires"] < time.monotonic():
        raise Refused("invalid_grant", "The provided authorization code is not valid.")
    if entry["redirect_uri"] != form.get("redirect_uri"):
        raise Refused("invalid_grant", "The redirect_uri does not match the one used to authorize.", jobber_status=400)
    if entry["challenge"]:
        _check_verifier(entry, form.get("code_verifier"))
    if entry["grant"]:
        world.end_grant(world.grants[entry["grant"]], "code-replayed")
        raise Refused("invalid_grant", "The provided authorization code is not valid.")
    grant = world.new_grant(app, entry["account"], entry["scope"])
    grant.exchanges += 1
    entry["grant"] = grant.id
    return _tokens(world, grant, world.new_access_token(grant), grant.current)


def _check_verifier(entry, verifier):
    if not verifier:
        raise Refused("invalid_request", "code_verifier is missing", jobber_status=400)
    shown = verifier
    if entry["method"] == "S256":
        shown = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if shown != entry["challenge"]:
        raise Refused("invalid_grant", "code_verifier does not match", jobber_status=400)


def _refresh(world, app, form):
    switches = world.switches
    sent = form.get("refresh_token", "")
    grant = world.grants.get(world.refresh_tokens.get(sent))
    if not grant:
        world.unknown_refresh_tokens += 1
        raise Refused("invalid_grant", faults.NOT_VALID)
    if grant.app != app["client_id"]:
        raise Refused("invalid_grant", faults.NOT_MATCH)
    spent = sent != grant.current
    if spent:
        grant.replays += 1
        world.spent_refresh_tokens_sent += 1
    if not grant.alive or not world.is_active(grant.account):
        raise Refused("invalid_grant", faults.NOT_VALID)
    if spent and switches["rotation"] == "strict":
        if switches["replay_revokes_grant"]:
            world.end_grant(grant, "replayed")
        raise Refused("invalid_grant", faults.NOT_VALID)
    grant.refreshes += 1
    warning = NEWER_EXISTS if spent else None
    if switches["rotation"] == "off":
        warning = ROTATION_OFF if switches["errors"] == "jobber" else None
    else:
        world.new_refresh_token(grant)
    shown = grant.current if switches["refresh_token_in_refresh"] else None
    return _tokens(world, grant, world.new_access_token(grant), shown, warning, refreshed=True)


def device(world, request):
    """RFC 8628 section 3.1."""
    with world.lock:
        try:
            app = _authenticate(world, request, request.form)
        except Refused as refused:
            return refused.response(world.switches)
        code = secrets.token_hex(16)
        user_code = "%s-%s" % (secrets.token_hex(2).upper(), secrets.token_hex(2).upper())
        world.devices[code] = {"app": app["client_id"], "scope": request.form.get("scope"), "answer": None}
        page = request.base + "/device"
        return Response.json(200, {
            "device_code": code, "user_code": user_code, "verification_uri": page,
            "verification_uri_complete": page + "?user_code=" + user_code,
            "expires_in": world.switches["code_lifetime"], "interval": 1})


def _device_token(world, app, form):
    entry = world.devices.get(form.get("device_code"))
    if not entry or entry["app"] != app["client_id"]:
        raise Refused("invalid_grant", "The device code is not valid.")
    if entry["answer"] != "allow":
        errors = {None: "authorization_pending", "deny": "access_denied", "expire": "expired_token"}
        raise Refused(errors[entry["answer"]], "The person has not said yes.")
    entry["answer"] = "expire"
    grant = world.new_grant(app, world.switches["account"], entry["scope"])
    return _tokens(world, grant, world.new_access_token(grant), grant.current)


def _client_credentials(world, app, form):
    """RFC 6749 section 4.4: whose account it is depends on the app; no refresh token."""
    grant = next((grant for grant in world.grants.values() if grant.app == app["client_id"] and grant.of_client), None)
    if not grant or not grant.alive:
        grant = world.new_grant(app, world.switches["account"], form.get("scope"))
        grant.of_client = True
    grant.exchanges += 1
    return _tokens(world, grant, world.new_access_token(grant), None)


def _tokens(world, grant, access_token, refresh_token, warning=None, refreshed=False):
    switches = world.switches
    answer = {"access_token": access_token}
    if refresh_token:
        answer["refresh_token"] = refresh_token
    if switches["token_type"]:
        answer["token_type"] = switches["token_type"]
    if switches["expires_in"]:
        lifetime = int(switches["lifetime"])
        answer["expires_in"] = str(lifetime) if switches["expires_in"] == "string" else lifetime
    if switches["expires_at"] and refreshed:
        end = time.gmtime(world.now() + switches["lifetime"])
        answer["expires_at"] = time.strftime("%Y-%m-%d %H:%M:%S UTC", end)
    if switches["scope"]:
        answer["scope"] = switches["scope"]
    if warning:
        answer["warning"] = warning
    answer.update(switches["extra"])
    return Response.json(200, answer, headers={"Cache-Control": "no-store"})


# RFC 7009 and RFC 8414

def revoke(world, request):
    with world.lock:
        if not world.switches["revocation"]:
            return Response(404)
        try:
            _authenticate(world, request, request.form)
        except Refused as refused:
            return refused.response(world.switches)
        sent = request.form.get("token", "")
        grant = world.grants.get(world.refresh_tokens.get(sent))
        if not grant:
            grant, _ = world.find_access_token(sent)
        if grant:
            world.end_grant(grant, "revoked")
        return Response(200)


def metadata(world, request):
    with world.lock:
        if not world.switches["metadata"]:
            return Response(404)
        issuer = world.switches["issuer"] or request.base
        return Response.json(200, {
            "issuer": issuer,
            "authorization_endpoint": request.base + "/api/oauth/authorize",
            "token_endpoint": request.base + "/api/oauth/token",
            "revocation_endpoint": request.base + "/api/oauth/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": bool(world.switches["iss"]),
            "pushed_authorization_request_endpoint": request.base + "/api/oauth/par",
            "require_pushed_authorization_requests": world.switches["pushed"] == "required",
        })
