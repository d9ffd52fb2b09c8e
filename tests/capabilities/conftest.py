"""A whole city for a test: the suite as a real process whose answers are as described, partners, a clock that moves.

It starts and ends things only; it must never import a service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest

from sandbox.citizens import Citizens
from sandbox.processes import free_ports
from sandbox.town import Town
from tests import chosen
from tests.services.conforming import Conforming


class Begin(Protocol):
    """Starts the world at a legal moment, with settings beside the usual ones."""

    async def __call__(self, at: datetime, **settings: str) -> Town: ...


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Starts the world at a legal moment; ended after the test, and the suite must have ended well."""
    worlds: list[Town] = []

    async def start(at: datetime, **settings: str) -> Town:
        port = free_ports(chosen.replicas + 1)
        traces: list[aiohttp.TraceConfig] = [Conforming(f"http://127.0.0.1:{port}")]
        world = Town(tmp_path / "world", port=port, mode=chosen.mode(), settings=settings, traces=traces)
        await world.start(at)
        worlds.append(world)
        return world

    yield start
    for world in worlds:
        assert await world.stop() == 0, world.last_words()


@pytest.fixture
def citizens() -> Citizens:
    return Citizens(1)
