"""One service standing up for a test: a suite with it alone, beside a pretend city; what it answers is as described.

It starts, stops and listens; what a test says and expects is its own, and this module must never import a service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from chassis.run.suite import Build, Suite
from chassis.settings import ChassisSettings
from contracts.event import Event, case_topic
from contracts.export import publishers
from contracts.wire import decode
from sandbox.balancer import Balancer
from sandbox.city import City
from sandbox.processes import free_ports
from tests.chassis.running import read_all, until
from tests.services.conforming import Conforming

PARTITIONS = 2


@dataclass
class Standing:
    """The suite (the first, where there are several behind `url`), the city, a session, and the address of every
    replica; a test adds its own ways of speaking."""

    suite: Suite
    city: City
    http: aiohttp.ClientSession
    url: str
    replicas: tuple[str, ...]

    async def heard(self, cls: type[Event], count: int = 1) -> list[Any]:
        """All that services say of cases, once there is so much of a kind; what was said again counts once."""
        found: list[Any] = []

        async def enough() -> bool:
            group = f"look-{self.suite.clock.ticks()}"
            records = await read_all(self.suite.bus, *map(case_topic, publishers()), group=group)
            said = {envelope.id: envelope.event for envelope in (decode(r.headers, r.value) for r in records)}
            found[:] = said.values()
            return sum(isinstance(event, cls) for event in found) >= count

        await until(enough)
        return found

    async def said(self, cls: type[Event], count: int = 1) -> list[Any]:
        """All events of a kind, once there are so many."""
        return [event for event in await self.heard(cls, count) if isinstance(event, cls)]


T = TypeVar("T", bound=Standing)


def free_url() -> str:
    """An address of this machine at which nobody listens now, nor calls from in a moment."""
    return f"http://127.0.0.1:{free_ports(1)}"


@contextlib.asynccontextmanager
async def standing(
    kind: type[T],
    tmp_path: Path,
    service: tuple[str, Build] | Mapping[str, Build],
    city: City,
    url: str,
    now: datetime,
    env: Mapping[str, str],
    replicas: int = 1,
    /,
    **settings: Any,
) -> AsyncIterator[T]:
    """Yields once the service, or all that are given, are ready at `url`; `{city}` in a setting of `env` stands for the
    city's address. Several replicas share the folder and this process, and nothing else."""
    await city.start()
    port = int(url.rpartition(":")[2])
    urls = [url] if replicas == 1 else [free_url() for _ in range(replicas)]
    ports = [int(one.rpartition(":")[2]) for one in urls]
    known = city.options.shared.settings()
    given = {**known, **{key: value.format(city=city.url) for key, value in env.items()}}
    builds = dict([service]) if isinstance(service, tuple) else service
    common = {"dir": tmp_path, "sandbox": True, "partitions": PARTITIONS, "oidc_issuer": city.url, **settings}
    suites = [Suite(ChassisSettings(port=each, **common), given, builds) for each in ports]
    balancer, stop = Balancer(ports, port), asyncio.Event()
    if replicas > 1:
        await balancer.start()  # at once, before somebody else takes its port
    suites[0].clock.move(now)
    running = [asyncio.ensure_future(suite.run(stop)) for suite in suites]
    conforming = Conforming(url, builds)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20), trace_configs=[conforming]) as http:

        async def up() -> bool:
            for ended in (one for one in running if one.done()):
                ended.result()
            try:
                for one in urls:
                    async with http.get(one + "/ready") as answer:
                        if answer.status != 200:
                            return False
            except aiohttp.ClientError:
                return False
            return True

        await until(up)
        yield kind(suites[0], city, http, url, tuple(urls))
        stop.set()
        await asyncio.gather(*running)
    await balancer.stop()
    await city.stop()
