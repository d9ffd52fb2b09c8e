"""A whole city for a test: the suite as a real process, its partners, a portal, officers, a legal clock that moves.

It starts and ends things only; it must never import a service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.citizens import Citizens
from sandbox.world import World

Begin = Callable[[datetime], Awaitable[World]]


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Starts the world at a legal moment; ended after the test, and the suite must have ended well."""
    worlds: list[World] = []

    async def start(at: datetime) -> World:
        world = World(tmp_path / "world")
        await world.start(at)
        worlds.append(world)
        return world

    yield start
    for world in worlds:
        assert await world.stop() == 0, world.last_words()


@pytest.fixture
def citizens() -> Citizens:
    return Citizens(1)
