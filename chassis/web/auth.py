"""Who calls: portals by hashed, scoped API keys, and how a caller is refused; officers' tokens are `chassis.web.oidc`.

It answers with a Caller or a refusal; this module must never keep a secret in clear or log one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from chassis import metrics
from chassis.decision import Caller, Reject
from chassis.settings import SettingsError


class Unauthorized(Reject):
    """No valid credential: HTTP 401."""

    def __init__(self, rule: str, message: str, field: str = "Authorization") -> None:
        super().__init__(rule, message, field, 401)


class Forbidden(Reject):
    """A valid caller who may not do this: HTTP 403."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(rule, message, None, 403)


def new_key(portal: str) -> tuple[str, str]:
    """A fresh API key for a portal, and the entry of `TONGBAN_PORTAL_KEYS` that knows it only hashed."""
    key = secrets.token_urlsafe(32)
    return key, f"{portal}={hash_key(key)}:submit+read"


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Portals:
    """API keys of portals, as `name=sha256hex:scope+scope,…`. Two entries of one name are two live keys."""

    def __init__(self, text: str) -> None:
        self._keys: list[tuple[str, str, frozenset[str]]] = []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, equals, rest = entry.partition("=")
            digest, _, scopes = rest.partition(":")
            if not equals or len(digest) != 64:
                raise SettingsError("TONGBAN_PORTAL_KEYS: expected name=sha256hex:scope+scope")
            self._keys.append((name, digest, frozenset(scopes.split("+"))))

    @property
    def applying(self) -> frozenset[str]:
        """Names of those that may apply over HTTP: each is answered on its topic, also if it has none to speak on."""
        return frozenset(name for name, _, scopes in self._keys if "submit" in scopes)

    def caller(self, key: str | None, scope: str) -> Caller:
        """Raises Unauthorized or Forbidden."""
        digest, newer = hash_key(key or ""), set[str]()
        for name, known, scopes in self._keys:
            if key and hmac.compare_digest(known, digest):
                if name in newer:
                    metrics.OLD_SECRETS.labels("TONGBAN_PORTAL_KEYS", name).inc()
                if scope not in scopes:
                    raise Forbidden("scope_missing", "该接入密钥没有此项权限")
                return Caller("portal", name, scopes)
            newer.add(name)
        raise Unauthorized("api_key_invalid", "接入密钥无效", "X-Api-Key")
