"""Officers by OIDC: the issuer's public keys, asked for ahead of need, and bearer tokens judged by them.

A token whose key is known never waits for the issuer; this module must never log a token or what it claims.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import jwt

from chassis import reach
from chassis.clock import Clock
from chassis.decision import Caller, Reject
from chassis.settings import ChassisSettings
from chassis.web.auth import Unauthorized

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
LIMIT: Final = 5.0
"""Seconds that the issuer has to say what it is and which keys it has."""
ROUNDS: Final = 10
"""How often the keys are asked for in the time for which they count."""
AGAIN: Final = 3.0
"""Seconds between a look that failed and the next, and at least between two looks for an unknown key."""
LEEWAY: Final = 10.0
"""Seconds by which the issuer's clock may differ from ours (RFC 7519 section 4.1.4)."""
REMEMBERED: Final = 2000
"""Tokens whose signatures are not checked again while their keys stay published."""
LONGEST: Final = 200
"""Characters of a staff id, a department or an area."""


@dataclass(frozen=True)
class Published:
    """What an issuer says of itself: its exact name, as tokens have it, and its keys by id."""

    issuer: str
    keys: Mapping[str, jwt.PyJWK]

    def same(self, other: Published) -> bool:
        """Whether both judge every token alike."""
        return self.issuer == other.issuer and self._material() == other._material()

    def _material(self) -> dict[str, tuple[str, Any]]:
        return {kid: (key.algorithm_name, key.key) for kid, key in self.keys.items()}


NOTHING: Final = Published("", {})


async def published(issuer: str) -> Published:
    """Asks an issuer (OpenID Connect Discovery 1.0, section 4). A slash at the end of its address makes no difference
    between the one that is asked and the one that its document names. Raises ConnectionError with a sentence."""
    address = issuer.rstrip("/")
    try:
        async with asyncio.timeout(LIMIT), aiohttp.ClientSession(raise_for_status=True) as session:
            about = await _read(session, f"{address}/.well-known/openid-configuration")
            named, place = str(about["issuer"]), str(about["jwks_uri"])
            if named.rstrip("/") != address:
                raise ConnectionError(f"the document of {issuer} names another issuer: {named}")
            if urlsplit(address).scheme == "https" != urlsplit(place).scheme:
                raise ConnectionError(f"{issuer} names keys that are not behind https")
            return Published(named, _usable((await _read(session, place))["keys"]))
    except TimeoutError:
        raise ConnectionError(f"{issuer} gave no answer within {LIMIT:.0f} s") from None
    except aiohttp.ClientConnectionError as error:
        raise ConnectionError(f"{issuer} cannot be reached: {type(error).__name__}") from None
    except (aiohttp.ClientError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise ConnectionError(f"{issuer} does not answer as an OIDC issuer: {type(error).__name__}") from None


async def _read(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url, allow_redirects=False) as answer:
        body = await answer.json(content_type=None)
    if not isinstance(body, dict):
        raise TypeError("no JSON object")
    return body


def _usable(listed: Any) -> dict[str, jwt.PyJWK]:
    """Keys that have an id and sign in a way that we check; issuers publish others beside them."""
    usable = {}
    for each in filter(lambda each: isinstance(each, dict), listed):
        try:
            key = jwt.PyJWK(each)
        except (jwt.PyJWTError, TypeError, ValueError):
            continue
        if key.key_id and key.public_key_use in (None, "sig") and key.algorithm_name in ALGORITHMS:
            usable[str(key.key_id)] = key
    return usable


class Officers:
    """Bearer tokens of officers. `watch` keeps the issuer's keys; `caller` reads the claims that the settings name."""

    def __init__(self, settings: ChassisSettings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.issuer, self.trust = settings.oidc_issuer, settings.oidc_trust
        self._every = self.trust / ROUNDS
        self._again = min(AGAIN, self._every)
        self._published = NOTHING
        self._until = self._looked = float("-inf")
        self._failed = False
        self._looking: asyncio.Future[None] | None = None
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()
        self._reached = reach.party("officers' issuer", streak=1)

    async def watch(self) -> None:
        """Asks for the keys again and again, long before they cease to count; for ever."""
        while True:
            if self.issuer:
                await self._look()
            await self.clock.sleep(self._again if self._failed else self._every)

    async def caller(self, authorization: str | None) -> Caller:
        """Raises Unauthorized, or Reject (503) when a key is unknown and the issuer does not say which it has."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized("token_missing", "需要工作人员登录")
        mark = hashlib.sha256(token.encode()).digest()
        known = self._known.get(mark)
        if known is not None and known[0] > self.clock.system() and self._counts():
            return known[1]
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims = self._claims(token, key)
            caller = self._caller(claims)
            until = float(claims["exp"]) + LEEWAY
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
            raise _invalid() from None
        self._known[mark] = (until, caller)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return caller

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=self.settings.oidc_audience,
            issuer=self._published.issuer,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud"]},
        )
        return claims

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        """Raises ValueError for claims of another shape."""
        name = text(claim(claims, self.settings.oidc_subject_claim))
        if not name:
            raise ValueError("nobody")
        return Caller(
            "officer",
            name,
            words(claim(claims, self.settings.oidc_roles_claim)),
            text(claim(claims, self.settings.oidc_department_claim)),
            text(claim(claims, self.settings.oidc_area_claim)),
        )

    async def _key(self, kid: str) -> jwt.PyJWK:
        """A known key at once. For an unknown one the issuer is asked, by all who come meanwhile together and not again
        within `_again` seconds: that is the cache of what is not there, and however many ids are made up, it is one
        moment."""
        key = self._now(kid)
        if key is None and self.issuer:
            running = self._looking is not None and not self._looking.done()
            if running or self.clock.steady() - self._looked > self._again:
                await asyncio.shield(self._look())
                key = self._now(kid)
        if key is not None:
            return key
        if self._failed:
            raise Reject("issuer_unreachable", "身份认证服务暂时不可用", status=503)
        raise _invalid()

    def _now(self, kid: str) -> jwt.PyJWK | None:
        return self._published.keys.get(kid) if self._counts() else None

    def _counts(self) -> bool:
        """Whether the keys that were published last count still."""
        return self.clock.steady() < self._until

    def _look(self) -> asyncio.Future[None]:
        """The look that is under way, or a new one."""
        if self._looking is None or self._looking.done():
            self._looked = self.clock.steady()
            self._looking = asyncio.ensure_future(self._ask())
        return self._looking

    async def _ask(self) -> None:
        try:
            found = await published(self.issuer)
        except ConnectionError as error:
            self._failed = True
            self._reached.silent(str(error), self.clock.ticks())
            return
        self._failed, self._until = False, self._looked + self.trust
        self._reached.answered(self.clock.ticks())
        if not found.same(self._published):
            self._published = found
            self._known.clear()  # a token that was good by a key is judged again by the keys there are now

    async def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)


def _invalid() -> Unauthorized:
    return Unauthorized("token_invalid", "登录凭证无效或已过期")


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, else what its dots lead to, as in Keycloak's `realm_access.roles`; None without it."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def text(value: Any) -> str:
    """A word of a claim, or a number as one; "" where there is none. Raises ValueError."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and len(value) <= LONGEST and value.isprintable():
        return value
    raise ValueError("no word")


def words(value: Any) -> frozenset[str]:
    """A list of words, or one text with blanks or commas between them. Raises ValueError."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if value is None:
        return frozenset()
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return frozenset(map(text, value))
    raise ValueError("no words")
