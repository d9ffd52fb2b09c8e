"""Officers' tokens against an issuer that rotates and withdraws keys, lies, falls silent: who is believed, how long.

The issuer is the pretend city's, over HTTP; keys age by a clock that the tests put forward.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.clock import Clock
from chassis.decision import Caller, Reject
from chassis.web.auth import Unauthorized
from chassis.web.oidc import AGAIN, LEEWAY, Officers, published
from sandbox.city import City, Options
from sandbox.faults import Fault
from sandbox.officers import officer_of
from tests.chassis.running import settings, until

pytestmark = pytest.mark.anyio
HANDLER = officer_of("handler", "民政局")
TRUST = 600.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Aged(Clock):
    """A clock whose steady hand can be put forward."""

    ahead = 0.0

    def steady(self) -> float:
        return super().steady() + self.ahead


@pytest.fixture
async def city() -> AsyncIterator[City]:
    city = City(Options(instant=True))
    await city.start()
    yield city
    await city.stop()


def asking(city: City, folder: Path, **changes: Any) -> Officers:
    return Officers(settings(folder, oidc_issuer=city.url, **changes), Aged())


async def come(officers: Officers, token: str) -> str | int:
    """The staff id of whom the token lets in, or the status of the refusal."""
    try:
        return (await officers.caller(f"Bearer {token}")).name
    except Reject as refused:
        return refused.status


def age(officers: Officers, seconds: float) -> None:
    assert isinstance(officers.clock, Aged)
    officers.clock.ahead += seconds


@contextlib.asynccontextmanager
async def watched(officers: Officers) -> AsyncIterator[None]:
    task = asyncio.ensure_future(officers.watch())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await officers.close()


def looks(city: City) -> int:
    """How often the issuer has been asked which keys it has."""
    return int(city.issuer.ledger.requests["discovery"])


def piece(content: bytes) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def foreign(kid: str) -> str:
    """A token with any key id, that nobody has signed."""
    parts = ({"alg": "RS256", "kid": kid}, {"sub": HANDLER.id})
    return ".".join([*(piece(json.dumps(part).encode()) for part in parts), "c2lnbmVk"])


async def test_many_unknown_keys_are_one_question_and_hold_nobody_up(city: City, tmp_path: Path) -> None:
    officers = asking(city, tmp_path)
    assert await come(officers, city.issuer.token(HANDLER)) == HANDLER.id
    assert looks(city) == 1
    age(officers, AGAIN + 1)
    city.faults.add(Fault(partner="identity", kind="silent", seconds=600, only="discovery"))
    strangers = [asyncio.ensure_future(come(officers, foreign(uuid.uuid4().hex))) for _ in range(200)]
    await until(lambda: looks(city) == 2)
    began = officers.clock.ticks()
    for _ in range(20):
        assert await come(officers, city.issuer.token(HANDLER)) == HANDLER.id, "whose key is known does not wait"
    assert officers.clock.ticks() - began < 2.0, "20 tokens that nobody had seen before"
    assert not any(stranger.done() for stranger in strangers)
    await city.stop()
    assert set(await asyncio.gather(*strangers)) == {503}, "it may be a new key, and nobody says whether"
    assert await come(officers, foreign("one-more")) == 503
    assert looks(city) == 2
    await officers.close()


async def test_an_unknown_key_is_asked_for_once_in_a_while(city: City, tmp_path: Path) -> None:
    officers = asking(city, tmp_path)
    assert {await come(officers, foreign(str(n))) for n in range(50)} == {401}
    assert looks(city) == 1
    city.issuer.rotate()
    assert await come(officers, city.issuer.token(HANDLER)) == 401, "it was looked for a moment ago"
    age(officers, AGAIN + 1)
    assert await come(officers, city.issuer.token(HANDLER)) == HANDLER.id
    assert looks(city) == 2


async def test_a_withdrawn_key_is_refused_at_the_next_look_also_of_a_token_that_was_good(
    city: City, tmp_path: Path
) -> None:
    officers = asking(city, tmp_path, oidc_trust=1)
    before, old = city.issuer.token(HANDLER), next(iter(city.issuer.keys))
    async with watched(officers):
        assert await come(officers, before) == HANDLER.id
        city.issuer.rotate()
        after = city.issuer.token(HANDLER)
        assert await come(officers, before) == HANDLER.id, "it is still published"
        city.issuer.withdraw(old)

        async def refused() -> bool:
            return await come(officers, before) == 401

        await until(refused)
        assert await come(officers, after) == HANDLER.id
    with pytest.raises(ValueError, match="last key"):
        city.issuer.withdraw(next(iter(city.issuer.keys)))


async def test_keys_cease_to_count_when_the_issuer_stays_silent(city: City, tmp_path: Path) -> None:
    officers = asking(city, tmp_path, oidc_trust=TRUST)
    token = city.issuer.token(HANDLER)
    assert await come(officers, token) == HANDLER.id
    city.faults.add(Fault(partner="identity", kind="error500"))
    age(officers, TRUST - 1)
    assert await come(officers, token) == HANDLER.id
    assert await come(officers, city.issuer.token(HANDLER)) == HANDLER.id
    age(officers, 1)
    assert await come(officers, token) == 503
    assert await come(officers, city.issuer.token(HANDLER)) == 503
    city.faults.clear()
    age(officers, AGAIN + 1)
    assert await come(officers, token) == HANDLER.id


async def test_keys_are_asked_for_before_anybody_comes_and_long_before_they_end(city: City, tmp_path: Path) -> None:
    officers = asking(city, tmp_path, oidc_trust=1)
    async with watched(officers):
        await until(lambda: looks(city) >= 3)
        city.faults.add(Fault(partner="identity", kind="silent", seconds=600))
        assert await come(officers, city.issuer.token(HANDLER)) == HANDLER.id


@pytest.mark.parametrize(("asked", "named"), [("/", ""), ("", "/"), ("/", "/")])
async def test_a_slash_at_the_end_makes_no_difference(city: City, tmp_path: Path, asked: str, named: str) -> None:
    url, city.issuer.url = city.url + asked, city.url + named
    officers = Officers(settings(tmp_path, oidc_issuer=url), Aged())
    assert await come(officers, city.issuer.token(HANDLER)) == HANDLER.id
    city.issuer.url = "http://127.0.0.1:1"
    assert await come(officers, city.issuer.token(HANDLER)) == 401, "of another issuer, by the same key"


async def test_who_names_another_issuer_is_not_believed(city: City, tmp_path: Path) -> None:
    city.faults.add(Fault(partner="identity", kind="lie", only="discovery"))
    assert await come(asking(city, tmp_path), city.issuer.token(HANDLER)) == 503
    with pytest.raises(ConnectionError, match=r"names another issuer: https://somebody\.else\.example"):
        await published(city.url)


async def test_clocks_may_differ_by_some_seconds(city: City, tmp_path: Path) -> None:
    officers = asking(city, tmp_path)
    assert await come(officers, city.issuer.token(HANDLER, lifetime=3 - LEEWAY)) == HANDLER.id
    assert await come(officers, city.issuer.token(HANDLER, lifetime=-1 - LEEWAY)) == 401
    now = officers.clock.system()
    assert await come(officers, city.issuer.token(HANDLER, nbf=now + LEEWAY - 3, iat=now + LEEWAY - 3)) == HANDLER.id
    assert await come(officers, city.issuer.token(HANDLER, nbf=now + LEEWAY + 30)) == 401


KEYCLOAK = {
    "oidc_subject_claim": "preferred_username",
    "oidc_roles_claim": "realm_access.roles",
    "oidc_department_claim": "https://city.example/claims.department",
    "oidc_area_claim": "address.region",
}


async def test_claims_are_where_the_settings_say(city: City, tmp_path: Path) -> None:
    officers = asking(city, tmp_path, **KEYCLOAK)
    department: dict[str, Any] = {"https://city.example/claims.department": "民政局"}
    token = city.issuer.token(
        HANDLER,
        sub=None,
        roles=["approver"],
        preferred_username="mz-7",
        realm_access={"roles": ["handler", "offline_access"]},
        address={"region": 341600},
        **department,
    )
    expected = Caller("officer", "mz-7", frozenset({"handler", "offline_access"}), "民政局", "341600")
    assert await officers.caller(f"Bearer {token}") == expected
    assert await come(officers, city.issuer.token(HANDLER)) == 401, "without the claim that names the officer"


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        (["handler", "checker"], {"handler", "checker"}),
        ("handler checker", {"handler", "checker"}),
        ("handler, checker", {"handler", "checker"}),
        ("handler", {"handler"}),
        ("", set()),
        ([], set()),
        (None, set()),
    ],
)
async def test_roles_are_a_list_or_a_text(city: City, tmp_path: Path, given: object, roles: set[str]) -> None:
    found = await asking(city, tmp_path).caller(f"Bearer {city.issuer.token(HANDLER, roles=given)}")
    assert found.roles == roles


def each(claim: str, *values: Any) -> list[dict[str, Any]]:
    return [{claim: value} for value in values]


GARBAGE: list[dict[str, Any]] = [
    *each("roles", 5, True, {"handler": 1}, [5], [["handler"]], [None], ["\ud842"], ["x" * 999]),
    *each("department", ["民政局"], {}, 1.5, "\ud842", "a\nb", "x" * 999),
    *each("area", ["341600"], {}, True, "\x00"),
    *each("sub", None, "", 7, [], {}, "\ud842", "a\x00b", "x" * 999),
    *each("exp", None, "soon", [], {}, float("inf"), float("nan"), 10**400),
    *each("nbf", "later", [], float("inf")),
    *each("aud", None, 5, {}, [5], "another"),
    *each("iss", None, "another"),
]


@pytest.mark.parametrize("claims", GARBAGE, ids=lambda claims: ascii(claims)[:40])
async def test_garbage_in_a_signed_token_is_refused(city: City, tmp_path: Path, claims: dict[str, Any]) -> None:
    assert await come(asking(city, tmp_path), city.issuer.token(HANDLER, **claims)) == 401


def unsigned(city: City) -> str:
    return jwt.encode({"sub": HANDLER.id, "iss": city.url, "aud": "tongban", "exp": 2**40}, "", algorithm="none")


def with_public_key(city: City) -> str:
    """Signed by HMAC with what everybody can read: the issuer's public key."""
    kid, key = next(iter(city.issuer.keys.items()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"sub": HANDLER.id, "iss": city.url, "aud": "tongban", "exp": 2**40}
    signed = ".".join(piece(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": kid}, claims))
    return f"{signed}.{piece(hmac.digest(public, signed.encode(), 'sha256'))}"


def with_other_key(city: City) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"sub": HANDLER.id, "iss": city.url, "aud": "tongban", "exp": 2**40}
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": next(iter(city.issuer.keys))})


FORGED: list[Callable[[City], str]] = [
    unsigned,
    with_public_key,
    with_other_key,
    lambda _: "x.y.z",
    lambda _: "\xff\xfe.\xe4.ü",
    lambda _: "." * 5000,
    lambda _: f"{piece(b'[' * 30_000)}.e30.x",
    lambda _: f"{piece(b'[]')}.e30.x",
    lambda _: f"{piece(json.dumps({'alg': ['RS256'], 'kid': {}}).encode())}.e30.x",
    lambda city: f"{city.issuer.token(HANDLER).split('.')[0]}.{piece(b'[' * 30_000)}.x",
]


@pytest.mark.parametrize("forge", FORGED)
async def test_what_the_issuer_has_not_signed_is_refused(
    city: City, tmp_path: Path, forge: Callable[[City], str]
) -> None:
    assert await come(asking(city, tmp_path), forge(city)) == 401


async def test_without_an_issuer_nobody_comes_in(city: City, tmp_path: Path) -> None:
    officers = Officers(settings(tmp_path), Aged())
    assert await come(officers, city.issuer.token(HANDLER)) == 401
    with pytest.raises(Unauthorized):
        await officers.caller("Basic eDp5")
    assert looks(city) == 0
