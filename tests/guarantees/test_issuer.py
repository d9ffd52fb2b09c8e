"""An identity provider that hangs, is slow, fails, rotates and withdraws keys, under 200 tokens with unknown key ids.

The suite is two real processes behind a balancer that alternates; it must never be judged by anything but its answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from chassis.clock import Clock
from contracts.event import SHANGHAI
from sandbox.faults import Fault, Kind
from sandbox.officers import officer_of
from sandbox.town import Town
from tests.chassis.running import until

pytestmark = pytest.mark.anyio
WINDOW = officer_of("window", "民政局")
TRUST = 10
"""`TONGBAN_OIDC_TRUST`, so that keys are asked for every second."""
LIMIT = 5.0
"""Seconds that the issuer has to answer."""
PROMPT = 0.1
"""Seconds in which a known officer is answered."""
BEHIND = 1.0
"""Seconds that one of them may stand behind 200 requests of the same instant; who waits for the issuer waits longer."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Town]:
    world = Town(tmp_path / "world", mode="pair", settings={"TONGBAN_OIDC_TRUST": str(TRUST)})
    await world.start(datetime(2026, 3, 2, 9, tzinfo=SHANGHAI))
    yield world
    assert await world.stop() == 0, world.last_words()


async def come(world: Town, token: str, url: str = "") -> int:
    """The status that a bearer of this token is answered, by one replica or by whose turn it is."""
    headers = {"Authorization": f"Bearer {token}"}
    async with world.http.get(f"{url or world.url}/intake/work", headers=headers) as answer:
        return answer.status


async def all_say(world: Town, token: str, status: int) -> bool:
    return [await come(world, token, url) for url in world.urls] == [status, status]


async def prompt(world: Town, number: int = 20) -> None:
    """Officers with tokens that nobody has seen before, of a known key, one after the other."""
    took, clock = [], Clock()
    for _ in range(number):
        token = world.city.issuer.token(WINDOW)
        began = clock.ticks()
        assert await come(world, token) == 200
        took.append(clock.ticks() - began)
    print(f"median {1000 * median(took):.0f} ms, longest {1000 * max(took):.0f} ms")
    assert median(took) < PROMPT, took
    assert max(took) < BEHIND, took


@contextlib.asynccontextmanager
async def strangers(world: Town, allowed: set[int]) -> AsyncIterator[None]:
    """200 tokens at once with key ids that nobody has, under way while the block runs; all are refused in the end."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"sub": WINDOW.id, "iss": world.city.url, "aud": "tongban", "exp": 2**40, "roles": ["window"]}
    tokens = [jwt.encode(claims, key, algorithm="RS256", headers={"kid": uuid.uuid4().hex}) for _ in range(200)]
    knocking = [asyncio.ensure_future(come(world, token)) for token in tokens]
    yield
    assert set(await asyncio.gather(*knocking)) <= allowed


def asked(world: Town) -> int:
    return int(world.city.issuer.ledger.requests["discovery"])


def asked_again(world: Town) -> Callable[[], bool]:
    """Whether the issuer has been asked twice since this was called."""
    before = asked(world)
    return lambda: asked(world) >= before + 2


KINDS: tuple[tuple[Kind, float], ...] = (("silent", 60), ("slow", 2), ("error500", 0))
"""What ails the issuer, and for how many seconds."""


async def test_a_known_officer_is_answered_at_once_whatever_ails_the_issuer(world: Town) -> None:
    await prompt(world)
    for kind, seconds in KINDS:
        world.city.faults.add(Fault(partner="identity", kind=kind, seconds=seconds))
        await until(asked_again(world))  # both replicas have run into it
        async with strangers(world, {401, 503}):
            await prompt(world)
        world.city.faults.clear()
        await until(asked_again(world))
    async with strangers(world, {401}):
        await prompt(world)


async def test_a_withdrawn_key_is_refused_within_the_time_stated(world: Town) -> None:
    issuer = world.city.issuer
    old, token = next(iter(issuer.keys)), issuer.token(WINDOW)
    assert await all_say(world, token, 200)
    issuer.rotate()
    fresh = issuer.token(WINDOW)
    for other in (fresh, token):
        await until(partial(all_say, world, other, 200))
    issuer.withdraw(old)
    await until(lambda: all_say(world, token, 401), limit=TRUST / 10 + LIMIT)
    assert await all_say(world, fresh, 200)
    await prompt(world)
