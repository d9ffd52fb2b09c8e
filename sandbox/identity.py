"""A pretend identity provider for officers: OIDC discovery, keys, and tokens by client credentials.

Its signing keys are made at start and on demand, and die with it; this module must never import the chassis's checking
of tokens.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.faults import Faults, Ledger
from sandbox.officers import Officer
from sandbox.serving import Partner, Paths, fields, reply

LIFETIME = 8 * 3600
"""Seconds of system time that a token lives: one working day."""


class Issuer(Partner):
    """RS256, because checking it is cheap and the suite checks far more often than this signs. `url` is the issuer's
    name and address; it is set when the port is known."""

    def __init__(self, faults: Faults, officers: Iterable[Officer], *, secret: str, audience: str = "tongban") -> None:
        super().__init__("identity", faults, Ledger(("tokens",)))
        self.url = ""
        self.audience = audience
        self.officers = {officer.id: officer for officer in officers}
        self._secret = secret
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate()

    def paths(self, paths: Paths) -> None:
        paths.add("GET", "/.well-known/openid-configuration", self.discovery)
        paths.add("GET", "/jwks.json", self.jwks)
        paths.add("POST", "/token", self.grant)
        paths.add("POST", "/identity/keys", self.renew)
        paths.add("DELETE", "/identity/keys/*", self.end)

    def rotate(self) -> str:
        """A new signing key, whose id is given; those before stay published."""
        kid = uuid.uuid4().hex
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return kid

    def withdraw(self, kid: str) -> None:
        """Publishes this key no more. Raises KeyError for an unknown one, ValueError for the last."""
        if len(self.keys) == 1:
            raise ValueError("the last key stays: make another first")
        del self.keys[kid]

    async def discovery(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        address = self.url.rstrip("/")
        about = {
            "issuer": self.url,
            "jwks_uri": f"{address}/jwks.json",
            "token_endpoint": f"{address}/token",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }

        def act(lying: bool) -> web.Response:
            return reply({**about, "issuer": "https://somebody.else.example"} if lying else about)

        return await self.deal(request, "discovery", act, unavailable)

    async def jwks(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        about = {"use": "sig", "alg": "RS256"}
        publish = jwt.algorithms.RSAAlgorithm.to_jwk
        listed = {kid: publish(key.public_key(), as_dict=True) for kid, key in self.keys.items()}
        keys = {"keys": [key | about | {"kid": kid} for kid, key in listed.items()]}
        return await self.deal(request, "jwks", lambda _: reply(keys), unavailable)

    async def renew(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        return reply({"kid": self.rotate()}, 201)

    async def end(self, request: web.BaseRequest, kid: str) -> web.StreamResponse:
        if kid not in self.keys:
            return reply({"error": "no such key"}, 404)
        self.withdraw(kid)
        return reply({"kid": kid})

    async def grant(self, request: web.BaseRequest, _rest: str) -> web.StreamResponse:
        """RFC 6749 section 4.4: `client_id` is the officer's staff id."""
        form = await fields(request)
        name, secret = basic(request.headers.get("Authorization", ""))
        name, secret = name or str(form.get("client_id") or ""), secret or str(form.get("client_secret") or "")

        def act(lying: bool) -> web.Response:
            if form.get("grant_type") != "client_credentials":
                return reply({"error": "unsupported_grant_type"}, 400)
            officer = self.officers.get(name)
            if officer is None or not hmac.compare_digest(secret.encode(), self._secret.encode()):
                return reply({"error": "invalid_client"}, 401)
            token = self.token(officer)
            if lying:
                token = token.rpartition(".")[0] + "." + self._signed({"sub": name}).rpartition(".")[2]
            return reply({"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME})

        return await self.deal(request, "token", act, lambda: reply({"error": "access_denied"}, 403))

    def token(self, officer: Officer, lifetime: float = LIFETIME, audience: str | None = None, **claims: Any) -> str:
        """A signed token. `lifetime` in seconds of system time; a negative one gives a token that has expired. `claims`
        stand beside the usual ones, or in their stead; None takes one away."""
        now = time.time()
        self.ledger.effects["tokens"].add(officer.id)
        usual = {
            "iss": self.url,
            "aud": audience or self.audience,
            "sub": officer.id,
            "roles": list(officer.roles),
            "department": officer.department,
            "area": officer.area,
            "iat": int(now),
            "exp": int(now + lifetime),
            "jti": uuid.uuid4().hex,
        }
        return self._signed({name: value for name, value in {**usual, **claims}.items() if value is not None})

    def _signed(self, claims: dict[str, Any]) -> str:
        kid, key = next(reversed(self.keys.items()))
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})


def basic(header: str) -> tuple[str, str]:
    """Name and password of an Authorization header, empty where there are none."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)


def unavailable() -> web.Response:
    return reply({"error": "temporarily_unavailable"}, 503)
