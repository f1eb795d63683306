"""What the stand-in believes in: apps, accounts, grants, codes and tokens, and the switches that tests throw.

Owns all state behind one lock and one condition that tells of every change. Does no I/O. Nothing here grows with the number of
refreshes but one small dictionary entry for each spent refresh token, so that replays are always recognised.
"""

import base64
import collections
import hashlib
import hmac
import json
import secrets
import threading
import time

LOG_KEPT = 5000
TOKENS_KEPT = 5000

KNOWN_VERSIONS = (
    "2023-05-05", "2023-08-18", "2023-11-15", "2024-04-17", "2024-06-10", "2024-08-30", "2024-09-12", "2024-09-23",
    "2024-11-07", "2024-11-12", "2024-12-05", "2025-01-20", "2025-04-16", "2026-09-25",
)

# Every switch with the value that makes the server behave as Jobber does; jobber.py documents each.
JOBBER = {
    "auto_approve": False, "decision": "allow", "account": "acme",
    "redirect_state": "echo", "denial": "bare", "iss": False,
    "lifetime": 3600, "code_lifetime": 600,
    "rotation": "strict", "refresh_token_in_refresh": True, "replay_revokes_grant": False,
    "refresh_kills_access": False,
    "expires_in": None, "expires_at": False, "token_type": None, "scope": None, "extra": {},
    "access_token": "jwt", "claims": {},
    "errors": "jobber", "pkce": "honoured", "pushed": "offered",
    "clock_offset": 0, "date_offset": 0, "date": True,
    "metadata": False, "revocation": False, "issuer": None,
    "disconnected_status": 401, "inactive_status": 401,
    "versions": {}, "versioning": True,
}

# What a server by the book does instead (RFC 6749 and its companions).
RFC = dict(JOBBER, denial="error", expires_in="number", token_type="Bearer", errors="rfc", metadata=True,
           revocation=True, iss=True, access_token="opaque", scope="read", replay_revokes_grant=True)

PROFILES = {"jobber": JOBBER, "rfc": RFC}

DEFAULT_APP = {
    "client_id": "5c3c6a5e-7d1b-4c55-9a43-3f0a7a3c1d22",
    "client_secret": "standin-client-secret-0123456789abcdef",
    "redirect_uris": ["http://127.0.0.1:8723/callback"],
    "auth": "post",
    "name": "Stand-in App",
}

DEFAULT_ACCOUNTS = (("acme", 1, "Acme Landscaping"), ("birch", 2, "Birch & Sons Plumbing"), ("cedar", 3, "Cedar Windows"))


def account_id(number):
    return base64.b64encode(b"gid://Jobber/Account/%d" % number).decode()


def _b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


_JWT_HEAD = _b64url(b'{"alg":"HS256","typ":"JWT"}')


class Grant:
    """One grant family: everything that descends from one authorization."""

    __slots__ = ("id", "app", "account", "alive", "ended", "current", "refreshes", "replays", "exchanges", "generation",
                 "oldest_good", "access_token", "scope", "of_client")

    def __init__(self, gid, app, account, scope):
        self.id = gid
        self.app = app
        self.account = account
        self.alive = True
        self.ended = None
        self.current = None
        self.refreshes = 0
        self.replays = 0
        self.exchanges = 0
        self.generation = 0
        self.oldest_good = 0
        self.access_token = None
        self.scope = scope
        self.of_client = False

    def show(self):
        return {name: getattr(self, name) for name in self.__slots__}


class World:
    def __init__(self, profile="jobber", apps=None, settings=None):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.defaults = (profile, apps or [DEFAULT_APP], settings or {})
        self.epoch = 0
        self.reset()

    def reset(self, profile=None):
        """Back to the state the program started with; requests that are held go away unanswered."""
        with self.changed:
            name, apps, settings = self.defaults
            self.switches = dict(PROFILES[profile or name], **settings)
            self.apps = {app["client_id"]: dict(DEFAULT_APP, **app) for app in apps}
            self.accounts = {
                key: {"id": account_id(number), "name": label, "active": True}
                for key, number, label in DEFAULT_ACCOUNTS
            }
            self.grants = {}
            self.refresh_tokens = {}
            self.opaque = collections.OrderedDict()
            self.access_tokens = collections.deque(maxlen=TOKENS_KEPT)
            self.verifiers = collections.deque(maxlen=TOKENS_KEPT)
            self.codes = {}
            self.devices = {}
            self.pushed = {}
            self.counts = collections.defaultdict(lambda: {"arrived": 0, "answered": 0})
            self.log = collections.deque(maxlen=LOG_KEPT)
            self.queues = collections.defaultdict(collections.deque)
            self.always = {}
            self.held = 0
            self.releases = 0
            self.unknown_refresh_tokens = 0
            self.spent_refresh_tokens_sent = 0
            self.epoch += 1
            self.jwt_key = secrets.token_bytes(32)
            self.changed.notify_all()

    def now(self):
        return time.time() + self.switches["clock_offset"]

    # Grants and tokens. All of these are called with the lock held.

    def is_active(self, account):
        return account in self.accounts and self.accounts[account]["active"]

    def new_grant(self, app, account, scope=None):
        grant = Grant("g%d" % (len(self.grants) + 1), app["client_id"], account, scope)
        self.grants[grant.id] = grant
        self.new_refresh_token(grant)
        return grant

    def new_refresh_token(self, grant):
        grant.current = secrets.token_hex(16)
        self.refresh_tokens[grant.current] = grant.id

    def new_access_token(self, grant):
        grant.generation += 1
        if self.switches["refresh_kills_access"]:
            grant.oldest_good = grant.generation
        if self.switches["access_token"] == "opaque":
            token = secrets.token_urlsafe(32)
            self.opaque[token] = (grant.id, grant.generation, self.now() + self.switches["lifetime"])
            if len(self.opaque) > 10000:
                self.opaque.popitem(last=False)
        else:
            token = self._jwt(grant)
        grant.access_token = token
        self.access_tokens.append(token)
        return token

    def _jwt(self, grant):
        now = int(self.now())
        claims = {
            "sub": grant.account, "iss": "https://api.getjobber.com", "client_id": grant.app, "grant": grant.id,
            "generation": grant.generation, "iat": now, "exp": now + int(self.switches["lifetime"]),
        }
        claims.update(self.switches["claims"])
        claims = {name: value for name, value in claims.items() if value is not None}
        signed = _JWT_HEAD + "." + _b64url(json.dumps(claims, separators=(",", ":")).encode())
        return signed + "." + self._signature(signed)

    def _signature(self, signed):
        return _b64url(hmac.new(self.jwt_key, signed.encode(), hashlib.sha256).digest())

    def find_access_token(self, token):
        """Gives (grant, trouble): trouble is None, unknown, expired, disconnected or inactive."""
        entry = self.opaque.get(token) or self._read_jwt(token)
        if not entry or entry[0] not in self.grants:
            return None, "unknown"
        grant = self.grants[entry[0]]
        if entry[1] < grant.oldest_good:
            return grant, "unknown"
        if grant.ended == "disconnected":
            return grant, "disconnected"
        if not self.is_active(grant.account):
            return grant, "inactive"
        if not grant.alive:
            return grant, "unknown"
        if entry[2] <= self.now():
            return grant, "expired"
        return grant, None

    def _read_jwt(self, token):
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return None
        payload = signed.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return claims["grant"], claims["generation"], claims.get("exp", float("inf"))

    def end_grant(self, grant, why):
        grant.alive = False
        grant.ended = grant.ended or why

    def disconnect(self, account, app=None):
        """Ends every grant that the account gave (to this app)."""
        for grant in self.grants.values():
            if grant.account == account and app in (None, grant.app):
                self.end_grant(grant, "disconnected")

    # What tests look at.

    def state(self):
        with self.lock:
            return {
                "switches": self.switches,
                "apps": self.apps,
                "accounts": self.accounts,
                "grants": {gid: grant.show() for gid, grant in self.grants.items()},
                "counts": {name: dict(count) for name, count in self.counts.items()},
                "held": self.held,
                "unknown_refresh_tokens": self.unknown_refresh_tokens,
                "spent_refresh_tokens_sent": self.spent_refresh_tokens_sent,
                "queued": {name: len(queue) for name, queue in self.queues.items() if queue},
                "always": self.always,
            }

    def secrets(self):
        """All that must never be seen in a log, by kind: what was handed out, and what was sent here."""
        with self.lock:
            return {
                "access_token": list(self.access_tokens),
                "refresh_token": list(self.refresh_tokens),
                "client_secret": [app["client_secret"] for app in self.apps.values()],
                "code": list(self.codes) + list(self.devices),
                "verifier": list(self.verifiers),
            }

    def wait_for(self, path, at_least, timeout):
        """Blocks until the number at a dotted path of state() is at least so much; gives (met, value)."""
        deadline = time.monotonic() + timeout
        with self.changed:
            epoch = self.epoch
            while True:
                value = self._look_up(path)
                if value >= at_least:
                    return True, value
                left = deadline - time.monotonic()
                if left <= 0 or epoch != self.epoch:
                    return False, value
                self.changed.wait(left)

    def _look_up(self, path):
        value = self.state()
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value if isinstance(value, (int, float)) else 0
