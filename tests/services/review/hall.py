"""One service of the suite alone, over real HTTP, with the pretend city's officers and registers beside it.

Callers are callers like any other; it must never look into a document.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from chassis.bus import Record
from chassis.sealing import Keyring, load_keyring
from chassis.settings import ChassisSettings
from chassis.suite import Build, Suite
from contracts.event import Event
from contracts.wire import Envelope, decode, encode
from sandbox.city import City, Options
from sandbox.officers import BY_ID, Office
from tests.chassis.running import read_all, until


@dataclass
class Hall:
    """The suite, the city, and a session."""

    suite: Suite
    city: City
    http: aiohttp.ClientSession
    url: str
    published: int = 0

    @property
    def keyring(self) -> Keyring:
        return load_keyring(self.suite.settings)

    def office(self, staff: str) -> Office:
        return Office(self.http, self.url, self.city.url, BY_ID[staff])

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any]:
        async with self.http.request(method, self.url + path, json=json, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def publish(self, *events: Event) -> None:
        """Each as its publisher says it, with the next sequence."""
        for event in events:
            self.published += 1
            envelope = Envelope(f"e-{self.published}", f"/tongban/{event.PUBLISHER}", self.published, event)
            headers, value = encode(envelope)
            await self.suite.bus.publish([Record("case", event.subject(), headers, value)])

    async def said(self, cls: type[Event], count: int = 1) -> list[Any]:
        """All events of a kind, once there are so many."""
        found: list[Any] = []

        async def enough() -> bool:
            records = await read_all(self.suite.bus, "case", group=f"look-{self.suite.clock.ticks()}")
            found[:] = [event for r in records if isinstance(event := decode(r.headers, r.value).event, cls)]
            return len(found) >= count

        await until(enough)
        return found


@contextlib.asynccontextmanager
async def hall(tmp_path: Path, name: str, build: Build, now: datetime, **env: str) -> AsyncIterator[Hall]:
    """Opens with one service; `{city}` in a setting stands for the city's address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    city = City(Options(instant=True, suite=url), legal=lambda: now)
    await city.start()
    settings = ChassisSettings(dir=tmp_path, port=port, sandbox=True, partitions=2, oidc_issuer=city.url)
    given = {key: value.format(city=city.url) for key, value in env.items()}
    suite, stop = Suite(settings, given, {name: build}), asyncio.Event()
    suite.clock.move(now)
    running = asyncio.ensure_future(suite.run(stop))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        found = Hall(suite, city, http, url)

        async def up() -> bool:
            try:
                return (await found.call("GET", "/ready"))[0] == 200
            except aiohttp.ClientError:
                return False

        await until(up, running)
        yield found
        stop.set()
        await running
    await city.stop()
