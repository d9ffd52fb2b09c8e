"""A pretend city and a receiver of its pushes, both real servers on free ports of 127.0.0.1.

Shared by the tests of the sandbox; it must never import a service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.city import City, Options
from tests.sandbox.receiver import Receiver


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


@pytest.fixture
async def suite() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def city(suite: Receiver, request: pytest.FixtureRequest) -> AsyncIterator[City]:
    """An instant city; `@pytest.mark.parametrize("city", [{...}], indirect=True)` gives it other options."""
    given = {"instant": True, "speed": 10_000.0} | getattr(request, "param", {})
    city = City(Options(suite=suite.url, **given))
    await city.start()
    yield city
    await city.stop()
