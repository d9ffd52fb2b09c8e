"""One service standing up for a test: a suite with it alone, beside a pretend city, until the block ends.

It starts, stops and listens; what a test says and expects is its own, and this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from chassis.settings import ChassisSettings
from chassis.suite import Build, Suite
from contracts.event import Event
from contracts.wire import decode
from sandbox.city import City
from tests.chassis.running import read_all, until


@dataclass
class Standing:
    """The suite, the city, and a session; a test adds its own ways of speaking."""

    suite: Suite
    city: City
    http: aiohttp.ClientSession
    url: str

    async def heard(self, cls: type[Event], count: int = 1) -> list[Any]:
        """Everything on topic `case`, once there are so many of a kind."""
        found: list[Any] = []

        async def enough() -> bool:
            records = await read_all(self.suite.bus, "case", group=f"look-{self.suite.clock.ticks()}")
            found[:] = [decode(r.headers, r.value).event for r in records]
            return sum(isinstance(event, cls) for event in found) >= count

        await until(enough)
        return found

    async def said(self, cls: type[Event], count: int = 1) -> list[Any]:
        """All events of a kind, once there are so many."""
        return [event for event in await self.heard(cls, count) if isinstance(event, cls)]


T = TypeVar("T", bound=Standing)


def free_url() -> str:
    """An address of this machine at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextlib.asynccontextmanager
async def standing(
    kind: type[T],
    tmp_path: Path,
    service: tuple[str, Build] | Mapping[str, Build],
    city: City,
    url: str,
    now: datetime,
    env: Mapping[str, str],
    **settings: Any,
) -> AsyncIterator[T]:
    """Yields once the service, or all that are given, are ready at `url`; `{city}` in a setting of `env` stands for the
    city's address."""
    await city.start()
    port = int(url.rpartition(":")[2])
    chosen = ChassisSettings(dir=tmp_path, port=port, sandbox=True, partitions=2, oidc_issuer=city.url, **settings)
    given = {key: value.format(city=city.url) for key, value in env.items()}
    builds = dict([service]) if isinstance(service, tuple) else service
    suite, stop = Suite(chosen, given, builds), asyncio.Event()
    suite.clock.move(now)
    running = asyncio.ensure_future(suite.run(stop))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:

        async def up() -> bool:
            try:
                async with http.get(url + "/ready") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await until(up, running)
        yield kind(suite, city, http, url)
        stop.set()
        await running
    await city.stop()
