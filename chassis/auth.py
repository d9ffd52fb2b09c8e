"""Who calls: portals by hashed, scoped API keys; officers by OIDC bearer tokens checked against the issuer's JWKS.

It answers with a Caller or a refusal; this module must never keep a secret in clear or log one.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import aiohttp
import jwt

from chassis import metrics, reach
from chassis.clock import Clock
from chassis.decision import Caller, Reject
from chassis.settings import SettingsError

REFETCH = 10.0
"""Seconds between two looks at the issuer's keys for an unknown key id."""
ALGORITHMS = ("RS256", "ES256", "EdDSA")
REMEMBERED = 2000


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


class Officers:
    """Bearer tokens of officers. Claims: `sub` (staff id), `roles`, `department`, `area`."""

    def __init__(self, issuer: str, audience: str, clock: Clock) -> None:
        self.issuer, self.audience, self.clock = issuer, audience, clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._fetching = asyncio.Lock()
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._session: aiohttp.ClientSession | None = None
        self._reached = reach.party("officers' issuer", streak=1)

    async def caller(self, authorization: str | None) -> Caller:
        """Raises Unauthorized."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("token_missing", "需要工作人员登录")
        mark = hashlib.sha256(token.encode()).digest()
        now = self.clock.system()
        known = self._known.get(mark)
        if known is not None and known[0] > now:
            return known[1]
        claims = await self._claims(token)
        caller = Caller(
            "officer",
            str(claims["sub"]),
            frozenset(map(str, claims.get("roles", ()))),
            str(claims.get("department", "")),
            str(claims.get("area", "")),
        )
        self._known[mark] = (min(float(claims["exp"]), now + 300), caller)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return caller

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self.audience,
                issuer=self.issuer,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
            return claims
        except jwt.PyJWTError:
            raise Unauthorized("token_invalid", "登录凭证无效或已过期") from None

    async def _key(self, kid: str) -> jwt.PyJWK:
        async with self._fetching:  # who comes during the first look waits for it, rather than being turned away
            if kid not in self._keys and self.clock.steady() - self._fetched > REFETCH and self.issuer:
                await self._fetch()
        if kid not in self._keys:
            raise Unauthorized("token_invalid", "登录凭证无效或已过期")
        return self._keys[kid]

    async def _fetch(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        try:
            about = await self._get(f"{self.issuer}/.well-known/openid-configuration")
            keys = await self._get(about["jwks_uri"])
            self._keys = {k.key_id: k for k in jwt.PyJWKSet.from_dict(keys).keys if k.key_id}
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
            self._reached.silent("no keys", self.clock.ticks())
            raise Reject("issuer_unreachable", "身份认证服务暂时不可用", status=503) from None
        self._reached.answered(self.clock.ticks())
        self._fetched = self.clock.steady()

    async def _get(self, url: str) -> dict[str, Any]:
        assert self._session is not None
        async with self._session.get(url) as answer:
            answer.raise_for_status()
            body: dict[str, Any] = await answer.json()
            return body

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
